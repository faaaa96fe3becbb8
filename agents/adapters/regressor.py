"""Any regressor with the interface of scikit-learn as an agent."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
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

    The regressor is fitted anew to all outcomes at every decision, on the features of ``patch_gp``;
    suggestions that still wait for their outcome do not change what it believes.
    Its uncertainty is what ``predict(table, return_std=True)`` says, or where that is not offered the
    spread among its ``estimators_``.

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

    @abstractmethod
    def regressor(self, seed: int) -> Any:
        """Return a fresh regressor with ``fit`` and ``predict``; everything random in it follows from ``seed``."""

    @one_thread
    def _prepare(self) -> None:
        outcomes = self._ledger.outcomes()
        if len(outcomes) < MODEL_POINTS or (self._fitted and self._fitted[0] == len(outcomes)):
            return
        began = perf_counter()
        model = self.regressor(int(generator(self.spec.seed, "regressor").integers(2**31)))
        model.fit(self._table[outcomes.index], outcomes.value)
        self._fitted = len(outcomes), *_prediction(model, self._table)
        self._fit_seconds += perf_counter() - began

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
        found = self._ledger.outcomes()

        def draw() -> Array:
            return mean + std * rng.standard_normal(len(mean))

        believed = Believed(mean, std, found.index, found.value, self._sign, draw)
        return score(str(self.spec.acquisition), believed, self.options)


def _prediction(model: Any, table: Array) -> tuple[Array, Array]:
    """Return mean and standard deviation of a fitted regressor, each of shape (row,)."""
    try:
        mean, std = model.predict(table, return_std=True)
    except TypeError as error:
        members = getattr(model, "estimators_", None)
        if members is None:
            raise SpecError(
                f"{type(model).__name__} says nothing of its uncertainty: neither predict(..., return_std=True)"
                " nor estimators_; take a Gaussian process, a Bayesian regressor or an ensemble"
            ) from error
        mean, told = model.predict(table), [member.predict(table) for member in np.ravel(members)]
        std = np.std(told, axis=0)
    spread = float(np.std(mean)) or 1.0
    return np.asarray(mean, float).ravel(), np.maximum(np.asarray(std, float).ravel(), 1e-9 * spread)
