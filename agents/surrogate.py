"""Gaussian processes over a finite set of candidates, on GPyTorch and BoTorch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import botorch.settings
import gpytorch.settings
import numpy as np
import torch
from botorch.models import SingleTaskGP
from botorch.optim.closures import get_loss_closure_with_grads
from botorch.optim.closures.model_closures import get_loss_closure
from botorch.optim.core import scipy_minimize
from botorch.optim.utils import get_parameters_and_bounds
from gpytorch.likelihoods import FixedNoiseGaussianLikelihood
from gpytorch.means import ConstantMean
from gpytorch.mlls import ExactMarginalLogLikelihood
from linear_operator.utils.errors import NanError, NotPSDError
from numpy.typing import NDArray
from torch import Tensor

from ..core.digest import digest
from .kernels import CandidateKernel, Warp, noise_model
from .ledger import Outcomes

BLOCK = 4096  # candidates predicted at once: bounds the memory to a few times BLOCK x outcomes
FLOOR = 1e-6  # smallest noise variance, in units of the outcomes' variance
_FAILURES = (NanError, NotPSDError)  # what GPyTorch raises where a covariance cannot be factorised


@dataclass(frozen=True)
class Fit:
    """Hyper-parameters, and how they came about.

    Attributes
    ----------
    state : dict[str, Tensor]
        Parameters of kernel, mean and noise.
    center, scale : float
        Outcomes are modelled as ``(value - center) / scale``; unit of the objective.
    ok : bool
        False when the fit that was due failed and these stand in.
    """

    state: dict[str, Tensor]
    center: float
    scale: float
    ok: bool

    def as_fallback(self) -> Fit:
        """Return this fit, marked as one that stands in for another."""
        return replace(self, ok=False)


class Belief:
    """A Gaussian process conditioned on outcomes, asked only at candidates.

    The candidates' covariance is never formed: with N candidates and n outcomes the cost is
    O(N n^2) (Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006, algorithm
    2.1, ISBN 0-262-18253-X).

    Parameters
    ----------
    model : SingleTaskGP
        With its hyper-parameters.
    table : Tensor, shape (candidate, feature)
        Features of all candidates.
    outcomes : Outcomes
        What to condition on.
    fit : Fit
        Scaling of the outcomes.

    Attributes
    ----------
    mean, std : ndarray, shape (candidate,)
        Of the objective itself, without measurement noise, in its unit. Where outcomes state their
        sigma, scatter beyond it belongs to the objective and is part of ``std``.
    noise_variance : float
        Median variance of one measurement so far, in the squared unit of the objective.
    digest : str
        Of every number that the prediction depends on besides the features.
    """

    def __init__(self, model: SingleTaskGP, table: Tensor, outcomes: Outcomes, fit: Fit):
        kernel, likelihood = model.covar_module, model.likelihood
        assert isinstance(kernel, CandidateKernel)
        assert isinstance(likelihood, FixedNoiseGaussianLikelihood)
        self._kernel, self._scale = kernel.base, fit.scale
        with torch.no_grad():
            self._table = kernel.warp(table)
            self._train = self._table[torch.as_tensor(outcomes.index)]
            offset = _mean(model)
            extra = torch.as_tensor(likelihood.second_noise)
            noise = _known_noise(outcomes, fit) + extra
            self._root = _cholesky(self._kernel(self._train).to_dense() + noise.diag())
            target = torch.as_tensor((outcomes.value - fit.center) / fit.scale) - offset
            weights = torch.cholesky_solve(target[:, None], self._root)[:, 0]
            # What a measurement's own sigma does not explain is structure that the features do not resolve.
            stated = bool(np.isfinite(outcomes.sigma).all())
            mean, variance = self._everywhere(weights)
            std = (variance + extra if stated else variance).sqrt()
        self.mean: NDArray[np.float64] = (mean + offset).mul(fit.scale).add(fit.center).numpy()
        self.std: NDArray[np.float64] = std.mul(fit.scale).numpy()
        self.noise_variance = float(noise.median()) * fit.scale**2
        state = [model.state_dict()[name].numpy() for name in sorted(fit.state)]
        self.digest = digest([fit.center, fit.scale], outcomes.index, outcomes.value, outcomes.sigma, *state)

    def covariance(self, columns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the posterior covariance of all candidates with some, shape (candidate, column)."""
        with torch.no_grad():
            picked = self._table[torch.as_tensor(columns)]
            weights = torch.cholesky_solve(self._kernel(self._train, picked).to_dense(), self._root)
            found = [
                self._kernel(block, picked).to_dense() - self._kernel(block, self._train).to_dense() @ weights
                for block in self._table.split(BLOCK)
            ]
        return torch.cat(found).numpy() * self._scale**2

    def _everywhere(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance at all candidates, standardised, without the prior mean."""
        mean, variance = [], []
        for block in self._table.split(BLOCK):
            cross = self._kernel(block, self._train).to_dense()
            half = torch.linalg.solve_triangular(self._root, cross.T, upper=False)
            mean.append(cross @ weights)
            variance.append(1.0 - half.square().sum(0))  # the kernel is 1 on its diagonal
        return torch.cat(mean), torch.cat(variance).clamp_min(1e-12)


class GaussianProcess:
    """Fits hyper-parameters and conditions on outcomes; remembers no outcome itself.

    Parameters
    ----------
    table : ndarray, shape (candidate, feature)
        Features of all candidates.
    kernel : callable
        Makes a fresh kernel with its initial hyper-parameters.
    steps : int
        Adam steps for the kernel's net, if it has one.
    """

    def __init__(self, table: NDArray[np.float64], kernel: Callable[[], CandidateKernel], steps: int = 0):
        self._table = torch.as_tensor(table, dtype=torch.float64)
        self._kernel = kernel
        self._steps = steps

    def fit(self, outcomes: Outcomes) -> Fit:
        """Maximise the posterior density of the hyper-parameters given at least one outcome.

        Returns
        -------
        Fit
            The initial hyper-parameters, marked as not ok, when that fails numerically.
        """
        blank = self._blank(outcomes)
        model = self._build(outcomes, blank)
        try:
            value = self._train(model)
        except _FAILURES:
            value = math.nan
        state = _parameters(model)
        if math.isfinite(value) and all(bool(torch.isfinite(part).all()) for part in state.values()):
            return Fit(state, blank.center, blank.scale, True)
        return Fit(_parameters(self._build(outcomes, blank)), blank.center, blank.scale, False)

    def condition(self, outcomes: Outcomes, fit: Fit) -> Belief:
        """Return the belief after ``outcomes`` with the hyper-parameters of ``fit``."""
        return Belief(self._build(outcomes, fit).eval(), self._table, outcomes, fit)

    def _blank(self, outcomes: Outcomes) -> Fit:
        """Return no hyper-parameters, but the outcomes' centre and spread."""
        center, spread = float(np.mean(outcomes.value)), float(np.std(outcomes.value))
        return Fit({}, center, spread if spread > 1e-12 * abs(center) else 1.0, True)

    def _build(self, outcomes: Outcomes, fit: Fit) -> SingleTaskGP:
        with botorch.settings.validate_input_scaling(False):
            model = SingleTaskGP(
                self._table[torch.as_tensor(outcomes.index)],
                torch.as_tensor((outcomes.value - fit.center) / fit.scale)[:, None],
                likelihood=noise_model(_known_noise(outcomes, fit)),
                covar_module=self._kernel(),
                mean_module=ConstantMean(),
                outcome_transform=None,
            )
        model.load_state_dict(fit.state, strict=False)
        return model

    def _train(self, model: SingleTaskGP) -> float:
        """Fit in place; return the loss per outcome."""
        likelihood = model.likelihood
        assert isinstance(likelihood, FixedNoiseGaussianLikelihood)
        loss = ExactMarginalLogLikelihood(likelihood, model)
        loss.train()
        kernel = model.covar_module
        net = kernel.net if isinstance(kernel, CandidateKernel) else None
        # Always a Cholesky factor: above 800 outcomes GPyTorch would estimate with random vectors.
        with gpytorch.settings.fast_computations(log_prob=False):
            return self._fit_parts(loss, net, len(model.train_targets))

    def _fit_parts(self, loss: ExactMarginalLogLikelihood, net: Warp | None, count: int) -> float:
        if net is None:
            return _fit_hyperparameters(loss, 60)
        net.requires_grad_(False)
        value = _fit_hyperparameters(loss, 60)
        if self._steps:
            _fit_net(loss, net, self._steps, count)
            value = _fit_hyperparameters(loss, 20)
        return value


def _fit_hyperparameters(loss: ExactMarginalLogLikelihood, iterations: int) -> float:
    parameters, bounds = get_parameters_and_bounds(loss, requires_grad=True)
    closure = get_loss_closure_with_grads(loss, parameters)
    return float(
        scipy_minimize(closure, parameters, bounds, options={"maxiter": iterations, "ftol": 1e-7, "gtol": 1e-4}).fval
    )


def _fit_net(loss: ExactMarginalLogLikelihood, net: Warp, steps: int, count: int) -> None:
    """Take Adam steps on the net's weights with everything else fixed."""
    net.requires_grad_(True)
    weights = list(net.parameters())
    optimizer = torch.optim.Adam(weights, lr=0.01)
    per_outcome = get_loss_closure(loss)
    for _ in range(steps):
        value = per_outcome() - net.log_prior() / count
        gradients = torch.autograd.grad(value, weights)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        optimizer.step()
    net.requires_grad_(False)


def _mean(model: SingleTaskGP) -> float:
    """Return the constant prior mean."""
    mean = model.mean_module
    assert isinstance(mean, ConstantMean)
    constant = mean.constant
    assert isinstance(constant, Tensor)
    return float(constant.detach())


def _parameters(model: SingleTaskGP) -> dict[str, Tensor]:
    """Return a copy of everything that a fit changes."""
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def _known_noise(outcomes: Outcomes, fit: Fit) -> Tensor:
    """Return the stated noise variance of each outcome, standardised; the floor where unknown."""
    return torch.as_tensor(np.nan_to_num(outcomes.sigma / fit.scale) ** 2).clamp_min(FLOOR)


def _cholesky(matrix: Tensor) -> Tensor:
    """Return the lower root of ``matrix``, with as little added to its diagonal as it needs."""
    for jitter in (0.0, 1e-8, 1e-6, 1e-4):
        root, info = torch.linalg.cholesky_ex(matrix + jitter * torch.eye(len(matrix), dtype=matrix.dtype))
        if not int(info):
            return root
    raise NotPSDError(f"a covariance of {len(matrix)} outcomes is not positive definite")
