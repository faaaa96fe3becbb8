"""What an agent believes to be left to learn."""

import numpy as np
import pytest
from scipy import stats

from probeline.agents.stopping import left_to_learn

OPEN = np.array([np.nan, np.nan, 1.0, 1.0, 1.0])


def believed(mean, std):
    return {"mean": np.array(mean, float), "std": np.array(std, float), "acquisition": OPEN}


def test_improvement_is_what_the_best_open_candidate_promises():
    maps = believed([1.0, 3.0, 2.0, 2.5, 9.0], [0.1, 0.1, 0.5, 2.0, 0.01])
    values = [1.0, 3.0]
    left = left_to_learn(maps, [0, 1], values, "max")
    assert left.improvement == pytest.approx(6.0 / np.std(values))  # nearly certain
    maps["mean"][4] = -9.0
    left = left_to_learn(maps, [0, 1], values, "max")
    z = (2.5 - 3.0) / 2.0
    assert left.improvement == pytest.approx(2.0 * (z * stats.norm.cdf(z) + stats.norm.pdf(z)) / np.std(values))
    assert left_to_learn(maps, [0, 1], values, "min").improvement == pytest.approx(10.0 / np.std(values))


def test_variance_is_that_of_the_open_candidates():
    maps = believed(np.zeros(5), [50.0, 50.0, 1.0, 2.0, 2.0])
    assert left_to_learn(maps, [0, 1], [0.0, 2.0], "max").variance == pytest.approx(3.0)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 1.0]])
def test_without_spread_nothing_is_said(values):
    maps = believed(np.zeros(5), np.ones(5))
    assert left_to_learn(maps, list(range(len(values))), values, "max") is None


def test_without_a_model_or_an_open_candidate_nothing_is_said():
    assert left_to_learn(believed(np.zeros(5), np.full(5, np.nan)), [0, 1], [0.0, 1.0], "max") is None
    maps = {**believed(np.zeros(5), np.ones(5)), "acquisition": np.full(5, np.nan)}
    assert left_to_learn(maps, [0, 1], [0.0, 1.0], "max") is None


def test_what_waits_to_be_measured_is_open():
    """The candidate that was just judged the best is closed to the agent, and nothing was learned there yet."""
    maps = believed([0.0, 1.0, 9.0, 2.0, 2.0], np.ones(5))
    maps["acquisition"] = np.array([np.nan, np.nan, np.nan, 1.0, 1.0])  # candidate 2 waits
    without, with_it = (left_to_learn(maps, [0, 1], [0.0, 1.0], "max", waiting) for waiting in ([], [2]))
    assert with_it.improvement == pytest.approx(8.0 / 0.5)
    assert without.improvement < 4
    assert np.isnan(maps["acquisition"][2])  # the map itself stays as it was
