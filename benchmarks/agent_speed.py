"""CPU-seconds that an agent needs for one decision. Run: ``python -m benchmarks.agent_speed``.

12 769 candidates with patches of 15 x 15 pixels from a structured random field, one thread.
``worst`` is suggest plus ingest right after an outcome with which the hyper-parameters are due,
``usual`` without, ``pending`` with one suggestion still open (lookahead 1). ``BoTorch`` decides by the
same kernel on the same features in the same run.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.ndimage import gaussian_filter

from benchmarks.peer import decide as botorch_decide
from probeline.agents.problem import CandidateSpec, Problem, build_problem
from probeline.agents.protocols import Agent
from probeline.agents.spec import make_agent, spec_for
from probeline.agents.surrogate_agents import fit_counts

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


def measure(kind: str, goal: str, problem: Problem, truth: np.ndarray, measured: int) -> dict[str, float]:
    """Return CPU-seconds of one decision at ``measured`` outcomes, by situation."""
    due = next(count for count in fit_counts(2 * measured) if count >= measured)
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
    usual = decide(agent, truth)
    return {"start": start, "worst": worst, "usual": usual, "pending": look_ahead(agent, truth)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measured", type=int, nargs="+", default=[20, 100, 200])
    parser.add_argument("--channels", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--goal", default="optimum")
    parser.add_argument("--agents", nargs="+", default=AGENTS)
    given = parser.parse_args()
    table = Table("agent", "channels", "measured", "start", "worst", "usual", "pending", title="CPU s per decision")
    for channels in given.channels:
        problem, truth = field(channels)
        for kind in given.agents:
            for measured in given.measured:
                cost = measure(kind, given.goal, problem, truth, measured)
                table.add_row(kind, str(channels), str(measured), *(f"{value:.3f}" for value in cost.values()))
        for measured in given.measured:
            cost = botorch_decide(problem, truth, measured)
            table.add_row("BoTorch", str(channels), str(measured), *(f"{value:.3f}" for value in cost.values()))
    Console().print(f"{len(problem)} candidates, goal {given.goal}")
    Console().print(table)


if __name__ == "__main__":
    main()
