"""Gaussian processes over a finite set of candidates.

Exact and incremental: an outcome costs one pass over what is already known, where GPyTorch and
BoTorch factorise and predict afresh. They are the reference in the tests and the peer in
``benchmarks/agent_speed.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.digest import digest
from .fitting import Hyper, Training, fit, initial
from .kernels import Warp, correlation, distances
from .ledger import Outcomes

BLOCK = 2**17  # numbers computed at once: what comes on top of the result stays in the cache
FLOOR = 1e-6  # smallest noise variance, in units of the outcomes' variance


@dataclass(frozen=True)
class Scaling:
    """How outcomes lose their unit: ``(value - center) / spread``.

    Attributes
    ----------
    center, spread : float
        In the unit of the objective.
    """

    center: float
    spread: float

    @classmethod
    def of(cls, value: NDArray[np.float64]) -> Scaling:
        """Return the scaling to mean 0 and standard deviation 1; equal values have their size as spread."""
        center, spread = float(np.mean(value)), float(np.std(value))
        return cls(center, spread if spread > 1e-12 * abs(center) else abs(center) or 1.0)

    def target(self, outcomes: Outcomes) -> Tensor:
        """Return the outcomes without unit, shape (outcome,)."""
        return torch.as_tensor((outcomes.value - self.center) / self.spread)

    def noise(self, outcomes: Outcomes) -> Tensor:
        """Return their stated noise variances without unit, shape (outcome,); the floor where unknown."""
        return torch.as_tensor(np.nan_to_num(outcomes.sigma / self.spread) ** 2).clamp_min(FLOOR)


@dataclass(frozen=True)
class Fit:
    """Hyper-parameters, and how they came about.

    Attributes
    ----------
    hyper : Hyper
        For outcomes without unit.
    scaling : Scaling
        How they lost it.
    count : int
        How many outcomes there were when a fit was due.
    ok : bool
        False when that fit failed and an earlier one, or the prior, stands in.
    """

    hyper: Hyper
    scaling: Scaling
    count: int
    ok: bool

    def standing_in(self, count: int) -> Fit:
        """Return this fit in place of the one that was due after ``count`` outcomes."""
        return replace(self, count=count, ok=False)

    def noise(self, outcomes: Outcomes) -> Tensor:
        """Return the whole noise variance of each outcome without unit, shape (outcome,)."""
        return self.scaling.noise(outcomes) + self.hyper.noise


@dataclass(frozen=True)
class Joint:
    """Covariance of all candidates with some.

    Attributes
    ----------
    columns : ndarray of int, shape (column,)
        Those.
    covariance : Tensor, shape (candidate, column)
        Without unit.
    """

    columns: NDArray[np.int64]
    covariance: Tensor

    def after(self, part: Tensor) -> Joint:
        """Return what is left once the columns ``part`` of the root are known."""
        return Joint(self.columns, self.covariance - part @ part[torch.as_tensor(self.columns)].T)


class Belief:
    """A Gaussian process conditioned on outcomes, asked only at candidates. It never changes.

    Kept are the rows of the root that the candidates would have as the next outcome: with
    covariance K of the outcomes, K = L L', and k that of outcomes and candidates, they are
    W = k' L'^-1. A further outcome at candidate c adds one column, (k_c - W w_c) / d with
    d^2 = 1 + noise - w_c w_c, to W; that is the Cholesky factorisation, one row at a time
    (Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006, algorithm 2.1 and
    appendix A.4, ISBN 0-262-18253-X). The candidates' own covariance is never formed.

    Attributes
    ----------
    outcomes : Outcomes
        What it is conditioned on.
    mean, std : ndarray, shape (candidate,)
        Of the objective itself, without measurement noise, in its unit. Where most outcomes state
        their sigma, scatter beyond it belongs to the objective and is part of ``std``.
    """

    def __init__(
        self,
        process: Process,
        outcomes: Outcomes,
        columns: tuple[Tensor, ...],
        mean: Tensor,
        left: Tensor,
        joint: Joint | None = None,
    ):
        self._process, self._columns, self._joint = process, columns, joint
        self._mean, self._left = mean, left  # standardised: posterior mean, remaining variance
        self.outcomes = outcomes
        scaling, hyper = process.fit.scaling, process.fit.hyper
        # What a measurement's own sigma does not explain is structure that the features do not resolve.
        unresolved = hyper.noise if np.isfinite(outcomes.sigma).mean() > 0.5 else 0.0
        self.mean: NDArray[np.float64] = mean.mul(scaling.spread).add(scaling.center).numpy()
        self.std: NDArray[np.float64] = left.clamp_min(1e-12).add(unresolved).sqrt().mul(scaling.spread).numpy()

    @property
    def variance(self) -> NDArray[np.float64]:
        """Posterior variance, shape (candidate,), squared unit, without scatter that belongs to the objective."""
        return self._left.clamp_min(1e-12).numpy() * self._process.fit.scaling.spread**2

    @property
    def noise_variance(self) -> float:
        """Median variance of one measurement so far, in the squared unit of the objective."""
        fit = self._process.fit
        return float(fit.noise(self.outcomes).median()) * fit.scaling.spread**2

    @property
    def digest(self) -> str:
        """Fingerprint of every number that the prediction depends on besides the features."""
        scaling, hyper, found = self._process.fit.scaling, self._process.fit.hyper, self.outcomes
        net = [] if hyper.net is None else [part.detach().numpy() for part in hyper.net.parameters()]
        numbers = [scaling.center, scaling.spread, hyper.noise, hyper.mean, *hyper.scales.tolist()]
        return digest(numbers, found.index, found.value, found.sigma, *net)

    def extended(self, outcomes: Outcomes) -> Belief:
        """Return the belief after further outcomes, taken in one after the other."""
        belief = self
        for number in range(len(outcomes)):
            belief = belief._after(outcomes.part(number, number + 1))
        return belief

    def covariance(self, columns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the posterior covariance of all candidates with some, shape (candidate, column)."""
        if self._joint is None or not np.array_equal(self._joint.columns, columns):
            self._joint = Joint(columns, self._process.prior(columns))
            for part in self._columns:
                self._joint = self._joint.after(part)
        return self._joint.covariance.numpy() * self._process.fit.scaling.spread**2

    def _after(self, outcome: Outcomes) -> Belief:
        """Return the belief after one more outcome."""
        fit, candidate = self._process.fit, int(outcome.index[0])
        new = self._process.prior(outcome.index)[:, 0]
        for part in self._columns:
            new -= part @ part[candidate]
        total = self._left[candidate] + fit.noise(outcome)[0]
        surprise = fit.scaling.target(outcome)[0] - self._mean[candidate]
        new = new[:, None] / total.sqrt()
        return Belief(
            self._process,
            self.outcomes.followed_by(outcome),
            (*self._columns, new),
            self._mean + new[:, 0] * (surprise / total.sqrt()),
            self._left - new[:, 0].square(),
            self._joint.after(new) if self._joint else None,
        )


