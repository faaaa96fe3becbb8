"""Where the scanner has to go for a point of the sample."""

from __future__ import annotations

import numpy as np

from ..agents.problem import Problem
from ..analysis.rigid import RigidMotion
from ..catalog.surveying import SurveyImage
from .tracking import Tracker


class Placement:
    """Joins what a later survey found (shift and rotation) and the drift since the survey that is tracked.

    Parameters
    ----------
    problem : Problem
        Its candidates are points of the sample, in the frame of the first survey.
    tracker : Tracker
        Follows the drift since ``frame``.
    frame : SurveyImage
        The survey that the scanner's frame is that of: the first one, or a later one.
    motion : RigidMotion, optional
        How the sample has moved from the first survey to ``frame``; not at all without it.
    """

    def __init__(self, problem: Problem, tracker: Tracker, frame: SurveyImage, motion: RigidMotion | None = None):
        self._problem, self._tracker, self._frame, self._motion = problem, tracker, frame, motion

    def offset(self, candidate: int, now: float) -> tuple[float, float]:
        """Return what (nm) to add to the coordinates of ``candidate`` at the time ``now`` (s)."""
        row = int(self._problem.pixel[candidate, 0])
        if self._motion is None:
            return self._tracker.offset(row, now)
        x, y = self._problem.points[candidate]
        there = self._motion.apply(x, y)
        away = np.hypot(self._frame.x - there[0], self._frame.y - there[1])
        line = int(np.unravel_index(int(np.argmin(away)), away.shape)[0])
        drift = self._tracker.offset(line, now)
        return float(there[0] - x + drift[0]), float(there[1] - y + drift[1])
