"""Hyper-parameters of a Gaussian process: their priors, and the most probable ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor
from torch.optim.adam import adam

from .drift import Drift, drifting
from .kernels import Kernel, Warp

# Log-normal priors (mean and standard deviation of the logarithm). For length scales the
# dimension-scaled one, sqrt 2 + log(d) / 2 and sqrt 3, of Hvarfner, Hellsten & Nardi (2024),
# doi:10.48550/arXiv.2402.02229; it is stated for the unit cube, whose points have a root mean
# square norm of sqrt(d / 12). For the noise variance of standardised outcomes, theirs as well.
_SCALE_STD = math.sqrt(3)
_NOISE_MEAN, _NOISE_STD = -4.0, 1.0
# Of the drift: its variance is that of the noise; its time scale, in units of the time that outcomes span, as
# for a length.
_DRIFT_MEAN, _DRIFT_STD = (_NOISE_MEAN, math.sqrt(2)), (1.5, _SCALE_STD)
_LEAST_SCALE = 0.025  # in units of the root mean square norm
_LEAST_NOISE = 1e-5
_ADAM: dict[str, Any] = {
    "lr": 0.01, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0, "amsgrad": False, "maximize": False,
    "foreach": False,
}  # fmt: skip


@dataclass(frozen=True)
class Hyper:
    """Hyper-parameters for standardised outcomes.

    Attributes
    ----------
    scales : Tensor, shape (group,)
        Length scale of each group of features.
    noise : float
        Variance that every outcome has beside its own.
    mean : float
        Of the process.
    net : Warp or None
        Moves the features before they are compared.
    drift : Drift or None
        What changes with time.
    """

    scales: Tensor
    noise: float
    mean: float
    net: Warp | None
    drift: Drift | None = None

    def lasting(self, span: float) -> Hyper:
        """Return these for times in seconds, where the drift's was one of ``span`` seconds."""
        drift = self.drift and Drift(self.drift.variance, self.drift.scale * span)
        return replace(self, drift=drift)

    def compared(self, table: Tensor) -> Tensor:
        """Return features as they are compared, same shape."""
        if self.net is None:
            return table
        with torch.no_grad():
            return self.net(table)


@dataclass(frozen=True)
class Training:
    """What hyper-parameters are fitted to.

    Attributes
    ----------
    table : Tensor, shape (outcome, feature)
        Features of the candidates that were measured.
    kernel : Kernel
        Compares them.
    target : Tensor, shape (outcome, output)
        Standardised outcomes; several outputs share length scales and net, each has its own mean and noise.
    known : Tensor, shape (outcome,)
        Known part of their noise variance.
    time : Tensor, shape (outcome,), optional
        When each was measured, 0 to 1; with it, part of the outcomes may drift.
    """

    table: Tensor
    kernel: Kernel
    target: Tensor
    known: Tensor
    time: Tensor | None = None

    @property
    def outputs(self) -> int:
        """How many numbers an outcome has."""
        return self.target.shape[1]


@dataclass(frozen=True)
class _Parameters:
    """What a vector of parameters means: logarithms, but for the means.

    Attributes
    ----------
    scales : Tensor, shape (group,)
    drift : Tensor, shape (2,) or (0,)
        Of variance and time scale.
    noise, mean : Tensor, shape (output,)
    """

    scales: Tensor
    drift: Tensor
    noise: Tensor
    mean: Tensor

    @classmethod
    def of(cls, theta: Tensor, training: Training) -> _Parameters:
        """Return the parts of ``theta``."""
        sizes = [len(training.kernel.groups), 0 if training.time is None else 2, training.outputs, training.outputs]
        return cls(*theta.split(sizes))

    def hypers(self, net: Warp | None) -> list[Hyper]:
        """Return the hyper-parameters of each output; the time scale of the drift is one of the training's times."""
        drift = Drift(*self.drift.exp().tolist()) if len(self.drift) else None
        pairs = zip(self.noise.exp().tolist(), self.mean.tolist(), strict=True)
        return [Hyper(self.scales.exp(), noise, mean, net, drift) for noise, mean in pairs]


def initial(training: Training, net: Warp | None) -> list[Hyper]:
    """Return the mode of the priors, for each output."""
    return _Parameters.of(torch.as_tensor(_start(training)), training).hypers(net)


def fit(training: Training, net: Warp | None, steps: int) -> list[Hyper]:
    """Return the most probable hyper-parameters of each output.

    A net is trained with the others held, between two searches for the others.

    Parameters
    ----------
    training : Training
        At least one outcome.
    net : Warp, optional
        Trained in place.
    steps : int
        Adam steps for the net.

    Raises
    ------
    torch.linalg.LinAlgError
        When a covariance has no root, as where outcomes are not finite.
    """
    theta = _search(training, net, _start(training), 60)
    if net is not None and steps:
        _train(training, net, theta, steps)
        theta = _search(training, net, theta, 20)
    return _Parameters.of(torch.as_tensor(theta), training).hypers(net)


