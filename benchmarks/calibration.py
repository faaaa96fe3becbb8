"""How often audits raise an alarm when predictions are right, and how soon when they are not.

Run from the root of the repository: ``python -m benchmarks.calibration``. Simulated scores first, then real agents that
choose where to measure; some minutes on one core. The documentation shows ``--worlds 1000 --first 0``.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from scipy.spatial.distance import cdist

from probeline.agents.gaussian.agents import GPAgent
from probeline.agents.problem import Problem, grid_problem
from probeline.agents.spec import make_agent, spec_for
from probeline.analysis.calibration import Audit, Calibration, judge
from probeline.core.rng import generator

from .tables import Table, rate

Array = NDArray[np.float64]
Outcome = Callable[[int, Any], float]  # candidate, what the agent said of it -> outcome

DEVELOPMENT_SEED = 100_000
AT = (5, 10, 15, 20, 30, 40)  # audits
SEEDING = 10
SHARE, DECISIONS = 1 / 3, 70  # of an agent's loop: 20 audits
EDGE = 12  # candidates along each side
SIGMA = 0.05  # of an outcome, stated; fields vary by about 1
FAULTS = {  # bias and scale of the scores
    "right": (0.0, 1.0),
    "errors 3 times as large": (0.0, 3.0),
    "errors 2 times as large": (0.0, 2.0),
    "errors 1.5 times as large": (0.0, 1.5),
    "errors half as large": (0.0, 0.5),
    "errors a third as large": (0.0, 1 / 3),
    "bias of 1 std": (1.0, 1.0),
    "bias of 0.5 std": (0.5, 1.0),
}


@dataclass(frozen=True)
class Course:
    """The verdicts of one world, after each audit."""

    found: tuple[Calibration, ...]

    def after(self, audits: int) -> str:
        """Return the verdict after so many audits, or after all there were."""
        return self.found[min(audits, len(self.found)) - 1].verdict if self.found else "undetermined"

    @property
    def alarmed(self) -> bool:
        """Whether any verdict was an alarm."""
        return any(found.alarming for found in self.found)

    @property
    def rejected(self) -> bool:
        """Whether right predictions were ever rejected."""
        return any(found.e_value >= 20 for found in self.found)


def simulated(seed: int, bias: float, scale: float) -> Course:
    """Return the course of a world of scores: the model explains three quarters of the variance, less its fault."""
    rng, audits = generator(seed, "scores"), []
    random = rng.normal(0.0, 2.0, SEEDING).tolist()
    for score in bias + scale * rng.standard_normal(AT[-1]):
        mean = rng.normal(0.0, np.sqrt(3.0))
        audits.append(Audit(mean + score, mean, 1.0, np.array(random)))
        random.append(mean + score)
    return Course(tuple(judge(audits[:count]) for count in range(1, len(audits) + 1)))


class TooSure(GPAgent):
    """Says a third of its standard deviation."""

    def _predict(self) -> tuple[Array, Array]:
        mean, std = super()._predict()
        return mean, std / 3


def looped(seed: int, outcome: Outcome, problem: Problem, made: Any = None) -> Course:
    """Return the course of a real loop: an agent that looks for the optimum and audits itself."""
    options = {"seed_points": SEEDING, "audit": SHARE}
    spec = spec_for("gp", "optimum", options, seed=seed)
    agent = made(spec, problem) if made else make_agent(spec, problem)
    found: list[Calibration] = []
    for _ in range(DECISIONS):
        (point,) = agent.suggest(1)
        told = agent.explain(point)
        value = outcome(told["candidate"], told)
        agent.ingest([{**point, problem.objective: value, f"{problem.objective}_sigma": SIGMA}])
        if told["source"] == "audit":
            found.append(agent.calibration())
    return Course(tuple(found))


def plane() -> Problem:
    """Return a square of candidates."""
    axis = np.arange(EDGE, dtype=float)
    return grid_problem({"x": axis, "y": axis}, {"x": "nm", "y": "nm"}, objective="area")


def own_predictions(seed: int, problem: Problem) -> Outcome:
    """Outcomes drawn from what the agent itself predicts: right by construction, whatever it fits and chooses.

    The seed design is of a smooth field, so that there is something to believe.
    """
    rng = generator(seed, "own")
    start = noisy(field_of(problem, 0.4, rng), rng)

    def outcome(candidate: int, told: Any) -> float:
        if told["source"] == "seed":
            return start(candidate, told)
        return float(rng.normal(told["mean"], np.hypot(told["std"], SIGMA)))

    return outcome


def prior_field(seed: int, problem: Problem) -> Outcome:
    """A field from the model's own prior, its length scale too (``agents/fitting.py``); the noise is what is stated.

    Length scales beyond four edges are drawn again: all that such a field has is one slope.
    """
    rng = generator(seed, "prior")
    scale = np.inf
    while scale > 4.0:
        scale = float(np.exp(rng.normal(np.sqrt(2) + np.log(2) / 2, np.sqrt(3))))
    return noisy(field_of(problem, scale, rng), rng)


def field_of(problem: Problem, scale: float, rng: np.random.Generator) -> Array:
    """Return a field of variance 1 with Matern-5/2 covariance over the coordinates, shape (candidate,)."""
    away = np.sqrt(5) * cdist(problem.coordinates, problem.coordinates) / max(scale, 0.05)
    values, vectors = np.linalg.eigh((1 + away + away**2 / 3) * np.exp(-away))
    return vectors @ (np.sqrt(np.maximum(values, 0.0)) * rng.standard_normal(len(problem)))


def noisy(field: Array, rng: np.random.Generator) -> Outcome:
    """Return outcomes of a field with the stated noise."""
    noise = SIGMA * rng.standard_normal(len(field))
    return lambda candidate, told: float(field[candidate] + noise[candidate])


def textured(seed: int, problem: Problem) -> Outcome:
    """A field whose length scale is a fifth of the edge."""
    rng = generator(seed, "textured")
    return noisy(field_of(problem, 0.2, rng), rng)


def white_noise(seed: int, problem: Problem) -> Outcome:
    """No structure at all: only the mean can be known."""
    rng = generator(seed, "white")
    return noisy(rng.standard_normal(len(problem)), rng)


def domains(seed: int, problem: Problem) -> Outcome:
    """Two values with a wall between them, and one place in ten far from both: not what a Gaussian process expects."""
    rng = generator(seed, "domains")
    x, y = problem.coordinates.T
    angle = rng.uniform(0, 2 * np.pi)
    wall = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle) + 0.1 * np.sin(9 * x) > 0
    defects = (rng.random(len(problem)) < 0.1) * rng.normal(0.0, 8.0, len(problem))
    return noisy(2.0 * wall + defects, rng)


WORLDS: dict[str, tuple[Callable[[int, Problem], Outcome], Any]] = {
    "drawn from the agent's own predictions": (own_predictions, None),
    "drawn from its prior": (prior_field, None),
    "a textured field": (textured, None),
    "the same, but it says a third of its std": (textured, TooSure),
    "domains with defects": (domains, None),
    "white noise": (white_noise, None),
}


RIGHT = tuple(WORLDS)[:2]  # where predictions are right, by construction or as nearly as a fit can be


def power_table(worlds: int, first: int) -> tuple[Table, Table]:
    """Return alarms and "calibrated" by number of audits; a fifth of the worlds for every fault."""
    alarms, good = [], []
    for name, (bias, scale) in FAULTS.items():
        count = worlds if name == "right" else worlds // 5
        courses = [simulated(first + number, bias, scale) for number in range(count)]
        at = [[course.found[count - 1] for course in courses] for count in AT]
        alarms.append((name, *(share(found.alarming for found in row) for row in at), _ever(courses)))
        good.append((name, *(share(found.verdict == "calibrated" for found in row) for row in at)))
    header = ("scores", *(f"{count} audits" for count in AT))
    return (
        Table(
            f"Alarms, {worlds} worlds of right scores, {worlds // 5} of the others",
            (*header, "ever, until 40"),
            tuple(alarms),
        ),
        Table('Verdict "calibrated", the same worlds', header, tuple(good)),
    )


def share(hits: Any) -> str:
    """Return a share in percent."""
    return f"{100 * np.mean(list(hits)):.0f} %"


def _ever(courses: Sequence[Course]) -> str:
    return rate(sum(course.alarmed for course in courses), len(courses))


def loop_table(worlds: int, first: int, console: Console) -> Table:
    """Return what became of real loops."""
    problem, rows = plane(), []
    for name, (world, made) in WORLDS.items():
        began, count = perf_counter(), worlds if name in RIGHT else worlds // 5
        courses = [looped(first + k, world(first + k, problem), problem, made) for k in range(count)]
        last = [course.after(AT[-1]) for course in courses]
        verdicts = (share(v == w for v in last) for w in ("calibrated", "undetermined", "miscalibrated", _MEAN))
        rejected = rate(sum(course.rejected for course in courses), count)
        rows.append((name, str(count), rejected, _ever(courses), *verdicts))
        console.print(f"{name}: {count} loops, {perf_counter() - began:.0f} s", highlight=False)
    header = (
        "outcomes",
        "loops",
        "ever rejected",
        "ever an alarm",
        "calibrated",
        "undetermined",
        "miscalibrated",
        _MEAN,
    )
    return Table(f"Loops of {DECISIONS} decisions of the agent gp; verdicts at the end", header, tuple(rows))


_MEAN = "no better than the mean"


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description="False alarms and power of audits.")
    parser.add_argument(
        "--worlds", type=int, default=150, help="loops of each kind; ten times as many simulated worlds"
    )
    parser.add_argument("--first", type=int, default=DEVELOPMENT_SEED, help="first seed")
    arguments = parser.parse_args()
    console = Console(width=180)
    tables = [*power_table(min(10 * arguments.worlds, 3000), arguments.first)]
    for table in tables:
        table.show(console)
    loop_table(arguments.worlds, arguments.first, console).show(console)


if __name__ == "__main__":
    main()
