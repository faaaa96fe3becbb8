"""From scores and costs to docs/reference/peers.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.tables import Table, interval, number, spread
from probeline.analysis.statistics import holm, paired_interval, wilcoxon_p

from .quality import MEAN, METHODS, SIZES, Score
from .speed import COUNTERPARTS, MEASURED, Cost

LEARNERS = ("patch_gp", "dkl")  # ours that look at the image
RIVALS = ("AtomAI", "gpax, as documented", "BoTorch, coordinates")
PRIMARY_SIZE = 80


@dataclass(frozen=True)
class Results:
    """One run of everything.

    Attributes
    ----------
    date : str
        When.
    versions : list of str
        Of the packages that decide the results.
    specs : dict of str
        Digest of each of our specifications, without the seed.
    costs : list of Cost
    scores : list of Score
    """

    date: str
    versions: list[str]
    specs: dict[str, str]
    costs: list[Cost]
    scores: list[Score]


def make_tables(results: Results) -> list[Table]:
    """Return all tables of the page."""
    scores = results.scores
    return [
        speed_table(results.costs),
        primary_table(scores),
        quality_table(scores),
        *(difference_table(scores, ours) for ours in LEARNERS),
        field_table(scores),
    ]


def speed_table(costs: Sequence[Cost]) -> Table:
    """Return what a decision costs, and how many times that of our counterpart."""
    by_name = {cost.method: cost for cost in costs}
    rows = []
    for cost in costs:
        ours = by_name.get(COUNTERPARTS.get(cost.method, ""))
        ratios = ("", "", "")
        if ours:
            found = (cost.cold / ours.cold, cost.warm / ours.warm, cost.peak_mb / ours.peak_mb)
            ratios = (ours.method, f"{number(found[0], 2)} / {number(found[1], 2)}", number(found[2], 2))
        kept = "-" if cost.kept is None else number(cost.kept, 2)
        seconds = (number(cost.cold, 2), number(cost.fitted, 2), kept, number(cost.warm, 2))
        rows.append((cost.method, *seconds, f"{cost.peak_mb:.0f}", *ratios))
    header = ("method", "cold", "next, with a fit", "next, without", "next, on average", "peak memory (MB)",
              "beside", "cold / cold and warm / warm", "memory")  # fmt: skip
    return Table(f"CPU seconds of one decision after {MEASURED} outcomes", header, tuple(rows))


def primary_table(scores: Sequence[Score]) -> Table:
    """Return the six comparisons that were named beforehand."""
    pairs = [(ours, rival) for ours in LEARNERS for rival in RIVALS]
    samples = [_paired(scores, ours, rival, PRIMARY_SIZE, "rmse") for ours, rival in pairs]
    p_values = holm([wilcoxon_p(mine, theirs) for mine, theirs in samples])
    rows = []
    for (ours, rival), (mine, theirs), p in zip(pairs, samples, p_values.tolist(), strict=True):
        found = paired_interval(mine, theirs)
        verdict = "open" if p >= 0.05 else "better" if found.mean_difference < 0 else "**worse**"
        means = number(float(mine.mean())), number(float(theirs.mean()))
        rows.append((ours, rival, *means, interval(found), str(found.n), number(p, 2), verdict))
    header = ("ours", "peer", "ours", "peer", "difference [95 %]", "films", "p (Holm)", "ours is")
    return Table(f"Primary: RMSE after {PRIMARY_SIZE} points", header, tuple(rows))


def quality_table(scores: Sequence[Score]) -> Table:
    """Return every method at every size, over all films."""
    rows = []
    for method in METHODS:
        for size in SIZES:
            found = [score for score in scores if (score.method, score.size) == (method, size)]
            if found:
                cells = [spread([getattr(score, name) for score in found]) for name in ("rmse", "nlpd")]
                cells += [
                    number(float(np.mean([getattr(s, name) for s in found])), 2) for name in ("coverage", "latent")
                ]
                cost = number(float(np.mean([score.cpu_s for score in found])), 2) if method != MEAN else "-"
                rows.append((method, str(size), str(len(found)), *cells, cost))
    header = ("method", "points", "films", "RMSE", "NLPD", "coverage of measurements", "coverage of the truth", "CPU s")
    return Table("Predictions of candidates that were not measured, from the same random points", header, tuple(rows))


def difference_table(scores: Sequence[Score], ours: str) -> Table:
    """Return one of our agents less every other method, film by film."""
    rows = []
    for other in METHODS:
        for size in SIZES if other != ours else ():
            cells = []
            for metric in ("rmse", "nlpd"):
                mine, theirs = _paired(scores, ours, other, size, metric)
                cells += [interval(paired_interval(mine, theirs)), f"{np.sum(mine < theirs)} of {len(mine)}"]
            rows.append((other, str(size), *cells))
    header = (
        f"{ours} less",
        "points",
        "RMSE [95 %]",
        "films with a smaller RMSE",
        "NLPD [95 %]",
        "with a smaller NLPD",
    )
    return Table(f"`{ours}` beside the others; negative is better", header, tuple(rows))


def field_table(scores: Sequence[Score]) -> Table:
    """Return the RMSE of everybody on every film."""
    rows = []
    for task, seed in dict.fromkeys((score.task, score.seed) for score in scores):
        for size in SIZES:
            here = {s.method: s.rmse for s in scores if (s.task, s.seed, s.size) == (task, seed, size)}
            rows.append((task, str(seed), str(size), *(number(here.get(method, np.nan), 2) for method in METHODS)))
    return Table("RMSE on every film", ("task", "seed", "points", *METHODS), tuple(rows))


def _paired(
    scores: Sequence[Score], ours: str, other: str, size: int, metric: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the scores of two methods on the films that both have."""
    mine, theirs = (
        {(s.task, s.seed): getattr(s, metric) for s in scores if (s.method, s.size) == (method, size)}
        for method in (ours, other)
    )
    both = sorted(mine.keys() & theirs.keys())
    return np.array([mine[field] for field in both]), np.array([theirs[field] for field in both])
