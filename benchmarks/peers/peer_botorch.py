"""Gaussian processes by BoTorch: its default on coordinates, and the kernel of ``patch_gp`` on the same features.

Candidates go through a model in blocks with fast predictive variances: as single points, as an acquisition
function of BoTorch takes them, they cost ten times as much.
"""

from __future__ import annotations

import numpy as np
import torch
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from botorch.settings import validate_input_scaling
from gpytorch.kernels import MaternKernel, ProductKernel
from gpytorch.mlls import ExactMarginalLogLikelihood
from gpytorch.settings import fast_pred_var
from torch import Tensor
from worker import Candidates, Method

PACKAGES = ("botorch", "gpytorch", "torch")
BLOCK = 512


def coordinates(candidates: Candidates) -> Method:
    """Return ``SingleTaskGP`` with its defaults, fitted afresh at every decision."""
    table = torch.as_tensor(candidates.coordinates)

    def decide(index: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        model = SingleTaskGP(table[index], torch.as_tensor(target)[:, None])
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        mean, variance = _predict(model, table)
        return mean, variance, model.likelihood.noise.item() * model.outcome_transform.stdvs.item() ** 2

    return decide


def features(candidates: Candidates) -> Method:
    """Return a Gaussian process on the features of ``patch_gp``, fitted afresh at every decision."""
    table = torch.as_tensor(candidates.features)

    def decide(index: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        model = _on_features(candidates, index, target)
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        return *_predict(model, table), model.likelihood.noise.item()

    return decide


def features_kept(candidates: Candidates) -> Method:
    """Return the same, with the hyper-parameters of the first decision from then on."""
    table = torch.as_tensor(candidates.features)
    learned: dict[str, Tensor] = {}

    def decide(index: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        model = _on_features(candidates, index, target)
        if learned:
            model.load_state_dict(learned)
        else:
            fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
            learned.update(model.state_dict())
        return *_predict(model, table), model.likelihood.noise.item()

    return decide


def _on_features(candidates: Candidates, index: np.ndarray, target: np.ndarray) -> SingleTaskGP:
    """Return the untrained model: one Matern-5/2 kernel for the surroundings times one for the place."""
    patch, columns = candidates.patch_columns, candidates.features.shape[1]
    groups = tuple(range(patch)), tuple(range(patch, columns))
    kernel = ProductKernel(*(MaternKernel(nu=2.5, active_dims=group) for group in groups))
    seen, outcomes = torch.as_tensor(candidates.features[index]), torch.as_tensor(target)[:, None]
    with validate_input_scaling(False):
        return SingleTaskGP(seen, outcomes, covar_module=kernel, outcome_transform=None)


def _predict(model: SingleTaskGP, table: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance without noise, each of shape (candidate,)."""
    with torch.no_grad(), fast_pred_var():
        beliefs = [model.posterior(block) for block in table.split(BLOCK)]
        mean, variance = (torch.cat([getattr(b, name) for b in beliefs]) for name in ("mean", "variance"))
    return mean[:, 0].numpy(), variance[:, 0].numpy()