def negative_log_density(theta: Tensor, parts: list[Tensor], training: Training) -> Tensor:
    """Return minus the logarithm of likelihood times priors, up to a constant, per outcome.

    Rasmussen & Williams (2006), algorithm 2.1, ISBN 0-262-18253-X.

    Parameters
    ----------
    theta : Tensor, shape (parameter,)
        Logarithms of length scales, of the drift's variance and time scale where there is one, and of the
        noise variances, and the means.
    parts : list of Tensor, each of shape (outcome, outcome)
        Distances of the outcomes' candidates.
    training : Training
        What to explain.
    """
    given = _Parameters.of(theta, training)
    covariance = training.kernel.correlation(parts, given.scales.exp())
    if training.time is not None:
        covariance = covariance + drifting(training.time, training.time, *given.drift.exp())
    misfit = torch.zeros((), dtype=theta.dtype)
    for target, noise, level in zip(training.target.T, given.noise.exp(), given.mean, strict=True):
        root = torch.linalg.cholesky(covariance + (training.known + noise).diag())
        white = torch.linalg.solve_triangular(root, (target - level)[:, None], upper=False)
        misfit = misfit + 0.5 * white.square().sum() + root.diagonal().log().sum()
    mean, std = _priors(training)
    logarithms, lengths = theta[: len(mean)], theta[: -2 * training.outputs]
    # A density of the lengths themselves, so their logarithms count as Jacobian, but of the logarithm of the noise:
    # its mode as a number, a third of its median, makes noise nobody stated too small.
    prior = (0.5 * ((logarithms - mean) / std).square()).sum() + lengths.sum()
    return (misfit + prior) / len(training.target)


def _priors(training: Training) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of every logarithm."""
    groups = training.kernel.groups
    mean = [math.sqrt(2) + math.log(math.sqrt(12) * group.norm) for group in groups]
    std = [_SCALE_STD] * len(groups)
    if training.time is not None:
        mean, std = [*mean, *_DRIFT_MEAN], [*std, *_DRIFT_STD]
    noise = [_NOISE_MEAN] * training.outputs, [_NOISE_STD] * training.outputs
    return torch.tensor([*mean, *noise[0]]).double(), torch.tensor([*std, *noise[1]]).double()


def _start(training: Training) -> NDArray[np.float64]:
    """Return the mode of the priors."""
    mean, std = _priors(training)
    mode = mean - std.square()
    mode[-training.outputs :] = mean[-training.outputs :]
    return np.append(mode.numpy(), np.zeros(training.outputs))


def _bounds(training: Training) -> list[tuple[float | None, None]]:
    least = [math.log(_LEAST_SCALE * group.norm) for group in training.kernel.groups]
    drift = [] if training.time is None else [math.log(_LEAST_NOISE), math.log(_LEAST_SCALE)]
    noise = [math.log(_LEAST_NOISE)] * training.outputs
    return [*((bound, None) for bound in (*least, *drift, *noise)), *[(None, None)] * training.outputs]


def _search(training: Training, net: Warp | None, start: NDArray[np.float64], iterations: int) -> NDArray[np.float64]:
    """Return the best parameters near ``start``, with the net as it is."""
    table = Hyper(torch.empty(0), 0.0, 0.0, net).compared(training.table)
    parts = training.kernel.parts(table, table)
    objective = _with_gradient(lambda theta: negative_log_density(theta, parts, training))
    options = {"maxiter": iterations, "ftol": 1e-7, "gtol": 1e-4}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=_bounds(training), options=options)
    return found.x


def _with_gradient(
    function: Callable[[Tensor], Tensor],
) -> Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]:
    """Return ``function`` with its gradient, for NumPy."""

    def both(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        at = torch.tensor(theta, requires_grad=True)
        value = function(at)
        (gradient,) = torch.autograd.grad(value, at)
        return float(value.detach()), gradient.numpy()

    return both


def _train(training: Training, net: Warp, theta: NDArray[np.float64], steps: int) -> None:
    """Take Adam steps on the net's weights with everything else held."""
    weights: list[Tensor] = list(net.parameters())
    held = torch.as_tensor(theta)
    first, second = ([torch.zeros_like(weight) for weight in weights] for _ in range(2))
    counts = [torch.tensor(0.0) for _ in weights]
    for _ in range(steps):
        table = net(training.table)
        parts = training.kernel.parts(table, table)
        value = negative_log_density(held, parts, training) - net.log_prior() / len(training.target)
        gradients = list(torch.autograd.grad(value, weights))
        with torch.no_grad():
            # The function behind torch.optim.Adam, which would import a compiler: 70 MB and a second.
            adam(weights, gradients, first, second, [], counts, **_ADAM)
