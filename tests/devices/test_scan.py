"""Frames stream into HDF5, are announced when they are there, and only then."""

from __future__ import annotations

import shutil
import threading

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import bluesky.preprocessors as bpp
import h5py
import numpy as np
import pytest
from bluesky.utils import FailedStatus, RunEngineInterrupted

from probeline.catalog.run import Run
from probeline.catalog.surveying import survey_image
from probeline.core.errors import Busy, CommandRejected, DataError, DriverError, LimitError
from probeline.core.units import to_si
from probeline.devices import frame_file


def _documents(engine, name):
    return [doc for kind, doc in engine.docs if kind == name]


def _path(resource):
    assert resource["uri"].startswith("file://localhost/")
    return resource["uri"].removeprefix("file://localhost")


def test_a_frame_is_announced_and_readable(spm, engine):
    engine(bp.count([spm.scan], 2))
    (resource,) = _documents(engine, "stream_resource")
    assert resource["data_key"] == "spm_scan_frame"
    assert resource["mimetype"] == "application/x-hdf5"
    assert resource["parameters"]["dataset"] == "/entry/data/data"
    assert [doc["indices"] for doc in _documents(engine, "stream_datum")] == [
        {"start": 0, "stop": 1}, {"start": 1, "stop": 2},
    ]  # fmt: skip
    (descriptor,) = _documents(engine, "descriptor")
    key = descriptor["data_keys"]["spm_scan_frame"]
    assert key["shape"] == [2, 8, 8]
    assert key["dims"] == ["channel", "line", "pixel"]
    assert key["channels"] == ["height", "phase"]
    assert key["channel_units"] == ["nm", "deg"]
    with h5py.File(_path(resource)) as file:
        data, clock = file["entry/data/data"][()], file["entry/data/line_clock"][()]
        assert dict(file["entry/data"].attrs)["width"] == 800.0
    assert data.shape == (2, 2, 8, 8)
    # The fake's ramp: 1 nm per line, 1 pm per pixel, in nm; the same numbers in rad, as deg.
    assert data[0, 0, 3, 2] == pytest.approx(3.002)
    assert data[1, 1, 3, 2] == pytest.approx(np.degrees(3.002e-9))
    assert np.all(np.diff(clock.ravel()) > 0)


def test_a_frame_that_the_disk_has_no_room_for_is_refused_before_it_is_scanned(spm, engine, monkeypatch):
    whole = shutil.disk_usage(spm.scan.data_root)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: whole._replace(free=1_000_000))
    with pytest.raises(FailedStatus) as failure:
        engine(bp.count([spm.scan]))
    assert isinstance(failure.value.__cause__, DataError)
    assert "1.0 MB left; free space" in str(failure.value.__cause__)
    assert not [name for name, _ in spm.fake.received if name == "scan"]
    monkeypatch.undo()
    engine(bp.count([spm.scan]))


def test_tiled_reads_what_is_announced(spm, engine):
    from bluesky_tiled_plugins.writing.consolidators import consolidator_factory

    engine(bp.count([spm.scan], 3))
    (resource,), (descriptor,) = _documents(engine, "stream_resource"), _documents(engine, "descriptor")
    consolidator = consolidator_factory(resource, descriptor)
    for datum in _documents(engine, "stream_datum"):
        consolidator.consume_stream_datum(datum)
    with h5py.File(_path(resource)) as file:
        stored = file["entry/data/data"][()]
    adapter = consolidator.init_adapter()
    assert adapter.structure().shape == (3, 2, 8, 8)
    assert np.array_equal(adapter.read(), stored)


def test_the_parameters_of_a_frame_are_its_configuration(spm, engine):
    def plan():
        yield from bps.mv(spm.scan.frame.center_x, 50.0, spm.scan.frame.angle, 30.0, spm.scan.frame.width, 400.0)
        yield from bp.count([spm.scan])

    engine(plan())
    (descriptor,) = _documents(engine, "descriptor")
    values = descriptor["configuration"]["spm_scan"]["data"]
    assert values == {
        "spm_scan_center_x": 50.0, "spm_scan_center_y": 0.0, "spm_scan_width": 400.0, "spm_scan_height": 800.0,
        "spm_scan_pixels": 8, "spm_scan_lines": 8, "spm_scan_angle": 30.0, "spm_scan_slow": "up",
        "spm_scan_line_time": 0.0,
    }  # fmt: skip
    sent = next(value for key, value in spm.fake.received if key == "scan")
    assert sent["angle"] == pytest.approx(np.pi / 6)
    assert sent["center_x"] == to_si(50.0, "nm")
    assert "line_time" not in sent


