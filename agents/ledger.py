"""Which candidate was suggested, measured or lost, and what came out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import LimitError, RefusedError
from .problem import Problem

ID = "_id"
TIME = "_time"  # of an outcome, by the clock of the instrument; no degree of freedom has such a name
LARGEST = 1e100  # of an outcome and of its sigma: squares stay finite


@dataclass(frozen=True)
class Outcomes:
    """What was measured, in order.

    Attributes
    ----------
    index : ndarray of int, shape (outcome,)
        Candidate of each outcome; a candidate may occur more than once.
    value : ndarray, shape (outcome,)
        In the unit of the objective.
    sigma : ndarray, shape (outcome,)
        Standard uncertainty, same unit; NaN where unknown.
    time : ndarray, shape (outcome,)
        Instrument time (s) at which it was measured; NaN where unknown, everywhere unless given.
    """

    index: NDArray[np.int64]
    value: NDArray[np.float64]
    sigma: NDArray[np.float64]
    time: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        if not len(self.time):
            object.__setattr__(self, "time", np.full(len(self.index), np.nan))

    def __len__(self) -> int:
        return len(self.index)

    def part(self, first: int, end: int) -> Outcomes:
        """Return the outcomes from number ``first`` up to, not including, ``end``."""
        chosen = slice(first, end)
        return self._of(chosen)

    def thinned(self, count: int) -> Outcomes:
        """Return ``count`` of the outcomes at most, evenly spread over their order."""
        if len(self) <= count:
            return self
        kept = np.linspace(0, len(self) - 1, count).round().astype(int)
        return self._of(kept)

    def followed_by(self, other: Outcomes) -> Outcomes:
        """Return these outcomes and then those of ``other``."""
        return Outcomes(
            np.concatenate([self.index, other.index]),
            np.concatenate([self.value, other.value]),
            np.concatenate([self.sigma, other.sigma]),
            np.concatenate([self.time, other.time]),
        )

    def _of(self, chosen: slice | NDArray[np.int64]) -> Outcomes:
        return Outcomes(self.index[chosen], self.value[chosen], self.sigma[chosen], self.time[chosen])


@dataclass(frozen=True)
class Result:
    """One outcome, checked and assigned to a candidate."""

    id: Any
    candidate: int
    value: float
    sigma: float
    time: float


class Ledger:
    """Bookkeeping over the candidates of one problem.

    Decisions are numbered from 0; the number is the id of the suggestion. A candidate that was
    suggested or measured, and every candidate nearer to it than the problem's separation, is
    not admissible again, whatever became of it.

    Parameters
    ----------
    problem : Problem
        The candidates.
    """

    def __init__(self, problem: Problem):
        self.problem = problem
        self.decisions: list[int] = []  # id -> candidate
        self.pending: dict[int, int] = {}  # id -> candidate
        self.failed: set[int] = set()  # ids
        self.lost: set[int] = set()  # candidates that failed without an id of ours
        self.results: list[Result] = []
        self.admissible = np.ones(len(problem), bool)
        self._used = np.zeros(len(problem), bool)

    def copy(self) -> Ledger:
        """Return an independent copy over the same problem."""
        other = Ledger(self.problem)
        other.decisions, other.pending = self.decisions.copy(), self.pending.copy()
        other.failed, other.lost = self.failed.copy(), self.lost.copy()
        other.results, other.admissible, other._used = self.results.copy(), self.admissible.copy(), self._used.copy()
        return other

    def outcomes(self) -> Outcomes:
        """Return everything measured so far."""
        results = self.results
        return Outcomes(
            np.array([r.candidate for r in results], np.int64),
            np.array([r.value for r in results], np.float64),
            np.array([r.sigma for r in results], np.float64),
            np.array([r.time for r in results], np.float64),
        )

    def used(self) -> NDArray[np.int64]:
        """Return every candidate that was suggested, measured or lost, in index order."""
        return np.flatnonzero(self._used)

    @property
    def n_failed(self) -> int:
        """How many failures were reported."""
        return len(self.failed) + len(self.lost)

    def open(self, candidate: int) -> int:
        """Start a decision for ``candidate`` and return its id."""
        number = len(self.decisions)
        self.decisions.append(candidate)
        self.pending[number] = candidate
        self._use(candidate)
        return number

    def point(self, number: int) -> dict[str, Any]:
        """Return the suggestion of decision ``number``: its id and degrees of freedom."""
        return {ID: number, **self.dofs_of(self.decisions[number])}

    def dofs_of(self, candidate: int) -> dict[str, float]:
        """Return the degrees of freedom of ``candidate`` by name, each in its unit."""
        return dict(zip(self.problem.dofs, self.problem.points[candidate].tolist(), strict=True))

    def snap(self, point: Mapping[str, Any], *, free: bool = False) -> int:
        """Return the candidate that ``point`` means by its degrees of freedom.

        Parameters
        ----------
        point : mapping
            Has all degrees of freedom, each in its unit.
        free : bool
            Only an admissible candidate will do.

        Raises
        ------
        RefusedError
            When a coordinate is missing, not finite or further than half a diagonal step from
            every candidate (from every admissible one with ``free``).
        """
        problem = self.problem
        missing = [name for name in problem.dofs if name not in point]
        if missing:
            raise RefusedError(
                f"point {dict(point)} was refused: its id is not pending and it has no {' and no '.join(missing)};"
                " give the id of a suggestion that is still open, or all its coordinates"
            )
        values = [_finite(name, point[name], unit) for name, unit in zip(problem.dofs, problem.units, strict=True)]
        distance = problem.distance(values)
        if free:
            distance = np.where(self.admissible, distance, np.inf)
        nearest = int(np.argmin(distance))
        if not distance[nearest] <= problem.reach:
            kind = "free candidate" if free else "candidate"
            place = ", ".join(f"{value:g} {unit}".rstrip() for value, unit in zip(values, problem.units, strict=True))
            raise LimitError(
                "distance to the nearest " + kind,
                float(distance[nearest]),
                f"{problem.reach:.3g} steps, half a diagonal one",
                "steps",
                f"({place}) is not among the points of this problem; choose one that is",
            )
        return nearest

    def check(self, points: Sequence[Mapping[str, Any]]) -> list[Result]:
        """Return outcomes as results, without taking any of them in.

        Raises
        ------
        RefusedError
            When an outcome is missing, not finite, given twice or belongs to no candidate.
        """
        seen: set[int] = set()
        return [self._check(point, seen) for point in points]

    def take(self, results: Sequence[Result]) -> None:
        """Take in checked results."""
        for result in results:
            if isinstance(result.id, int):
                self.pending.pop(result.id, None)
            self.results.append(result)
            self._use(result.candidate)

    def fail(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Note that these points gave no outcome.

        Raises
        ------
        RefusedError
            When a point has an outcome already, or is neither open nor a candidate.
        """
        numbers, candidates = [], []
        for point in points:
            number = _number(point)
            if number in self.pending:
                numbers.append(number)
            elif number not in self.failed:
                self._refuse_closed(number)
                candidates.append(self.snap(point))
        for number in numbers:
            self.pending.pop(number, None)
            self.failed.add(number)
        for candidate in candidates:
            self.lost.add(candidate)
            self._use(candidate)

    def _use(self, candidate: int) -> None:
        self._used[candidate] = True
        self.admissible &= ~self.problem.covered(candidate)

    def _refuse_closed(self, number: int | None) -> None:
        if number is not None and 0 <= number < len(self.decisions):
            state = "failed" if number in self.failed else "has an outcome"
            raise RefusedError(
                f"suggestion {number} {state} already; an outcome or failure counts once."
                " Give a repeated measurement as an external point, without an id"
            )

    def _check(self, point: Mapping[str, Any], seen: set[int]) -> Result:
        number = _number(point)
        if number is not None and number in self.pending:
            if number in seen:
                raise RefusedError(f"suggestion {number} occurs twice in one batch of outcomes; give it once")
            seen.add(number)
            candidate = self.pending[number]
        else:
            self._refuse_closed(number)
            candidate = self.snap(point)
        name = self.problem.objective
        if name not in point:
            raise RefusedError(f"point {dict(point)} was refused: it has no outcome {name!r}; register it as a failure")
        value = _finite(name, point[name], "", "register the point as a failure instead")
        sigma, time = _sigma(f"{name}_sigma", point), _time(point)
        return Result(point.get(ID) if number is None else number, candidate, value, sigma, time)


