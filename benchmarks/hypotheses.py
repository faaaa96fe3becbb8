"""Which law holds: prints the tables and writes docs/reference/hypotheses.md. Run: ``python -m benchmarks.hypotheses``.

About 15 minutes of one core, on ``--processes`` of them; ``--seeds 10`` for a look. Settings were chosen on seeds
1000 to 1059 only.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import process_time

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything numerical is imported

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from scipy import stats

from probeline import __version__
from probeline.analysis.statistics import paired_interval

from .law_rules import PUBLISHED, Course, exact_probabilities, run
from .law_worlds import World, growth, hypothesis, no_law, tell, toy
from .tables import Table, interval, number, spread

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "hypotheses.md"
MEASUREMENTS, SURE, LEAST = 15, 0.9, 1e-6  # a probability counts as LEAST at least, so that log scores are finite
BUDGETS = (5, 8, 15)
BINS = np.array([0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 1.0])
Exact = dict[int, dict[str, float]]  # by number of measurements and law
INTRODUCTION = """\
# Which law holds

Written by `python -m benchmarks.hypotheses` (probeline {version}, {seeds} seeds, {cpu:.0f} CPU seconds on one
thread); do not edit. Settings were chosen on seeds 1000 to 1059, these are seeds from 0.

`information` is what the agent `hypothesis` does. `published rule` chooses points by algorithm 1 of
[arXiv 2112.06649](https://doi.org/10.48550/arXiv.2112.06649) (rewards for falling variance, epsilon-greedy over
laws, largest variance within one); `max_variance` goes where the mixture of the laws is least sure; `random` is
uniform. Every rule is judged by the probabilities of the same inference, so that the tables compare choices of
points. The log score is the mean logarithm of the probability of the law that holds (0 is perfect); intervals are
of 95 %.
"""
TOY = """\
## The toy of hypothesis learning

`y = x^4` below 1.6 and `x^2.5` above, 100 points from 0 to 2.5, noise 0.33; three laws with the published priors,
and "none of these" as a fourth answer. Four first points, then eleven chosen ones. A decision counts from the
measurement after which the right law stays at 0.9 or more. With laws inexact, each is corrected by a Gaussian
process, as in the paper.
"""
GROWTH = """\
## Laws of domain growth at the hard setting

Worlds drawn from the priors of four laws over pulse voltage and duration; noise 8 nm and 10 % of the radius, both
known. Three first points at random. The ceiling is exact: numerical integration over the parameters, from the same
outcomes.
"""
CALIBRATION = """\
## Are the probabilities right

All laws in all worlds with random points: how often a law that was given a probability holds.
"""
NO_LAW = """\
## When no law holds

Radii that are a smooth random function of voltage and duration, five answers.
"""


COST = """\
## What it costs

