import math

import numpy as np
import pytest
import torch

from probeline.agents import surrogate
from probeline.agents.features import build_features
from probeline.agents.kernels import CandidateKernel, Warp
from probeline.agents.ledger import Outcomes
from probeline.agents.surrogate import GaussianProcess

from .worlds import small_problem


def outcomes_of(index, value, sigma=math.nan):
    return Outcomes(np.asarray(index), np.asarray(value, float), np.full(len(index), sigma))


@pytest.fixture(scope="module")
def case():
    """A table with 6 patch columns, a smooth truth over it and 25 outcomes."""
    problem = small_problem()
    features = build_features(problem, 6)
    truth = 40 + 5 * np.tanh(2 * features.table[:, 0]) + 2 * features.table[:, 7]
    rng = np.random.default_rng(0)
    index = rng.permutation(len(problem))[:25]
    process = GaussianProcess(features.table, lambda: CandidateKernel(features.patch_columns))
    return process, features, truth, outcomes_of(index, truth[index] + 0.05 * rng.normal(size=25))


def test_belief_is_that_of_gpytorch(case):
    process, features, _, outcomes = case
    fit = process.fit(outcomes)
    belief = process.condition(outcomes, fit)
    model = process._build(outcomes, fit).eval()
    table = torch.as_tensor(features.table)
    with torch.no_grad():
        expected = model(table)
        np.testing.assert_allclose(belief.mean, expected.mean.numpy() * fit.scale + fit.center, rtol=1e-6)
        np.testing.assert_allclose(belief.std, expected.variance.sqrt().numpy() * fit.scale, rtol=1e-4)
        columns = np.array([3, 77])
        covariance = expected.covariance_matrix.numpy()[:, columns] * fit.scale**2
    np.testing.assert_allclose(belief.covariance(columns), covariance, atol=1e-6 * fit.scale**2)


def test_prediction_in_blocks_changes_nothing(case, monkeypatch):
    process, _, _, outcomes = case
    fit = process.fit(outcomes)
    whole = process.condition(outcomes, fit)
    monkeypatch.setattr(surrogate, "BLOCK", 7)
    parts = process.condition(outcomes, fit)
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-10)
    np.testing.assert_allclose(parts.covariance(np.arange(5)), whole.covariance(np.arange(5)), atol=1e-9)


def test_it_learns_the_surface_and_its_noise(case):
    process, _, truth, outcomes = case
    belief = process.condition(outcomes, process.fit(outcomes))
    assert np.mean((belief.mean - truth) ** 2) < 0.1 * truth.var()
    assert 0.01 < math.sqrt(belief.noise_variance) < 0.5


def test_the_unit_of_the_objective_does_not_matter(case):
    process, _, _, outcomes = case
    small = outcomes_of(outcomes.index, 1e-12 * outcomes.value)
    one, other = (process.condition(o, process.fit(o)) for o in (outcomes, small))
    np.testing.assert_allclose(other.mean, 1e-12 * one.mean, rtol=1e-5)
    np.testing.assert_allclose(other.std, 1e-12 * one.std, rtol=1e-3)


def test_a_stated_uncertainty_counts(case):
    process, _, _, outcomes = case
    sigma = np.where(np.arange(25) == 4, 50.0, 1e-3)
    stated = Outcomes(outcomes.index, np.where(np.arange(25) == 4, 90.0, outcomes.value), sigma)
    belief = process.condition(stated, process.fit(stated))
    assert abs(belief.mean[outcomes.index[4]] - 90) > 30
    assert abs(belief.mean[outcomes.index[5]] - outcomes.value[5]) < 1


@pytest.mark.parametrize("value", [0.0, 5.0, -1e-12])
def test_equal_outcomes_are_no_trouble(case, value):
    process, _, _, outcomes = case
    flat = outcomes_of(outcomes.index[:6], np.full(6, value))
    belief = process.condition(flat, process.fit(flat))
    np.testing.assert_allclose(belief.mean, value, atol=1e-6)
    assert np.isfinite(belief.std).all()


def test_repeated_candidates_are_no_trouble(case):
    process, _, _, outcomes = case
    repeated = outcomes_of(np.repeat(outcomes.index[:3], 5), np.repeat(outcomes.value[:3], 5), 1e-9)
    belief = process.condition(repeated, process.fit(repeated))
    assert np.isfinite(belief.mean).all()


def test_a_failed_fit_says_so_and_leaves_usable_numbers(case, monkeypatch):
    process, _, _, outcomes = case

    def broken(*_):
        raise surrogate.NotPSDError("no root")

    monkeypatch.setattr(surrogate, "_fit_hyperparameters", broken)
    fit = process.fit(outcomes)
    assert not fit.ok
    assert np.isfinite(process.condition(outcomes, fit).mean).all()


def test_a_net_starts_as_the_identity_and_is_held_by_its_prior(case):
    _, features, _, outcomes = case

    def kernel():
        return CandidateKernel(6, Warp(6, 8, 0.1, torch.Generator().manual_seed(1)))

    table = torch.as_tensor(features.table)
    np.testing.assert_array_equal(kernel().warp(table).detach().numpy(), features.table)
    fit = GaussianProcess(features.table, kernel, steps=20).fit(outcomes)
    moved = kernel()
    moved.load_state_dict({k.removeprefix("covar_module."): v for k, v in fit.state.items()}, strict=False)
    shift = (moved.warp(table) - table).detach().numpy()
    assert 0 < np.sqrt(np.mean(np.sum(shift[:, :6] ** 2, axis=1))) < 1
    assert not shift[:, 6:].any()
