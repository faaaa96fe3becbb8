"""A catalogue whose folder was moved is read from its journals as before, and through Tiled after a relocation."""

import json
import shutil

import pytest
import xarray as xr
from tiled.client.utils import ClientError
from typer.testing import CliRunner

from probeline import __main__ as cli
from probeline import catalog as catalogs
from probeline.catalog.presence import Presence
from probeline.catalog.store import MARKER
from probeline.catalog.tiled.relocating import Relocation, relocate
from probeline.catalog.tiled.run import tiled_run
from probeline.core.errors import CatalogError

from ..catalog_devices import FrameCamera, survey_and_points
from .postgres import PASSWORD
from .served import Served

PLACES = ("the first plàce/cat", "another %20 place/data/cat")


def tree_of(run):
    """Return everything of a run, loaded, without what Tiled does not keep."""
    return catalogs.load(run).map_over_datasets(lambda dataset: dataset.drop_attrs()).load()


@pytest.fixture
def moved(empty_catalog, tmp_path, engine, sensor):
    """Where a catalogue is now, the uids of its runs, and what the first one holds."""
    first, second = (tmp_path / place for place in PLACES)
    shutil.copytree(empty_catalog, first)
    assert relocate(first) == Relocation(0, 0, 0, 0)
    with catalogs.open(first) as store:
        uid = record(store, engine, sensor)
        held = tree_of(store[uid])
    second.parent.mkdir(parents=True)
    first.rename(second)
    return second, uid, held


def record(store, engine, sensor, **more):
    """Record a run with a frame and return its uid."""
    token = engine.subscribe(store.writer())
    (uid,) = engine(survey_and_points(FrameCamera(store.data_root), sensor, **more))
    engine.unsubscribe(token)
    store.flush()
    assert store[uid].state == "stored"
    return uid


def equal(store, uid, held):
    for run in (store[uid], tiled_run(store.client[uid])):
        assert store[uid].state == "stored"
        xr.testing.assert_identical(tree_of(run), held)


def test_a_moved_catalogue_is_whole_again(moved, engine, sensor):
    folder, uid, held = moved
    with catalogs.open(folder) as store:
        xr.testing.assert_identical(tree_of(store[uid]), held)
        with pytest.raises(ClientError, match=r"403: .*was refused: .* run `probeline catalog relocate`"):
            tiled_run(store.client[uid])
        with pytest.raises(ClientError, match=r"403: Refusing to serve .* run `probeline catalog relocate`"):
            store.client[uid]["survey", "spm_scan_frame"].read()
    done = relocate(folder)
    assert (done.right, done.elsewhere, done.missing) == (0, 0, 0)
    assert done.moved >= 4  # frames, tables, arrays
    assert relocate(folder) == Relocation(done.moved, 0, 0, 0)
    with catalogs.open(folder) as store:
        equal(store, uid, held)
        again = record(store, engine, sensor)
        assert set(store.client) == {uid, again}


def test_a_catalogue_that_was_written_to_before_it_is_relocated(moved, engine, sensor):
    folder, uid, held = moved
    with catalogs.open(folder) as store:
        later = record(store, engine, sensor)
    done = relocate(folder)
    assert done.moved >= 4
    assert (done.elsewhere, done.missing) == (0, 0)
    with catalogs.open(folder) as store:
        equal(store, uid, held)
        equal(store, later, tree_of(store[later]))


def test_a_copy_is_independent_of_the_original(moved, tmp_path):
    folder, uid, held = moved
    relocate(folder)
    shutil.copytree(folder, tmp_path / "copy")
    assert relocate(tmp_path / "copy").moved >= 4
    shutil.rmtree(folder)
    with catalogs.open(tmp_path / "copy") as store:
        equal(store, uid, held)


def test_what_is_elsewhere_or_gone_is_counted_and_left(empty_catalog, tmp_path, engine, sensor):
    shutil.copytree(empty_catalog, tmp_path / "cat")
    (tmp_path / "detector").mkdir()
    with catalogs.open(tmp_path / "cat", readable=[tmp_path / "detector"]) as store:
        engine.subscribe(store.writer())
        for folder in (store.data_root, tmp_path / "detector"):
            engine(survey_and_points(FrameCamera(folder), sensor, points=1))
        store.flush()
        next(store.data_root.glob("*.h5")).unlink()
    (tmp_path / "cat").rename(tmp_path / "new")
    done = relocate(tmp_path / "new")
    assert (done.right, done.elsewhere, done.missing) == (0, 1, 1)


def test_a_live_session_is_not_disturbed(moved):
    folder, _, _ = moved
    other = Presence(folder / MARKER)
    other.share()
    with pytest.raises(CatalogError, match=r"another process writes into .*; end it, and relocate again"):
        relocate(folder)
    other.leave()
    assert relocate(folder).moved


def test_the_command_says_what_it_did(moved):
    folder, _, _ = moved
    done = CliRunner().invoke(cli.app, ["catalog", "relocate", str(folder), "--json"])
    answer = json.loads(done.stdout)
    assert answer == {"catalog": str(folder), "right": 0, "moved": answer["moved"], "elsewhere": 0, "missing": 0}
    wrong = CliRunner().invoke(cli.app, ["catalog", "relocate", str(folder.parent)])
    assert isinstance(wrong.exception, CatalogError)
    assert "there is no catalogue at" in str(wrong.exception)


@pytest.mark.system
def test_a_catalogue_in_postgresql_moves_as_well(postgres, tmp_path, monkeypatch, engine, sensor):
    uri = postgres.uri(postgres.create(), password=False)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)  # one of the places where PostgreSQL's own programs look for it
    first, second = tmp_path / "first", tmp_path / "second"
    with Served(first, "--database", uri) as served:
        monkeypatch.setenv("XDG_DATA_HOME", str(first / "data"))  # so that frames lie with the catalogue
        with catalogs.open(served.writer) as store:
            uid = record(store, engine, sensor)
            held = tree_of(store[uid])
    first.rename(second)
    done = CliRunner().invoke(cli.app, ["catalog", "relocate", str(second), "--database", uri, "--json"])
    assert json.loads(done.stdout)["moved"] >= 4
    assert relocate(second, uri).moved == 0
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "reader"))
    with Served(second, "--database", uri) as served, catalogs.open(served.reader) as store:
        xr.testing.assert_identical(tree_of(store[uid]), held)