def test_lines_can_be_read_while_the_frame_grows(spm, monkeypatch):
    monkeypatch.setattr(frame_file, "_FLUSH_S", 0.0)  # every line, as where they come slowly
    spm.fake.gate = threading.Semaphore(0)
    spm.scan.stage()
    seen = threading.Semaphore(0)
    status = spm.scan.trigger()
    status.watch(lambda **_: seen.release())
    spm.fake.gate.release(3)
    for _ in range(3):
        assert seen.acquire(timeout=10)
    (path,) = spm.scan.data_root.glob("*.h5")
    with h5py.File(path, swmr=True) as file:
        data = file["entry/data/data"][0, 0]
    assert np.isfinite(data[:3]).all()
    assert np.isnan(data[3:]).all()
    assert spm.scan.get_index() == 0
    with pytest.raises(DriverError, match="nothing to read"):
        next(spm.scan.collect_asset_docs())
    spm.fake.gate.release(10)
    status.wait(10)
    assert spm.scan.get_index() == 1
    spm.scan.read()
    assert [name for name, _ in spm.scan.collect_asset_docs()] == ["stream_resource", "stream_datum"]
    spm.scan.unstage()


def test_progress_is_told_in_lines(spm):
    spm.fake.gate = threading.Semaphore(0)
    status = spm.scan.trigger()
    reports = []
    status.watch(lambda **report: reports.append(report))
    spm.fake.gate.release(8)
    status.wait(10)
    assert [report["current"] for report in reports] == list(range(1, 9))
    assert {(report["name"], report["target"], report["unit"]) for report in reports} == {("spm_scan", 8, "lines")}


def test_a_second_trigger_is_busy(spm):
    spm.fake.gate = threading.Semaphore(0)
    status = spm.scan.trigger()
    with pytest.raises(Busy, match="spm_scan"):
        spm.scan.trigger()
    spm.scan.pause()
    status.wait(10)


def test_a_stopped_frame_is_no_frame(spm):
    spm.fake.gate = threading.Semaphore(2)
    status = spm.scan.trigger()
    spm.scan.stop()
    status.wait(10)
    with pytest.raises(DriverError, match="stopped before its end"):
        spm.scan.read()
    spm.fake.gate = None
    spm.scan.trigger().wait(10)
    spm.scan.read()
    (resource, datum) = [doc for _, doc in spm.scan.collect_asset_docs()]
    assert datum["indices"] == {"start": 0, "stop": 1}
    with h5py.File(_path(resource)) as file:
        assert np.isfinite(file["entry/data/data"][0]).all()


def test_stopping_another_device_ends_the_frame_too(spm):
    spm.fake.gate = threading.Semaphore(0)
    begun = threading.Event()
    status = spm.scan.trigger()
    status.watch(lambda **_: begun.set())
    spm.fake.gate.release()
    assert begun.wait(10)
    spm.probe.x.stop(success=True)
    status.wait(10)
    with pytest.raises(DriverError):
        spm.scan.read()


def test_a_new_geometry_is_a_new_file(spm):
    spm.scan.stage()
    uids = []
    for center in (0.0, 0.0, 50.0):
        spm.scan.frame.set({"center_x": center})
        spm.scan.trigger().wait(10)
        spm.scan.read()
        uids.append(list(spm.scan.collect_asset_docs())[-1][1]["stream_resource"])
    spm.scan.unstage()
    assert uids[0] == uids[1] != uids[2]


def test_without_staging_each_frame_has_its_own_file(spm):
    for _ in range(2):
        spm.scan.trigger().wait(10)
        spm.scan.read()
        assert [name for name, _ in spm.scan.collect_asset_docs()] == ["stream_resource", "stream_datum"]
    assert len(list(spm.scan.data_root.glob("*.h5"))) == 2


def test_two_streams_of_one_run(spm, engine):
    @bpp.stage_decorator([spm.scan])
    @bpp.run_decorator()
    def plan():
        for stream, pixels in (("survey", 8), ("reference", 4), ("reference", 4)):
            yield from bps.mv(spm.scan.frame.pixels, pixels)
            yield from bps.trigger_and_read([spm.scan], name=stream)

    engine(plan())
    names = {doc["uid"]: doc["name"] for doc in _documents(engine, "descriptor")}
    streams = [(names[doc["descriptor"]], doc["indices"]["start"]) for doc in _documents(engine, "stream_datum")]
    assert streams == [("survey", 0), ("reference", 0), ("reference", 1)]
    assert len(_documents(engine, "stream_resource")) == 2


