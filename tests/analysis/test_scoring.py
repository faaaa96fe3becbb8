"""Scores on small cases worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probeline.analysis.scoring import (
    distinct_optima,
    optimum_regions,
    prediction_scores,
    regret_curve,
    simple_regret,
)
from probeline.core.errors import SpecError
from probeline.core.rng import generator

TRUTH = np.array([1.0, 5.0, 3.0, np.nan, 4.0])


def test_simple_regret():
    assert simple_regret(TRUTH, [0, 2]) == 2.0
    assert simple_regret(TRUTH, [4, 1]) == 0.0
    assert simple_regret(TRUTH, [3]) == simple_regret(TRUTH, []) == 4.0


def test_regret_curve():
    assert regret_curve(TRUTH, [3, 0, 4, 2, 1]) == pytest.approx([4, 4, 1, 1, 0])


@given(st.permutations(list(range(5))))
def test_regret_never_rises_and_ends_at_zero(order):
    curve = regret_curve(TRUTH, order)
    assert (np.diff(curve) <= 0).all()
    assert curve[-1] == 0
    assert curve == pytest.approx([simple_regret(TRUTH, order[: k + 1]) for k in range(5)])


def grid(n, step=10.0):
    y, x = np.mgrid[:n, :n]
    return np.column_stack([x.ravel(), y.ravel()]) * step


def test_pixels_of_one_peak_are_one_optimum():
    """Two Gaussian peaks and a diagonal neighbour: two regions, the higher one is number 1."""
    xy = grid(20)
    truth = np.exp(-((xy - [40, 40]) ** 2).sum(1) / 800) + 0.97 * np.exp(-((xy - [150, 140]) ** 2).sum(1) / 800)
    regions = optimum_regions(truth, xy, distance_nm=15, fraction=0.05)
    assert np.count_nonzero(regions) == 20
    assert set(regions) == {0, 1, 2}
    assert regions[4 * 20 + 4] == 1
    assert regions[14 * 20 + 15] == 2
    assert distinct_optima(regions, [4 * 20 + 4, 4 * 20 + 5, 5 * 20 + 4]) == 1
    assert distinct_optima(regions, [4 * 20 + 4, 14 * 20 + 15]) == 2
    assert distinct_optima(regions, [0, 1]) == distinct_optima(regions, []) == 0
    assert set(optimum_regions(truth, xy, distance_nm=500, fraction=0.05)) == {0, 1}


def test_at_least_the_best_candidate_is_an_optimum():
    regions = optimum_regions(TRUTH, np.arange(10.0).reshape(5, 2), distance_nm=1.0, fraction=1e-6)
    assert regions.tolist() == [0, 1, 0, 0, 0]
    with pytest.raises(SpecError, match="fraction"):
        optimum_regions(TRUTH, np.zeros((5, 2)), distance_nm=1.0, fraction=0)


def test_prediction_scores_by_hand():
    """Errors 1 and -2 with spreads 1 and 2: z = 1, -1."""
    mean, std = np.array([9.0, 4.0, 5.0, 9.0, 9.0]), np.array([9.0, 1.0, 2.0, 9.0, 9.0])
    scores = prediction_scores(TRUTH, mean, std, [0, 4])
    assert scores.n == 2
    assert scores.rmse == pytest.approx(math.sqrt(2.5))
    assert scores.nlpd == pytest.approx(0.5 + math.log(2) / 2 + math.log(2 * math.pi) / 2)
    assert scores.coverage90 == 1.0


def test_noise_of_the_truth_belongs_to_the_prediction():
    """Truth = mean + exact spread + noise: coverage 0.9 and the entropy of a Gaussian, 20000 candidates."""
    rng = generator(0, "scores")
    mean, std = rng.normal(size=20000), rng.uniform(0.5, 2, 20000)
    truth = mean + np.hypot(std, 1.5) * rng.normal(size=20000)
    scores = prediction_scores(truth, mean, std, [], noise=1.5)
    assert scores.coverage90 == pytest.approx(0.9, abs=0.007)
    entropy = np.mean(np.log(np.hypot(std, 1.5))) + 0.5 * math.log(2 * math.pi * math.e)
    assert scores.nlpd == pytest.approx(entropy, abs=0.02)
    assert prediction_scores(truth, mean, std, []).coverage90 < 0.8


def test_predictions_that_cannot_be_scored_are_refused():
    ones = np.ones(5)
    with pytest.raises(SpecError, match="every candidate was measured"):
        prediction_scores(TRUTH, ones, ones, range(5))
    with pytest.raises(SpecError, match="spread"):
        prediction_scores(TRUTH, ones, 0 * ones, [0])
