"""Optimizers of bluesky-adaptive, such as Ax, as agents over candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import RefusedError
from ..baselines import MeanPredictor
from ..ledger import ID
from ..problem import Problem
from ..protocols import Optimizer
from ..spec import AgentSpec


class ExternalAgent(MeanPredictor):
    """Asks an optimizer that knows no candidates, and measures at the nearest admissible one.

    The optimizer chooses every point itself, so there is no seed design of ours. It learns each
    outcome at the candidate that was measured: under its own id where that is within half a
    diagonal step of what it asked for, otherwise as an external point, and its own trial counts
    as failed. One that cannot be told so (no ``register_failures``) waits for an outcome under
    its id, and gets it. The belief is the mean predictor's, because the protocol
    asks an optimizer for no prediction. Whether calls can be repeated to the bit is up to the
    optimizer.

    Parameters
    ----------
    optimizer : Optimizer
        Its parameters are the problem's degrees of freedom, its objective the problem's.
    problem : Problem
        The candidates.
    direction : str
        ``"max"`` or ``"min"``: which outcomes :meth:`get_best_points` calls best.
    """

    def __init__(self, optimizer: Optimizer, problem: Problem, direction: str = "max"):
        name = f"{type(optimizer).__module__}:{type(optimizer).__qualname__}"
        spec = AgentSpec.model_validate({"kind": "external", "seed_points": 1, "direction": direction})
        super().__init__(spec, problem)
        self.spec = spec.model_copy(update={"options": {"optimizer": name}})
        self._optimizer = optimizer
        self._fault_aware = hasattr(optimizer, "register_failures")
        self._theirs: dict[int, tuple[Any, bool]] = {}  # our id -> their id, whether it is near

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        """Return what the optimizer suggests, moved to admissible candidates; see the base class."""
        count = 1 if num_points is None else int(num_points)
        free = int(self._ledger.admissible.sum())
        if not 1 <= count <= free:
            raise RefusedError(f"num_points = {count} was refused: the limit is 1 to {free}, the admissible candidates")
        began = perf_counter()
        asked = self._optimizer.suggest(count)
        spent = perf_counter() - began
        before = self._theirs.copy()
        try:
            if len(asked) != count:
                raise RefusedError(
                    f"the optimizer gave {len(asked)} of {count} points it was asked for; ask it for fewer"
                )
            with self._all_or_nothing():
                numbers = [self._place(point) for point in asked]
        except RefusedError:
            self._theirs = before
            for point in asked:
                self._tell_failed(point[ID])
            raise
        for number in numbers:
            self._explanations[number]["suggest_seconds"] += spent / count
        self.log.append({"call": "suggest", "argument": count})
        return [self._ledger.point(number) for number in numbers]

    def ingest(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Take outcomes in and pass them on; see the base class."""
        results = self._ledger.check(points)
        super().ingest(points)
        for result in results:
            outcome: dict[str, Any] = self._ledger.dofs_of(result.candidate) | {self.problem.objective: result.value}
            theirs, near = self._theirs.get(result.id, (None, False)) if isinstance(result.id, int) else (None, False)
            if theirs is not None and (near or not self._fault_aware):
                outcome[ID] = theirs
            elif theirs is not None:
                self._tell_failed(theirs)
            self._optimizer.ingest([outcome])

    def register_failures(self, suggestions: Sequence[Mapping[str, Any]]) -> None:
        """Pass failures of the optimizer's own points on; see the base class."""
        before = self._ledger.failed.copy()
        super().register_failures(suggestions)
        for number in sorted(self._ledger.failed - before):
            if number in self._theirs:
                self._tell_failed(self._theirs[number][0])

    def _score(self, rng: np.random.Generator) -> NDArray[np.float64]:
        return np.zeros(len(self.problem))

    def _place(self, point: Mapping[str, Any]) -> int:
        """Open a decision at the admissible candidate nearest to ``point``."""
        values = [float(point[name]) for name in self.problem.dofs]
        distance = self.problem.distance(values)
        distance[~self._ledger.admissible] = np.inf
        candidate = int(np.argmin(distance))
        if not np.isfinite(distance[candidate]):
            raise RefusedError(f"no admissible candidate is left for {dict(point)}; end the run")
        number = self._commit(candidate, "agent")
        self._theirs[number] = point[ID], bool(distance[candidate] <= self.problem.reach)
        return number

    def _tell_failed(self, theirs: Any) -> None:
        if self._fault_aware:
            self._optimizer.register_failures([{ID: theirs}])  # pyright: ignore[reportAttributeAccessIssue]
