"""A catalogue on a server: what others recorded is found and read from there, the same as from its journal."""

import datetime
import shutil

import pytest
import xarray as xr

from probeline import catalog as catalogs
from probeline.core.errors import CatalogError, UnknownNameError
from probeline.plans.explore import explore
from probeline.plans.session import run_engine, session_on

from ..catalog_devices import FrameCamera, Sensor, survey_and_points
from .served import Served

TWIN = {"points": 3, "seed_points": 2, "size_nm": 1280.0, "pixels": 16, "patch_nm": 250.0}


@pytest.fixture(scope="module")
def recorded(empty_catalog, tmp_path_factory):
    """A server, and the runs of somebody who recorded into it: their folder with journals, an exploration, a survey."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(empty_catalog, folder / "cat")
    shown = ("--readable", str(folder / "home"))
    with Served(folder / "cat", *shown) as served, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(folder / "home"))
        with catalogs.open(served.writer) as store:
            with session_on(store, "sim-pfm") as session:
                (explored,) = session.RE(explore(session.instrument, **TWIN))
            with run_engine(context_managers=[]) as engine:
                engine.subscribe(store.writer())
                plan = survey_and_points(FrameCamera(store.data_root), Sensor(), md={"sample": {"id": "s-7"}})
                (surveyed,) = engine(plan)
            store.flush()
            assert {info.state for info in store.runs()} == {"stored"}
            root = store.root
        yield served, root, explored, surveyed


@pytest.fixture
def elsewhere(recorded, tmp_path, monkeypatch):
    """The same catalogue, as a reader with nothing of it on their computer opens it."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "nothing here"))
    with catalogs.open(recorded[0].reader) as store:
        yield store


@pytest.fixture
def journalled(recorded, monkeypatch):
    """The journals of who recorded, without any Tiled."""
    return catalogs.open(recorded[1])


@pytest.mark.system
def test_runs_of_others_are_listed_and_found(elsewhere, recorded, journalled):
    _, _, explored, surveyed = recorded
    assert len(elsewhere) == 2
    assert elsewhere.runs() == journalled.runs()
    assert [info.uid for info in elsewhere.runs()] == [surveyed, explored]
    today = datetime.date.today()
    for wanted, uids in [
        ({"plan": "explore"}, [explored]), ({"goal": "optimum"}, [explored]), ({"sample": "s-7"}, [surveyed]),
        ({"agent": "patch_gp"}, [explored]), ({"instrument": "sim-pfm"}, [explored]),
        ({"uid": surveyed[:6]}, [surveyed]), ({"uid": "%"}, []), ({"goal": "Optimum"}, []),
        ({"scan_id": 1, "objective": "loop_area"}, [explored]), ({"since": "2000-01-01"}, [surveyed, explored]),
        ({"until": "2000-01-01"}, []), ({"since": today - datetime.timedelta(1), "plan": "test"}, [surveyed]),
    ]:  # fmt: skip
        assert [info.uid for info in elsewhere.search(**wanted)] == uids, wanted
        assert [info.uid for info in journalled.search(**wanted)] == uids, wanted


@pytest.mark.system
def test_a_run_of_others_has_every_name(elsewhere, recorded):
    _, _, explored, surveyed = recorded
    for which in (surveyed[:7], -1, 1):
        assert elsewhere[which].uid == surveyed
    assert elsewhere[-2].uid == explored
    for which in ("", "no such uid", -3, 2):
        with pytest.raises(UnknownNameError):
            _ = elsewhere[which]


@pytest.mark.system
@pytest.mark.parametrize("which", [2, 3])
def test_journal_and_server_give_the_same(elsewhere, journalled, recorded, which):
    theirs, ours = elsewhere[recorded[which]], journalled[recorded[which]]
    assert (theirs.start, theirs.stop, theirs.state) == (ours.start, ours.stop, "stored")
    assert theirs.streams() == ours.streams()
    there, here = catalogs.load(theirs), catalogs.load(ours)
    assert there.attrs == here.attrs
    for name in here.children:
        xr.testing.assert_identical(there[name].to_dataset().drop_attrs(), here[name].to_dataset().drop_attrs())
        assert theirs.configuration(name) == ours.configuration(name)


@pytest.mark.system
def test_decisions_come_from_the_server_and_repeat_exactly(elsewhere, journalled, recorded):
    theirs, ours = elsewhere[recorded[2]], journalled[recorded[2]]
    there, here = catalogs.decisions(theirs), catalogs.decisions(ours)
    assert there.attrs["units"] == here.attrs["units"]
    assert sorted(there.columns) == sorted(here.columns)
    assert there[list(here.columns)].equals(here)
    report = catalogs.replay(theirs)
    assert report.exact
    assert report.decisions == 3


@pytest.mark.system
def test_what_was_recorded_here_and_there_is_one_catalogue(recorded, tmp_path, monkeypatch):
    served, _, explored, surveyed = recorded
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with catalogs.open(served.writer) as store:
        write = store.writer()
        write("start", {"uid": "9999-mine", "time": 5.0, "plan_name": "mine"})
        write("stop", {"uid": "s9", "run_start": "9999-mine", "time": 6.0, "exit_status": "success"})
        assert [info.uid for info in store.runs()] == [surveyed, explored, "9999-mine"]
        store.flush()
        assert [(info.uid, info.state) for info in store.runs()][-1] == ("9999-mine", "stored")
        assert len(store) == 3
        assert store[0].uid == store["9999"].uid == "9999-mine"
        store.client["9999-mine"].delete(recursive=True)


@pytest.mark.system
def test_a_reader_cannot_record(recorded, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with catalogs.open(recorded[0].reader) as store:
        write = store.writer()
        write("start", {"uid": "8888-mine", "time": 5.0, "plan_name": "mine"})
        write("stop", {"uid": "s8", "run_start": "8888-mine", "time": 6.0, "exit_status": "success"})
        with pytest.raises(CatalogError, match="Not enough permissions"):
            store.flush(1.0)
        assert store["8888-mine"].state == "pending"
