"""Loops: identities of the loop function, parameters of synthetic and measured loops."""

from __future__ import annotations

import math

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probeline.analysis.loop_shape import noise_level, running_median, spike_excess, split_branches
from probeline.analysis.loops import (
    area_weights,
    fit_loop,
    loop_function,
    loop_parameters,
    phase_offset,
    piezoresponse,
    select_loop,
)
from probeline.analysis.measurement import Measurement
from probeline.core.errors import DataError, SpecError
from probeline.core.paths import data_folder
from probeline.core.rng import generator

LAW = {"a0": -1.0, "a1": 2.0, "a2": -2.5, "a3": 3.5, "a4": 0.0, "b0": 0.4, "b1": 0.4, "b2": 0.4, "b3": 0.4}


def sweep(steps=64, v_max=8.5):
    """0 -> +V -> -V -> 0 in equal steps, without repeating the first point."""
    quarter = steps // 4
    return (
        v_max / quarter * np.concatenate([np.arange(quarter), np.arange(quarter, -quarter, -1), np.arange(-quarter, 0)])
    )


def synthetic(bias, noise=0.0, rng=None, **law):
    """Response of the loop function along one sweep."""
    falling, rising = loop_function(bias, bias, {**LAW, **law})
    rolled = np.roll(np.arange(len(bias)), 0)
    start, turn = int(np.argmax(bias)), int(np.argmin(bias))
    on_falling = (rolled - start) % len(bias) <= (turn - start) % len(bias)
    clean = np.where(on_falling, falling, rising)
    return clean + noise * rng.normal(size=len(bias)) if noise else clean


def measurement(data, bias, channels=("response",), fields=("off",), **settings):
    cycles = data.shape[1]
    return Measurement(
        "switching_loop", data, ("channel", "cycle", "field", "bias"), channels,
        {"cycle": list(range(cycles)), "field": list(fields), "bias": bias.tolist()}, "pm", settings,
    )  # fmt: skip


@pytest.mark.parametrize("widths", [(0.5, 0.7, 0.6, 0.4), (0.3, 0.3, 1.1, 0.2), (0.4, 0.4, 0.4, 0.4)])
def test_area_of_the_loop_function(widths):
    """int(L1 - L2) dV = a1 [(a3 - a2) + (b0 - b1 - b2 + b3) / sqrt(pi)], by quadrature on a fine grid."""
    b0, b1, b2, b3 = widths
    bias = np.linspace(-40, 40, 2_000_001)
    law = {"a0": -1.0, "a1": 2.2, "a2": -2.5, "a3": 3.1, "a4": 0.02, "b0": b0, "b1": b1, "b2": b2, "b3": b3}
    falling, rising = loop_function(bias, bias, law)
    assert np.trapezoid(falling - rising, bias) == pytest.approx(
        2.2 * ((3.1 + 2.5) + (b0 - b1 - b2 + b3) / math.sqrt(math.pi)), abs=1e-9
    )


def test_loop_function_goes_from_a0_to_a0_plus_a1():
    ends, _ = loop_function(np.array([-50.0, 50.0]), np.zeros(1), {**LAW, "b0": 0.3, "b1": 0.9})
    assert ends == pytest.approx([-1.0, 1.0], abs=1e-12)


def test_parameters_of_a_sampled_loop():
    """Direct integration agrees with the closed form; the trapezoid rule is second order in the step."""
    bias = sweep(256)
    found = loop_parameters(bias, synthetic(bias))
    assert found.area.value == pytest.approx(2.0 * 6.0, rel=2e-3)
    assert found.height.value == pytest.approx(2.0, rel=1e-6)
    assert found.remanent_plus.value == pytest.approx(1.0, rel=1e-6)
    assert found.switchable.value == pytest.approx(2.0, rel=1e-6)
    assert found.coercive_minus.value == pytest.approx(-2.5, abs=0.01)
    assert found.coercive_plus.value == pytest.approx(3.5, abs=0.01)
    assert found.imprint.value == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("width", [0.05, 0.4, 1.0])
def test_uncertainties_cover_the_truth(width):
    """200 noisy loops of 64 points: between 90 and 100 % within two sigma, and none absurdly wide."""
    rng, bias, pull = generator(0, "coverage", str(width)), sweep(), []
    for _ in range(200):
        law = {"a2": rng.uniform(-5, -2), "a3": rng.uniform(2, 5), **dict.fromkeys(("b0", "b1", "b2", "b3"), width)}
        found = loop_parameters(bias, synthetic(bias, 0.05, rng, **law))
        truth = {
            "area": 2.0 * (law["a3"] - law["a2"]), "height": 2.0, "switchable": 2.0,
            "coercive_minus": law["a2"], "coercive_plus": law["a3"], "imprint": (law["a2"] + law["a3"]) / 2,
        }  # fmt: skip
        pull.append(
            [(getattr(found, name).value - value) / getattr(found, name).sigma for name, value in truth.items()]
        )
    inside = np.mean(np.abs(pull) < 2, axis=0)
    # Where the switch is sharper than the step, the area has an error of sampling beside that of noise.
    assert (inside[1:] > 0.9).all(), inside
    assert np.std(pull, axis=0).max() < (1.25 if width > 0.1 else 8)
    assert np.std(pull, axis=0).min() > 0.25


