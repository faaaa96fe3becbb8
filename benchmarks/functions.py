"""Test functions of BoTorch, found by ``gp`` through the RunEngine and by BoTorch itself.

Run: ``python -m benchmarks.functions``. ``gp`` is asked by the plan of bluesky-adaptive, which moves one
positioner per coordinate and reads a detector that shows the function there. BoTorch is driven by hand:
its default model, fitted anew at every step, and logarithmic expected improvement over the same
candidates (a scrambled Sobol sequence, another one for every seed) after the same first points. Regret is
the distance from the best candidate. ``difference`` is ``gp`` less BoTorch, paired by seed, with its 95 %
interval by bootstrap: below zero, ``gp`` is better.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from bluesky_adaptive.plans import optimize
from bluesky_adaptive.protocols import OptimizationProblem
from botorch.acquisition import LogExpectedImprovement
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from botorch.test_functions import Ackley, Branin, Hartmann
from gpytorch.mlls import ExactMarginalLogLikelihood
from ophyd.sim import SynAxis, SynSignal
from rich.console import Console
from scipy.stats import qmc

from probeline.agents.base import seed_order
from probeline.agents.problem import Problem
from probeline.agents.spec import make_agent, spec_for
from probeline.plans.session import run_engine

from .claims import difference
from .tables import Table, interval, spread
from .work import Part, do_all, results

CANDIDATES = 4096
SEED_POINTS = 6
# Function and budget of measurements.
FUNCTIONS: dict[str, tuple[Callable[[], torch.nn.Module], int]] = {
    "Branin": (lambda: Branin(negate=True), 30),
    "Ackley, 2-D": (lambda: Ackley(2, negate=True), 40),
    "Hartmann, 6-D": (lambda: Hartmann(6, negate=True), 60),
}


def candidates(name: str, seed: int) -> tuple[Problem, np.ndarray]:
    """Return candidates over the domain of a function, and its value at each."""
    function = FUNCTIONS[name][0]()
    low, high = function.bounds.double().numpy()
    unit = qmc.Sobol(len(low), rng=seed).random(CANDIDATES)
    points = low + unit * (high - low)
    names = tuple(f"x{axis}" for axis in range(len(low)))
    problem = Problem(
        dofs=names, units=("",) * len(low), objective="value", points=points, steps=(high - low) * 1e-6,
        coordinates=unit, pixel=(unit * 2**20).astype(int), patches=np.empty((CANDIDATES, 0, 1, 1)),
    )  # fmt: skip
    return problem, function(torch.as_tensor(points)).double().numpy()


def by_plan(name: str, seed: int) -> list[float]:
    """Return what ``gp`` found through the RunEngine, in order."""
    problem, value = candidates(name, seed)
    agent = make_agent(spec_for("gp", "optimum", {"seed_points": SEED_POINTS, "ard": True}, seed=seed), problem)
    axes = [SynAxis(name=dof) for dof in problem.dofs]
    detector = SynSignal(func=lambda: value[problem.nearest(*(axis.position for axis in axes))], name="value")
    found: list[float] = []

    def evaluate(uid: str, suggestions: list) -> list[dict]:
        outcomes = [{"_id": s["_id"], "value": float(value[agent.explain(s)["candidate"]])} for s in suggestions]
        found.extend(outcome["value"] for outcome in outcomes)
        return outcomes

    task = OptimizationProblem(optimizer=agent, actuators=axes, sensors=[detector], evaluation_function=evaluate)
    with run_engine() as engine:
        engine(optimize(task, iterations=FUNCTIONS[name][1]))
    return found


def by_botorch(name: str, seed: int) -> list[float]:
    """Return what BoTorch found, in order."""
    problem, value = candidates(name, seed)
    table, target = torch.as_tensor(problem.coordinates), torch.as_tensor(value)
    torch.manual_seed(seed)
    order = seed_order(problem, seed)[:SEED_POINTS].tolist()
    for _ in range(FUNCTIONS[name][1] - SEED_POINTS):
        model = SingleTaskGP(table[order], target[order][:, None])
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        with torch.no_grad():
            score = LogExpectedImprovement(model, target[order].max())(table[:, None])
        score[order] = -torch.inf
        order.append(int(score.argmax()))
    return value[order].tolist()


def regrets(piece: tuple[str, int]) -> dict[str, str | float]:
    """Return what both missed the best candidate by, on one function with one seed."""
    name, seed = piece
    best = candidates(name, seed)[1].max()
    return {"function": name, "gp": float(best - max(by_plan(name, seed))),
            "BoTorch": float(best - max(by_botorch(name, seed)))}  # fmt: skip


def pieces(first: int, seeds: int) -> list[tuple[str, int]]:
    """Return all functions with all seeds."""
    return [(name, seed) for name in FUNCTIONS for seed in range(first, first + seeds)]


def function_table(found: Sequence[Mapping[str, Any]]) -> Table:
    """Return mean regrets and their paired difference by function."""
    rows = []
    for name, (_, budget) in FUNCTIONS.items():
        ours, theirs = ([one[who] for one in found if one["function"] == name] for who in ("gp", "BoTorch"))
        cells = (spread(ours), spread(theirs), interval(difference(np.array(ours), np.array(theirs))))
        rows.append((name, str(budget), str(len(ours)), *cells))
    header = ("function", "points", "seeds", "gp", "BoTorch", "gp less BoTorch [95 %]")
    return Table("Regret on test functions", header, tuple(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    part = Part("functions", pieces(given.first_seed, given.seeds), regrets)
    function_table(results(list(do_all([part], given.processes)), part.name)).show(Console())


if __name__ == "__main__":
    main()
