"""What became of the claims, of the published run, and of relations in null worlds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .claims import CLAIM_BUDGET, DEFAULT, Claim, judge, values_by_seed
from .loops import SEED_POINTS, Record
from .nulls import AUDIT, LEVEL, TRAINING, RelationCheck
from .suite import PUBLISHED
from .tables import Table, half_width, interval, number, spread
from .tasks import is_locked, task_names

# Recomputed from the stored run: measured pixels among the best 12, and mean squared error over all.
PUBLISHED_TOP, PUBLISHED_MSE = (8, 9, 12), 0.00955
# A plain Gaussian process on patches with expected improvement, means over 20 seeds, measured before this package was.
PROTOTYPE_TOP, PROTOTYPE_MSE, PROTOTYPE_COVERAGE = (8.8, 11.7, 12.0), 0.0026, 0.98
WHAT = {
    "regret": "simple regret",
    "regret_recommended": "regret of the recommended point",
    "top": "best 1 % measured",
    "optima": "distinct optima",
    "rmse": "RMSE",
    "nlpd": "NLPD",
}


def labelled(task: str) -> str:
    """Return the name of a task, marked where it is of the locked test."""
    return f"{task} (locked)" if is_locked(task) else task


def claims_table(records: Sequence[Record], claims: Sequence[Claim], title: str) -> Table:
    """Return what became of one family of claims that was fixed beforehand."""
    rows = []
    for verdict in judge(records, claims):
        claim = verdict.claim
        rows.append(
            (
                labelled(claim.task),
                f"{WHAT[claim.metric]}, {claim.goal}",
                claim.agent,
                claim.against,
                number(verdict.ours),
                number(verdict.theirs),
                interval(verdict.difference),
                str(verdict.difference.n),
                number(verdict.p_holm, 2),
                f"**{verdict.outcome}**",
            )
        )
    header = ("task", "metric, goal", "agent", "against", "agent's", "other's", "difference [95 %]", "seeds",
              "p (Holm)", "claim")  # fmt: skip
    return Table(f"{title}, at {CLAIM_BUDGET} measurements", header, tuple(rows))


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
            share, gain = f"{reported / len(of_task):.0%}", spread([check.gain for check in of_task])
            rows.append((labelled(task), null, f"{reported} of {len(of_task)}", share, gain))
    header = ("task", "relation", "reported", "share", "gain in mean absolute error (pm V)")
    title = f"Relations reported ({TRAINING} random points to learn from, {AUDIT} to audit, p < {LEVEL})"
    return Table(title, header, tuple(rows))