class Process:
    """A Gaussian process with given hyper-parameters over all candidates, before any outcome.

    Parameters
    ----------
    table : Tensor, shape (candidate, feature)
        Features of all candidates.
    patch_columns : int
        How many of the columns describe the patch.
    fit : Fit
        Hyper-parameters and scaling.
    """

    def __init__(self, table: Tensor, patch_columns: int, fit: Fit):
        self.fit = fit
        self._table, self._patch_columns = fit.hyper.compared(table), patch_columns

    def prior(self, columns: NDArray[np.int64]) -> Tensor:
        """Return the correlation of all candidates with some, shape (candidate, column)."""
        picked = self._table[torch.as_tensor(columns)]
        blocks = [
            correlation(distances(block, picked, self._patch_columns), self.fit.hyper.scales)
            for block in self._table.split(_rows(len(columns)))
        ]
        return torch.cat(blocks)

    def given(self, outcomes: Outcomes) -> Belief:
        """Return the belief after ``outcomes``, taken in together."""
        fit = self.fit
        white = self.prior(outcomes.index)
        root = torch.linalg.cholesky(white[torch.as_tensor(outcomes.index)] + fit.noise(outcomes).diag())
        for block in white.split(_rows(len(outcomes))):
            block.copy_(torch.linalg.solve_triangular(root, block.T, upper=False).T)
        target = (fit.scaling.target(outcomes) - fit.hyper.mean)[:, None]
        weights = torch.linalg.solve_triangular(root, target, upper=False)
        mean = (white @ weights)[:, 0] + fit.hyper.mean
        return Belief(self, outcomes, (white,), mean, 1.0 - white.square().sum(1))


class GaussianProcess:
    """Fits hyper-parameters and conditions on outcomes; remembers no outcome itself.

    Parameters
    ----------
    table : ndarray, shape (candidate, feature)
        Features of all candidates.
    patch_columns : int
        How many leading columns describe the patch; the last two are coordinates.
    net : callable, optional
        Makes a fresh net that moves the patch columns.
    steps : int
        Adam steps for the net.
    """

    def __init__(
        self,
        table: NDArray[np.float64],
        patch_columns: int,
        net: Callable[[], Warp] | None = None,
        steps: int = 0,
    ):
        self._table = torch.as_tensor(table, dtype=torch.float64)
        self._patch_columns = patch_columns
        self._net = net
        self._steps = steps

    def fit(self, outcomes: Outcomes) -> Fit:
        """Maximise the posterior density of the hyper-parameters given at least one outcome.

        Returns
        -------
        Fit
            The mode of the prior, marked as not ok, when that fails numerically.
        """
        scaling, net = Scaling.of(outcomes.value), self._net() if self._net else None
        table = self._table[torch.as_tensor(outcomes.index)]
        training = Training(table, self._patch_columns, scaling.target(outcomes), scaling.noise(outcomes))
        try:
            found = fit(training, net, self._steps)
        except torch.linalg.LinAlgError:  # pyright: ignore[reportPrivateImportUsage]
            return Fit(initial(training, self._net() if self._net else None), scaling, len(outcomes), False)
        return Fit(found, scaling, len(outcomes), True)

    def condition(self, outcomes: Outcomes, fit: Fit) -> Belief:
        """Return the belief after ``outcomes``: those of the fit together, further ones one by one.

        Outcomes that came in any portions therefore give the same bits.
        """
        process = Process(self._table, self._patch_columns, fit)
        return process.given(outcomes.part(0, fit.count)).extended(outcomes.part(fit.count, len(outcomes)))


def _rows(columns: int) -> int:
    """Return how many rows of so many columns make a block."""
    return max(1, BLOCK // max(1, columns))
