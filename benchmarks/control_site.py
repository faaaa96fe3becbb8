"""What a control site and ``drift`` are worth where the level of all outcomes changes with time.

Run from the root of the repository: ``python -m benchmarks.control_site``, on development seeds. ``patch_gp`` maps a
simulated sample with 60 measurements, a minute apart, of which every sixth repeats the first point. Outcomes have a
noise of 0.1 and a level that is a random walk of the given size over the run, all in standard deviations of the map.
Errors and coverage are of the unmeasured candidates at the moment of the next measurement.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from scipy.ndimage import gaussian_filter

from probeline.agents.ledger import TIME
from probeline.agents.problem import CandidateSpec, Problem, build_problem
from probeline.agents.spec import make_agent, spec_for

from .suite import DEVELOPMENT_SEED
from .tables import Table, spread

Array = NDArray[np.float64]
PIXELS, MEASUREMENTS, EVERY, NOISE = 40, 60, 6, 0.1
SIZES = (0.0, 0.5, 1.5)


def sample(rng: np.random.Generator) -> tuple[Problem, Array]:
    """Return an image with its candidates, and a map that follows from it and from something hidden."""
    image, hidden = (gaussian_filter(rng.standard_normal((PIXELS, PIXELS)), width) for width in (3, 6))
    y, x = np.mgrid[:PIXELS, :PIXELS].astype(float)
    spec = CandidateSpec(channels=("image",), patch_pixels=7)
    problem = build_problem(image[None], ["image"], x, y, spec, objective="value")
    truth = (image / image.std() + 0.5 * hidden / hidden.std())[tuple(problem.pixel.T)]
    return problem, (truth - truth.mean()) / truth.std()


def mapped(seed: int, size: float, drift: bool) -> tuple[float, float]:
    """Return root mean square error and coverage of 90 % of the last map."""
    rng = np.random.default_rng(seed)
    problem, truth = sample(rng)
    level = size * np.cumsum(rng.standard_normal(MEASUREMENTS + 1)) / np.sqrt(MEASUREMENTS)
    agent = make_agent(spec_for("patch_gp", "map", {"seed": seed, "drift": drift}), problem)
    measured: list[int] = []
    for number in range(MEASUREMENTS):
        if number and number % EVERY == 0:
            point = dict(zip(problem.dofs, problem.points[measured[0]].tolist(), strict=True))
        else:
            (point,) = agent.suggest(1)
        measured.append(problem.nearest(*(point[name] for name in problem.dofs)))
        value = truth[measured[-1]] + level[number] + NOISE * rng.standard_normal()
        agent.ingest([{**point, "value": float(value), TIME: 60.0 * number}])
    belief, rest = agent.posterior(), np.setdiff1d(np.arange(len(problem)), measured)
    error = belief["mean"][rest] - truth[rest] - level[-1]
    return float(np.sqrt(np.mean(error**2))), float(np.mean(np.abs(error) < 1.645 * belief["std"][rest]))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=30)
    given = parser.parse_args()
    rows = []
    for size in SIZES:
        for drift in (False, True):
            seeds = range(DEVELOPMENT_SEED, DEVELOPMENT_SEED + given.seeds)
            errors, covered = zip(*(mapped(seed, size, drift) for seed in seeds), strict=True)
            rows.append((f"{size:g}", "yes" if drift else "no", str(given.seeds), spread(errors), spread(covered)))
    header = ("level wanders by", "drift", "seeds", "RMSE", "coverage of 90 %")
    Table("The map at the moment of the next measurement", header, tuple(rows)).show(Console())


if __name__ == "__main__":
    main()
