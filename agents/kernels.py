"""How alike two candidates are, by what surrounds them and by where they lie."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

# Root mean square norms of what is compared, which set the length scales that are plausible.
RMS_PATCH = 1.0
RMS_XY = math.sqrt(2 / 12)  # of numbers spread uniformly over a unit square, from its centre


def distances(first: Tensor, second: Tensor, patch_columns: int) -> list[Tensor]:
    """Return the Euclidean distances of every row of ``first`` from every row of ``second``.

    Returns
    -------
    list of Tensor, each of shape (first, second)
        Of the patches, if there are patch columns; of the coordinates.
    """
    columns = slice(0, patch_columns), slice(patch_columns, None)
    used = columns if patch_columns else columns[1:]
    return [torch.cdist(first[:, part], second[:, part]) for part in used]


def correlation(parts: Sequence[Tensor], scales: Tensor) -> Tensor:
    """Return the product of one Matern-5/2 kernel per kind of distance.

    A product, because a structure-property relation that changes over the survey is more common
    than one that is shifted, and because each factor tends to 1 as its length scale grows: the
    kernel can become one of coordinates only, or of patches only. Matern: Rasmussen & Williams,
    Gaussian Processes for Machine Learning (2006), equation 4.17, ISBN 0-262-18253-X.

    Parameters
    ----------
    parts : sequence of Tensor
        Distances of one shape.
    scales : Tensor, shape (part,)
        Length scale of each, in the unit of its distance.
    """
    polynomial, exponent = torch.ones_like(parts[0]), torch.zeros_like(parts[0])
    for distance, scale in zip(parts, scales, strict=True):
        ratio = distance * (math.sqrt(5) / scale)
        polynomial = polynomial * (1 + ratio + ratio.square() / 3)
        exponent = exponent - ratio
    return polynomial * exponent.exp()


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
        self._prior_std = prior_std
        self._start = self.first.weight.detach().clone()

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` with its patch columns moved, same shape."""
        patch, place = x[..., : self._columns], x[..., self._columns :]
        return torch.cat([patch + self.last(torch.tanh(self.first(patch))), place], dim=-1)

    def log_prior(self) -> Tensor:
        """Return the log density of the weights, up to a constant: normal around where they started."""
        moved = self.last.weight / self._prior_std
        return -0.5 * (moved.square().sum() + (self.first.weight - self._start).square().sum())
