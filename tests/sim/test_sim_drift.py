from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probeline.sim.drift import Drift


def test_short_and_long_times_follow_the_same_law():
    sigma, tau = 0.02e-9, 600.0
    times = np.array([10.0, 300.0, 7200.0])
    ends = np.array([Drift(seed, settling=0.0)(times) for seed in range(2000)])
    expected = sigma * tau * np.sqrt(2 * (times / tau - 1 + np.exp(-times / tau)))
    assert ends.std(axis=(0, 1)) == pytest.approx(expected, rel=0.06)


def test_settling_ends_after_speed_times_time_constant():
    path = Drift(5, velocity=0.0)(np.array([0.0, 1.0, 1e6]))
    assert np.all(path[:, 0] == 0)
    assert np.linalg.norm(path[:, 1]) == pytest.approx(0.2e-9, rel=1e-3)
    assert np.linalg.norm(path[:, 2]) == pytest.approx(0.2e-9 * 1800, rel=1e-9)


@settings(max_examples=40)
@given(times=st.lists(st.floats(0, 5e4), min_size=1, max_size=20), seed=st.integers(0, 1000))
def test_the_path_is_a_function_of_time_alone(times, seed):
    drift = Drift(seed)
    together = drift(np.array(times))
    apart = np.stack([Drift(seed)(time) for time in reversed(times)][::-1], axis=1)
    assert np.array_equal(together, apart)


def test_zero_at_the_start_continuous_and_scaled():
    drift = Drift(1)
    assert np.all(drift(0.0) == 0)
    fine = drift(np.linspace(0, 50, 5001))
    assert np.abs(np.diff(fine, axis=1)).max() < 1.2 * 0.01 * np.abs(np.diff(drift(np.arange(51.0)), axis=1)).max()
    assert np.allclose(Drift(1, scale=2.0)(500.0), 2 * drift(500.0), rtol=1e-12)
    assert np.all(Drift(1, scale=0.0)(500.0) == 0)
    assert not np.array_equal(Drift(1, "other")(500.0), drift(500.0))


def test_shape_follows_the_times():
    assert Drift(0)(np.zeros((3, 4))).shape == (2, 3, 4)
    assert Drift(0, axes=1)(np.zeros(5)).shape == (1, 5)
