"""Kernels over candidates, with priors on their hyper-parameters."""

from __future__ import annotations

import math
from typing import Any

import torch
from gpytorch.constraints import GreaterThan
from gpytorch.kernels import Kernel, MaternKernel
from gpytorch.likelihoods import FixedNoiseGaussianLikelihood
from gpytorch.priors import LogNormalPrior, NormalPrior
from torch import Tensor

# Root mean square distance from the centre of numbers spread uniformly over a unit square.
_RMS_XY = math.sqrt(2 / 12)


class CandidateKernel(Kernel):
    """Correlation of two candidates: of their patches, times of their places.

    A product, because a structure-property relation that changes over the survey is more common
    than one that is shifted, and because either factor can tend to 1: with a long length scale
    of the patches it becomes a kernel of coordinates, and the reverse. Both factors are
    Matern-5/2 with one length scale, whatever the number of columns. The variance is 1, in
    units of the outcomes' variance.

    Parameters
    ----------
    patch_columns : int
        How many leading columns describe the patch; the last two are coordinates.
    net : Warp, optional
        Moves the patch columns before they are compared.
    """

    def __init__(self, patch_columns: int, net: Warp | None = None):
        super().__init__()
        place = _matern((patch_columns, patch_columns + 1), _RMS_XY)
        self.base: Kernel = _matern(tuple(range(patch_columns)), 1.0) * place if patch_columns else place
        self.net = net

    def warp(self, x: Tensor) -> Tensor:
        """Return features as they are compared, shape (candidate, feature)."""
        return x if self.net is None else self.net(x)

    def forward(
        self, x1: Tensor, x2: Tensor, diag: bool = False, last_dim_is_batch: bool = False, **params: Any
    ) -> Any:
        """Return the correlation of every row of ``x1`` with every row of ``x2``."""
        return self.base(self.warp(x1), self.warp(x2), diag=diag, last_dim_is_batch=last_dim_is_batch, **params)


class Warp(torch.nn.Module):
    """The identity plus a small net: x + B tanh(A x + a) on the patch columns.

    B starts at zero and all weights have a normal prior, so that the kernel starts as the one
    without a net and leaves it only as far as the outcomes ask for. Networks that start at
    random and follow the marginal likelihood alone end overconfident: Ober, Rasmussen & van
    der Wilk, The promises and pitfalls of deep kernel learning (2021),
    doi:10.48550/arXiv.2102.12108.

    Parameters
    ----------
    patch_columns : int
        How many leading columns are moved; coordinates pass unchanged.
    hidden : int
        Width of the hidden layer.
    prior_std : float
        Standard deviation of the prior on the weights of the last layer.
    generator : torch.Generator
        Draws the first layer.
    """

    def __init__(self, patch_columns: int, hidden: int, prior_std: float, generator: torch.Generator):
        super().__init__()
        self._columns = patch_columns
        self.first = torch.nn.Linear(patch_columns, hidden, dtype=torch.float64)
        self.last = torch.nn.Linear(hidden, patch_columns, bias=False, dtype=torch.float64)
        with torch.no_grad():
            # Patches have a mean squared norm of 1, so these make pre-activations of order 1.
            self.first.weight.copy_(torch.randn(hidden, patch_columns, generator=generator, dtype=torch.float64))
            self.first.bias.copy_(torch.randn(hidden, generator=generator, dtype=torch.float64))
            self.last.weight.zero_()
        self._prior = NormalPrior(0.0, prior_std)
        self._start = self.first.weight.detach().clone()

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` with its patch columns moved, same shape."""
        patch, place = x[..., : self._columns], x[..., self._columns :]
        return torch.cat([patch + self.last(torch.tanh(self.first(patch))), place], dim=-1)

    def log_prior(self) -> Tensor:
        """Return the log density of the weights: normal around where they started."""
        drift = self._prior.log_prob(self.last.weight).sum()
        return drift - 0.5 * (self.first.weight - self._start).square().sum()


def noise_model(known: Tensor) -> FixedNoiseGaussianLikelihood:
    """Return noise of known variance, shape (outcome,), plus one learned variance for all.

    The prior of the learned part is BoTorch's LogNormal(-4, 1) for standardised outcomes:
    Hvarfner, Hellsten & Nardi (2024), doi:10.48550/arXiv.2402.02229.
    """
    prior = LogNormalPrior(-4.0, 1.0)
    return FixedNoiseGaussianLikelihood(
        known,
        learn_additional_noise=True,
        noise_prior=prior,
        noise_constraint=_above(1e-5, prior.mode),
    )


def _matern(columns: tuple[int, ...], rms: float) -> MaternKernel:
    """Return a Matern-5/2 kernel on some columns, whose root mean square norm is ``rms``.

    The prior of the length scale is the dimension-scaled LogNormal(sqrt 2 + log(d) / 2, sqrt 3)
    of Hvarfner, Hellsten & Nardi (2024), doi:10.48550/arXiv.2402.02229. It is stated for the
    unit cube, whose points have a root mean square norm of sqrt(d / 12) from the centre.
    """
    prior = LogNormalPrior(math.sqrt(2) + math.log(math.sqrt(12) * rms), math.sqrt(3))
    bound = _above(0.025 * rms, prior.mode)
    return MaternKernel(nu=2.5, active_dims=columns, lengthscale_prior=prior, lengthscale_constraint=bound)


def _above(bound: float, start: Tensor) -> GreaterThan:
    """Return a bound that the optimizer itself keeps, so that parameters need no transform."""
    return GreaterThan(bound, transform=None, initial_value=start)  # pyright: ignore[reportArgumentType]
