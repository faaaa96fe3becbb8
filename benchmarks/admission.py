"""Strategies beside the default: each is offered as proven only with a task on which it beats the default agent.

Run: ``python -m benchmarks.admission`` for development seeds; reported seeds are part of ``make bench``.

*Goal diverse* (acquisition ``novelty``): the share of the property's range that was seen, in 25 bins of equal width,
after 50 measurements. *Travel*: regret once a probe that is moved at 50 nm/s has spent 500 s on moves and measurements.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from rich.console import Console

from probeline.agents.spec import make_agent, spec_for
from probeline.analysis.scoring import simple_regret
from probeline.trial.loop import closed_loop

from .claims import difference
from .loops import SEED_POINTS
from .suite import DEVELOPMENT_SEED, SEEDS
from .tables import Table, interval, spread
from .tasks import Task, make_task
from .work import Part, do_all, results

TASK = "pfm-mixed"
POINTS, BINS = 50, 25
SPEED, SECONDS, MOST = 50e-9, 500.0, 200  # m/s; s; measurements, more than the time allows


@dataclass(frozen=True)
class Strategy:
    """An agent with its goal and options, under the name that the table shows."""

    name: str
    agent: str = "patch_gp"
    goal: str = "optimum"
    travels: bool = False


DIVERSE = (
    Strategy("patch_gp, diverse", goal="diverse"),
    Strategy("patch_gp, optimum"),
    Strategy("space_filling", "space_filling"),
    Strategy("random", "random"),
)
TRAVEL = (
    Strategy("patch_gp, travel", travels=True),
    Strategy("patch_gp"),
    Strategy("space_filling", "space_filling"),
    Strategy("grid", "grid"),
)


def contests(seed: int) -> dict[str, dict[str, float]]:
    """Return the scores of all strategies on one seed, by contest."""
    task = make_task(TASK, seed)
    slow = replace(task, timing=replace(task.timing, speed=SPEED))
    return {
        "diverse": {one.name: _seen(task, _order(task, one, POINTS)) for one in DIVERSE},
        "travel": {one.name: _regret(slow, _order(slow, one, MOST, SECONDS)) for one in TRAVEL},
    }


def _order(task: Task, strategy: Strategy, points: int, seconds: float = np.inf) -> list[int]:
    """Return what is measured, in order, until points or seconds are spent."""
    options: dict[str, float] = {"seed_points": SEED_POINTS}
    if strategy.travels:
        options["travel"] = task.problem.steps[0] * 1e-9 / task.timing.speed / task.timing.spectrum_s
    agent = make_agent(spec_for(strategy.agent, strategy.goal, options, seed=task.seed), task.problem)
    order: list[int] = []
    for step in islice(closed_loop(agent, task.problem, task.measure), points):
        order.append(step.candidate)
        if _spent(task, order) > seconds:
            return order[:-1]
    return order


def _spent(task: Task, order: Sequence[int]) -> float:
    return task.instrument_seconds(order) - task.instrument_seconds([])


def _seen(task: Task, order: Sequence[int]) -> float:
    """Return the share of bins with a candidate in them in which one was measured."""
    edges = np.linspace(task.truth.min(), task.truth.max(), BINS + 1)
    bins = np.clip(np.digitize(task.truth, edges) - 1, 0, BINS - 1)
    return len(np.unique(bins[np.asarray(order)])) / len(np.unique(bins))


def _regret(task: Task, order: Sequence[int]) -> float:
    return simple_regret(task.peaks, order) / task.regret_unit


def admission_tables(found: Sequence[dict[str, dict[str, float]]]) -> list[Table]:
    """Return both contests: the strategy on trial first, and its paired difference from every other."""
    seen = (
        f"Goal diverse: share of {BINS} bins of the property seen after {POINTS} measurements of {TASK}; more is better"
    )
    slow = (
        f"Travel: regret (standard deviations) after {SECONDS:.0f} s of moves at {SPEED * 1e9:.0f} nm/s and of "
        f"measurements, {TASK}; less is better"
    )
    return [_contest([one["diverse"] for one in found], seen, 1), _contest([one["travel"] for one in found], slow, -1)]


def _contest(scores: Sequence[dict[str, float]], title: str, sign: int) -> Table:
    found = {name: np.array([score[name] for score in scores]) for name in scores[0]}
    tried, *others = found
    rows = [(tried, spread(found[tried].tolist()), "-", "-")]
    for other in others:
        apart = difference(found[tried], found[other])
        low, high = sorted((sign * apart.low, sign * apart.high))
        better = "yes" if low > 0 else "**no, worse**" if high < 0 else "**not shown**"
        rows.append((other, spread(found[other].tolist()), interval(apart), better))
    header = ("strategy", "score", f"{tried} less this [95 %]", f"{tried} is better")
    return Table(f"{title} ({len(scores)} seeds)", header, tuple(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description="Strategies beside the default agent, on development seeds.")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    part = Part("admission", range(DEVELOPMENT_SEED, DEVELOPMENT_SEED + given.seeds), contests)
    for table in admission_tables(results(list(do_all([part], given.processes)), part.name)):
        table.show(Console(width=180))


if __name__ == "__main__":
    main()
