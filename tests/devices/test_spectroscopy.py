"""Spectra: settings in shown units, axes in the descriptor, one event each."""

from __future__ import annotations

import json
import math

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import bluesky.preprocessors as bpp
import numpy as np
import pytest
from bluesky.utils import FailedStatus

from probeline.core.errors import CommandRejected, DriverError, LimitError, NotMeasured
from probeline.devices.spectroscopy import EDSDetector, ScalarDetector, SwitchingSpectroscopy, setting_unit


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("v_max", "V"),
        ("step_time", "ms"),
        ("dwell", "s"),
        ("phase_offset", "deg"),
        ("cycles", ""),
        ("energy_low", "eV"),
    ],
)
def test_units_follow_from_names(name, unit):
    assert setting_unit(name) == unit


def test_settings_are_configuration_in_shown_units(spm, engine):
    def plan():
        yield from bps.mv(spm.spectrometer.step_time, 4.0, spm.spectrometer.v_max, 2.0, spm.spectrometer.cycles, 3)
        yield from bp.count([spm.spectrometer])

    engine(plan())
    sent = dict(spm.fake.received)["switching_loop"]
    assert sent == {"v_max": 2.0, "steps": 8, "cycles": 3, "step_time": pytest.approx(0.004)}
    assert type(sent["cycles"]) is int
    (descriptor,) = [doc for name, doc in engine.docs if name == "descriptor"]
    assert descriptor["configuration"]["spm_spectrometer"]["data"] == {
        "spm_spectrometer_v_max": 2.0, "spm_spectrometer_steps": 8, "spm_spectrometer_cycles": 3,
        "spm_spectrometer_step_time": 4.0,
    }  # fmt: skip
    key = descriptor["data_keys"]["spm_spectrometer_spectrum"]
    assert key["shape"] == [1, 3, 2, 8]
    assert key["units"] == "pm"
    assert key["dims"] == ["channel", "cycle", "field", "bias"]
    assert key["coords"]["field"] == ["off", "on"]
    assert key["kind"] == "switching_loop"
    (event,) = [doc for name, doc in engine.docs if name == "event"]
    assert event["data"]["spm_spectrometer_spectrum"][0, :, 0, 0].tolist() == pytest.approx([3.0, 6.0, 9.0])
    assert event["data"]["spm_spectrometer_x_mean"] == pytest.approx(6.0)
    assert json.loads(event["data"]["spm_spectrometer_provenance"]) == {"kind": "simulated"}


def test_the_phase_reference_stands_in_the_configuration(pfm):
    pfm.drive.phase_offset.set(30.0).wait(5)
    configured = pfm.spectrometer.read_configuration()
    assert configured["spm_spectrometer_phase_offset_deg"]["value"] == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("v_max", math.nan, "a finite number"),
        ("v_max", 50.0, "bias = 50 V was refused: the limit is -10 to 10 V"),
        ("steps", -3, "1 or more"),
        ("cycles", 0, "1 or more"),
        ("cycles", 1.5, "a whole number"),
        ("step_time", -1.0, "0 s or more"),
        ("v_max", "high", "is not a number"),
        ("v_max", None, "is not a number"),
    ],
)
def test_a_wrong_setting_is_refused_when_it_is_set(spm, engine, name, value, message):
    """By set, put, check_value and configure; nothing is sent, nothing is kept."""
    signal = getattr(spm.spectrometer, name)
    before = signal.get()
    for call in (
        signal.set,
        signal.put,
        signal.check_value,
        lambda wrong: engine(bps.configure(spm.spectrometer, {name: wrong})),
    ):
        with pytest.raises((LimitError, CommandRejected), match=message):
            call(value)
    assert signal.get() == before
    assert spm.fake.received == []


def test_configure_changes_all_or_nothing(spm):
    old, new = spm.spectrometer.configure({"v_max": 2.0, "steps": 16})
    assert (old["spm_spectrometer_v_max"]["value"], new["spm_spectrometer_v_max"]["value"]) == (5.0, 2.0)
    with pytest.raises(LimitError, match="bias = 50 V"):
        spm.spectrometer.configure({"steps": 32, "v_max": 50.0})
    with pytest.raises(CommandRejected, match=r"no setting speed; it has v_max, steps, cycles, step_time"):
        spm.spectrometer.configure({"steps": 32, "speed": 1})
    assert (spm.spectrometer.steps.get(), spm.spectrometer.v_max.get()) == (16, 2.0)


def test_settings_are_checked_together_by_configure(spm, monkeypatch):
    """A guard that wants at most 8 V times cycles refuses either change alone, and takes both."""
    guard = spm.link.driver
    plain = guard.check_settings

    def check(kind, settings):
        if settings["v_max"] * settings["cycles"] > 10:
            raise LimitError("v_max times cycles", settings["v_max"] * settings["cycles"], "at most 10 V", "V")
        return plain(kind, settings)

    monkeypatch.setattr(guard, "check_settings", check)
    with pytest.raises(LimitError):
        spm.spectrometer.cycles.set(5)
    spm.spectrometer.configure({"cycles": 5, "v_max": 2.0})
    assert (spm.spectrometer.cycles.get(), spm.spectrometer.v_max.get()) == (5, 2.0)


def test_configure_reaches_the_controller_too(pfm):
    _, new = pfm.spectrometer.configure({"phase_offset_deg": 30.0, "steps": 32})
    assert new["spm_spectrometer_phase_offset_deg"]["value"] == pytest.approx(30.0)
    assert new["spm_spectrometer_steps"]["value"] == 32


