"""Hyper-parameters of a Gaussian process: their priors, and the most probable ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor
from torch.optim.adam import adam

from .kernels import Kernel, Warp

# Log-normal priors (mean and standard deviation of the logarithm). For length scales the
# dimension-scaled one, sqrt 2 + log(d) / 2 and sqrt 3, of Hvarfner, Hellsten & Nardi (2024),
# doi:10.48550/arXiv.2402.02229; it is stated for the unit cube, whose points have a root mean
# square norm of sqrt(d / 12). For the noise variance of standardised outcomes, theirs as well.
_SCALE_STD = math.sqrt(3)
_NOISE_MEAN, _NOISE_STD = -4.0, 1.0
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
    """

    scales: Tensor
    noise: float
    mean: float
    net: Warp | None

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
    target : Tensor, shape (outcome,)
        Standardised outcomes.
    known : Tensor, shape (outcome,)
        Known part of their noise variance.
    """

    table: Tensor
    kernel: Kernel
    target: Tensor
    known: Tensor


def initial(training: Training, net: Warp | None) -> Hyper:
    """Return the mode of the priors."""
    return _hyper(torch.as_tensor(_start(_priors(training))), net)


def fit(training: Training, net: Warp | None, steps: int) -> Hyper:
    """Return the most probable hyper-parameters.

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
    theta = _search(training, net, _start(_priors(training)), 60)
    if net is not None and steps:
        _train(training, net, theta, steps)
        theta = _search(training, net, theta, 20)
    return _hyper(torch.as_tensor(theta), net)


def negative_log_density(theta: Tensor, parts: list[Tensor], training: Training) -> Tensor:
    """Return minus the logarithm of likelihood times priors, up to a constant, per outcome.

    Rasmussen & Williams (2006), algorithm 2.1, ISBN 0-262-18253-X.

    Parameters
    ----------
    theta : Tensor, shape (group + 2,)
        Logarithms of length scales and of the noise variance, and the mean.
    parts : list of Tensor, each of shape (outcome, outcome)
        Distances of the outcomes' candidates.
    training : Training
        What to explain.
    """
    noise = training.known + theta[-2].exp()
    root = torch.linalg.cholesky(training.kernel.correlation(parts, theta[:-2].exp()) + noise.diag())
    white = torch.linalg.solve_triangular(root, (training.target - theta[-1])[:, None], upper=False)
    misfit = 0.5 * white.square().sum() + root.diagonal().log().sum()
    mean, std = _priors(training)
    # theta itself is the Jacobian: a density of the parameters, not of their logarithms.
    prior = (0.5 * ((theta[:-1] - mean) / std).square() + theta[:-1]).sum()
    return (misfit + prior) / len(training.target)


def _priors(training: Training) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of the logarithm of each scale and of the noise."""
    groups = training.kernel.groups
    mean = [math.sqrt(2) + math.log(math.sqrt(12) * group.norm) for group in groups]
    std = [_SCALE_STD] * len(groups)
    return torch.tensor([*mean, _NOISE_MEAN]).double(), torch.tensor([*std, _NOISE_STD]).double()


def _start(priors: tuple[Tensor, Tensor]) -> NDArray[np.float64]:
    mean, std = priors
    return np.append((mean - std.square()).numpy(), 0.0)


def _bounds(training: Training) -> list[tuple[float | None, None]]:
    least = [math.log(_LEAST_SCALE * group.norm) for group in training.kernel.groups]
    return [*((bound, None) for bound in least), (math.log(_LEAST_NOISE), None), (None, None)]


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


def _hyper(theta: Tensor, net: Warp | None) -> Hyper:
    return Hyper(theta[:-2].exp(), float(theta[-2].exp()), float(theta[-1]), net)
