"""The gate: what a suggestion must be before anything moves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..agents.problem import Problem
from ..core.envelope import Envelope
from ..core.errors import LimitError


@dataclass(frozen=True)
class Admitted:
    """A suggestion that may be measured: the candidate it means, in the sample frame (nm)."""

    candidate: int
    x: float
    y: float


@dataclass(frozen=True)
class Refused:
    """A suggestion that must not be measured, and why."""

    reason: str


def most_points(problem: Problem) -> int:
    """Return a number of points that no choice of candidates can exceed without overlapping footprints.

    Discs of diameter ``separation_nm`` cover at most pi / sqrt(12) of an area (Thue 1910); the area is
    the bounding box of the candidates with half a disc around it.
    """
    if problem.separation_nm == 0:
        return len(problem)
    width, height = np.ptp(problem.points, axis=0) + problem.separation_nm
    return min(len(problem), int(width * height * 2 / math.sqrt(3) / problem.separation_nm**2))


@dataclass
class Gate:
    """Decides about suggestions; remembers what has been measured.

    Parameters
    ----------
    problem : Problem
        Candidates; ROI and exclusion zones are in it already.
    envelope : Envelope
        Limits of ``x`` and ``y`` (m, scanner).
    """

    problem: Problem
    envelope: Envelope
    _taken: list[int] = field(default_factory=list)

    @property
    def exhausted(self) -> bool:
        """Whether every candidate was measured or lies in the footprint of one that was."""
        return bool(self._blocked.all())

    def __post_init__(self) -> None:
        self._blocked = np.zeros(len(self.problem), bool)

    def judge(self, suggestion: Mapping[str, Any], offset: tuple[float, float]) -> Admitted | Refused:
        """Return the verdict on ``suggestion``.

        Off-grid points snap to the nearest free candidate within half a diagonal step; everything
        else that is wrong is refused, never moved into range.

        Parameters
        ----------
        suggestion : mapping
            Degrees of freedom of the problem, in nm.
        offset : tuple of float
            Correction (nm) that would be applied for drift.
        """
        x, y = (float(suggestion[dof]) for dof in self.problem.dofs)
        if not (math.isfinite(x) and math.isfinite(y)):
            return Refused(f"({x}, {y}) nm is not finite")
        with np.errstate(over="ignore"):  # so far away that it is infinite, which is refused
            away = self.problem.distance((x, y))
        reach = self.problem.reach
        if away.min() > reach:
            gap, limit = float(self.problem.steps[0]) * away.min(), float(self.problem.steps[0]) * reach
            return Refused(
                f"({x:.1f}, {y:.1f}) nm is {gap:.1f} nm from the nearest candidate; {limit:.1f} nm is the limit"
            )
        free = np.where(self._blocked, np.inf, away)
        return self.admit(int(np.argmin(free if free.min() <= reach else away)), offset)

    def admit(self, candidate: int, offset: tuple[float, float]) -> Admitted | Refused:
        """Return the verdict on a candidate, and on no other one near it.

        Parameters
        ----------
        candidate : int
            Its number.
        offset : tuple of float
            Correction (nm) that would be applied for drift.
        """
        reachable = self.again(candidate, offset)
        if isinstance(reachable, Refused):
            return reachable
        px, py = reachable.x, reachable.y
        if candidate in self._taken:
            return Refused(f"candidate {candidate} at ({px:.1f}, {py:.1f}) nm was measured before")
        if self._blocked[candidate]:
            gap, needed = self.clearance(px, py), self.problem.separation_nm
            return Refused(f"({px:.1f}, {py:.1f}) nm overlaps a footprint: {gap:.1f} nm away, {needed:.1f} nm needed")
        return reachable

    def again(self, candidate: int, offset: tuple[float, float]) -> Admitted | Refused:
        """Return the verdict on a candidate that may have been measured before: only whether it is within reach.

        Parameters
        ----------
        candidate : int
            Its number.
        offset : tuple of float
            Correction (nm) that would be applied for drift.
        """
        x, y = map(float, self.problem.points[candidate])
        try:
            self.envelope.check("x", (x + offset[0]) * 1e-9, "m")
            self.envelope.check("y", (y + offset[1]) * 1e-9, "m")
        except LimitError as error:
            return Refused(str(error))
        return Admitted(candidate, x, y)

    def clearance(self, x: float, y: float) -> float:
        """Return the distance (nm) of (x, y) to the nearest measured point; inf for none."""
        if not self._taken:
            return math.inf
        done = self.problem.points[self._taken]
        return float(np.min(np.hypot(done[:, 0] - x, done[:, 1] - y)))

    def copy(self) -> Gate:
        """Return an independent gate that remembers the same."""
        other = Gate(self.problem, self.envelope, self._taken.copy())
        other._blocked = self._blocked.copy()
        return other

    def take(self, candidate: int) -> None:
        """Note that ``candidate`` is being measured."""
        self._taken.append(candidate)
        self._blocked |= self.problem.covered(candidate)
