"""The same decision by BoTorch: what the incremental Gaussian process of the agents is compared with."""

from __future__ import annotations

import time

import numpy as np
import torch
from botorch.acquisition import LogExpectedImprovement
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from botorch.settings import validate_input_scaling
from gpytorch.kernels import MaternKernel
from gpytorch.mlls import ExactMarginalLogLikelihood

from probeline.agents.features import build_features
from probeline.agents.problem import Problem

COMPONENTS = 24


def decide(problem: Problem, truth: np.ndarray, measured: int, seed: int = 0) -> dict[str, float]:
    """Return the CPU-seconds of one decision by expected improvement on the features of ``patch_gp``.

    ``worst`` fits the hyper-parameters, conditions, and scores every candidate; ``usual`` does the same
    without the fit. Outcomes, kernel and candidates are those of ``patch_gp``.
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
    with torch.no_grad():
        score = LogExpectedImprovement(model, best_f=target.max())
        torch.cat([score(block[:, None]) for block in table.split(4096)]).argmax()
    done = time.process_time()
    return {"start": 0.0, "worst": done - began, "usual": done - fitted}
