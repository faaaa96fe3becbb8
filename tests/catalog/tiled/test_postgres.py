"""PostgreSQL keeps catalogue and tables: the same runs, through its restarts, and nobody sees its password."""

import os
import signal
from pathlib import Path
from urllib.parse import quote

import bluesky.plan_stubs as bps
import httpx
import pytest
import xarray as xr

from probeline import catalog as catalogs
from probeline.catalog.tiled.database import checked, scrubbed, without_password
from probeline.catalog.tiled.run import tiled_run
from probeline.catalog.tiled.serving import make_tree, refused
from probeline.core.errors import CatalogError

from ..catalog_devices import FrameCamera, survey_and_points
from .postgres import PASSWORD
from .served import Served


@pytest.fixture(scope="module")
def served(postgres, tmp_path_factory):
    """A catalogue served from a new database, of which only the environment knows the password."""
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(folder / "home"))
        with Served(folder / "cat", PROBELINE_DATABASE=postgres.uri(postgres.create())) as served:
            yield served


def equal_everywhere(store, uid):
    """Assert that Tiled holds what the journal holds."""
    run, served = store[uid], tiled_run(store.client[uid])
    assert run.state == "stored"
    assert (served.start, served.stop) == (run.start, run.stop)
    assert served.streams() == run.streams()
    for name in run.streams():
        xr.testing.assert_identical(served.stream(name).drop_attrs(), run.stream(name).drop_attrs())


@pytest.mark.system
def test_a_database_started_again_within_a_run_gets_all_of_it(served, postgres, engine, sensor):
    with catalogs.open(served.writer) as store:
        engine.subscribe(store.writer())
        begun = []

        def between(index):
            if index == 1:
                store.flush()
                begun.append(len(tiled_run(store.client[store[-1].uid]).stream("primary").seq_num))
                postgres.stop()
            if index == 3:
                postgres.start()
            yield from bps.null()

        (uid,) = engine(survey_and_points(FrameCamera(store.data_root), sensor, points=6, before_save=between))
        assert begun == [2]  # rows of a run that goes on are in the database
        store.flush(120)
        equal_everywhere(store, uid)
        assert store[uid].stop["num_events"] == {"survey": 1, "primary": 6}
        # Between two runs nobody notices: dead connections are found out before they are used.
        said = served.errors.stat().st_size
        postgres.stop()
        postgres.start()
        (again,) = engine(survey_and_points(FrameCamera(store.data_root), sensor, points=2))
        store.flush(120)
        equal_everywhere(store, again)
        assert served.errors.read_bytes()[said:] == b""
        assert [info.uid for info in store.runs()][:2] == [again, uid]


@pytest.mark.system
def test_a_database_that_stays_away_costs_nothing(served, postgres, engine, sensor):
    with catalogs.open(served.writer) as store:
        address, headers = store.client.uri, {"Authorization": f"Apikey {served.keys['reader']}"}
        assert httpx.get(address, headers=headers).status_code == 200
        postgres.stop()
        away = httpx.get(address, headers=headers)
        assert (away.status_code, away.json()) == (503, {"detail": "The database of this catalogue is away."})
        engine.subscribe(store.writer())
        (uid,) = engine(survey_and_points(FrameCamera(store.data_root), sensor))
        with pytest.raises(CatalogError, match="the journals hold all of it"):
            store.flush(0.5)
        assert store[uid].state == "pending"
        postgres.start()
        store.flush(120)
        equal_everywhere(store, uid)


@pytest.mark.system
def test_a_server_killed_within_a_run_goes_on_with_its_database(served, engine, sensor):
    with catalogs.open(served.writer) as store:
        engine.subscribe(store.writer())

        def between(index):
            if index == 1:
                store.flush()
                served.end(signal.SIGKILL)
            if index == 3:
                served.start()
            yield from bps.null()

        (uid,) = engine(survey_and_points(FrameCamera(store.data_root), sensor, points=6, before_save=between))
        store.flush(120)
        equal_everywhere(store, uid)


@pytest.mark.system
def test_nobody_sees_the_password(served, postgres, engine, sensor):
    with catalogs.open(served.writer) as store:
        engine.subscribe(store.writer())
        engine(survey_and_points(FrameCamera(store.data_root), sensor, points=1))
        store.flush()
    told = "\n".join([*served.said, served.errors.read_text(), postgres.log(), dumped := postgres.dump()])
    assert "storage.db" not in dumped
    assert f"postgresql://127.0.0.1:{postgres.port}/" in dumped  # where the tables are
    assert f"tables in postgresql://127.0.0.1:{postgres.port}/" in told
    lines = [Path(f"/proc/{pid}/cmdline") for pid in os.listdir("/proc") if pid.isdecimal()]
    for line in lines:
        try:
            told += line.read_bytes().decode(errors="replace")
        except OSError:  # it has ended
            continue
    files = [path for path in served.root.rglob("*") if path.is_file()]
    told += "".join(path.read_bytes().decode(errors="replace") for path in files)
    assert "--catalog" in told
    assert PASSWORD not in told
    assert quote(PASSWORD, safe="") not in told


@pytest.mark.system
@pytest.mark.parametrize("trouble", ["password", "name", "port"])
def test_a_database_that_cannot_be_used_is_one_line(postgres, tmp_path, trouble):
    uri = postgres.uri("nothing" if trouble == "name" else "postgres")
    if trouble == "password":
        uri = uri.replace(quote(PASSWORD, safe=""), "geheim")
    if trouble == "port":
        uri = uri.replace(str(postgres.port), "1")
    with pytest.raises(Exception) as raised:  # noqa: PT011  # whatever its driver raises
        make_tree(tmp_path / "tiled", [], uri)
    line = str(refused(tmp_path / "tiled", raised.value, uri))
    assert line.startswith(f"the database {without_password(uri)} cannot be used: ")
    assert "what was recorded is in the journals" in line
    assert not [secret for secret in ("geheim", PASSWORD, quote(PASSWORD, safe="")) if secret in line]
    assert "\n" not in line


def test_what_quotes_a_password_is_scrubbed():
    uri = f"postgresql://me:{quote(PASSWORD, safe='')}@h/x"
    assert scrubbed(f"{PASSWORD} and {quote(PASSWORD, safe='')}", uri) == "*** and ***"
    assert scrubbed("as it was", "postgresql://me@h/x") == "as it was"
    assert checked("postgres://me@h:5432/x") == "postgresql://me@h:5432/x"
