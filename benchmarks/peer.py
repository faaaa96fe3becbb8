"""A decision by BoTorch on the same features: what the incremental Gaussian process of the agents is compared with."""

from __future__ import annotations

import time

import numpy as np
import torch
from botorch.acquisition.analytic import _log_ei_helper
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from botorch.settings import validate_input_scaling
from gpytorch.kernels import MaternKernel
from gpytorch.mlls import ExactMarginalLogLikelihood
from gpytorch.settings import fast_pred_var

from probeline.agents.gaussian.features import build_features
from probeline.agents.problem import Problem

COMPONENTS = 24


def decide(problem: Problem, truth: np.ndarray, measured: int, seed: int = 0) -> dict[str, float]:
    """Return the CPU-seconds of one decision by expected improvement on the features of ``patch_gp``.

    ``worst`` fits the hyper-parameters, conditions, and scores every candidate; ``usual`` does the same
    without the fit. Outcomes, kernel and candidates are those of ``patch_gp``; BoTorch has its own priors,
    and takes the best outcome as incumbent. Candidates go through the model in blocks with fast predictive
    variances: as single points, as an acquisition function of BoTorch takes them, they cost ten times as much.
    """
    features = build_features(problem, COMPONENTS)
    table, patch = torch.as_tensor(features.table), features.patch_columns
    index = torch.as_tensor(np.random.default_rng(seed).permutation(len(problem))[:measured])
    value = torch.as_tensor(truth)[index]
    target = ((value - value.mean()) / value.std())[:, None]
    began = time.process_time()
    kernel = MaternKernel(nu=2.5, active_dims=tuple(range(patch))) * MaternKernel(
        nu=2.5, active_dims=(patch, patch + 1)
    )
    with validate_input_scaling(False):
        model = SingleTaskGP(table[index], target, covar_module=kernel, outcome_transform=None)
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    fitted = time.process_time()
    model.eval()
    with torch.no_grad(), fast_pred_var():
        beliefs = [model(block) for block in table.split(512)]
        mean, variance = (torch.cat([getattr(belief, name) for belief in beliefs]) for name in ("mean", "variance"))
        sigma = variance.sqrt()
        (sigma.log() + _log_ei_helper((mean - target.max()) / sigma)).argmax()
    done = time.process_time()
    return {"start": 0.0, "worst": done - began, "usual": done - fitted}