def _two_events(detector, change):
    def plan():
        yield from bps.open_run()
        yield from bps.trigger_and_read([detector])
        yield from change
        yield from bps.trigger_and_read([detector])
        yield from bps.close_run()

    return bpp.stage_wrapper(plan(), [detector])


def _key(descriptor):
    return descriptor["data_keys"]["spm_spectrometer_spectrum"]


def test_a_configured_stream_never_states_the_axes_of_before(spm, engine):
    """The new descriptor is written before anything was measured: it leaves the axes open, the event has them."""
    engine(_two_events(spm.spectrometer, bps.configure(spm.spectrometer, {"steps": 16})))
    first, second = [doc for name, doc in engine.docs if name == "descriptor"]
    assert _key(first)["shape"] == [1, 2, 2, 8]
    assert len(_key(first)["coords"]["bias"]) == 8
    assert _key(second)["shape"] == [1, None, None, None]
    assert _key(second)["coords"] == {}
    assert second["configuration"]["spm_spectrometer"]["data"]["spm_spectrometer_steps"] == 16
    events = [doc for name, doc in engine.docs if name == "event"]
    assert [event["descriptor"] for event in events] == [first["uid"], second["uid"]]
    assert "coords" not in json.loads(events[0]["data"]["spm_spectrometer_provenance"])
    assert events[1]["data"]["spm_spectrometer_spectrum"].shape == (1, 2, 2, 16)
    coords = json.loads(events[1]["data"]["spm_spectrometer_provenance"])["coords"]
    assert coords["bias"] == pytest.approx(5.0 * np.sin(np.arange(16)))
    assert coords["field"] == ["off", "on"]


def test_configuring_what_is_set_already_keeps_the_axes(spm, engine):
    engine(_two_events(spm.spectrometer, bps.configure(spm.spectrometer, {"steps": 8})))
    first, second = [doc for name, doc in engine.docs if name == "descriptor"]
    assert _key(first)["shape"] == _key(second)["shape"] == [1, 2, 2, 8]
    assert _key(first)["coords"] == _key(second)["coords"]


@pytest.mark.parametrize(("name", "value"), [("steps", 16), ("v_max", 2.0)])
def test_settings_set_in_the_middle_of_a_stream_are_refused_at_reading(spm, engine, name, value):
    """Another shape, or the same shape over other biases: the descriptor would be wrong."""
    detector = spm.spectrometer
    with pytest.raises(CommandRejected, match=r"change them by bps\.configure"):
        engine(_two_events(detector, bps.mv(getattr(detector, name), value)))
    assert len([doc for doc_name, doc in engine.docs if doc_name == "event"]) == 1
    engine(bp.count([detector]))  # another run describes it anew
    assert _key([doc for doc_name, doc in engine.docs if doc_name == "descriptor"][-1])["coords"]["bias"]


def test_what_other_settings_gave_is_not_described(spm, engine):
    engine(bp.count([spm.spectrometer]))
    spm.spectrometer.steps.set(16)
    assert spm.spectrometer.describe()["spm_spectrometer_spectrum"]["shape"] == [1, None, None, None]


def test_before_the_first_spectrum_there_is_nothing_to_read(spm):
    with pytest.raises(DriverError):
        spm.spectrometer.read()
    assert spm.spectrometer.describe()["spm_spectrometer_spectrum"]["shape"] == [1, None, None, None]


def test_what_a_measurement_does_to_the_sample_is_declared(spm):
    assert spm.spectrometer.destructive
    assert spm.spectrometer.footprint_nm == pytest.approx(50.0)


def test_kinds_have_their_classes(spm, beacon, stem):
    assert isinstance(spm.spectrometer, SwitchingSpectroscopy)
    assert isinstance(beacon.spectrometer, ScalarDetector)
    assert isinstance(stem.spectrometer, EDSDetector)


def test_a_replay_measures_where_it_was_measured_only(beacon, engine):
    engine(bp.count([beacon.spectrometer]))
    (event,) = [doc for name, doc in engine.docs if name == "event"]
    assert np.isfinite(event["data"]["spm_spectrometer_loop_height_mean"])
    assert json.loads(event["data"]["spm_spectrometer_provenance"])["kind"] == "measured"
    beacon.probe.set((beacon.probe.x.limits[0], beacon.probe.y.limits[0])).wait(5)
    with pytest.raises(FailedStatus) as failure:
        engine(bp.count([beacon.spectrometer]))
    assert isinstance(failure.value.__cause__, NotMeasured)


def test_eds_counts_have_an_energy_axis(stem, engine):
    engine(bp.count([stem.spectrometer]))
    (descriptor,) = [doc for name, doc in engine.docs if name == "descriptor"]
    key = descriptor["data_keys"]["stem_spectrometer_spectrum"]
    assert key["dims"] == ["channel", "energy"]
    assert key["units"] == "counts"
    assert len(key["coords"]["energy"]) == key["shape"][1]


def test_a_measurement_that_can_not_even_be_ended_still_finishes_its_status(spm):
    class Broken:
        def __iter__(self):
            yield from ()
            raise OSError("socket reset")

        def abort(self):
            raise OSError("broken pipe")

    spm.fake.start_spectrum = lambda kind, settings: Broken()
    with pytest.raises(OSError, match="socket reset") as failure:
        spm.spectrometer.trigger().wait(10)
    assert any("broken pipe" in note for note in failure.value.__notes__)
    del spm.fake.start_spectrum
    spm.spectrometer.trigger().wait(10)
