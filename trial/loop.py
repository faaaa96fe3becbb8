"""The closed loop without an instrument: an agent chooses, a table answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import process_time

import numpy as np

from ..agents.problem import Problem
from ..agents.protocols import Agent
from ..analysis.measurement import Scalar


@dataclass(frozen=True)
class Step:
    """One measurement of a loop.

    Attributes
    ----------
    candidate : int
        What was measured.
    scalar : Scalar
        What came of it.
    cpu_s : float
        CPU-seconds that the agent took to suggest it and to take the outcome in.
    """

    candidate: int
    scalar: Scalar
    cpu_s: float


def closed_loop(agent: Agent, problem: Problem, measure: Callable[[int], Scalar]) -> Iterator[Step]:
    """Let an agent choose and measure, for as long as it is asked.

    Parameters
    ----------
    agent : Agent
        Works on ``problem``.
    problem : Problem
        Its candidates.
    measure : callable
        ``measure(candidate) -> Scalar``; flagged other than ``"ok"``, it is a failure to the agent.
    """
    while True:
        began = process_time()
        (suggestion,) = agent.suggest(1)
        spent = process_time() - began
        candidate = problem.nearest(*(suggestion[name] for name in problem.dofs))
        scalar = measure(candidate)
        outcome = {problem.objective: scalar.value}
        if np.isfinite(scalar.sigma):
            outcome[f"{problem.objective}_sigma"] = scalar.sigma
        began = process_time()
        if scalar.flag == "ok":
            agent.ingest([{**suggestion, **outcome}])
        else:
            agent.register_failures([suggestion])
        yield Step(candidate, scalar, spent + process_time() - began)
