"""The other common interface of optimizers, ask and tell with arrays, in both directions.

As gpCAM has it: ``ask`` returns ``{"x": places}`` and ``tell`` takes places, values and noise variances.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core.errors import RefusedError
from ..ledger import ID
from ..problem import Problem
from ..protocols import Agent

Array = NDArray[np.float64]


class AskTell:
    """An agent for a program that asks and tells.

    Parameters
    ----------
    agent : Agent
        Made by :func:`~probeline.agents.spec.make_agent`.
    problem : Problem
        What it works on.
    """

    def __init__(self, agent: Agent, problem: Problem):
        self._agent, self._problem = agent, problem
        self._open: dict[Any, Array] = {}  # id -> place

    def ask(self, n: int = 1) -> dict[str, Array]:
        """Return where to measure next: ``{"x": places}``, shape (n, dof), each in the unit of the problem."""
        points = self._agent.suggest(n)
        places = np.array([[float(point[name]) for name in self._problem.dofs] for point in points])
        self._open.update(zip((point[ID] for point in points), places, strict=True))
        return {"x": places}

    def tell(self, x: ArrayLike, y: ArrayLike, noise_variances: ArrayLike | None = None) -> None:
        """Take outcomes in: those at places that were asked for, others, and repeats.

        Parameters
        ----------
        x : array_like, shape (n, dof)
            Where they were measured, each in the unit of the problem.
        y : array_like, shape (n,)
            What was measured; NaN for a measurement that failed.
        noise_variances : array_like, shape (n,), optional
            Its variance, in the squared unit of the objective.

        Raises
        ------
        RefusedError
            When shapes disagree, or a place belongs to no candidate.
        """
        places, values = np.atleast_2d(np.asarray(x, float)), np.asarray(y, float).ravel()
        variance = None if noise_variances is None else np.asarray(noise_variances, float).ravel()
        if variance is not None and (variance < 0).any():
            raise RefusedError(
                f"noise_variances = {variance.tolist()} was refused: none may be negative; NaN is unknown"
            )
        sigma = None if variance is None else np.sqrt(variance)
        if places.shape != (len(values), len(self._problem.dofs)) or (sigma is not None and len(sigma) != len(values)):
            raise RefusedError(
                f"x of shape {places.shape} and {len(values)} values were refused: give one row of "
                f"{len(self._problem.dofs)} numbers for each value, and as many noise variances or none"
            )
        points: list[dict[str, Any]] = []
        for place in places:
            points.append(self._point(place, [point.get(ID) for point in points]))
        good = np.isfinite(values)
        outcomes = []
        for number in np.flatnonzero(good):
            name = self._problem.objective
            outcome = {**points[number], name: float(values[number])}
            outcomes.append(outcome if sigma is None else {**outcome, f"{name}_sigma": float(sigma[number])})
        self._agent.ingest(outcomes)
        self._agent.register_failures([point for point, kept in zip(points, good, strict=True) if not kept])
        for point in points:
            self._open.pop(point.get(ID), None)

    def _point(self, place: Array, told: Sequence[Any]) -> dict[str, Any]:
        """Return the open suggestion at ``place`` that was not told already, else an external point."""
        known = [number for number, other in self._open.items() if number not in told and np.array_equal(other, place)]
        point: dict[str, Any] = dict(zip(self._problem.dofs, place.tolist(), strict=True))
        if not known and self._problem.distance(place).min() > self._problem.reach:  # before anything is taken in
            raise RefusedError(
                f"x = {place.tolist()} was refused: no candidate is there; tell places that were asked for"
            )
        return {ID: known[0], **point} if known else point


class AskTellOptimizer:
    """A program that is asked and told, as an optimizer for :class:`~probeline.agents.adapters.external.ExternalAgent`.

    Parameters
    ----------
    ask : callable
        ``ask(n) -> places``, array_like of shape (n, dof); for gpCAM
        ``lambda n: optimizer.ask(bounds, n=n)["x"]``.
    tell : callable
        ``tell(x, y)`` with arrays of shape (1, dof) and (1,); for gpCAM
        ``lambda x, y: optimizer.tell(x, y, append=True)``.
    problem : Problem
        Names its degrees of freedom and its objective.
    """

    def __init__(self, ask: Callable[[int], ArrayLike], tell: Callable[..., Any], problem: Problem):
        self._ask, self._tell, self._problem = ask, tell, problem
        self._asked = 0
        self._told: list[tuple[Any, Array, float]] = []

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        """Return points to measure, as :class:`~probeline.agents.protocols.Optimizer`."""
        count = num_points or 1
        places = np.reshape(np.asarray(self._ask(count), float), (count, len(self._problem.dofs)))
        self._asked += count
        return [
            {ID: number, **dict(zip(self._problem.dofs, place.tolist(), strict=True))}
            for number, place in enumerate(places, self._asked - count)
        ]

    def ingest(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Pass outcomes on, with all degrees of freedom."""
        name = self._problem.objective
        for point in points:
            place = np.array([point[dof] for dof in self._problem.dofs], float)
            self._tell(place[None], np.array([float(point[name])]))
            self._told.append((point.get(ID), place, float(point[name])))

    def get_best_points(self) -> list[tuple[Any, dict[str, float], dict[str, float]]]:
        """Return the outcome with the largest value, as :class:`~probeline.agents.protocols.Optimizer`."""
        if not self._told:
            return []
        number, place, value = max(self._told, key=lambda told: told[2])
        return [(number, dict(zip(self._problem.dofs, place.tolist(), strict=True)), {self._problem.objective: value})]