def _number(point: Mapping[str, Any]) -> int | None:
    """Return the id of ``point`` when it can be one of ours."""
    number = point.get(ID)
    if not (number is None or isinstance(number, str | int | float | np.integer)):
        raise RefusedError(f"id {number!r} was refused: it is stored as it is, so give a string, a number or none")
    return int(number) if isinstance(number, int | np.integer) and not isinstance(number, bool) else None


def _finite(name: str, value: Any, unit: str, remedy: str = "give a finite number") -> float:
    number = _number_of(name, value)
    if not abs(number) <= LARGEST:
        raise LimitError(name, number, f"a finite number, {LARGEST:g} at most", unit, remedy)
    return number


def _number_of(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise RefusedError(
            f"{name} = {value!r} is not a number; give one, or register the point as a failure"
        ) from error


def _sigma(name: str, point: Mapping[str, Any]) -> float:
    sigma = _number_of(name, point.get(name, math.nan))
    if sigma < 0 or sigma > LARGEST:
        raise LimitError(name, sigma, "0 or more and finite", "", "leave it out, or give NaN, when it is unknown")
    return sigma


def _time(point: Mapping[str, Any]) -> float:
    return _finite(TIME, point[TIME], "s", "leave it out when it is unknown") if TIME in point else math.nan
