"""Spectra: settings in shown units, axes in the descriptor, one event each."""

from __future__ import annotations

import json

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import numpy as np
import pytest
from bluesky.utils import FailedStatus

from probeline.core.errors import DriverError, LimitError, NotMeasured
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


def test_a_wrong_setting_fails_before_anything_is_sent(spm, engine):
    with pytest.raises(LimitError):
        spm.spectrometer.v_max.set(float("nan"))
    spm.spectrometer.v_max.set(20.0)
    with pytest.raises(LimitError, match="bias = 20 V"):
        engine(bp.count([spm.spectrometer]))
    assert "switching_loop" not in dict(spm.fake.received)


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
