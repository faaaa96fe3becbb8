"""Gaussian processes over a finite set of candidates.

Exact and incremental: an outcome costs one pass over what is already known, where GPyTorch and
BoTorch factorise and predict afresh. They are the reference in the tests and the peer in
``benchmarks/peers``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...core.digest import digest
from ..ledger import Outcomes
from .drift import Drift, next_moment, seconds, span_of
from .features import Features
from .fitting import Hyper, Training, fit, initial
from .kernels import Warp
from .roots import Ageing, Conditioned, Prior, exactly, through_places

FLOOR = 1e-6  # smallest noise variance, in units of the outcomes' variance
# Outcomes times candidates above which inducing places stand in: 256 MB for the exact root.
EXACT_NUMBERS = 2**25
FIT_OUTCOMES = 512  # from which hyper-parameters are learned at most: a fit takes the cube of their number


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

    def stored(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return it as JSON values and tensors, for :meth:`GaussianProcess.stored_fit`."""
        hyper, scaling = self.hyper, self.scaling
        values = {"count": self.count, "ok": self.ok, "noise": hyper.noise, "mean": hyper.mean}
        values |= {"center": scaling.center, "spread": scaling.spread}
        values |= {"drift": None if hyper.drift is None else [hyper.drift.variance, hyper.drift.scale]}
        net = {} if hyper.net is None else hyper.net.state_dict()
        return values, {"scales": hyper.scales, **{f"net.{name}": part for name, part in net.items()}}

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

    def after(self, column: Tensor) -> Joint:
        """Return what is left once a further outcome, whose scaled covariance is ``column``, is known."""
        return Joint(self.columns, self.covariance - torch.outer(column, column[torch.as_tensor(self.columns)]))


