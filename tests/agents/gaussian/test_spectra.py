"""Whole spectra everywhere from a few of them."""

import numpy as np
import pytest

from probeline.agents.gaussian.features import build_features
from probeline.agents.gaussian.kernels import Warp
from probeline.agents.gaussian.process import GaussianProcess
from probeline.agents.gaussian.spectra import learn_spectra
from probeline.core.errors import DataError

from ..worlds import small_problem


@pytest.fixture(scope="module")
def world():
    """Spectra with two shapes, whose weights follow image and place; 0.05 of noise."""
    problem = small_problem(pixels=24)
    features = build_features(problem, 6)
    axis = np.linspace(-1, 1, 40)
    shapes = np.stack([np.tanh(5 * axis), np.exp(-(axis**2) / 0.1)])
    weights = np.stack([2 + features.table[:, 0], np.cos(3 * problem.coordinates[:, 0])], 1)
    clean = weights @ shapes
    rng = np.random.default_rng(0)
    index = rng.permutation(len(problem))[:60]
    return problem, features, clean, index, clean[index] + 0.05 * rng.normal(size=(60, 40))


def nets(features):
    import torch

    return lambda: Warp(features.patch_columns, 8, 0.02, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("deep", [False, True])
def test_spectra_nobody_measured_are_predicted(world, deep):
    problem, features, clean, index, measured = world
    process = GaussianProcess(features, nets(features) if deep else None, 20)
    belief = learn_spectra(process, index, measured, np.random.default_rng(2))
    rest = np.setdiff1d(np.arange(len(problem)), index)
    error = np.sqrt(np.mean((belief.mean(rest) - clean[rest]) ** 2))
    assert error < 0.25 * np.sqrt(np.mean((measured.mean(axis=0) - clean[rest]) ** 2))  # of the mean spectrum
    rng = np.random.default_rng(1)
    again = clean[rest] + 0.05 * rng.normal(size=(len(rest), 40))
    covered = np.mean(np.abs(again - belief.mean(rest)) < 1.645 * belief.std(rest))
    assert 0.85 <= covered <= 0.95


def test_outputs_share_length_scales_and_each_has_its_noise(world):
    from probeline.agents.ledger import Outcomes

    _, features, _, index, measured = world
    process = GaussianProcess(features)
    outputs = [Outcomes(index, value, np.full(len(index), np.nan)) for value in measured.T[[0, 20]]]
    first, second = process.fit_together(outputs)
    np.testing.assert_array_equal(first.hyper.scales, second.hyper.scales)
    assert first.hyper.noise != second.hyper.noise
    alone = process.fit(outputs[0])
    assert process.fit_together(outputs[:1])[0].hyper.noise == alone.hyper.noise


def test_constant_spectra_are_believed_constant(world):
    _, features, _, index, _ = world
    belief = learn_spectra(GaussianProcess(features), index, np.ones((len(index), 5)), np.random.default_rng(2))
    np.testing.assert_array_equal(belief.mean(), 1.0)
    np.testing.assert_array_equal(belief.std(), 0.0)


@pytest.mark.parametrize(
    ("count", "value", "message"),
    [(2, 1.0, "3 is the least"), (5, np.nan, "1 of 5 spectra are not finite"), (4, 1.0, "one row for each")],
)
def test_spectra_that_teach_nothing_are_refused(world, count, value, message):
    _, features, _, index, measured = world
    given = measured[:count].copy()
    given[0, 0] = value
    chosen = index[: 5 if "row" in message else count]
    with pytest.raises(DataError, match=message):
        learn_spectra(GaussianProcess(features), chosen, given, np.random.default_rng(2))