def test_frames_of_one_stream_record_their_own_place(spm, engine):
    places = [(0.0, 0.0), (100.0, 50.0), (-200.0, 25.0)]

    @bpp.stage_decorator([spm.scan])
    @bpp.run_decorator(md={"probeline": {"keys": spm.keys}})
    def plan():
        yield from bps.configure(spm.scan, {"center_x": 10.0, "center_y": 20.0})
        yield from bps.trigger_and_read([spm.scan, spm.clock, spm.state], name="survey")
        for center_x, center_y in places:
            yield from bps.trigger_and_read([spm.spectrometer], name="primary")
            yield from bps.create(name="survey")
            yield from bps.drop()
            yield from bps.configure(spm.scan, {"center_x": center_x, "center_y": center_y, "pixels": 4, "lines": 4})
            yield from bps.trigger_and_read([spm.scan, spm.clock], name="reference")

    engine(plan())
    descriptors = {doc["uid"]: doc for doc in _documents(engine, "descriptor")}
    configured: dict = {"survey": [], "reference": []}
    for event in _documents(engine, "event"):
        descriptor = descriptors[event["descriptor"]]
        if descriptor["name"] in configured:
            values = descriptor["configuration"]["spm_scan"]["data"]
            configured[descriptor["name"]].append((values["spm_scan_center_x"], values["spm_scan_center_y"]))
    assert configured == {"survey": [(10.0, 20.0)], "reference": places}
    announced = [doc["uid"] for doc in _documents(engine, "stream_resource")]
    assert [doc["stream_resource"] for doc in _documents(engine, "stream_datum")] == announced
    assert len(set(announced)) == 4

    run = Run.from_documents(engine.docs)
    assert run.stream("reference")["spm_scan_frame"].shape == (3, 2, 4, 4)
    last, survey = survey_image(run, "reference"), survey_image(run, "survey")
    assert (last.x.mean(), last.y.mean()) == pytest.approx(places[-1])
    assert (survey.x.mean(), survey.y.mean()) == pytest.approx((10.0, 20.0))
    assert (survey.images.shape, last.images.shape) == ((2, 8, 8), (2, 4, 4))


def test_configuring_says_what_changed_and_refuses_whole(spm):
    old, new = spm.scan.configure({"center_x": 30.0, "angle": 15.0})
    changed = {key: new[key]["value"] for key in new if new[key]["value"] != old[key]["value"]}
    assert changed == {"spm_scan_center_x": 30.0, "spm_scan_angle": 15.0}
    with pytest.raises(LimitError):
        spm.scan.configure({"center_y": 5.0, "center_x": 900.0})
    assert spm.scan.frame.values()["center_y"] == 0.0


def _paused_after(plan, command):
    """Return ``plan`` with an immediate pause after the first ``command``."""
    done = []

    def insert(message):
        if message.command == command and not done:
            done.append(message)
            return None, bps.pause()
        return None, None

    return bpp.plan_mutator(plan, insert)


@pytest.mark.parametrize("command", ["trigger", "wait", "create", "read", "save"])
def test_a_pause_anywhere_rewinds_cleanly(spm, engine, command):
    with pytest.raises(RunEngineInterrupted):
        engine(_paused_after(bp.count([spm.scan], 2), command))
    engine.resume()
    assert _documents(engine, "stop")[0]["exit_status"] == "success"
    last = {doc["seq_nums"]["start"]: doc for doc in _documents(engine, "stream_datum")}
    paths = {doc["uid"]: _path(doc) for doc in _documents(engine, "stream_resource")}
    assert sorted(last) == [1, 2]
    for datum in last.values():
        with h5py.File(paths[datum["stream_resource"]]) as file:
            assert np.isfinite(file["entry/data/data"][datum["indices"]["start"]]).all()


def test_a_pause_in_the_middle_of_a_frame_leaves_the_driver_idle(spm, engine):
    spm.fake.gate = threading.Semaphore(3)
    started = spm.fake.start_scan

    def start_and_pause(settings):
        acquisition = started(settings)
        threading.Thread(target=engine.request_pause, kwargs={"defer": False}).start()
        return acquisition

    spm.fake.start_scan = start_and_pause
    with pytest.raises(RunEngineInterrupted):
        engine(bp.count([spm.scan]))
    assert not spm.fake._acquisition.running
    spm.fake.gate, spm.fake.start_scan = None, started
    engine.resume()
    assert len(_documents(engine, "event")) == 1


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"center_x": 900.0}, LimitError),
        ({"angle": 45.0, "width": 1900.0, "height": 1900.0}, LimitError),
        ({"width": float("nan")}, LimitError),
        ({"pixels": 0}, LimitError),
        ({"slow": "left"}, CommandRejected),
        ({"zoom": 2.0}, CommandRejected),
    ],
)
def test_a_wrong_frame_is_refused_whole(spm, change, kind):
    before = spm.scan.frame.values()
    with pytest.raises(kind):
        spm.scan.frame.set({"lines": 4, **change})
    assert spm.scan.frame.values() == before


def test_a_wrong_frame_set_piecewise_is_refused_at_the_trigger(spm, engine):
    spm.scan.frame.width.put(5000.0)
    with pytest.raises(LimitError, match="frame corner"):
        engine(bp.count([spm.scan]))
    assert not spm.fake.received
    assert not list(spm.scan.data_root.glob("*.h5"))
