import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from probeline.agents import acquisition
from probeline.agents.check import landscape

from .worlds import QUICK, agent_on, run


def test_log_h_agrees_with_botorch_over_all_branches():
    import torch
    from botorch.acquisition.analytic import _log_ei_helper

    u = np.concatenate([-np.logspace(-3, 8, 200), [0.0, -1.0], np.logspace(-3, 3, 50)])
    expected = _log_ei_helper(torch.as_tensor(u)).numpy()
    np.testing.assert_allclose(acquisition.log_h(u), expected, rtol=1e-10, atol=1e-14)


@given(st.floats(-1e10, 1e10))
def test_log_h_is_finite_and_increases(u):
    low, high = acquisition.log_h(np.array([u, u + max(1.0, abs(u)) * 1e-3]))
    assert np.isfinite(low)
    assert high > low


def test_log_ei_is_the_expected_improvement():
    mean, std, best = np.array([0.3, 0.1, 1.2]), np.array([0.5, 0.2, 1.0]), 0.6
    draws = norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    expected = [np.maximum(m + s * draws - best, 0).mean() for m, s in zip(mean, std, strict=True)]
    np.testing.assert_allclose(np.exp(acquisition.log_ei(mean, std, best)), expected, rtol=1e-3)


def test_simple_scores():
    mean, std = np.array([1.0, 2.0]), np.array([0.5, 0.1])
    np.testing.assert_allclose(acquisition.ucb(mean, std, 2.0), [2.0, 2.2])
    np.testing.assert_allclose(acquisition.straddle(mean, std, 2.1), [0.98 - 1.1, 0.196 - 0.1])
    assert acquisition.max_variance(std) is std


def _gaussian(count=30, seed=0):
    x = np.linspace(0, 1, count)
    covariance = np.exp(-(((x[:, None] - x[None]) / 0.2) ** 2)) * (1 + x)[:, None] * (1 + x)[None]
    return x, covariance


def test_integrated_variance_is_what_one_measurement_takes_away():
    _, covariance = _gaussian()
    noise, chosen = 0.3, 11
    posterior = covariance - np.outer(covariance[:, chosen], covariance[chosen]) / (covariance[chosen, chosen] + noise)
    expected = np.mean(np.diag(covariance) - np.diag(posterior))
    score = acquisition.integrated_variance(covariance, np.diag(covariance), noise)
    assert score[chosen] == pytest.approx(expected)


def test_draws_have_the_posterior_as_their_distribution():
    x, covariance = _gaussian()
    anchors = np.arange(0, 30, 2)
    rng = np.random.default_rng(0)
    draws = np.array(
        [
            acquisition.thompson(
                np.sin(x), np.diag(covariance), covariance[:, anchors], anchors, rng.normal(size=len(anchors) + 30)
            )
            for _ in range(4000)
        ]
    )
    # Standard errors of 4000 draws with a variance of at most 4: 0.03 for means, 0.1 for covariances.
    np.testing.assert_allclose(draws.mean(axis=0), np.sin(x), atol=0.12)
    np.testing.assert_allclose(np.cov(draws.T), covariance, atol=0.35)


def test_draws_have_their_whole_variance_far_from_the_anchors():
    """With a length scale below the distance of the anchors, these say next to nothing about the others."""
    x = np.linspace(0, 1, 40)
    covariance = np.exp(-(((x[:, None] - x[None]) / 0.01) ** 2))
    anchors = np.arange(0, 40, 8)
    rng = np.random.default_rng(1)
    draws = np.array(
        [
            acquisition.thompson(0 * x, np.ones(40), covariance[:, anchors], anchors, rng.normal(size=45))
            for _ in range(4000)
        ]
    )
    np.testing.assert_allclose(draws.std(axis=0), 1.0, atol=0.06)
    chosen = np.argmax(draws, axis=1)
    assert np.isin(chosen, anchors).mean() == pytest.approx(5 / 40, abs=0.03)


def test_novelty_is_the_mean_distance_of_the_nearest_outcomes():
    draw, outcomes = np.array([0.0, 5.0]), np.array([0.0, 1.0, 10.0])
    np.testing.assert_allclose(acquisition.novelty(draw, outcomes, 2), [0.5, 4.5])
    np.testing.assert_allclose(acquisition.novelty(draw, outcomes, 9), [11 / 3, 14 / 3])


def test_novelty_needs_little_memory():
    draw, outcomes = np.random.default_rng(0).normal(size=(2, 20_000))
    tracemalloc.start()
    found = acquisition.novelty(draw, outcomes[:2000], 5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6  # a table of all distances has 320 MB
    expected = np.sort(np.abs(draw[:100, None] - outcomes[:2000]), axis=1)[:, :5].mean(axis=1)
    np.testing.assert_allclose(found[:100], expected)


def test_integrated_variance_has_no_scale():
    _, covariance = _gaussian()
    score = acquisition.integrated_variance(covariance, np.diag(covariance), 0.3)
    for unit in (2.0**-300, 2.0**600):  # squares of the latter are beyond floating point
        scaled = acquisition.integrated_variance(covariance * unit, np.diag(covariance) * unit, 0.3 * unit)
        np.testing.assert_array_equal(scaled, score * unit)
    np.testing.assert_array_equal(acquisition.integrated_variance(0 * covariance, np.zeros(30), 0.0), np.zeros(30))


@pytest.mark.parametrize("size", [1e-200, 1e100])
@pytest.mark.parametrize("kind", ["gp", "sgp"])
def test_maps_of_absurd_outcomes_go_on(problem, kind, size):
    agent = agent_on(problem, kind, "map", seed_points=3, **QUICK.get(kind, {}))
    assert len(set(run(agent, problem, 6, truth=size * np.tanh(landscape(problem))))) == 6
