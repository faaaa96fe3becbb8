"""What is kept of a covariance once outcomes are known, so that one more costs one pass over it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .kernels import Kernel

BLOCK = 2**17  # numbers computed at once: what comes on top of the result stays in the cache
INDUCING = 384  # places that stand for all outcomes in :func:`through_places`, at most
_KEPT = 4  # columns of single candidates
_MERGED = 16  # single columns after which they are put together: many thin products are slow
_RESOLVED = 1e-6  # share of the prior variance below which another inducing place adds nothing

Index = NDArray[np.int64]


class Prior:
    """The process over all candidates before any outcome, without unit.

    Parameters
    ----------
    table : Tensor, shape (candidate, feature)
        Features as they are compared.
    kernel : Kernel
        Compares them.
    scales : Tensor, shape (group,)
        Its length scales.
    common : float
        Variance of what all candidates have in common at one moment.
    """

    def __init__(self, table: Tensor, kernel: Kernel, scales: Tensor, common: float = 0.0):
        self._table, self._kernel, self._scales = table, kernel, scales
        self.common = common
        self._latest: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self._table)

    @property
    def device(self) -> torch.device:
        """Where it is computed."""
        return self._table.device

    def columns(self, picked: Index) -> Tensor:
        """Return the covariance of all candidates with some, shape (candidate, column)."""
        return self._covariance(self._table, picked) if len(picked) != 1 else self._column(int(picked[0])).clone()

    def _column(self, candidate: int) -> Tensor:
        """Return the covariance with one candidate; the latest are kept, because what was believed gets its outcome."""
        if candidate not in self._latest:
            if len(self._latest) >= _KEPT:
                del self._latest[next(iter(self._latest))]
            self._latest[candidate] = self._covariance(self._table, np.array([candidate]))
        return self._latest[candidate]

    def between(self, first: Index, second: Index) -> Tensor:
        """Return the covariance of some candidates with some, shape (first, second)."""
        return self._covariance(self._table[torch.as_tensor(first)], second)

    def _covariance(self, rows: Tensor, picked: Index) -> Tensor:
        chosen = self._table[torch.as_tensor(picked)]
        found = torch.empty(len(rows), len(picked), dtype=rows.dtype, device=rows.device)
        step = _rows(len(picked))
        for block, part in zip(rows.split(step), found.split(step), strict=True):
            part.copy_(self._kernel.of(block, chosen, self._scales))
        return found.add_(self.common) if self.common else found


class Root:
    """Covariance of the candidates given everything known so far: k(a, c) + phi_a M phi_c - sum w_a w_c.

    The first outcomes, taken in together, make the second term; each later one adds a column
    w = cov(., c) / d to the third, where d^2 is its variance as expected, noise included. That is the
    Cholesky factorisation, one row at a time (Rasmussen & Williams, Gaussian Processes for Machine
    Learning, 2006, algorithm 2.1 and appendix A.4, ISBN 0-262-18253-X). The candidates' own
    covariance is never formed.

    Parameters
    ----------
    prior : Prior
        The process.
    phi : Tensor, shape (candidate, place)
        How the candidates follow from the places that stand for the first outcomes.
    inner : Tensor, shape (place, place)
        M.
    parts : tuple of Tensor, each of shape (candidate, outcome)
        Columns of later outcomes.
    """

    def __init__(self, prior: Prior, phi: Tensor, inner: Tensor, parts: tuple[Tensor, ...] = ()):
        self._prior, self._phi, self._inner, self._parts = prior, phi, inner, parts

    def columns(self, picked: Index) -> Tensor:
        """Return the covariance of all candidates with some, shape (candidate, column)."""
        found, chosen = self._prior.columns(picked), torch.as_tensor(picked)
        found += self._phi @ (self._inner @ self._phi[chosen].T)
        for part in self._parts:
            found -= part @ part[chosen].T
        return found

    def extended(self, column: Tensor) -> Root:
        """Return the root after one more outcome, whose scaled covariance is ``column``, shape (candidate,)."""
        parts = (*self._parts, column[:, None])
        if len(parts) >= _MERGED and all(part.shape[1] == 1 for part in parts[-_MERGED:]):
            parts = (*parts[:-_MERGED], torch.cat(parts[-_MERGED:], 1))
        return Root(self._prior, self._phi, self._inner, parts)


@dataclass(frozen=True)
class Conditioned:
    """A process given some outcomes, without unit.

    Attributes
    ----------
    root : Root
        To go on from.
    mean : Tensor, shape (candidate,)
        Of the process, less its prior mean.
    left : Tensor, shape (candidate,)
        Variance that is left.
    """

    root: Root
    mean: Tensor
    left: Tensor


@dataclass(frozen=True)
class Ageing:
    """How much less outcomes have in common with now, and with each other, than what is measured at one moment.

    Attributes
    ----------
    now : Tensor, shape (outcome,)
        Their covariance with now, less that of one moment.
    pairs : Tensor, shape (outcome, outcome)
        Their covariance with each other, less that of one moment.
    """

    now: Tensor
    pairs: Tensor


def exactly(prior: Prior, index: Index, noise: Tensor, target: Tensor, ageing: Ageing | None = None) -> Conditioned:
    """Return the process given outcomes, in memory that grows with their number.

    With covariance K = L L' of the outcomes and k that of outcomes and candidates, phi = k' L'^-1
    and M = -1.

    Parameters
    ----------
    prior : Prior
        The process.
    index : ndarray of int, shape (outcome,)
        Candidate of each outcome.
    noise, target : Tensor, shape (outcome,)
        Noise variance and value of each, less the prior mean.
    ageing : Ageing, optional
        Of what was measured at other moments than now.
    """
    phi = prior.columns(index)
    known = phi[torch.as_tensor(index)] + noise.diag()
    if ageing is not None:
        known += ageing.pairs
        phi += ageing.now
    root = torch.linalg.cholesky(known)
    _whiten(phi, root)
    weights = torch.linalg.solve_triangular(root, target[:, None], upper=False)
    inner = -torch.eye(len(index), dtype=phi.dtype, device=phi.device)
    left = 1.0 + prior.common - torch.linalg.vector_norm(phi, dim=1).square()
    return Conditioned(Root(prior, phi, inner), (phi @ weights)[:, 0], left)


def through_places(prior: Prior, index: Index, noise: Tensor, target: Tensor) -> Conditioned:
    """Return the process given outcomes, which count through ``INDUCING`` places at most.

    With phi = k_u' L_u'^-1 for the covariance L_u L_u' of the places, f = phi w + e where w is standard
    normal before any outcome. These outcomes tell of w alone, e being noise to them (fully independent
    training conditional: Snelson & Ghahramani, Adv. Neural Inf. Process. Syst. 18, 1257 (2005);
    Quinonero-Candela & Rasmussen, J. Mach. Learn. Res. 6, 1939 (2005), section 6); later ones tell of e
    as well. The places are those outcomes that a pivoted Cholesky factorisation takes first: Burt,
    Rasmussen & van der Wilk, J. Mach. Learn. Res. 21, 131 (2020), section 4.2.2.

    Parameters
    ----------
    prior, index, noise, target
        As for :func:`exactly`.
    """
    places = _telling(prior, np.unique(index), INDUCING)
    phi = prior.columns(places)
    _whiten(phi, torch.linalg.cholesky(phi[torch.as_tensor(places)]))
    at = phi[torch.as_tensor(index)]
    weighted = at / (noise + (1.0 - at.square().sum(1)).clamp_min(0.0))[:, None]
    identity = torch.eye(len(places), dtype=phi.dtype, device=phi.device)
    spread = torch.cholesky_inverse(torch.linalg.cholesky(identity + at.T @ weighted))
    inner = spread - identity
    left = torch.cat([1.0 + ((part @ inner) * part).sum(1) for part in phi.split(_rows(len(places)))])
    return Conditioned(Root(prior, phi, inner), phi @ (spread @ (weighted.T @ target)), left)


def _whiten(columns: Tensor, root: Tensor) -> None:
    """Multiply every row of ``columns`` by the inverse of ``root``, in place."""
    for block in columns.split(_rows(len(root))):
        block.copy_(torch.linalg.solve_triangular(root, block.T, upper=False).T)


def _telling(prior: Prior, index: Index, count: int) -> Index:
    """Return those of ``index`` that a pivoted Cholesky factorisation takes first, ``count`` at most."""
    left, rows, chosen = torch.ones(len(index), dtype=torch.float64, device=prior.device), [], []
    while len(chosen) < min(count, len(index)) and left.max() > _RESOLVED:
        pivot = int(left.argmax())
        row = prior.between(index, index[pivot : pivot + 1])[:, 0]
        if rows:
            known = torch.stack(rows)
            row = row - known.T @ known[:, pivot]
        rows.append(row / left[pivot].sqrt())
        left = left - rows[-1].square()
        chosen.append(pivot)
    return index[chosen]


def _rows(columns: int) -> int:
    """Return how many rows of so many columns make a block."""
    return max(1, BLOCK // max(1, columns))
