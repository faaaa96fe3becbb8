"""How alike two candidates are, by what surrounds them and by where they lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

Shape = Literal["matern", "rbf"]
_NEAR = 1e-20  # added to squared distances: their root has no slope at 0


@dataclass(frozen=True)
class Group:
    """Columns of a feature table that share a length scale.

    Attributes
    ----------
    columns : slice
        Which.
    factor : int
        Groups with the same number are compared together, in one distance; factors multiply.
    norm : float
        Root mean square norm of what the factor compares, which sets the length scales that are plausible.
    """

    columns: slice
    factor: int
    norm: float


@dataclass(frozen=True)
class Kernel:
    """A stationary kernel with a length scale for each group of columns, and variance 1.

    A product of one kernel for the surroundings and one for the place, because a structure-property
    relation that changes over the survey is more common than one that is shifted, and because each
    factor tends to 1 as its length scales grow: the kernel can become one of places only, or of
    surroundings only. Matern-5/2 and squared exponential, with automatic relevance determination
    where a factor has several groups: Rasmussen & Williams, Gaussian Processes for Machine
    Learning (2006), equations 4.17, 4.9 and 5.1, ISBN 0-262-18253-X.

    Attributes
    ----------
    groups : tuple of Group
        Those of one factor follow one another.
    shape : {"matern", "rbf"}
        Form of every factor.
    """

    groups: tuple[Group, ...]
    shape: Shape = "matern"

    def per_column(self) -> Kernel:
        """Return this kernel with a length scale for every column."""
        single = [
            replace(group, columns=slice(column, column + 1))
            for group in self.groups
            for column in range(group.columns.start, group.columns.stop)
        ]
        return replace(self, groups=tuple(single))

    def parts(self, first: Tensor, second: Tensor) -> list[Tensor]:
        """Return the Euclidean distances of every row of ``first`` from every row of ``second`` in each group.

        Returns
        -------
        list of Tensor, each of shape (first, second)
            One per group.
        """
        # By products also for a single row, which is six times as fast as by differences.
        mode = "use_mm_for_euclid_dist"
        return [torch.cdist(first[:, g.columns], second[:, g.columns], compute_mode=mode) for g in self.groups]

    def correlation(self, parts: Sequence[Tensor], scales: Tensor) -> Tensor:
        """Return the kernel at distances from :meth:`parts`.

        Parameters
        ----------
        parts : sequence of Tensor
            Distances of one shape.
        scales : Tensor, shape (group,)
            Length scale of each group, in the unit of its distance.
        """
        ratios = self._ratios([part / scale for part, scale in zip(parts, scales, strict=True)])
        if self.shape == "rbf":
            return torch.stack([ratio.square() for ratio in ratios]).sum(0).mul(-0.5).exp()
        polynomial, exponent = torch.ones_like(parts[0]), torch.zeros_like(parts[0])
        for ratio in ratios:
            stretched = ratio * math.sqrt(5)
            polynomial = polynomial * (1 + stretched + stretched.square() / 3)
            exponent = exponent - stretched
        return polynomial * exponent.exp()

    def of(self, first: Tensor, second: Tensor, scales: Tensor) -> Tensor:
        """Return the kernel of every row of ``first`` with every row of ``second``, shape (first, second)."""
        return self.correlation(self.parts(first, second), scales)

    def _ratios(self, parts: Sequence[Tensor]) -> list[Tensor]:
        """Return the distance of each factor from the scaled distances of its groups."""
        found = []
        for factor in sorted({group.factor for group in self.groups}):
            own = [part for part, group in zip(parts, self.groups, strict=True) if group.factor == factor]
            single = len(own) == 1
            found.append(own[0] if single else (torch.stack(own).square().sum(0) + _NEAR).sqrt())
        return found


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