class Belief:
    """A Gaussian process conditioned on outcomes, asked only at candidates. It never changes.

    Attributes
    ----------
    outcomes : Outcomes
        What it is conditioned on.
    mean, std : ndarray, shape (candidate,)
        Of the objective itself, without measurement noise, in its unit. Where most outcomes state
        their sigma, scatter beyond it belongs to the objective and is part of ``std``.
    """

    def __init__(self, fit: Fit, outcomes: Outcomes, state: Conditioned, joint: Joint | None = None):
        self._fit, self._state, self._joint = fit, state, joint
        self.outcomes = outcomes
        scaling, hyper = fit.scaling, fit.hyper
        # What a measurement's own sigma does not explain is structure that the features do not resolve.
        unresolved = hyper.noise if self.stated else 0.0
        self.mean: NDArray[np.float64] = (state.mean + hyper.mean).mul(scaling.spread).add(scaling.center).cpu().numpy()
        self.std: NDArray[np.float64] = self._left().add(unresolved).sqrt().mul(scaling.spread).cpu().numpy()

    @property
    def stated(self) -> bool:
        """Whether most outcomes state their sigma."""
        return bool(np.isfinite(self.outcomes.sigma).mean() > 0.5)

    @property
    def variance(self) -> NDArray[np.float64]:
        """Posterior variance, shape (candidate,), squared unit, without scatter that belongs to the objective."""
        return self._left().cpu().numpy() * self._fit.scaling.spread**2

    @property
    def noise_variance(self) -> float:
        """Median variance of one measurement so far, in the squared unit of the objective."""
        return float(self._fit.noise(self.outcomes).median()) * self._fit.scaling.spread**2

    @property
    def digest(self) -> str:
        """Fingerprint of every number that the prediction depends on besides the features."""
        scaling, hyper, found = self._fit.scaling, self._fit.hyper, self.outcomes
        net = [] if hyper.net is None else [part.detach().numpy() for part in hyper.net.parameters()]
        numbers = [scaling.center, scaling.spread, hyper.noise, hyper.mean, *hyper.scales.tolist()]
        drift = [] if hyper.drift is None else [[hyper.drift.variance, hyper.drift.scale], found.time]
        return digest(numbers, found.index, found.value, found.sigma, *net, *drift)

    def extended(self, outcomes: Outcomes) -> Belief:
        """Return the belief after further outcomes, taken in one after the other."""
        belief = self
        for number in range(len(outcomes)):
            belief = belief._after(outcomes.part(number, number + 1))
        return belief

    def covariance(self, columns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the posterior covariance of all candidates with some, shape (candidate, column)."""
        if self._joint is None or not np.array_equal(self._joint.columns, columns):
            self._joint = Joint(columns, self._state.root.columns(columns))
        return self._joint.covariance.cpu().numpy() * self._fit.scaling.spread**2

    def _left(self) -> Tensor:
        return self._state.left.clamp_min(1e-12)

    def _after(self, outcome: Outcomes) -> Belief:
        """Return the belief after one more outcome."""
        fit, state, candidate = self._fit, self._state, int(outcome.index[0])
        total = state.left[candidate] + float(fit.noise(outcome)[0])
        surprise = float(fit.scaling.target(outcome)[0]) - fit.hyper.mean - state.mean[candidate]
        column = state.root.columns(outcome.index)[:, 0] / total.sqrt()
        after = Conditioned(
            state.root.extended(column),
            state.mean + column * (surprise / total.sqrt()),
            state.left - column.square(),
        )
        joint = self._joint.after(column) if self._joint else None
        return Belief(fit, self.outcomes.followed_by(outcome), after, joint)


class GaussianProcess:
    """Fits hyper-parameters and conditions on outcomes; remembers no outcome itself.

    Parameters
    ----------
    features : Features
        Of all candidates.
    net : callable, optional
        Makes a fresh net that moves the patch columns.
    steps : int
        Adam steps for the net.
    drifts : bool
        Part of every outcome changes with time; beliefs are about the moment at which the next one is due.
    device : str
        Of torch, for what has the size of the candidates; hyper-parameters are always fitted on the processor.
    """

    def __init__(
        self,
        features: Features,
        net: Callable[[], Warp] | None = None,
        steps: int = 0,
        *,
        drifts: bool = False,
        device: str = "cpu",
    ):
        self._table = torch.as_tensor(features.table, dtype=torch.float64)
        self._kernel = features.kernel
        self._net = net
        self._steps = steps
        self._drifts, self._device = drifts, device

    @property
    def candidates(self) -> int:
        """How many there are."""
        return len(self._table)

    def fit(self, outcomes: Outcomes) -> Fit:
        """Maximise the posterior density of the hyper-parameters given at least one outcome.

        Of more than ``FIT_OUTCOMES`` outcomes so many are used, evenly spread over their order.

        Returns
        -------
        Fit
            The mode of the prior, marked as not ok, when that fails numerically.
        """
        return self.fit_together([outcomes])[0]

    def fit_together(self, outputs: Sequence[Outcomes]) -> list[Fit]:
        """Fit length scales and net to several outputs of the same measurements at once.

        Parameters
        ----------
        outputs : sequence of Outcomes
            At the same candidates, with the same stated uncertainty; each is standardised.

        Returns
        -------
        list of Fit
            One for each output, with its own mean and noise.
        """
        scalings, used = [Scaling.of(of.value) for of in outputs], [of.thinned(FIT_OUTCOMES) for of in outputs]
        first, count = used[0], len(outputs[0])
        time = seconds(first.time)
        span = span_of(time)
        training = Training(
            self._table[torch.as_tensor(first.index)],
            self._kernel,
            torch.stack([scaling.target(of) for scaling, of in zip(scalings, used, strict=True)], 1),
            scalings[0].noise(first),
            time / span if self._drifts else None,
        )
        try:
            found, ok = fit(training, self._net() if self._net else None, self._steps), True
        except torch.linalg.LinAlgError:  # pyright: ignore[reportPrivateImportUsage]
            found, ok = initial(training, self._net() if self._net else None), False
        return [Fit(hyper.lasting(span), scaling, count, ok) for hyper, scaling in zip(found, scalings, strict=True)]

    def stored_fit(self, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Fit:
        """Return a fit from what :meth:`Fit.stored` gave.

        Raises
        ------
        ValueError, KeyError, TypeError
            When something is missing, of another shape, not finite, or no fit of this process can have it.
        """
        noise, mean, center, spread = _finite(values, "noise", "mean", "center", "spread")
        scales, net = tensors["scales"], self._net() if self._net else None
        if scales.shape != (len(self._kernel.groups),) or not ((scales > 1e-9) & (scales < 1e9)).all():
            raise ValueError(f"scales must be {len(self._kernel.groups)} numbers between 1e-9 and 1e9, got {scales}")
        if not 0 < noise < 1e9 or spread <= 0 or not isinstance(values["ok"], bool):
            raise ValueError(f"noise and spread must be positive, got {noise} and {spread}")
        weights = {name.removeprefix("net."): part for name, part in tensors.items() if name != "scales"}
        if net is None and weights:
            raise ValueError(f"this process has no net, but there are weights {', '.join(weights)}")
        if net is not None:
            _load(net, weights)
        hyper = Hyper(scales, noise, mean, net, self._stored_drift(values["drift"]))
        return Fit(hyper, Scaling(center, spread), int(values["count"]), values["ok"])

    def _stored_drift(self, stored: Any) -> Drift | None:
        if (stored is not None) != self._drifts:
            raise ValueError(f"the fit has the drift {stored}, this process {'one' if self._drifts else 'none'}")
        if stored is None:
            return None
        variance, scale = map(float, stored)
        if not (0 < variance < 1e9 and 0 < scale < 1e9):
            raise ValueError(f"variance and scale of a drift must be positive, got {variance} and {scale}")
        return Drift(variance, scale)

    def condition(self, outcomes: Outcomes, fit: Fit, joint: NDArray[np.int64] | None = None) -> Belief:
        """Return the belief after ``outcomes``: those of the fit together, further ones one by one.

        Outcomes that came in any portions therefore give the same bits. With a drift all are taken in together,
        and only the latest as far as ``EXACT_NUMBERS`` reach: older ones tell least about now.

        Parameters
        ----------
        outcomes : Outcomes
            All.
        fit : Fit
            To some of them.
        joint : ndarray of int, shape (column,), optional
            Candidates whose covariance with all others will be asked for.
        """
        if fit.hyper.drift is not None:
            return self._by_then(outcomes, fit, fit.hyper.drift, joint)
        first = outcomes.part(0, fit.count)
        prior = self._prior(fit)
        given = exactly if len(first) * len(prior) <= EXACT_NUMBERS else through_places
        belief = Belief(fit, first, given(prior, first.index, *self._told(first, fit)))
        if joint is not None:
            belief.covariance(joint)
        return belief.extended(outcomes.part(fit.count, len(outcomes)))

    def updated(self, belief: Belief, outcomes: Outcomes, fit: Fit, joint: NDArray[np.int64] | None = None) -> Belief:
        """Return the belief after ``outcomes`` from that after the first of them."""
        new = outcomes.part(len(belief.outcomes), len(outcomes))
        if fit.hyper.drift is None or not len(new):
            return belief.extended(new)
        return self._by_then(outcomes, fit, fit.hyper.drift, joint)

    def _by_then(self, outcomes: Outcomes, fit: Fit, drift: Drift, joint: NDArray[np.int64] | None) -> Belief:
        """Return the belief about the moment at which the next outcome is due."""
        kept = max(1, EXACT_NUMBERS // len(self._table))
        latest = outcomes.part(max(0, len(outcomes) - kept), len(outcomes))
        time = seconds(outcomes.time)[-len(latest) :]
        ageing = Ageing(
            (drift.between(next_moment(time), time)[0] - drift.variance).to(self._device),
            (drift.between(time, time) - drift.variance).to(self._device),
        )
        prior = self._prior(fit, drift.variance)
        belief = Belief(fit, latest, exactly(prior, latest.index, *self._told(latest, fit), ageing))
        if joint is not None:
            belief.covariance(joint)
        return belief

    def _prior(self, fit: Fit, common: float = 0.0) -> Prior:
        table = fit.hyper.compared(self._table).to(self._device)
        return Prior(table, self._kernel, fit.hyper.scales.to(self._device), common)

    def _told(self, outcomes: Outcomes, fit: Fit) -> tuple[Tensor, Tensor]:
        """Return noise and value of outcomes, less the prior mean."""
        target = fit.scaling.target(outcomes) - fit.hyper.mean
        return fit.noise(outcomes).to(self._device), target.to(self._device)


def _load(net: Warp, weights: Mapping[str, Tensor]) -> None:
    """Set the weights of a net."""
    expected = {name: (part.shape, part.dtype) for name, part in net.state_dict().items()}
    if {name: (part.shape, part.dtype) for name, part in weights.items()} != expected:
        raise ValueError(f"the net has weights {expected}; others were given")
    net.load_state_dict(dict(weights))


def _finite(values: Mapping[str, Any], *names: str) -> list[float]:
    numbers = [float(values[name]) for name in names]
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"{', '.join(names)} must be finite, got {numbers}")
    return numbers
