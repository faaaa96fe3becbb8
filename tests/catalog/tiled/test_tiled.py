"""Journal and Tiled hold the same; Tiled never holds up the RunEngine."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from bluesky.utils import RunEngineInterrupted

from probeline import catalog as catalogs
from probeline.catalog.tiled import serving, uploading
from probeline.catalog.tiled.run import tiled_run
from probeline.core.errors import CatalogError

from ..catalog_devices import rewind_once, survey_and_points


def test_tiled_holds_what_the_journal_holds(catalog, engine, camera, sensor):
    engine.subscribe(catalog.writer())
    (uid,) = engine(survey_and_points(camera, sensor))
    catalog.flush()
    run = catalog[uid]
    assert run.state == "stored"
    served = tiled_run(catalog.client[uid])
    assert served.streams() == run.streams() == ["survey", "primary"]
    assert served.start == run.start
    assert served.stop == run.stop
    for name in run.streams():
        xr.testing.assert_identical(served.stream(name).drop_attrs(), run.stream(name).drop_attrs())
    np.testing.assert_array_equal(run.stream("survey").spm_scan_frame.values[0], camera.taken[0])
    assert served.configuration("survey") == run.configuration("survey")


def test_values_survive_the_way_through_tiled(catalog, engine, camera, sensor):
    engine.subscribe(catalog.writer())
    engine(survey_and_points(camera, sensor, points=4))
    catalog.flush()
    data = tiled_run(catalog.client[-1]).stream("primary")
    np.testing.assert_array_equal(data["real"], [1 / 7, 2 / 7, np.nan, 4 / 7])
    np.testing.assert_array_equal(data.whole, [1, 2, 3, 4])
    assert data.whole.dtype == np.int64
    assert data.flag.dtype == bool
    assert data.text.values.tolist() == [f"état {k}" for k in (1, 2, 3, 4)]
    assert data.square.dtype == np.float32
    assert data.loop.dims == ("event", "channel", "bias")
    assert data.loop.attrs["units"] == "pm"
    np.testing.assert_array_equal(data.bias, [-2, -1, 0, 1, 2])


def test_databroker_and_documents_read_the_same_run(catalog, engine, camera, sensor):
    engine.subscribe(catalog.writer())
    (uid,) = engine(survey_and_points(camera, sensor))
    catalog.flush()
    run = catalog.broker[uid]
    assert run.start["uid"] == uid
    np.testing.assert_array_equal(run.table(fields=["whole"])["whole"], [1, 2, 3, 4, 5])
    names = [name for name, _ in catalog.client[uid].documents()]
    assert names[0] == "start"
    assert names[-1] == "stop"
    assert names.count("event") == 5 + 1


def test_load_gives_the_same_from_both(catalog, engine, camera, sensor):
    engine.subscribe(catalog.writer())
    engine(survey_and_points(camera, sensor))
    catalog.flush()
    ours, theirs = catalogs.load(catalog[-1]), catalogs.load(catalog.client[-1])
    assert ours.attrs == theirs.attrs
    assert list(ours.children) == ["survey", "primary"]
    xr.testing.assert_identical(ours["survey"].to_dataset().drop_attrs(), theirs["survey"].to_dataset().drop_attrs())
    # 80 nm over 8 pixels about 10 nm: the first centre lies at 10 - 40 + 5 nm.
    np.testing.assert_allclose(ours["survey"].x.values[0, :2], [-25.0, -15.0])
    np.testing.assert_allclose(ours["survey"].y.values[:2, 0], [-45.0, -35.0])


def test_a_rewound_event_counts_once_everywhere(catalog, engine, camera, sensor):
    engine.subscribe(catalog.writer())
    with pytest.raises(RunEngineInterrupted):
        engine(survey_and_points(camera, sensor, before_save=rewind_once(2)))
    engine.resume()
    catalog.flush()
    run = catalog[-1]
    journalled = [doc for name, doc in run.documents() if name == "event" and "whole" in doc["data"]]
    assert [doc["seq_num"] for doc in journalled] == [1, 2, 3, 3, 4, 5]
    # The third exposure was repeated, so the fourth one counts.
    for reader in (run, tiled_run(catalog.client[-1])):
        np.testing.assert_array_equal(reader.stream("primary").whole, [1, 2, 4, 5, 6])
    assert catalog.runs()[0].n_points == 5
    assert run.state == "stored"


def test_a_rewound_frame_is_the_last_one_everywhere(catalog, engine, camera, sensor):
    import bluesky.plan_stubs as bps
    import bluesky.preprocessors as bpp
    from bluesky.utils import Msg

    @bpp.stage_decorator([camera])
    @bpp.run_decorator()
    def twice():
        yield from bps.trigger_and_read([camera], name="survey")
        yield from bps.checkpoint()
        yield from bps.trigger_and_read([camera], name="survey")
        yield Msg("pause", defer=False)
        yield from bps.trigger_and_read([camera], name="survey")

    engine.subscribe(catalog.writer())
    with pytest.raises(RunEngineInterrupted):
        engine(twice())
    engine.resume()
    catalog.flush()
    assert len(camera.taken) == 4
    kept = np.stack([camera.taken[index] for index in (0, 2, 3)])
    for reader in (catalog[-1], tiled_run(catalog.client[-1])):
        np.testing.assert_array_equal(reader.stream("survey").spm_scan_frame, kept)


class Refusing:
    """A Tiled writer that fails at one kind of document."""

    def __init__(self, name):
        self._name = name

    def __call__(self, name, doc):
        if name == self._name:
            raise RuntimeError("no room for this")

    def flush(self):
        pass


@pytest.mark.parametrize("name", ["start", "descriptor", "event", "stop"])
def test_a_failing_tiled_does_not_touch_the_run(catalog, engine, camera, sensor, monkeypatch, name):
    monkeypatch.setattr(uploading, "tiled_writer", lambda client: Refusing(name))
    engine.subscribe(catalog.writer())
    (uid,) = engine(survey_and_points(camera, sensor))
    catalog.flush()
    run = catalog[uid]
    assert run.stop is not None
    assert run.stop["exit_status"] == "success"
    assert run.state == "rejected: RuntimeError: no room for this"
    assert run.stream("primary").sizes["event"] == 5
    assert catalog.runs()[0].state == run.state


def test_what_was_refused_once_is_stored_by_recover(catalog, engine, camera, sensor, monkeypatch):
    engine.subscribe(catalog.writer())
    with monkeypatch.context() as patch:
        patch.setattr(uploading, "tiled_writer", lambda client: Refusing("event"))
        (uid,) = engine(survey_and_points(camera, sensor))
        catalog.flush()
    assert [run.uid for run in catalog.recover().runs] == [uid]
    catalog.flush()
    assert catalog[uid].state == "stored"
    assert not catalog.recover().runs
    xr.testing.assert_identical(
        tiled_run(catalog.client[uid]).stream("primary").drop_attrs(), catalog[uid].stream("primary").drop_attrs()
    )


def test_a_run_begun_in_tiled_is_replaced_by_recover(catalog, engine, camera, sensor):
    engine.subscribe(catalog.writer())
    catalog.client.create_container(key="1234abcd", metadata={"start": {"uid": "1234abcd"}})
    start = {"uid": "1234abcd", "time": 1.0, "plan_name": "half"}
    catalog.writer()("start", start)
    catalog.writer()("stop", {"uid": "s", "run_start": "1234abcd", "time": 2.0, "exit_status": "success"})
    catalog.flush()
    assert catalog["1234"].state == "stored"
    assert catalog.client["1234abcd"].metadata["stop"]["exit_status"] == "success"


def test_a_stuck_tiled_does_not_hold_up_the_run(catalog, engine, camera, sensor, monkeypatch):
    import threading

    stuck, entered = threading.Event(), threading.Event()

    def wait(client):
        entered.set()
        assert stuck.wait(60)
        return Refusing("nothing")

    monkeypatch.setattr(uploading, "tiled_writer", wait)
    engine.subscribe(catalog.writer())
    engine(survey_and_points(camera, sensor))
    assert entered.wait(60)
    engine(survey_and_points(camera, sensor))  # returns while the drain is still stuck in the first run
    assert [info.state for info in catalog.runs()] == ["pending", "pending"]
    with pytest.raises(CatalogError, match=r"did not take everything within 0\.01 s"):
        catalog.flush(0.01)
    stuck.set()
    catalog.flush()
    assert [info.state for info in catalog.runs()] == ["stored", "stored"]


def test_closing_ends_every_thread(catalog, engine, camera, sensor):
    import threading

    before = set(threading.enumerate())
    engine.subscribe(catalog.writer())
    engine(survey_and_points(camera, sensor))
    catalog.close()
    names = [thread.name for thread in threading.enumerate() if thread not in before]
    assert not [name for name in names if name.startswith(("probeline", "asyncio-portal"))]
    assert catalog[-1].state == "stored"
    catalog.close()
    with pytest.raises(CatalogError, match="is closed; open it again"):
        _ = catalog.client


@pytest.mark.system
@pytest.mark.parametrize("part", ["", "catalog.db"])
def test_a_lost_tiled_folder_is_made_again_from_the_journals(catalog, engine, camera, sensor, part):
    import shutil

    engine.subscribe(catalog.writer())
    (uid,) = engine(survey_and_points(camera, sensor, points=2))
    catalog.close()
    lost = catalog.root / "tiled" / part
    shutil.rmtree(lost) if lost.is_dir() else lost.unlink()
    with catalogs.open(catalog.root) as again:
        write = again.writer()  # the next run makes Tiled's databases
        write("start", {"uid": "2222-aaaa", "time": 5.0})
        write("stop", {"uid": "s2", "run_start": "2222-aaaa", "time": 6.0, "exit_status": "success"})
        again.flush()
        assert set(again.client) == {uid, "2222-aaaa"}
        assert {info.state for info in again.runs()} == {"stored"}
        assert not again.recover().runs
        for name in ("survey", "primary"):
            served = tiled_run(again.client[uid]).stream(name)
            xr.testing.assert_identical(served.drop_attrs(), again[uid].stream(name).drop_attrs())
        kept = [path.name for path in again.root.glob("tiled-*/*")]
        assert sorted(kept) == (["data", "storage.db"] if part else [])


def test_a_broken_database_says_what_to_do(catalog):
    catalog.close()
    database = catalog.root / "tiled" / "catalog.db"
    database.write_bytes(np.random.default_rng(0).bytes(4096))
    with catalogs.open(catalog.root) as again:
        with pytest.raises(CatalogError, match=r"tiled cannot be opened: .*file is not a database") as error:
            _ = again.client
        assert "\n" not in str(error.value)
        assert "no run is lost: move this folder away, and it is made again from the journals" in str(error.value)
    assert database.stat().st_size == 4096  # it may be somebody's


def test_a_disk_without_room_for_tiled_is_said_in_a_line(tmp_path, monkeypatch):
    def without_room(folder, readable, api_key):
        (folder / "catalog.db").write_bytes(b"half of it")
        raise RuntimeError(
            "╭─── Traceback ───╮\n│ ... │\nOperationalError: database or disk is full\n[SQL: CREATE TABLE]"
        )

    monkeypatch.setattr(serving, "make_app", without_room)
    with catalogs.open(tmp_path / "c") as catalog:
        with pytest.raises(CatalogError, match=r"cannot be opened: OperationalError: database or disk is full; no run"):
            _ = catalog.client
        assert not list((catalog.root / "tiled").iterdir())  # half a database would never open again
        monkeypatch.setattr(serving.shutil, "disk_usage", lambda folder: SimpleNamespace(free=40e3))
        with pytest.raises(CatalogError, match=r"/tiled: 0\.04 MB are free on its disk, 1 MB is the least; free space"):
            _ = catalog.client


def test_opening_again_makes_no_databases(catalog, monkeypatch):
    import subprocess

    catalog.close()
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: pytest.fail("a process was started"))
    with catalogs.open(catalog.root, create=False) as again:
        assert len(again.client) == 0