CPU seconds on one thread. The published inference (HMC) takes 25 to 125 s a fit.
"""


def loops(pool: Executor, make: Callable[[int], World], rule: str, seeds: int) -> list[Course]:
    """Return loops of one rule in the worlds that ``make`` gives for seeds from 0."""
    jobs = [pool.submit(run, make(seed), rule, seed, MEASUREMENTS) for seed in range(seeds)]
    return [job.result() for job in jobs]


def toy_table(pool: Executor, seeds: int) -> Table:
    """Return how each rule finds the law of the toy."""
    courses = {rule: loops(pool, toy, rule, seeds) for rule in _rules(PUBLISHED)}
    courses["information, laws inexact"] = loops(pool, partial(toy, exact=False), "information", min(seeds, 30))
    rows = []
    for rule, found in courses.items():
        right, score = _right(found)[:, MEASUREMENTS], _log(_right(found)[:, MEASUREMENTS])
        against = "" if rule == "information" else _versus(_log(_right(courses["information"])[:, MEASUREMENTS]), score)
        decided = [_decided(course.right) for course in found]
        voted = [course.voted == "two powers" for course in found if course.voted]
        rows.append((
            rule, str(len(found)), _share(right >= SURE), spread(score.tolist()), against,
            number(float(np.median(decided))), _share(np.array(voted)) if voted else "",
        ))  # fmt: skip
    header = (
        "rule", "seeds", "right law at 0.9 or more after 15", "log score after 15", "information better by",
        "measurements to decision (median)", "right law most rewarded",
    )  # fmt: skip
    return Table("The toy", header, tuple(rows))


def growth_courses(pool: Executor, seeds: int) -> dict[str, list[Course]]:
    """Return loops in worlds of domain growth by rule, twice as many with random points."""
    return {rule: loops(pool, growth, rule, 2 * seeds if rule == "random" else seeds) for rule in _rules()}


def exact_courses(pool: Executor, courses: dict[str, list[Course]]) -> dict[str, list[Exact]]:
    """Return what exact inference says in those loops after each budget."""
    jobs = {
        rule: [pool.submit(exact_budgets, growth(seed), course.order) for seed, course in enumerate(found)]
        for rule, found in courses.items()
    }
    return {rule: [job.result() for job in found] for rule, found in jobs.items()}


def exact_budgets(world: World, order: Sequence[int]) -> Exact:
    """Return the exact probability of each law after each budget."""
    return {count: exact_probabilities(world, order[:count]) for count in BUDGETS}


def growth_table(courses: dict[str, list[Course]], exact: dict[str, list[Exact]]) -> Table:
    """Return log scores beside the exact ceiling."""
    rows = []
    for rule, found in courses.items():
        for count in BUDGETS:
            said = [course.probable[count] for course in found]
            known = [one[count] for one in exact[rule]]
            laws = [growth(seed).law for seed in range(len(found))]
            score = _log([p[law] for p, law in zip(said, laws, strict=True)])
            ceiling = _log([p[law] for p, law in zip(known, laws, strict=True)])
            best = [max(p, key=lambda name: p[name]) == law for p, law in zip(said, laws, strict=True)]
            apart = [abs(p[law] - q[law]) for p, q, law in zip(said, known, laws, strict=True)]
            lead = _log(
                [course.probable[count][law] for course, law in zip(courses["information"], laws, strict=False)]
            )
            against = "" if rule == "information" else _versus(lead, score[: len(lead)])
            rows.append((
                rule, str(count), str(len(found)), spread(score.tolist()), spread(ceiling.tolist()),
                number(float(np.mean(apart)), 2), _share(np.array(best)), against,
            ))  # fmt: skip
    header = (
        "rule", "measurements", "worlds", "log score", "exact ceiling", "mean error of the probability",
        "most probable law holds", "information better by",
    )  # fmt: skip
    return Table("Domain growth", header, tuple(rows))


def calibration_table(courses: Sequence[Course], exact: Sequence[Exact]) -> Table:
    """Return how often laws hold that were given some probability."""
    laws = [growth(seed).law for seed in range(len(courses))]
    said, known, holds = [], [], []
    for course, one, law in zip(courses, exact, laws, strict=True):
        for count in BUDGETS:
            said += course.probable[count].values()
            known += one[count].values()
            holds += [name == law for name in one[count]]
    said, known, holds = np.array(said), np.array(known), np.array(holds)
    rows = []
    for low, high in pairwise(BINS):
        row = [f"{low:g} to {high:g}"]
        for probability in (said, known):
            chosen = (probability >= low) & ((probability < high) | (high == 1))
            row += [str(int(chosen.sum())), number(float(probability[chosen].mean())) if chosen.any() else "-"]
            row.append(_frequency(holds[chosen]))
        rows.append(tuple(row))
    header = ("probability", "n", "mean", "law holds", "n (exact)", "mean (exact)", "law holds (exact)")
    return Table("Calibration: probability and frequency", header, tuple(rows))


def none_table(pool: Executor, seeds: int) -> Table:
    """Return what is said where no law holds."""
    found = loops(pool, no_law, "information", seeds)
    rows = []
    for count in BUDGETS:
        none = np.array([course.probable[count]["none of these"] for course in found])
        false = np.array([max(p for name, p in c.probable[count].items() if name != "none of these") for c in found])
        rows.append((str(count), str(seeds), number(float(none.mean())), _share(none >= SURE), _share(false >= SURE)))
    header = ("measurements", "worlds", "mean probability of none", "none at 0.9 or more", "a law at 0.9 or more")
    return Table("No law", header, tuple(rows))


def speed_table() -> Table:
    """Return CPU-seconds of one outcome and the next suggestion."""
    inexact = toy(0, exact=False)
    cases: tuple[tuple[str, World, Sequence[int]], ...] = (
        ("three laws of the toy and none", toy(0), (15, 50)),
        ("the same, laws inexact", inexact, (15, 50)),
        ("four laws of domain growth", growth(0), (15, 100)),
        ("five answers on domain growth", no_law(0), (15, 100)),
    )
    rows = [(name, *_step(world, count)) for name, world, counts in cases for count in counts]
    header = ("case", "measurements", "median CPU s", "most CPU s")
    return Table("Fit and step after one more measurement, twelve in a row", header, tuple(rows))


def _step(world: World, count: int) -> tuple[str, str, str]:
    agent = hypothesis(world, "information", 0)
    tell(agent, world, agent.suggest(count - len(world.start)))
    waiting, took = agent.suggest(), []
    for _ in range(12):
        began = process_time()
        tell(agent, world, waiting)
        waiting = agent.suggest()
        took.append(process_time() - began)
    return str(count), number(float(np.median(took)), 2), number(max(took), 2)


def _rules(*more: str) -> tuple[str, ...]:
    return ("information", *more, "max_variance", "random")


def _right(courses: Sequence[Course]) -> NDArray[np.float64]:
    return np.array([course.right for course in courses])


def _log(probability: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(np.maximum(np.asarray(probability, float), LEAST))


def _versus(better: NDArray[np.float64], other: NDArray[np.float64]) -> str:
    count = min(len(better), len(other))
    return interval(paired_interval(better[:count], other[:count]))


def _decided(right: NDArray[np.float64]) -> float:
    """Return after how many measurements the law stays sure; one more than there were where it never does."""
    unsure = np.flatnonzero(~(right >= SURE))
    return float(unsure[-1] + 1)


def _share(hits: NDArray[np.bool_]) -> str:
    return f"{hits.mean():.2f}" if len(hits) else "-"


def _frequency(hits: NDArray[np.bool_]) -> str:
    if not len(hits):
        return "-"
    low, high = stats.binomtest(int(hits.sum()), len(hits)).proportion_ci(method="wilson")
    return f"{hits.mean():.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    cost = speed_table()  # before other processes compete
    with ProcessPoolExecutor(given.processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        courses = growth_courses(pool, given.seeds)
        exact = exact_courses(pool, courses)
        parts = [
            (TOY, toy_table(pool, given.seeds)),
            (GROWTH, growth_table(courses, exact)),
            (CALIBRATION, calibration_table(courses["random"], exact["random"])),
            (NO_LAW, none_table(pool, max(2, given.seeds // 2))),
            (COST, cost),
        ]
    for _, table in parts:
        table.show(Console(width=180))
    cpu = sum(os.times()[:4])
    head = INTRODUCTION.format(version=__version__, seeds=given.seeds, cpu=cpu)
    PAGE.write_text("\n".join([head, *(f"{text}\n{table.markdown()}" for text, table in parts)]))


if __name__ == "__main__":
    main()
