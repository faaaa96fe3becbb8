"""The probe goes where it is told: both coordinates together, or one and the other stays."""

from __future__ import annotations

import math

import bluesky.plan_stubs as bps
import numpy as np
import pytest

from probeline.core.errors import CommandRejected, LimitError


def _moves(spm):
    return [value for key, value in spm.fake.received if key in ("x", "y")]


def test_both_coordinates_are_one_move(spm):
    spm.probe.set((100.0, -200.0)).wait(5)
    assert _moves(spm) == pytest.approx([1e-7, -2e-7])
    assert {key: reading["value"] for key, reading in spm.probe.read().items()} == pytest.approx(
        {"spm_probe_x": 100.0, "spm_probe_x_setpoint": 100.0, "spm_probe_y": -200.0, "spm_probe_y_setpoint": -200.0}
    )


def test_one_axis_leaves_the_other_at_its_setpoint(spm):
    spm.probe.x.set(100.0)
    spm.probe.y.set(50.0).wait(5)
    assert _moves(spm) == pytest.approx([1e-7, 0.0, 1e-7, 5e-8])


def test_before_the_first_move_the_target_is_where_the_probe_is(spm):
    spm.fake._xy = (3e-7, 4e-7)
    assert spm.probe.target == pytest.approx((300.0, 400.0))


@pytest.mark.parametrize("value", [(1001.0, 0.0), (0.0, math.nan), (0.0,), ("left", 0.0)])
def test_a_wrong_target_is_refused_at_once(spm, value):
    for call in (spm.probe.set, spm.probe.check_value):
        with pytest.raises((LimitError, CommandRejected)):
            call(value)
    assert _moves(spm) == []
    assert spm.probe.target == (0.0, 0.0)


@pytest.mark.parametrize("value", [3.0, None, "ab", np.float64(3.0), np.array(3.0), {1.0, 2.0}, ((1.0, 2.0), 3.0)])
def test_what_is_no_pair_is_refused_with_what_is_needed(spm, engine, value):
    for call in (spm.probe.set, spm.probe.check_value, lambda target: engine(bps.mv(spm.probe, target))):
        with pytest.raises(CommandRejected, match=r"spm_probe.* = .*(give a pair \(x, y\) in nm|is not a number)"):
            call(value)
    assert _moves(spm) == []


def test_a_pair_may_be_an_array(spm):
    spm.probe.set(np.array([100.0, -200.0])).wait(5)
    assert _moves(spm) == pytest.approx([1e-7, -2e-7])


def test_the_edge_itself_can_be_reached(pfm):
    low, high = pfm.probe.x.limits
    for edge in (low, high):
        pfm.probe.x.set(edge).wait(5)
        assert pfm.probe.x.position == pytest.approx(edge)


def test_an_axis_is_a_positioner(spm):
    axis = spm.probe.x
    assert axis.limits == (-1000.0, 1000.0)
    assert axis.egu == "nm"
    assert axis.hints == {"fields": ["spm_probe_x"]}
    key = axis.describe()["spm_probe_x"]
    assert (key["units"], key["lower_ctrl_limit"], key["upper_ctrl_limit"]) == ("nm", -1000.0, 1000.0)
    with pytest.raises(LimitError, match="spm_probe_x = 1500 nm"):
        axis.set(1500.0)


def test_an_arrival_that_fails_fails_the_status(pfm):
    acquisition = pfm.link.driver.start_scan(
        {"center_x": 0.0, "center_y": 0.0, "width": 1e-7, "height": 1e-7, "pixels": 4, "lines": 40, "angle": 0.0,
         "slow": "up"}
    )  # fmt: skip
    next(iter(acquisition))
    error = pfm.probe.set((10.0, 10.0)).exception(5)
    assert type(error).__name__ == "Busy"
    acquisition.abort()
