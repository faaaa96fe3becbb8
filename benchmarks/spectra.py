"""Whole spectra from a few of them: Gaussian processes with and without a net, beside what is trivial.

Part of ``make bench``; alone, ``python -m benchmarks.spectra`` runs on development seeds. Spectra are learned at
random candidates and predicted at 300 others, where they are compared with what is measured there, noise and all:
loops of the twin (off field, last cycle), and X-ray counts below 4 keV, four channels summed. ``mean`` predicts the
mean spectrum, ``line`` a straight line through the raw channels at the candidate for every channel of the spectrum
(ridge regression), ``neighbours`` the three measured ones whose patches look most alike.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from probeline.agents.base import seed_order
from probeline.agents.gaussian.agents import SurrogateAgent
from probeline.agents.spec import make_agent, spec_for
from probeline.analysis.loops import select_loop
from probeline.analysis.measurement import Measurement

from .claims import difference
from .suite import DEVELOPMENT_SEED
from .tables import Table, interval, number, spread
from .tasks import Task, is_locked, make_task
from .work import Part, do_all, results

Array = NDArray[np.float64]
TASKS = ("pfm-mixed", "pfm-grains", "stem-eds-particles")
SIZES = (30, 80, 160)
TEST = 300
AGENTS = ("gp", "patch_gp", "dkl")
METHODS = ("mean", "line", "neighbours", *AGENTS)
SEEDS = 20
HIGHEST_EV, SUMMED = 4000.0, 4


def pieces(first: int, seeds: int) -> list[tuple[str, int]]:
    """Return all tasks with all seeds; locked ones on reported seeds only."""
    tasks = [task for task in TASKS if first < DEVELOPMENT_SEED or not is_locked(task)]
    return [(task, seed) for task in tasks for seed in range(first, first + seeds)]


def vector(found: Measurement) -> Array:
    """Return the spectrum that is learned, shape (channel,)."""
    if found.kind == "switching_loop":
        return select_loop(found, "off")[1]
    energy = np.asarray(found.coords["energy"], float)
    counts = found.data.reshape(-1, len(energy)).sum(axis=0)[energy < HIGHEST_EV]
    return counts[: len(counts) // SUMMED * SUMMED].reshape(-1, SUMMED).sum(axis=1)


def scores(piece: tuple[str, int]) -> list[dict[str, Any]]:
    """Return how well every method predicts, for each number of spectra."""
    name, seed = piece
    task = make_task(name, seed)
    order = seed_order(task.problem, seed)
    test = order[-TEST:]
    assert task.spectrum is not None
    truth, measured = (
        np.array([vector(task.spectrum(int(candidate))) for candidate in chosen])
        for chosen in (test, order[: max(SIZES)])
    )
    rows = []
    for size in SIZES:
        whole = np.isfinite(measured[:size]).all(axis=1)
        index, known = order[:size][whole], measured[:size][whole]
        for method in METHODS:
            began = process_time()
            mean, std = predicted(method, task, index, known, test)
            row = {"task": name, "seed": seed, "size": size, "method": method, "cpu_s": process_time() - began}
            rows.append({**row, **judged(mean, std, truth)})
    return rows


def judged(mean: Array, std: Array | None, truth: Array) -> dict[str, float]:
    """Return root mean square error and, where it is told how sure they are, the coverage of 90 %."""
    usable = np.isfinite(truth)
    error = (mean - truth)[usable]
    covered = np.nan if std is None else float(np.mean(np.abs(error) <= 1.645 * std[usable]))
    return {"rmse": float(np.sqrt(np.mean(error**2))), "coverage": covered}


def predicted(
    method: str, task: Task, index: NDArray[np.int64], known: Array, test: NDArray[np.int64]
) -> tuple[Array, Array | None]:
    """Return mean and standard deviation of the spectra at ``test``, each of shape (candidate, channel)."""
    if method in AGENTS:
        agent = make_agent(spec_for(method, "map", seed=task.seed), task.problem)
        assert isinstance(agent, SurrogateAgent)
        belief = agent.spectra(index, known)
        return belief.mean(test), belief.std(test)
    if method == "mean":
        return np.broadcast_to(known.mean(axis=0), (len(test), known.shape[1])), None
    return _simple(method)(task, index, known, test), None


def _simple(method: str) -> Callable[[Task, NDArray[np.int64], Array, NDArray[np.int64]], Array]:
    from sklearn.linear_model import RidgeCV
    from sklearn.neighbors import KNeighborsRegressor

    def line(task: Task, index: NDArray[np.int64], known: Array, test: NDArray[np.int64]) -> Array:
        middle = task.problem.patches.shape[-1] // 2
        seen = task.problem.patches[:, :, middle, middle]
        return RidgeCV(np.logspace(-3, 3, 13)).fit(seen[index], known).predict(seen[test])

    def neighbours(task: Task, index: NDArray[np.int64], known: Array, test: NDArray[np.int64]) -> Array:
        seen = task.problem.patches.reshape(len(task.problem), -1)
        return KNeighborsRegressor(3, weights="distance").fit(seen[index], known).predict(seen[test])

    return {"line": line, "neighbours": neighbours}[method]


def spectra_table(found: Sequence[Sequence[Mapping[str, Any]]]) -> Table:
    """Return mean errors, and those of each method less those of ``dkl``, paired by seed."""
    rows, lines = [row for part in found for row in part], []
    for task in TASKS:
        for size in SIZES:
            of = {m: [r for r in rows if (r["task"], r["size"], r["method"]) == (task, size, m)] for m in METHODS}
            if not of["dkl"]:
                continue
            net = np.array([row["rmse"] for row in of["dkl"]])
            for method, own in of.items():
                error = np.array([row["rmse"] for row in own])
                covered = float(np.mean([row["coverage"] for row in own]))
                against = "" if method == "dkl" else interval(difference(error, net))
                shown = "" if np.isnan(covered) else f"{covered:.2f}"
                cost = number(float(np.mean([row["cpu_s"] for row in own])), 2)
                lines.append((task, str(size), method, str(len(own)), spread(error.tolist()), against, shown, cost))
    header = ("task", "spectra", "method", "seeds", "RMSE", "less dkl [95 %]", "coverage of 90 %", "CPU s")
    return Table("Spectra predicted where none was measured", header, tuple(lines))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    part = Part("spectra", pieces(DEVELOPMENT_SEED, given.seeds), scores)
    spectra_table(results(list(do_all([part], given.processes)), part.name)).show(Console(width=140))


if __name__ == "__main__":
    main()
