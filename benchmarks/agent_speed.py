"""CPU-seconds that an agent needs for one decision. Run: ``python -m benchmarks.agent_speed``.

12 769 candidates with patches of 15 x 15 pixels from a structured random field, one thread.
``worst`` is suggest plus ingest right after an outcome with which the hyper-parameters are due,
``usual`` without, ``mean`` over all decisions from one fit to the next, ``pending`` with one suggestion
still open (lookahead 1), ``MB`` the peak memory of the whole process. Others beside them: ``benchmarks/peers``.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.ndimage import gaussian_filter

from probeline.agents.base import seed_order
from probeline.agents.gaussian.agents import fit_counts
from probeline.agents.problem import CandidateSpec, Problem, build_problem
from probeline.agents.protocols import Agent
from probeline.agents.spec import make_agent, spec_for

PIXELS = 127  # 113 x 113 candidates inside a margin of 7 pixels
AGENTS = ("random", "space_filling", "greedy_channel", "gp", "patch_gp", "dkl")


def field(channels: int, seed: int = 0) -> tuple[Problem, np.ndarray]:
    """Return a problem on smooth random domains, and a property that follows from the patches."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:PIXELS, :PIXELS].astype(float)
    images = [np.tanh(40 * gaussian_filter(rng.normal(size=x.shape), 4 + k)) for k in range(channels)]
    names = [f"channel {k}" for k in range(channels)]
    spec = CandidateSpec(channels=tuple(names), patch_pixels=15)
    problem = build_problem(np.stack(images), names, x, y, spec, objective="value")
    center = problem.patches[:, :, 5:10, 5:10].mean(axis=(1, 2, 3))
    return problem, np.tanh(center) + 0.3 * problem.patches[:, 0].std(axis=(1, 2))


def decide(agent: Agent, truth: np.ndarray) -> float:
    """Return the CPU-seconds of one suggest and the ingest of its outcome."""
    began = time.process_time()
    point = agent.suggest()[0]
    spent = time.process_time() - began
    value = float(truth[agent.explain(point)["candidate"]])
    began = time.process_time()
    agent.ingest([{"_id": point["_id"], "value": value}])
    return spent + time.process_time() - began


def look_ahead(agent: Agent, truth: np.ndarray) -> float:
    """Return the CPU-seconds of a suggestion after a new outcome while another one is pending."""
    first, _ = agent.suggest(2)
    agent.ingest([{"_id": first["_id"], "value": float(truth[agent.explain(first)["candidate"]])}])
    began = time.process_time()
    agent.suggest()
    return time.process_time() - began


def measure(kind: str, goal: str, channels: int, measured: int) -> dict[str, float]:
    """Return CPU-seconds of one decision at ``measured`` outcomes, by situation, and the peak memory (MB)."""
    problem, truth = field(channels)
    due, after = [count for count in fit_counts(3 * measured) if count >= measured][:2]
    began = time.process_time()
    agent = make_agent(spec_for(kind, goal, {"seed_points": due - 1}), problem)
    start = time.process_time() - began
    agent.ingest(
        [
            {"_id": point["_id"], "value": float(truth[agent.explain(point)["candidate"]])}
            for point in agent.suggest(due - 1)
        ]
    )
    agent.suggest()
    agent.ingest([{"_id": due - 1, "value": float(truth[agent.explain({"_id": due - 1})["candidate"]])}])
    worst = decide(agent, truth)
    usual = float(np.median([decide(agent, truth) for _ in range(after - due - 1)] or [worst]))
    mean = (worst + (after - due - 1) * usual) / (after - due)
    spent = {"start": start, "worst": worst, "usual": usual, "mean": mean, "pending": look_ahead(agent, truth)}
    return {**spent, "MB": peak_mb()}


def cold(kind: str, goal: str, channels: int, measured: int) -> float:
    """Return CPU-seconds of a new agent's first decision, features included, when it is told ``measured`` outcomes."""
    problem, truth = field(channels)
    told = seed_order(problem, 0)[:measured]
    places = [dict(zip(problem.dofs, place.tolist(), strict=True)) for place in problem.points[told]]
    began = time.process_time()
    agent = make_agent(spec_for(kind, goal, {"seed_points": 1}), problem)
    agent.ingest([{**place, "value": float(value)} for place, value in zip(places, truth[told], strict=True)])
    agent.posterior()
    return time.process_time() - began


def peak_mb() -> float:
    """Return the largest memory (MB) that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measured", type=int, nargs="+", default=[20, 100, 200])
    parser.add_argument("--channels", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--goal", default="optimum")
    parser.add_argument("--agents", nargs="+", default=list(AGENTS))
    given = parser.parse_args()
    names = ("start", "worst", "usual", "mean", "pending", "MB")
    table = Table("agent", "ch.", "n", *names, title="CPU s per decision")
    with one_by_one() as pool:
        for channels, kind, measured in itertools.product(given.channels, given.agents, given.measured):
            cost = pool.submit(measure, kind, given.goal, channels, measured).result()
            table.add_row(kind, str(channels), str(measured), *(f"{cost[name]:.3g}" for name in names))
    Console().print(f"goal {given.goal}, {(PIXELS - 14) ** 2} candidates")
    Console().print(table)


def one_by_one() -> ProcessPoolExecutor:
    """Return an executor that gives every call a process of its own: nobody inherits memory or warm caches."""
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), max_tasks_per_child=1)


if __name__ == "__main__":
    main()
