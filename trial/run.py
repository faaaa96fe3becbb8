"""One trial from beginning to end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from time import perf_counter

import numpy as np

from ..agents.spec import make_agent, spec_for
from ..core.errors import SpecError
from .choosing import MeasuredMap
from .contest import MAP, OPTIMUM, Attempt, Entrant, Look, attempt, entrants, looks, reach
from .relation import Relation, find_relation
from .saving import GoalAnswer, judge
from .task import TrialTask, make_task, problem_of

SEEDS = 20
Progress = Callable[[str, int, int], None]  # what is done, how much of it, out of how much


@dataclass(frozen=True, eq=False)
class Trial:
    """What came of a trial.

    Attributes
    ----------
    chosen : MeasuredMap
        What was explored.
    task : TrialTask
        Its candidates.
    seeds : int
        Loops of each entrant.
    target : float
        Error of the map to reach, in the unit of the property: the least that points which no
        agent chose reach with the whole budget.
    spread : float
        Standard deviation of the property, the error of knowing its mean only.
    answers : tuple of GoalAnswer
        For the best place, and for the map.
    relation : Relation or str
        Between image and property, or why it was not tested.
    minutes : float
        That the trial took.
    """

    chosen: MeasuredMap
    task: TrialTask
    seeds: int
    target: float
    spread: float
    answers: tuple[GoalAnswer, ...]
    relation: Relation | str
    minutes: float


def run_trial(
    chosen: MeasuredMap,
    *,
    seeds: int = SEEDS,
    further: Sequence[str] = (),
    progress: Progress = lambda what, done, total: None,
) -> Trial:
    """Let everybody explore a measured map and test whether its image tells anything.

    Parameters
    ----------
    chosen : MeasuredMap
        What to explore.
    seeds : int
        Loops of each entrant, at least 2.
    further : sequence of str
        Agents that take part beside ``gp`` and ``patch_gp``, by registered name.
    progress : callable
        Told what is done and how much of it.

    Raises
    ------
    UnknownNameError, SpecError
        When there is no such agent, or it has no model or needs options.
    DataError
        When the map is too small.
    """
    began = perf_counter()
    task = make_task(chosen)
    further = [_agent(name, task) for name in further]
    relation = _relation(chosen, task, progress)
    curves = _curves(task, seeds, progress)
    target = min(float(np.mean([curve[-1].error for curve in runs])) for runs in curves.values())
    attempts: dict[Entrant, list[Attempt]] = {
        entrant: [reach(curve, target) for curve in runs] for entrant, runs in curves.items()
    }
    rest = [entrant for entrant in entrants(task.has_image, further) if entrant not in curves]
    for number, (seed, entrant) in enumerate(product(range(seeds), rest)):
        progress("agents and rules", number, seeds * len(rest))
        attempts.setdefault(entrant, []).append(attempt(task, entrant, seed, target))
    answers = tuple(judge(goal, attempts) for goal in (OPTIMUM, MAP))
    minutes = (perf_counter() - began) / 60
    return Trial(chosen, task, seeds, target, float(np.nanstd(task.values)), answers, relation, minutes)


def _agent(name: str, task: TrialTask) -> str:
    """Return the kind of a further agent, after all that could refuse it: loops take minutes."""
    spec = spec_for(name, OPTIMUM)
    if spec.acquisition is None:
        raise SpecError(
            f"agent {name!r} was refused: it has no model, and a trial compares agents that have one with what "
            "people do without; name one with a model, such as dkl"
        )
    for goal in (OPTIMUM, MAP):
        make_agent(spec_for(spec.kind, goal), task.problem)
    return spec.kind


def _curves(task: TrialTask, seeds: int, progress: Progress) -> dict[Entrant, list[list[Look]]]:
    """Return how the error of the map falls with points that no agent chose, by entrant and seed."""
    others = [entrant for entrant in entrants(task.has_image) if entrant.goal == MAP and not entrant.is_agent]
    curves: dict[Entrant, list[list[Look]]] = {entrant: [] for entrant in others}
    for number, (seed, entrant) in enumerate(product(range(seeds), others)):
        progress("maps without an agent", number, seeds * len(others))
        curves[entrant].append(list(looks(task, entrant, seed)))
    return curves


def _relation(chosen: MeasuredMap, task: TrialTask, progress: Progress) -> Relation | str:
    """Test the image against the property on the full grid of places, measured or not."""
    if not task.has_image:
        return "there is no image"
    everywhere = problem_of(chosen, task.patch_pixels, task.stride, None)
    rows, columns = (len(np.unique(everywhere.pixel[:, axis])) for axis in (0, 1))
    at = everywhere.pixel[:, 0], everywhere.pixel[:, 1]
    progress("relation of image and property", 0, 1)
    patches, values = everywhere.patches, chosen.sought.values[at]
    return find_relation(patches.reshape(rows, columns, *patches.shape[1:]), values.reshape(rows, columns))
