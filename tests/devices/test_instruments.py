"""From a name to an instrument that plans, magics and people can use."""

from __future__ import annotations

import json
import os
import signal
import threading

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import numpy as np
import pytest
import yaml
from bluesky.simulators import check_limits
from bluesky.utils import FailedStatus

from probeline.core.envelope import Envelope
from probeline.core.errors import Busy, ConnectionLost, DataError, LimitError, SpecError, UnknownNameError
from probeline.devices.factory import instrument_spec, open_instrument
from probeline.devices.guard import Guard
from probeline.devices.instrument_file import parse_instrument
from probeline.devices.instruments import SPM, STEM, assemble

from .device_fakes import FakeDriver


def _data(engine, name="event"):
    return [doc for kind, doc in engine.docs if kind == name]


def test_an_spm_has_its_parts(pfm):
    assert isinstance(pfm, SPM)
    assert set(pfm.keys.values()) >= {"spm_scan_frame", "spm_spectrometer_spectrum", "spm_probe_x", "spm_clock"}
    about = pfm.describe_instrument()
    assert json.loads(json.dumps(about)) == about
    assert about["driver"]["model"] == "PFM twin"
    assert pfm.scan.frame.width.get() == about["survey"]["size_nm"]
    values = {key: reading["value"] for key, reading in pfm.read().items()}
    assert {"spm_clock", "spm_bias", "spm_z_feedback", "spm_z_tip", "spm_ledger_spent_seconds"} <= set(values)
    assert pfm.describe().keys() == values.keys()


def test_a_stem_has_its_parts(stem):
    assert isinstance(stem, STEM)
    assert stem.beam_current.unit == "pA"
    stem.blanker.set(False).wait(5)
    stem.park().wait(5)
    assert stem.blanker.get() is True


def test_postures(pfm):
    assert pfm.z.tip.get() == "tracking"
    pfm.park().wait(5)
    assert pfm.z.tip.get() == "withdrawn"
    pfm.posture.set("track").wait(5)
    pfm.bias.set(0.5).wait(5)
    pfm.stop(success=True)
    assert (pfm.z.tip.get(), pfm.bias.get()) == ("tracking", 0.5)
    pfm.make_safe().wait(5)
    assert (pfm.z.tip.get(), pfm.bias.get(), pfm.drive.amplitude.get()) == ("withdrawn", 0.0, 0.0)
    with pytest.raises(UnknownNameError, match="make_safe"):
        pfm.posture.set("make_save")


def test_withdraw_and_approach(pfm):
    pfm.z.withdraw().wait(5)
    assert pfm.z.readback.get() == pytest.approx(2000.0)
    pfm.z.approach().wait(5)
    assert pfm.z.feedback.get() is True


def test_settling_takes_instrument_time(pfm):
    before = pfm.clock.get()
    pfm.settle.set(3.0).wait(5)
    assert pfm.clock.get() == pytest.approx(before + 3.0)
    with pytest.raises(LimitError):
        pfm.settle.set(float("nan"))


def test_the_state_reopens_the_instrument(pfm, tmp_path):
    pfm.probe.set((100.0, 50.0)).wait(5)
    state = json.loads(pfm.state.get())
    again = open_instrument("sim-pfm", data_root=tmp_path, options={"seed": 0, "state": state})
    assert json.loads(again.state.get()) == state
    assert again.probe.target == pytest.approx((100.0, 50.0))
    again.close()


@pytest.mark.parametrize("name", ["pfm", "beacon", "stem"])
def test_count_scan_and_grid_scan(name, request, engine):
    instrument = request.getfixturevalue(name)
    detectors = [instrument.spectrometer, instrument.clock]
    x, y = instrument.probe.x, instrument.probe.y
    (cx, cy) = ((axis.limits[0] + axis.limits[1]) / 2 for axis in (x, y))
    engine(bp.count([instrument.scan, instrument.clock], 2))
    engine(bp.scan(detectors, x, cx - 20, cx + 20, 3))
    engine(bp.grid_scan(detectors, x, cx - 20, cx + 20, 2, y, cy - 20, cy + 20, 3))
    assert [doc["exit_status"] for doc in _data(engine, "stop")] == ["success"] * 3
    events = _data(engine)
    assert len(events) == 2 + 3 + 6
    there = [event["data"][x.name] for event in events[2:5]]
    assert there == pytest.approx([cx - 20, cx, cx + 20])
    clocks = [event["data"][instrument.clock.name] for event in events]
    assert clocks == sorted(clocks)


def test_a_plan_out_of_range_is_refused_by_the_simulator(pfm, engine):
    check_limits(bp.scan([pfm.spectrometer], pfm.probe.x, -100, 100, 3))
    for plan in (
        bp.scan([pfm.spectrometer], pfm.probe.x, 0, 99999, 3),
        bps.mv(pfm.probe, (0.0, 99999.0)),
        bps.mv(pfm.bias, 50.0),
        bps.mv(pfm.scan.frame, {"width": 99999.0}),
        bps.mv(pfm.settle, float("inf")),
    ):
        with pytest.raises(LimitError):
            check_limits(plan)


