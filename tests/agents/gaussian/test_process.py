import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from probeline.agents.gaussian import fitting, roots
from probeline.agents.gaussian.features import build_features
from probeline.agents.gaussian.kernels import Warp
from probeline.agents.gaussian.process import GaussianProcess, Scaling
from probeline.agents.ledger import Outcomes

from ..worlds import small_problem


def outcomes_of(index, value, sigma=math.nan):
    return Outcomes(np.asarray(index), np.asarray(value, float), np.full(len(index), sigma))


@pytest.fixture(scope="module")
def case():
    """A table with 12 patch columns, a smooth truth over it and 25 outcomes."""
    problem = small_problem()
    features = build_features(problem, 6)
    assert features.patch_columns == 12
    truth = 40 + 5 * np.tanh(2 * features.table[:, 0]) + 2 * features.table[:, 13]
    rng = np.random.default_rng(0)
    index = rng.permutation(len(problem))[:25]
    process = GaussianProcess(features)
    return process, features, truth, outcomes_of(index, truth[index] + 0.05 * rng.normal(size=25))


@pytest.fixture
def peer(case):
    """The same model in GPyTorch and BoTorch; call it with hyper-parameters."""
    from botorch.models import SingleTaskGP
    from botorch.settings import validate_input_scaling
    from gpytorch.kernels import MaternKernel
    from gpytorch.likelihoods import FixedNoiseGaussianLikelihood
    from gpytorch.means import ConstantMean

    _, features, _, outcomes = case
    table, scaling = torch.as_tensor(features.table), Scaling.of(outcomes.value)

    def build(scales, noise, mean):
        patch = MaternKernel(nu=2.5, active_dims=tuple(range(12)))
        place = MaternKernel(nu=2.5, active_dims=(12, 13))
        likelihood = FixedNoiseGaussianLikelihood(scaling.noise(outcomes), learn_additional_noise=True)
        with validate_input_scaling(False):
            model = SingleTaskGP(
                table[torch.as_tensor(outcomes.index)],
                scaling.target(outcomes)[:, None],
                likelihood=likelihood,
                covar_module=patch * place,
                mean_module=ConstantMean(),
                outcome_transform=None,
            )
        patch.lengthscale, place.lengthscale = float(scales[0]), float(scales[1])
        likelihood.second_noise = noise
        model.mean_module.constant.data.fill_(mean)
        return model

    return build


def test_belief_is_that_of_botorch(case, peer):
    process, features, _, outcomes = case
    fit = process.fit(outcomes)
    belief = process.condition(outcomes, fit)
    model = peer(fit.hyper.scales, fit.hyper.noise, fit.hyper.mean).eval()
    center, spread = fit.scaling.center, fit.scaling.spread
    with torch.no_grad():
        expected = model(torch.as_tensor(features.table))
        np.testing.assert_allclose(belief.mean, expected.mean.numpy() * spread + center, rtol=1e-8)
        np.testing.assert_allclose(belief.std, expected.variance.sqrt().numpy() * spread, rtol=1e-4)
        columns = np.array([3, 77])
        covariance = expected.covariance_matrix.numpy()[:, columns] * spread**2
    np.testing.assert_allclose(belief.covariance(columns), covariance, atol=1e-7 * spread**2)


def test_density_of_hyper_parameters_is_that_of_gpytorch(case, peer):
    from gpytorch.mlls import ExactMarginalLogLikelihood
    from gpytorch.priors import LogNormalPrior

    _, features, _, outcomes = case
    scaling, table = Scaling.of(outcomes.value), torch.as_tensor(features.table)[torch.as_tensor(outcomes.index)]
    training = fitting.Training(table, features.kernel, scaling.target(outcomes)[:, None], scaling.noise(outcomes))
    parts = features.kernel.parts(table, table)
    norms = math.log(math.sqrt(12)), math.log(math.sqrt(2))
    priors = [LogNormalPrior(math.sqrt(2) + norm, math.sqrt(3)) for norm in norms]
    of_noise = torch.distributions.Normal(-4.0, 1.0)  # of its logarithm
    found, expected = [], []
    for scales, noise, mean in [((0.7, 0.3), 0.01, 0.1), ((0.2, 2.0), 0.3, -0.4), ((3.0, 0.1), 1e-3, 0.0)]:
        theta = torch.tensor([*np.log(scales), math.log(noise), mean])
        found.append(float(fitting.negative_log_density(theta, parts, training)))
        model = peer(scales, noise, mean).train()
        prior = sum(p.log_prob(torch.tensor(v)) for p, v in zip(priors, scales, strict=True))
        prior = (prior + of_noise.log_prob(torch.tensor(math.log(noise)))) / 25
        likelihood = ExactMarginalLogLikelihood(model.likelihood, model)(
            model(*model.train_inputs), model.train_targets
        )
        expected.append(-(likelihood + prior).item())
    np.testing.assert_allclose(np.diff(found), np.diff(expected), rtol=1e-6)


def test_noise_that_nobody_stated_is_found():
    problem = small_problem(pixels=24)
    process = GaussianProcess(build_features(problem, 0))
    truth = np.sin(4 * problem.coordinates[:, 0]) + np.cos(5 * problem.coordinates[:, 1])
    found = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        index = rng.permutation(len(truth))[:60]
        fit = process.fit(outcomes_of(index, truth[index] + 0.2 * rng.normal(size=60)))
        found.append(math.sqrt(fit.hyper.noise) * fit.scaling.spread)
    assert np.mean(found) == pytest.approx(0.2, rel=0.1)


