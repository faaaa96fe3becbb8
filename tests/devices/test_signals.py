"""Signals show the microscopist's units, ask the controller, and refuse before sending."""

from __future__ import annotations

import math

import pytest

from probeline.core.errors import CommandRejected, LimitError
from probeline.devices.signals import Setting


def test_a_signal_converts_both_ways(spm):
    spm.drive_unit = spm.bias.unit
    spm.bias.set(2.5).wait(5)
    assert spm.fake.received == [("bias", 2.5)]
    spm.fake._values["z"] = 12e-9
    assert spm.z.readback.get() == pytest.approx(12.0)
    assert spm.z.readback.describe()["spm_z_readback"]["units"] == "nm"


def test_a_signal_never_answers_from_memory(spm):
    spm.bias.set(1.0).wait(5)
    spm.fake._values["bias"] = -4.0  # somebody turned a knob
    assert spm.bias.get() == -4.0
    assert spm.bias.read()["spm_bias"]["value"] == -4.0


def test_a_signal_describes_itself(spm):
    key = spm.bias.describe()["spm_bias"]
    assert key == {
        "source": "fake:bias", "dtype": "number", "dtype_numpy": "<f8", "shape": [], "units": "V", "precision": 3,
        "lower_ctrl_limit": -10.0, "upper_ctrl_limit": 10.0,
    }  # fmt: skip
    assert spm.bias.limits == (-10.0, 10.0)
    assert spm.z.feedback.describe()["spm_z_feedback"]["dtype_numpy"] == "|b1"
    assert spm.z.tip.describe()["spm_z_tip"]["dtype"] == "string"


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (11.0, LimitError, ["spm_bias", "11", "-10 to 10 V"]),
        (math.nan, LimitError, ["spm_bias", "nan", "finite"]),
        (-math.inf, LimitError, ["spm_bias", "inf", "finite"]),
        ("high", CommandRejected, ["spm_bias", "high", "number"]),
        (True, CommandRejected, ["spm_bias", "True", "number"]),
    ],
)
def test_a_wrong_value_is_refused_at_once(spm, value, kind, words):
    for call in (spm.bias.set, spm.bias.put, spm.bias.check_value):
        with pytest.raises(kind) as refusal:
            call(value)
        assert all(word in str(refusal.value) for word in words)
    assert spm.fake.received == []


def test_read_only_stays_read_only(spm):
    for signal in (spm.z.readback, spm.clock, spm.state, spm.ledger.spent_frames):
        for call in (signal.set, signal.put, signal.check_value):
            with pytest.raises(CommandRejected, match="read-only"):
                call(1.0)


def test_a_value_that_is_not_held_fails_the_status(spm):
    spm.fake._apply = lambda values: None
    status = spm.bias.set(3.0)
    error = status.exception(5)
    assert isinstance(error, CommandRejected)
    assert "the controller holds 0.0" in str(error)


def test_a_value_within_the_resolution_is_held(spm):
    apply = spm.fake._apply
    spm.fake._apply = lambda values: apply({key: round(value, 3) for key, value in values.items()})
    spm.bias.set(1.23449).wait(5)
    assert spm.bias.get() == 1.234


def test_limits_can_be_set_exactly_in_any_unit(pfm):
    pfm.drive.phase_offset.set(180.0).wait(5)
    assert pfm.drive.phase_offset.get() == pytest.approx(180.0)
    pfm.drive.frequency.set(1000.0).wait(5)
    assert pfm.link.driver.get_many(["drive_frequency"]) == {"drive_frequency": 1e6}


def test_a_setting_keeps_what_it_is_given_and_no_more():
    setting = Setting(name="width", unit="nm", limits=(1.0, 100.0))
    assert setting.set(50.0).success
    with pytest.raises(LimitError, match="1 to 100 nm"):
        setting.set(0.0)
    assert setting.get() == 50.0
    count = Setting(name="pixels", dtype="integer", limits=(1, 10))
    count.put(4.0)
    assert type(count.get()) is int


def test_subscribers_hear_of_a_reading(spm):
    heard = []
    spm.bias.subscribe(lambda value, **_: heard.append(value), run=False)
    spm.bias.set(2.0).wait(5)
    assert heard[-1] == 2.0
