"""From records to tables: claims, reference line, null worlds, every task, and what lost."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from platform import python_version

import numpy as np

import probeline

from .claims import CLAIM_BUDGET, DEFAULT, LARGER_IS_BETTER, difference, judge, paired, values_by_seed
from .loops import ANY_GOAL, REGRESSION, SEED_POINTS, Record, benchmark_spec
from .nulls import AUDIT, LEVEL, TRAINING, RelationCheck
from .suite import BUDGETS, PUBLISHED
from .tables import Table, half_width, interval, number, spread
from .tasks import make_task, task_names

AGENTS = ("random", "grid", "space_filling", "greedy_channel", REGRESSION, "gp", "patch_gp", "dkl")
PACKAGES = ("numpy", "scipy", "scikit-learn", "torch")
# Recomputed from the stored run: measured pixels among the best 12, and mean squared error over all.
PUBLISHED_TOP, PUBLISHED_MSE = (8, 9, 12), 0.00955
# A plain Gaussian process on patches with expected improvement, means over 20 seeds, measured before this package was.
PROTOTYPE_TOP, PROTOTYPE_MSE, PROTOTYPE_COVERAGE = (8.8, 11.7, 12.0), 0.0026, 0.98
INTRODUCTION = """\
Written by `make bench`; do not edit. What is compared, and which claims were fixed beforehand, stands in
[evidence](../explanation/evidence.md). Cells are means with half the width of their 95 % interval over
seeds; `n` counts all measurements, ten seed points included. Regret of the physics twins is in standard
deviations of the truth, otherwise in the unit of the objective. RMSE, NLPD and coverage are of candidates
that were not measured. Coverage is of the truth by the latent belief, without measurement noise, except on
`stem-eds-particles`, whose truth is itself a count: there Poisson noise of the predicted mean is added. CPU
seconds are those of `suggest` and `ingest`, one thread, from the same loops; instrument seconds those of approach,
survey, moves and measurements so far, drift registrations left out."""
WHAT = {
    "regret": "simple regret",
    "regret_recommended": "regret of the recommended point",
    "top": "best 1 % measured",
    "optima": "distinct optima",
    "rmse": "RMSE",
    "nlpd": "NLPD",
}


def make_tables(records: Sequence[Record], checks: Sequence[RelationCheck], first_seed: int) -> list[Table]:
    """Return all tables of the page."""
    return [
        claims_table(records),
        published_table(records),
        relation_table(checks),
        *(task_table(records, task, first_seed) for task in task_names()),
        lost_table(records),
        spec_table(records),
    ]


def claims_table(records: Sequence[Record]) -> Table:
    """Return what became of the claims that were fixed beforehand."""
    rows = []
    for verdict in judge(records):
        claim = verdict.claim
        rows.append(
            (
                claim.task,
                f"{WHAT[claim.metric]}, {claim.goal}",
                claim.against,
                number(verdict.ours),
                number(verdict.theirs),
                interval(verdict.difference),
                str(verdict.difference.n),
                number(verdict.p_holm, 2),
                f"**{verdict.outcome}**",
            )
        )
    header = ("task", "metric, goal", "against", DEFAULT, "baseline", "difference [95 %]", "seeds", "p (Holm)", "claim")
    return Table(f"Claims, at {CLAIM_BUDGET} measurements", header, tuple(rows))


def published_table(records: Sequence[Record]) -> Table:
    """Return the default agent beside the published run on beacon-dkl, and beside our own prototype."""
    steps = [budget - SEED_POINTS for budget in PUBLISHED]
    rows = [
        (f"best 12 found after {after} steps", *_beside(records, budget, "top", published, prototype))
        for after, budget, published, prototype in zip(steps, PUBLISHED, PUBLISHED_TOP, PROTOTYPE_TOP, strict=True)
    ]
    last, end = PUBLISHED[-1], f"after {steps[-1]} steps"
    rows += [
        (f"MSE over all candidates {end}", *_beside(records, last, "mse_all", PUBLISHED_MSE, PROTOTYPE_MSE)),
        (f"coverage of 90 % {end}", *_beside(records, last, "coverage", None, PROTOTYPE_COVERAGE)),
    ]
    header = (
        "beacon-dkl",
        "published DKL, one run",
        "prototype, 20 seeds",
        DEFAULT,
        "worst seed",
        "seeds",
        "not worse than published",
        "against the prototype",
    )
    return Table("Published run of deep kernel learning, and a prototype of the default agent", header, tuple(rows))


def _beside(
    records: Sequence[Record], budget: int, metric: str, published: float | None, prototype: float
) -> tuple[str, ...]:
    """Return the cells of one row.

    Not worse than one published run is judged by the mean; against the prototype, whose figure is a
    mean itself, by the 95 % interval of ours.
    """
    found = np.array(list(values_by_seed(records, "beacon-dkl", DEFAULT, "optimum", budget, metric).values()))
    less = metric == "mse_all"
    worst = found.max() if less else found.min()
    cells = (number(prototype), spread(found.tolist()), number(float(worst)), str(len(found)))
    if published is None:
        return ("-", *cells, "-", "-")
    sign = -1 if less else 1
    good = sign * (found.mean() - published) >= 0
    gain, half = sign * (found.mean() - prototype), half_width(found.tolist())
    verdict = "level" if abs(gain) <= half else "better" if gain > 0 else "**worse**"
    return (number(published), *cells, "yes" if good else "**no**", verdict)


def relation_table(checks: Sequence[RelationCheck]) -> Table:
    """Return how often a relation was reported, in null worlds and in the others."""
    rows = []
    for task in task_names():
        of_task = [check for check in checks if check.task == task]
        if of_task:
            reported = sum(check.reported for check in of_task)
            null = "none" if "null" in task else "yes"
            share = f"{reported / len(of_task):.0%}"
            rows.append((task, null, f"{reported} of {len(of_task)}", share, spread([c.gain for c in of_task])))
    header = ("task", "relation", "reported", "share", "gain in mean absolute error (pm V)")
    title = f"Relations reported ({TRAINING} random points to learn from, {AUDIT} to audit, p < {LEVEL})"
    return Table(title, header, tuple(rows))


def task_table(records: Sequence[Record], task: str, first_seed: int) -> Table:
    """Return all agents on one task."""
    rows = []
    for agent in AGENTS:
        for goal in _goals(records, task, agent):
            for budget in BUDGETS:
                row = _task_row(records, task, agent, goal, budget)
                if row is not None:
                    rows.append(row)
    made = make_task(task, first_seed)
    floor = f"; no RMSE can fall below about {number(made.floor)}" if made.floor else ""
    title = f"{task}: {len(made.problem)} candidates{floor}; the best 1 % are {len(made.best)}"
    header = ("agent", "goal", "n", "seeds", "regret", "regret of recommended", "best 1 %", "distinct optima",
              "RMSE", "NLPD", "coverage of 90 %", "CPU s per decision", "instrument s")  # fmt: skip
    return Table(title, header, tuple(rows))


def _goals(records: Sequence[Record], task: str, agent: str) -> list[str]:
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
    predictions = [cell(name) for name in ("rmse", "nlpd", "coverage")]
    seconds = number(float(np.mean([record.instrument_s for record in found])))
    return (agent, goal, str(budget), str(len(found)), *search, *predictions, cost, seconds)


def lost_table(records: Sequence[Record]) -> Table:
    """Return every comparison in which the default agent is worse, on the seeds that both have."""
    rows = []
    for task in task_names():
        for goal in [goal for goal in _goals(records, task, DEFAULT) if goal != ANY_GOAL]:
            for metric, more in LARGER_IS_BETTER.items():
                for budget in BUDGETS:
                    rows += _losses(records, (task, goal, metric, budget), more)
    header = ("task", "goal", "metric", "n", "lost to", "difference [95 %]", "seeds", "interval excludes 0")
    return Table(f"What {DEFAULT} lost, and to what", header, tuple(rows))


def _losses(records: Sequence[Record], where: tuple[str, str, str, int], more: bool) -> list[tuple[str, ...]]:
    task, goal, metric, budget = where
    rows = []
    for other in AGENTS:
        if other == DEFAULT or (other == REGRESSION and metric not in ("rmse", "nlpd")):
            continue
        ours, theirs = paired(records, task, goal, budget, metric, other)
        if len(ours) < 2 or (ours.mean() >= theirs.mean() if more else ours.mean() <= theirs.mean()):
            continue
        found = difference(ours, theirs)
        clear = "yes" if found.low > 0 or found.high < 0 else "no"
        rows.append((task, goal, WHAT[metric], str(budget), other, interval(found), str(found.n), clear))
    return rows


def spec_table(records: Sequence[Record]) -> Table:
    """Return what the agents were, so that a speed and a quality can be traced to one specification."""
    digests = {(r.agent, r.goal): r.spec for r in records if r.spec}
    rows = []
    for (agent, goal), spec in sorted(digests.items()):
        made = benchmark_spec(agent, "optimum" if goal == ANY_GOAL else goal, 0)
        options = ", ".join(f"{name} {value}" for name, value in made.options.items()) or "-"
        rows.append((agent, goal, made.acquisition or "-", options, f"`{spec}`"))
    return Table("Specifications", ("agent", "goal", "acquisition", "options", "digest without seed"), tuple(rows))


def render(tables: Sequence[Table], seeds: tuple[int, int]) -> str:
    """Return the page."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return "\n".join([
        "# Benchmarks",
        "",
        INTRODUCTION,
        "",
        f"Seeds {seeds[0]} to {seeds[1]}; probeline {probeline.__version__}, Python {python_version()}, {versions}.",
        "",
        *(table.markdown() for table in tables),
    ])  # fmt: skip