def test_outcomes_one_by_one_are_outcomes_together(case):
    process, _, _, outcomes = case
    fit = process.fit(outcomes.part(0, 10))
    together = process.condition(outcomes, replace(fit, count=25))
    columns = np.arange(0, 100, 7)
    one_by_one = process.condition(outcomes.part(0, 10), fit)
    for number in range(10, 25):
        one_by_one.covariance(columns)
        one_by_one = one_by_one.extended(outcomes.part(number, number + 1))
    np.testing.assert_allclose(one_by_one.mean, together.mean, rtol=1e-9)
    np.testing.assert_allclose(one_by_one.std, together.std, rtol=1e-6)
    np.testing.assert_allclose(one_by_one.covariance(columns), together.covariance(columns), atol=1e-9)


def test_portions_of_outcomes_give_the_same_bits(case):
    process, _, _, outcomes = case
    fit, columns = process.fit(outcomes.part(0, 10)), np.arange(0, 100, 7)
    at_once = process.condition(outcomes, fit)
    portions = process.condition(outcomes.part(0, 13), fit)
    portions.covariance(columns)
    portions = portions.extended(outcomes.part(13, 25))
    np.testing.assert_array_equal(at_once.mean, portions.mean)
    np.testing.assert_array_equal(at_once.std, portions.std)
    np.testing.assert_array_equal(at_once.covariance(columns), portions.covariance(columns))
    assert at_once.digest == portions.digest


def test_inducing_places_at_all_outcomes_are_exact(case, monkeypatch):
    process, _, _, outcomes = case
    fit, columns = process.fit(outcomes), np.arange(5)
    exact = process.condition(outcomes, fit)
    monkeypatch.setattr("probeline.agents.gaussian.process.EXACT_NUMBERS", 0)
    induced = process.condition(outcomes, fit)
    np.testing.assert_allclose(induced.mean, exact.mean, rtol=1e-8)
    np.testing.assert_allclose(induced.std, exact.std, rtol=1e-6)
    np.testing.assert_allclose(induced.covariance(columns)[outcomes.index], exact.covariance(columns)[outcomes.index])


@pytest.mark.parametrize("places", [8, 512])
def test_inducing_places_take_outcomes_one_by_one(case, monkeypatch, places):
    process, _, truth, outcomes = case
    fit = process.fit(outcomes.part(0, 15))
    exact = process.condition(outcomes, fit)
    monkeypatch.setattr("probeline.agents.gaussian.process.EXACT_NUMBERS", 0)
    monkeypatch.setattr(roots, "INDUCING", places)
    before = process.condition(outcomes.part(0, 15), fit)
    portions = before.extended(outcomes.part(15, 18)).extended(outcomes.part(18, 25))
    at_once = process.condition(outcomes, fit)
    np.testing.assert_array_equal(at_once.mean, portions.mean)
    np.testing.assert_allclose(portions.std[outcomes.index[15:]], exact.std[outcomes.index[15:]], rtol=0.2)
    errors = [np.abs(belief.mean - truth).mean() for belief in (exact, portions)]
    assert errors[1] < {8: 1.3, 512: 1 + 1e-6}[places] * errors[0]


def test_many_single_outcomes_are_outcomes_together(case):
    process, features, truth, _ = case
    index = np.random.default_rng(1).permutation(len(features.table))[:60]
    more = outcomes_of(index, truth[index])
    fit = process.fit(more.part(0, 10))
    one_by_one = process.condition(more, fit)
    together = process.condition(more, replace(fit, count=60))
    np.testing.assert_allclose(one_by_one.mean, together.mean, rtol=1e-8)
    np.testing.assert_allclose(one_by_one.std, together.std, rtol=1e-4)


@pytest.mark.parametrize("shape", ["matern", "rbf"])
def test_relevance_determination_is_that_of_gpytorch(case, shape):
    from gpytorch.kernels import MaternKernel, RBFKernel

    _, features, _, _ = case
    table, scales = torch.as_tensor(features.table), torch.linspace(0.3, 2.0, 14, dtype=torch.float64)
    kinds = {"matern": lambda **given: MaternKernel(nu=2.5, **given), "rbf": RBFKernel}
    patch = kinds[shape](ard_num_dims=12, active_dims=tuple(range(12)))
    place = kinds[shape](ard_num_dims=2, active_dims=(12, 13))
    patch.lengthscale, place.lengthscale = scales[:12], scales[12:]
    expected = (patch * place)(table[:40], table[40:60]).to_dense().detach()
    found = replace(features.kernel, shape=shape).per_column().of(table[:40], table[40:60], scales)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5)


def test_prediction_in_blocks_changes_nothing(case, monkeypatch):
    process, _, _, outcomes = case
    fit = process.fit(outcomes)
    whole = process.condition(outcomes, fit)
    monkeypatch.setattr(roots, "BLOCK", 200)
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
        raise torch.linalg.LinAlgError("no root")

    monkeypatch.setattr(fitting, "negative_log_density", broken)
    fit = process.fit(outcomes)
    assert not fit.ok
    assert np.isfinite(process.condition(outcomes, fit).mean).all()


def test_a_net_starts_as_the_identity_and_is_held_by_its_prior(case):
    _, features, _, outcomes = case

    def net():
        return Warp(12, 8, 0.1, torch.Generator().manual_seed(1))

    table = torch.as_tensor(features.table)
    np.testing.assert_array_equal(net()(table).detach().numpy(), features.table)
    fit = GaussianProcess(features, net, steps=20).fit(outcomes)
    shift = (fit.hyper.compared(table) - table).numpy()
    assert 0 < np.sqrt(np.mean(np.sum(shift[:, :12] ** 2, axis=1))) < 1
    assert not shift[:, 12:].any()