def test_noise_is_recovered():
    """Mean of 300 estimates: unbiased without a loop, at most a quarter too large with one of 64 points."""
    rng, bias = generator(0, "noise"), sweep()
    assert np.mean([noise_level(rng.normal(size=64)) for _ in range(300)]) == pytest.approx(1, rel=0.03)
    assert 1 <= np.mean([noise_level(synthetic(bias, 0.05, rng)) for _ in range(300)]) / 0.05 <= 1.25


@given(start=st.integers(0, 63), reverse=st.booleans(), offset=st.floats(-5, 5))
@settings(max_examples=40)
def test_start_and_direction_of_the_sweep_do_not_matter(start, reverse, offset):
    """Rolled, mirrored (0 -> -V -> +V -> 0) and shifted sweeps of one loop give one set of parameters."""
    bias = sweep()
    response = synthetic(bias, 0.02, generator(0, "roll"))
    expected = loop_parameters(bias, response)
    at = start + (len(bias) // 2 if reverse else 0)
    found = loop_parameters(np.roll(bias, at), np.roll(response, at) + offset)
    for name in ("area", "height", "coercive_minus", "coercive_plus", "imprint", "switchable"):
        assert getattr(found, name).value == pytest.approx(getattr(expected, name).value, rel=1e-9, abs=1e-9)
        assert getattr(found, name).sigma == pytest.approx(getattr(expected, name).sigma, rel=1e-6)
    assert spike_excess(np.roll(response, at) + offset) == pytest.approx(spike_excess(response), abs=1e-9)


def test_loop_traversed_backwards_has_negative_area():
    bias = sweep()
    response = synthetic(bias)
    assert loop_parameters(bias[::-1], response[::-1]).area.value == pytest.approx(
        -loop_parameters(bias, response).area.value
    )


def test_area_weights_ignore_an_offset():
    assert area_weights(sweep()).sum() == pytest.approx(0, abs=1e-12)


def test_tilted_loop_keeps_its_coercive_biases():
    """A response of 0.4 per V under the loop, larger than the loop itself, shifts them by under half a step."""
    bias = sweep()
    found = loop_parameters(bias, synthetic(bias, a4=0.4), tilted=True)
    assert found.coercive_minus.value == pytest.approx(-2.5, abs=0.27)
    assert found.coercive_plus.value == pytest.approx(3.5, abs=0.27)


def test_loop_that_does_not_switch_has_no_coercive_bias():
    bias = sweep()
    found = loop_parameters(bias, 0.1 * bias)
    assert found.area.value == pytest.approx(0, abs=1e-12)
    assert found.height.value == pytest.approx(0, abs=1e-12)
    assert found.switchable.value == pytest.approx(0, abs=1e-12)


def test_running_median_keeps_steps_and_removes_spikes():
    response = np.repeat([1.0, -1.0], 16)
    broken = response.copy()
    broken[[5, 6, 24]] = 50.0
    assert running_median(broken, 5) == pytest.approx(response)
    assert spike_excess(response) == 0
    assert spike_excess(broken) > 20


def test_flat_noise_is_not_called_broken():
    """Pure noise, 1000 loops: a place that does not switch is a result."""
    rng = generator(0, "flat")
    assert np.mean([spike_excess(rng.normal(size=64)) > 0.7 for _ in range(1000)]) < 0.005


def test_spike_in_a_constant_is_infinitely_broken():
    response = np.zeros(32)
    assert spike_excess(response) == 0
    response[3] = 1.0
    assert spike_excess(response) == math.inf


def test_branches_share_the_extremes():
    bias = sweep(16)
    branches = split_branches(bias, np.arange(16.0))
    assert branches.falling_bias[0] == branches.rising_bias[0] == bias.min()
    assert branches.falling[-1] == branches.rising[-1] == 4.0
    assert (np.diff(branches.falling_bias) > 0).all()
    assert (np.diff(branches.rising_bias) > 0).all()
    assert len(branches.falling) + len(branches.rising) == 18


def test_sweep_with_two_cycles_is_refused():
    bias = np.tile(sweep(16), 2)
    with pytest.raises(DataError, match="no single bipolar sweep"):
        split_branches(bias, np.zeros(32))


def test_projection_on_the_recorded_phase():
    """PR = A cos(phi - phi0): x = A cos(phi), y = A sin(phi)."""
    bias, phi0 = sweep(), math.radians(35)
    response = synthetic(bias)
    data = np.stack([response * math.cos(phi0), response * math.sin(phi0)])[:, None, None]
    for recorded in (35.0, -145.0):  # an image leaves half a turn open, the loop does not
        taken = measurement(data, bias, ("x", "y"), phase_offset_deg=recorded)
        assert piezoresponse(taken)[0, 0] == pytest.approx(response, abs=1e-12)
        assert phase_offset(taken).degrees == pytest.approx(35.0)
        assert not phase_offset(taken).estimated


def test_aborted_loop_keeps_its_phase():
    """Only the first of two cycles was finished; the rest is NaN and stays NaN."""
    bias, phi0 = sweep(), math.radians(-70)
    response = synthetic(bias)
    data = np.full((2, 2, 1, 64), np.nan)
    data[0, 0, 0], data[1, 0, 0] = response * math.cos(phi0), response * math.sin(phi0)
    found = piezoresponse(measurement(data, bias, ("x", "y")))
    assert found[0, 0] == pytest.approx(response, abs=0.05)
    assert np.isnan(found[1]).all()
    data[:] = np.nan
    assert np.isnan(piezoresponse(measurement(data, bias, ("x", "y")))).all()


@pytest.mark.parametrize("degrees", [-150.0, -35.0, 0.0, 35.0, 120.0])
def test_phase_is_estimated_with_its_sign(degrees):
    """The principal axis leaves 180 degrees open; the sense of rotation of the loop closes it."""
    rng, bias, phi0 = generator(0, "phase"), sweep(), math.radians(degrees)
    response = synthetic(bias, 0.02, rng)
    data = np.stack([response * math.cos(phi0), response * math.sin(phi0)])[:, None, None]
    offset = phase_offset(measurement(data + 0.02 * rng.normal(size=data.shape), bias, ("x", "y")))
    assert offset.estimated
    assert math.remainder(offset.degrees - degrees, 360) == pytest.approx(0, abs=1.0)


def test_last_cycle_off_field_is_selected():
    bias = sweep()
    data = np.stack([[np.full(64, 10.0 * cycle + field) for field in range(2)] for cycle in range(3)])[None]
    taken = measurement(data, bias, fields=("on", "off"))
    assert select_loop(taken)[1] == pytest.approx(21.0)
    assert select_loop(taken, "on")[1] == pytest.approx(20.0)
    with pytest.raises(SpecError, match="holds on, off"):
        select_loop(taken, "during")


def test_axes_may_come_in_any_order_or_be_missing():
    bias = sweep()
    response = synthetic(bias)
    short = Measurement("loop", response[None], ("channel", "bias"), ("response",), {"bias": bias.tolist()}, "pm")
    assert piezoresponse(short).shape == (1, 1, 64)
    turned = Measurement(
        "loop", np.stack([response, response])[None].transpose(0, 2, 1), ("channel", "bias", "cycle"),
        ("response",), {"bias": bias.tolist(), "cycle": [0, 1]}, "pm",
    )  # fmt: skip
    assert piezoresponse(turned)[1, 0] == pytest.approx(response)
    with pytest.raises(DataError, match="needs channel 'x'"):
        piezoresponse(Measurement("eds", np.zeros((1, 4)), ("channel", "energy"), ("counts",), {}, "counts"))


def test_fit_recovers_the_law():
    """100 loops of 64 points, noise 2.5 % of the height: pulls of a0 ... b3 have unit width within 25 %."""
    rng, bias, pull = generator(0, "fit"), sweep(), []
    law = {"a0": -1.0, "a1": 2.0, "a2": -3.0, "a3": 3.5, "a4": 0.01, "b0": 1.0, "b1": 0.8, "b2": 1.2, "b3": 0.9}
    for _ in range(100):
        fit = fit_loop(bias, synthetic(bias, 0.05, rng, **law))
        assert fit.r2 > 0.99
        pull.append([(fit.params[name] - value) / fit.sigma[name] for name, value in law.items()])
    assert np.abs(np.nanmean(pull, axis=0)).max() < 0.5
    assert np.nanstd(pull, axis=0) == pytest.approx(1.0, abs=0.3)


def test_fit_curve_follows_the_order_of_the_data():
    bias = np.roll(sweep(), 17)
    response = synthetic(bias)
    assert fit_loop(bias, response).curve == pytest.approx(response, abs=0.02)
    with pytest.raises(DataError, match="more than 9 points"):
        fit_loop(sweep(8), np.zeros(8))


@pytest.mark.parametrize(
    ("field", "tilted", "width", "imprint"), [("off", False, 11.82, -0.18), ("on", True, 14.26, 0.19)]
)
def test_width_of_measured_loops(field, tilted, width, imprint):
    """63 loops of a KNN film: median width within 10 %, median shift within one bias step (0.4 V).

    References: the properties that PySSPFM released with the data, doi:10.1063/5.0197226. Its widths
    come from a fit of two sigmoids, ours from the crossing of the middle line.
    """
    try:
        path = data_folder("agpl-sspfm-knn-8x8") / "sspfm_knn500n.h5"
    except DataError as error:
        pytest.skip(str(error))
    with h5py.File(path) as file:
        bias, response = (file[f"{field}_field/{name}"][()] for name in ("voltage", "piezoresponse"))
    found = [loop_parameters(v, r, tilted=tilted) for v, r in zip(bias, response, strict=True)]
    widths = np.array([loop.coercive_plus.value - loop.coercive_minus.value for loop in found])
    assert np.isfinite(widths).sum() >= 60
    assert np.nanmedian(widths) == pytest.approx(width, rel=0.10)
    assert np.nanmedian([loop.imprint.value for loop in found]) == pytest.approx(imprint, abs=0.4)
