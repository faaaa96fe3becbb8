from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probeline.sim.pfm.loops import FIRST_CYCLE, LoopParameters, branches, polygon_area, run_cycle, run_cycles, sweep


def one_loop(v_minus=-2.5, v_plus=3.0, low=-40e-12, switchable=80e-12, slope=0.0, widths=(0.5, 0.3, 0.4, 0.6)):
    scalars = [np.array([value]) for value in (v_minus, v_plus, low, switchable, slope)]
    return LoopParameters(*scalars, np.array(widths)[:, None])


biases = st.floats(0.5, 4)
widths = st.floats(0.05, 1.0)


@settings(max_examples=60)
@given(v_plus=biases, v_minus=biases, b=st.tuples(widths, widths, widths, widths), a1=st.floats(1e-12, 1e-10))
def test_area_identity(v_plus, v_minus, b, a1):
    """Integral of the difference of the branches, by quadrature, against the closed form."""
    loops = one_loop(-v_minus, v_plus, -a1 / 2, a1, 0.0, b)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    total = 0.0
    # Piecewise, because the width changes within millivolts of the coercive biases.
    edge = [-25.0, -v_minus - 6, -v_minus - 0.01, -v_minus, -v_minus + 0.01, v_plus - 0.01, v_plus, v_plus + 0.01]
    edge = sorted([*edge, -v_minus - 2, -v_minus + 1, v_plus - 1, v_plus + 2, v_plus + 6, 25.0])
    for low, high in pairwise(edge):
        down, up = branches(0.5 * (high - low) * nodes + 0.5 * (high + low), loops)
        total += 0.5 * (high - low) * float(np.sum(weights * (down - up)[0]))
    assert a1 * total == pytest.approx(loops.area()[0], rel=1e-6)


@given(v_plus=biases, v_minus=biases, b=st.tuples(widths, widths, widths, widths))
def test_branches_rise_from_zero_to_one_and_descending_lies_above(v_plus, v_minus, b):
    down, up = branches(np.linspace(-12, 12, 481), one_loop(-v_minus, v_plus, widths=b))
    for branch in (down, up):
        assert branch[0, 0] == pytest.approx(0, abs=1e-12)
        assert branch[0, -1] == pytest.approx(1, abs=1e-12)
        assert np.all(np.diff(branch[0]) > -1e-9)


def test_coercive_biases_can_be_read_off_the_loop():
    loops = one_loop(widths=(0.4, 0.4, 0.4, 0.4))
    bias = sweep(8.0, 4096)
    share = run_cycle(bias, loops, np.zeros(1))[0]
    rising, falling = slice(0, 1024), slice(1024, 3072)
    assert np.interp(0.5, share[rising], bias[rising]) == pytest.approx(3.0, abs=1e-3)
    assert np.interp(0.5, share[falling][::-1], bias[falling][::-1]) == pytest.approx(-2.5, abs=1e-3)


def test_sweep_starts_at_zero_and_reaches_both_extremes():
    bias = sweep(8.0, 64)
    assert bias[0] == 0
    assert bias[16] == 8
    assert bias[48] == -8
    assert bias[-1] == -0.5
    assert np.allclose(np.abs(np.diff(bias)), 0.5)


def test_saturated_cycle_is_the_loop_function_rolled():
    loops, bias = one_loop(), sweep(9.0, 64)
    down, up = branches(bias, loops)
    share = run_cycle(bias, loops, np.zeros(1))
    expected = np.where((np.arange(64) > 16) & (np.arange(64) <= 48), down, up)
    assert np.allclose(share, expected, atol=1e-12)


def test_small_bias_switches_nothing_and_medium_bias_a_part():
    loops, bias = one_loop(), sweep(1.0, 64)
    for before in (0.0, 1.0, 0.4):
        share = run_cycle(bias, loops, np.array([before]))
        assert np.allclose(share, before, atol=1e-3)
    partial = run_cycle(sweep(3.0, 64), loops, np.zeros(1))[0]
    assert 0.3 < partial[16] < 0.7
    assert partial[20] == partial[16]


def test_up_place_starts_on_the_upper_branch():
    loops, bias = one_loop(), sweep(8.0, 64)
    share = run_cycles(bias, loops, np.ones(1), 2)
    response = loops.response(bias, share)
    assert response[0, 0, 0] == pytest.approx(40e-12)
    assert response[0, 1, 0] == pytest.approx(-40e-12, abs=1e-15)
    assert share[0, -1, -1] == pytest.approx(0, abs=1e-6)


def test_first_cycle_is_harder_to_switch():
    bias, loops = sweep(8.0, 1024), one_loop()
    response = loops.response(bias, run_cycles(bias, loops, np.zeros(1), 3))
    first, second, third = polygon_area(sweep(8.0, 1024), response)[0]
    assert second == pytest.approx(third, rel=1e-12)
    assert first - second == pytest.approx(80e-12 * 5.5 * (FIRST_CYCLE - 1), rel=1e-3)


def test_polygon_area_tends_to_the_closed_form():
    loops = one_loop(slope=0.5e-12)
    bias = sweep(10.0, 1024)
    response = loops.response(bias, run_cycles(bias, loops, np.zeros(1), 2))
    assert polygon_area(bias, response[:, -1])[0] == pytest.approx(loops.area()[0], rel=1e-4)


def test_many_points_equal_one_by_one():
    rng = np.random.default_rng(0)
    both = LoopParameters(
        rng.uniform(-4, -1, 7), rng.uniform(1, 4, 7), *rng.uniform(1e-12, 9e-11, (3, 7)), rng.uniform(0.1, 1, (4, 7))
    )
    bias, before = sweep(8.0, 32), np.linspace(0, 1, 7)
    together = both.response(bias, run_cycles(bias, both, before, 2))
    for k in range(7):
        fields = [getattr(both, name)[k : k + 1] for name in ("v_minus", "v_plus", "low", "switchable", "slope")]
        one = LoopParameters(*fields, both.widths[:, k : k + 1])
        alone = one.response(bias, run_cycles(bias, one, before[k : k + 1], 2))
        assert np.array_equal(alone[0], together[k])
