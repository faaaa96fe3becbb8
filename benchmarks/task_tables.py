"""Every agent on one task, what the default agent lost anywhere, and what the agents were."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .claim_tables import WHAT, labelled
from .claims import DEFAULT, LARGER_IS_BETTER, Claim, difference, paired
from .loops import ANY_GOAL, AUDITED, REGRESSION, Record, benchmark_spec
from .suite import BUDGETS
from .tables import Table, interval, number, spread
from .tasks import make_task, task_names

AGENTS = ("random", "grid", "space_filling", "greedy_channel", REGRESSION, "gp", "patch_gp", AUDITED, "dkl")
COVERAGE_GOAL = (0.85, 0.95)


def task_table(records: Sequence[Record], task: str, first_seed: int) -> Table:
    """Return all agents on one task."""
    rows = []
    for agent in AGENTS:
        for goal in goals_of(records, task, agent):
            for budget in BUDGETS:
                row = _task_row(records, task, agent, goal, budget)
                if row is not None:
                    rows.append(row)
    made = make_task(task, first_seed)
    noise = np.median(made.probes.sigma)
    floor = f"; no RMSE can fall below about {number(made.floor)}" if made.floor else ""
    states = f"; noise of an outcome {number(float(noise))}" if noise else ""
    size = f"{len(made.problem)} candidates; the best 1 % are {len(made.best)}"
    title = f"{labelled(task)}: {size} in {made.regions.max()} region(s) on seed {first_seed}{states}{floor}"
    header = ("agent", "goal", "n", "seeds", "regret", "regret of recommended", "best 1 %", "distinct optima",
              "RMSE", "NLPD", "coverage of the truth", "coverage of outcomes", "CPU s per decision",
              "instrument s")  # fmt: skip
    return Table(title, header, tuple(rows))


def goals_of(records: Sequence[Record], task: str, agent: str) -> list[str]:
    """Return the goals that an agent was given on a task."""
    found = {record.goal for record in records if (record.task, record.agent) == (task, agent)}
    return [goal for goal in (ANY_GOAL, "optimum", "map") if goal in found]


def _task_row(records: Sequence[Record], task: str, agent: str, goal: str, budget: int) -> tuple[str, ...] | None:
    found = [r for r in records if (r.task, r.agent, r.goal, r.budget) == (task, agent, goal, budget)]
    if not found:
        return None
    searched = agent != REGRESSION  # it chose nothing, so only its predictions count

    def cell(name: str, shown: bool = True) -> str:
        return spread([float(getattr(record, name)) for record in found]) if shown else "-"

    cost = number(float(np.mean([record.cpu_s for record in found])), 2) if searched else "-"
    search = [cell(name, searched) for name in ("regret", "regret_recommended", "top", "optima")]
    outcomes = _judged(cell("coverage_outcomes"), float(np.mean([record.coverage_outcomes for record in found])))
    predictions = [*(cell(name) for name in ("rmse", "nlpd", "coverage")), outcomes]
    seconds = number(float(np.mean([record.instrument_s for record in found])))
    return (agent, goal, str(budget), str(len(found)), *search, *predictions, cost, seconds)


def _judged(cell: str, mean: float) -> str:
    """Return a coverage in bold where it misses the goal."""
    low, high = COVERAGE_GOAL
    return cell if low <= mean <= high else f"**{cell}**"


def lost_table(records: Sequence[Record]) -> Table:
    """Return every comparison in which the default agent is worse, on the seeds that both have."""
    rows = []
    for task in task_names():
        for goal in [goal for goal in goals_of(records, task, DEFAULT) if goal != ANY_GOAL]:
            for metric, more in LARGER_IS_BETTER.items():
                for budget in BUDGETS:
                    rows += _losses(records, (task, goal, metric, budget), more)
    header = ("task", "goal", "metric", "n", "lost to", "difference [95 %]", "seeds", "interval excludes 0")
    return Table(f"What {DEFAULT} lost, and to what", header, tuple(rows))


def _losses(records: Sequence[Record], where: tuple[str, str, str, int], more: bool) -> list[tuple[str, ...]]:
    task, goal, metric, budget = where
    rows = []
    for other in AGENTS:
        if other in (DEFAULT, AUDITED) or (other == REGRESSION and metric not in ("rmse", "nlpd")):
            continue
        ours, theirs = paired(records, Claim(task, goal, metric, other), budget)
        if len(ours) < 2 or (ours.mean() >= theirs.mean() if more else ours.mean() <= theirs.mean()):
            continue
        found = difference(ours, theirs)
        clear = "yes" if found.low > 0 or found.high < 0 else "no"
        rows.append((labelled(task), goal, WHAT[metric], str(budget), other, interval(found), str(found.n), clear))
    return rows


def spec_table(records: Sequence[Record]) -> Table:
    """Return what the agents were, so that a speed and a quality can be traced to one specification."""
    digests = {(r.agent, r.goal): r.spec for r in records if r.spec}
    rows = []
    for (agent, goal), spec in sorted(digests.items()):
        made = benchmark_spec(agent, "optimum" if goal == ANY_GOAL else goal, 0)
        options = ", ".join(f"{name} {value}" for name, value in made.options.items()) or "-"
        rows.append((agent, goal, made.acquisition or "-", f"{made.audit:g}", options, f"`{spec}`"))
    header = ("agent", "goal", "acquisition", "audit", "options", "digest without seed")
    return Table("Specifications", header, tuple(rows))