def test_where_all_lists_the_probe(pfm, capsys, monkeypatch):
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)  # IPython warns when it names another environment
    from bluesky.magics import BlueskyMagics
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    shell.user_ns["spm"] = pfm
    BlueskyMagics(shell).wa("")
    shown = capsys.readouterr().out
    # name, value, low and high limit; the last column (offset) belongs to EPICS motors
    rows = [line.split()[:4] for line in shown.splitlines() if "2000" in line]
    assert rows == [["spm_probe_x", "0.0", "-2000.0", "2000.0"], ["spm_probe_y", "0.0", "-2000.0", "2000.0"]]


def test_two_openings_of_a_seed_are_the_same(tmp_path, engine):
    values = []
    for _ in range(2):
        device = open_instrument("sim-pfm", data_root=tmp_path, options={"seed": 7})
        device.posture.set("track").wait(5)
        engine(bp.grid_scan([device.spectrometer, device.clock], device.probe.x, 0, 50, 2, device.probe.y, 0, 50, 2))
        values.append([event["data"]["spm_spectrometer_x_mean"] for event in _data(engine)[-4:]])
        values[-1].append(device.clock.get())
        device.close()
    assert values[0] == values[1]


# factory


def _file(tmp_path, **changes):
    content = {**instrument_spec("sim-pfm").model_dump(mode="json"), **changes}
    path = tmp_path / "instrument.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_an_instrument_file_opens_hosted(tmp_path, engine):
    path = _file(tmp_path, name="afm", hosted=True, options={"seed": 1})
    device = open_instrument(path, data_root=tmp_path / "data")
    device.scan.frame.set({"pixels": 4, "lines": 4})
    device.posture.set("track").wait(20)
    engine(bp.count([device.scan]))
    engine(bp.count([device.spectrometer]))
    assert _data(engine)[0]["data"]["afm_scan_duration"] > 0
    assert np.isfinite(_data(engine)[1]["data"]["afm_spectrometer_x_mean"])
    device.close()
    device.close()
    with pytest.raises(ConnectionLost):
        device.bias.get()


def test_two_acquisitions_at_once_are_busy(spm, engine):
    spm.fake.gate = threading.Semaphore(0)
    begun, refused = threading.Event(), threading.Event()

    def stay(**_):
        begun.set()
        assert refused.wait(30)

    status = spm.scan.trigger()
    status.watch(stay)
    spm.fake.gate.release(8)
    assert begun.wait(30)  # the frame has a line and goes on only after the refusal; the driver itself is free
    with pytest.raises(FailedStatus) as failure:
        engine(bps.trigger(spm.spectrometer, wait=True))
    refused.set()
    assert isinstance(failure.value.__cause__, Busy)
    status.wait(30)
    engine(bp.count([spm.spectrometer]))


def test_a_lost_instrument_is_released_all_the_same(tmp_path):
    device = open_instrument(_file(tmp_path, hosted=True), data_root=tmp_path)
    host = device.link.driver._driver
    os.kill(host.pid, signal.SIGKILL)
    with pytest.raises(ConnectionLost):
        device.close()
    assert host._process.returncode == -signal.SIGKILL
    device.close()


def test_options_are_added_to_those_of_the_file(tmp_path):
    path = _file(tmp_path, options={"seed": 1, "drift": 0.0})
    assert instrument_spec(path, {"seed": 5}).options == {"seed": 5, "drift": 0.0}


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("sim-pmf", UnknownNameError, "Did you mean 'sim-pfm'"),
        ("replay:beacon", UnknownNameError, "beacon-dkl"),
        ("nowhere.yaml", DataError, "nowhere.yaml"),
    ],
)
def test_what_cannot_be_opened_says_why(tmp_path, name, kind, words):
    with pytest.raises(kind, match=words):
        open_instrument(name, data_root=tmp_path)


def test_a_wrong_option_or_file_is_refused(tmp_path):
    with pytest.raises(SpecError, match="colour"):
        open_instrument("sim-pfm", data_root=tmp_path, options={"colour": "red"})
    with pytest.raises(SpecError, match="kind"):
        open_instrument(_file(tmp_path, kind="tem"), data_root=tmp_path)
    with pytest.raises(SpecError, match="dose"):
        open_instrument(_file(tmp_path, envelope={"budgets": {"dose": 1.0}}), data_root=tmp_path)


def test_a_driver_that_lacks_what_the_kind_needs_is_refused(tmp_path):
    spec = instrument_spec("sim-pfm").model_copy(update={"kind": "stem"})
    guard = Guard(FakeDriver(), Envelope())
    with pytest.raises(SpecError, match="blanked"):
        assemble(guard, spec, tmp_path)
    with pytest.raises(SpecError, match="imaging sets drive_amplitude"):
        assemble(guard, instrument_spec("sim-pfm"), tmp_path)
    other = parse_instrument({**instrument_spec("sim-pfm").model_dump(), "spectrum": "force"}, "test")
    with pytest.raises(SpecError, match="force"):
        assemble(guard, other, tmp_path)
    guard.close()
