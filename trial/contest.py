"""Who reaches the goal after how many points: agents and what people do without one, on the same seeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ..agents.protocols import Agent
from ..agents.spec import make_agent, spec_for
from .loop import closed_loop
from .task import TrialTask

Array = NDArray[np.float64]

OPTIMUM, MAP = "optimum", "map"
RULES = ("random", "space_filling", "greedy_channel")  # what needs no agent
_BLIND = {"random", "space_filling", "grid", "gp"}
LOOK_EVERY = 5  # points between two looks at the error of the map
_FIRST_LOOK = 10


@dataclass(frozen=True)
class Entrant:
    """Who takes part.

    Attributes
    ----------
    goal : str
        ``"optimum"`` or ``"map"``.
    chooses : str
        Agent that chooses the points.
    predicts : str
        Agent whose model predicts the map; the same one where an agent does both.
    """

    goal: str
    chooses: str
    predicts: str

    @property
    def is_agent(self) -> bool:
        """Whether the points depend on a model; else it is what people do without an agent."""
        return self.chooses not in RULES

    @property
    def sees_image(self) -> bool:
        """Whether the image has to be taken first."""
        return not {self.chooses, self.predicts} <= _BLIND

    @property
    def label(self) -> str:
        """Name in tables."""
        return self.chooses if self.chooses == self.predicts else f"{self.chooses}, then {self.predicts}"


@dataclass(frozen=True)
class Attempt:
    """How one entrant did with one seed.

    Attributes
    ----------
    points : int
        Measurements until the goal was reached; the budget where it was not.
    reached : bool
    cpu_s : float
        CPU-seconds of the agent per point.
    """

    points: int
    reached: bool
    cpu_s: float


def entrants(has_image: bool, further: Sequence[str] = ()) -> list[Entrant]:
    """Return everybody who takes part: rules, designs with a model, agents.

    Parameters
    ----------
    has_image : bool
        Whether those that need an image can take part.
    further : sequence of str
        Agents beside ``gp`` and ``patch_gp``, by registered name.
    """
    models = ("gp", "patch_gp") if has_image else ("gp",)
    agents = tuple(dict.fromkeys((*models, *further)))
    rules = RULES if has_image else RULES[:2]
    return [
        *(Entrant(OPTIMUM, name, name) for name in (*rules, *agents)),
        *(Entrant(MAP, design, model) for design in RULES[:2] for model in models),
        *(Entrant(MAP, name, name) for name in agents),
    ]


def attempt(task: TrialTask, entrant: Entrant, seed: int, target: float) -> Attempt:
    """Run one loop until the goal is reached or the budget is spent.

    Parameters
    ----------
    task : TrialTask
        What is explored.
    entrant : Entrant
        Who explores.
    seed : int
        All entrants share their first points.
    target : float
        For the goal ``"map"``: the root mean squared error to reach.
    """
    if entrant.goal == OPTIMUM:
        return _seek(task, entrant, seed)
    return reach(looks(task, entrant, seed), target)


def _seek(task: TrialTask, entrant: Entrant, seed: int) -> Attempt:
    best, spent, number = set(task.best.tolist()), 0.0, 0
    agent = make_agent(spec_for(entrant.chooses, OPTIMUM, seed=seed), task.problem)
    for number, step in enumerate(islice(closed_loop(agent, task.problem, task.measure), task.budget), 1):
        spent += step.cpu_s
        if step.candidate in best:
            return Attempt(number, True, spent / number)
    return Attempt(number, False, spent / number)


@dataclass(frozen=True)
class Look:
    """One look at a map: points so far, root mean squared error, CPU-seconds of choosing so far."""

    points: int
    error: float
    cpu_s: float


def reach(curve: Iterable[Look], target: float) -> Attempt:
    """Return when a map got as good as ``target``; nothing is computed beyond that."""
    look = None
    for look in curve:
        if look.error <= target:
            return Attempt(look.points, True, look.cpu_s / look.points)
    assert look is not None  # every loop ends with a look
    return Attempt(look.points, False, look.cpu_s / look.points)


def looks(task: TrialTask, entrant: Entrant, seed: int) -> Iterator[Look]:
    """Explore and look at the map every few points, and at the end.

    The error is that of predicted candidates which were not measured and have a value.
    """
    chooser = make_agent(spec_for(entrant.chooses, MAP, seed=seed), task.problem)
    predictor = chooser
    if entrant.predicts != entrant.chooses:
        predictor = make_agent(spec_for(entrant.predicts, MAP, seed=seed), task.problem)
    left, spent = np.isfinite(task.values), 0.0
    for number, step in enumerate(islice(closed_loop(chooser, task.problem, task.measure), task.budget), 1):
        spent += step.cpu_s
        left[step.candidate] = False
        if predictor is not chooser and step.scalar.flag == "ok":
            _tell(predictor, task, step.candidate)
        if number == task.budget or (number >= _FIRST_LOOK and number % LOOK_EVERY == 0):
            mean = np.asarray(predictor.posterior()["mean"])
            yield Look(number, float(np.sqrt(np.mean((mean - task.values)[left] ** 2))), spent)


def _tell(agent: Agent, task: TrialTask, candidate: int) -> None:
    problem, scalar = task.problem, task.measure(candidate)
    outcome = dict(zip(problem.dofs, problem.points[candidate].tolist(), strict=True))
    outcome[problem.objective] = scalar.value
    if np.isfinite(scalar.sigma):
        outcome[f"{problem.objective}_sigma"] = scalar.sigma
    agent.ingest([outcome])
