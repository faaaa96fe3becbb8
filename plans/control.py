"""A control site, measured again and again: what changes there changes with time, not with the place."""

from __future__ import annotations

from ..agents.problem import Problem
from .gate import Admitted
from .prior import Prior


class Control:
    """Knows the control site and when it is its turn.

    Parameters
    ----------
    every : int
        Measurements after which it is measured again, as soon as no decision is open; 0 for never.
    prior : Prior, optional
        What is taken over from an earlier run.

    Attributes
    ----------
    site : Admitted or None
        The first point that gave a value, None before.
    """

    def __init__(self, every: int, prior: Prior | None = None):
        self._every = every
        self._last = 0 if prior is None else prior.controlled  # measurements made when it was last its turn
        self.site: Admitted | None = None

    def recall(self, prior: Prior, problem: Problem) -> None:
        """Take the control site over from the run before, where it had one: where it was measured."""
        if prior.site is not None:
            x, y = prior.site["x"], prior.site["y"]
            self.site = Admitted(problem.nearest(x, y), x, y)

    def learn(self, point: Admitted) -> None:
        """Take note of a point that gave a value."""
        self.site = self.site or point

    def due(self, done: int) -> bool:
        """Return whether it is its turn, after so many measurements."""
        return bool(self._every) and self.site is not None and done // self._every > self._last // self._every

    def measured(self, done: int) -> None:
        """Note that it was its turn."""
        self._last = done

    def count(self, points: int) -> int:
        """Return how often it may come to its turn before so many points are measured."""
        return (points - 1) // self._every - self._last // self._every if self._every else 0
