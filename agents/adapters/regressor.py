"""Any regressor with the interface of scikit-learn as an agent."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from inspect import signature
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from ...core.blas import one_thread
from ...core.digest import digest
from ...core.errors import SpecError
from ...core.rng import generator
from ..base import MODEL_POINTS, CandidateAgent
from ..gaussian.features import build_features
from ..problem import Problem
from ..scores import Believed, ScoreOptions, score
from ..spec import AgentSpec

Array = NDArray[np.float64]


class RegressorOptions(ScoreOptions):
    """Options of agents with a regressor.

    Attributes
    ----------
    components : int
        Principal components of the patches to keep of each window at most; 0 for coordinates only.
    """

    components: int = Field(default=24, ge=0)


class RegressorAgent(CandidateAgent):
    """An agent from a regressor; a subclass says which, and is registered under ``probeline.agents``.

    The regressor is fitted anew to all outcomes at every decision, on the features of ``patch_gp``. Where
    suggestions are pending, the uncertainty is that of a second fit, to their predicted means as well
    (kriging believer: Ginsbourger, Le Riche & Carraro (2010), doi:10.1007/978-3-642-10701-6_6).
    Its uncertainty is what ``predict(table, return_std=True)`` says, or where that is not offered the
    spread among its ``estimators_``, whose mean has to be what it predicts.

    Examples
    --------
    >>> class Forest(RegressorAgent):
    ...     def regressor(self, seed):
    ...         return RandomForestRegressor(random_state=seed)
    """

    needs_acquisition: ClassVar[bool] = True
    acquisitions: ClassVar[tuple[str, ...]] = ("log_ei", "ucb", "max_variance", "straddle", "novelty")
    goals: ClassVar[Mapping[str, str]] = {
        "optimum": "log_ei", "map": "max_variance", "all_above": "straddle", "diverse": "novelty",
    }  # fmt: skip
    Options: ClassVar[type[BaseModel]] = RegressorOptions

    def __init__(self, spec: AgentSpec, problem: Problem):
        super().__init__(spec, problem)
        self._table = build_features(problem, self.options.components).table
        self._fitted: tuple[int, Array, Array] | None = None  # after how many outcomes; mean, std
        self._believed: tuple[tuple[int, ...], Array] | None = None  # after how many, what is pending; std

    @abstractmethod
    def regressor(self, seed: int) -> Any:
        """Return a fresh regressor with ``fit`` and ``predict``; everything random in it follows from ``seed``."""

    @one_thread
    def _prepare(self) -> None:
        outcomes = self._ledger.outcomes()
        if len(outcomes) < MODEL_POINTS or (self._fitted and self._fitted[0] == len(outcomes)):
            return
        began = perf_counter()
        self._fitted = len(outcomes), *self._told_by(outcomes.index, outcomes.value)
        self._fit_seconds += perf_counter() - began

    def _told_by(self, index: NDArray[np.int64], value: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation after a fit to some outcomes."""
        model = self.regressor(int(generator(self.spec.seed, "regressor").integers(2**31)))
        model.fit(self._table[index], value)
        return _prediction(model, self._table)

    @one_thread
    def _std_with_pending(self, mean: Array, std: Array) -> Array:
        """Return the standard deviation as if every pending suggestion had given its predicted mean."""
        pending = np.array(list(self._ledger.pending.values()), np.int64)
        if not len(pending):
            return std
        found = self._ledger.outcomes()
        key = len(found), *pending.tolist()
        if self._believed is None or self._believed[0] != key:
            index, value = np.concatenate([found.index, pending]), np.concatenate([found.value, mean[pending]])
            self._believed = key, self._told_by(index, value)[1]
        return self._believed[1]

    def _predict(self) -> tuple[Array, Array]:
        if self._fitted is None:
            value = self._ledger.outcomes().value
            mean = value.mean() if len(value) else np.nan
            return np.full(len(self.problem), mean), np.full(len(self.problem), np.nan)
        return self._fitted[1:]

    def _merit(self) -> Array:
        self._prepare()
        return self._predict()[0] if self._fitted else super()._merit()

    def _account(self) -> tuple[str, int, str]:
        outcomes = self._ledger.outcomes()
        belief = self._fitted[1:] if self._fitted else ()
        return "agent", max(0, len(outcomes) - MODEL_POINTS + 1), digest(outcomes.index, outcomes.value, *belief)

    def _score(self, rng: np.random.Generator) -> Array:
        if self._fitted is None:
            return np.full(len(self.problem), np.nan)
        _, mean, std = self._fitted
        found, left = self._ledger.outcomes(), self._std_with_pending(mean, std)

        def draw() -> Array:
            return mean + left * rng.standard_normal(len(mean))

        believed = Believed(mean, left, found.index, found.value, self._sign, draw)
        return score(str(self.spec.acquisition), believed, self.options)


def _prediction(model: Any, table: Array) -> tuple[Array, Array]:
    """Return mean and standard deviation of a fitted regressor, each of shape (row,)."""
    mean, std = model.predict(table, return_std=True) if _states_std(model) else _of_members(model, table)
    spread = float(np.std(mean)) or 1.0
    return np.asarray(mean, float).ravel(), np.maximum(np.asarray(std, float).ravel(), 1e-9 * spread)


def _states_std(model: Any) -> bool:
    last = getattr(model, "steps", [(None, model)])[-1][1]  # to which a pipeline passes it on
    return "return_std" in signature(last.predict).parameters


def _of_members(model: Any, table: Array) -> tuple[Array, Array]:
    """Return mean and spread of what the members of an ensemble predict."""
    mean, kind = np.ravel(model.predict(table)), type(model).__name__
    members = np.ravel(getattr(model, "estimators_", []))
    seen = getattr(model, "estimators_features_", [slice(None)] * len(members))  # where each sees a part
    told = [np.ravel(member.predict(table[:, part])) for member, part in zip(members, seen, strict=True)]
    if not told:
        raise SpecError(
            f"{kind} says nothing of its uncertainty: neither predict(..., return_std=True)"
            " nor estimators_; take a Gaussian process, a Bayesian regressor or an ensemble"
        )
    if not np.allclose(np.mean(told, axis=0), mean, rtol=1e-6, atol=1e-6 * float(np.std(mean))):
        raise SpecError(
            f"{kind} was refused: it does not predict the mean of its estimators_, so their spread is not its"
            " uncertainty; take a forest or bagging, or give predict a return_std"
        )
    return mean, np.std(told, axis=0)
