"""Small problems with a known answer."""

import numpy as np

from probeline.agents.check import landscape
from probeline.agents.problem import CandidateSpec, Problem, build_problem
from probeline.agents.spec import make_agent, spec_for


def small_problem(pixels: int = 16, seed: int = 0, channels=("b", "a"), separation_nm: float = 0.0) -> Problem:
    """Two channels: ``a`` is smooth structure, ``b`` is noise; neighbours are 10 nm apart."""
    y, x = np.mgrid[:pixels, :pixels].astype(float)
    structure = np.sin(x / 3) + np.cos(y / 4)
    noise = np.random.default_rng(seed).normal(size=x.shape)
    spec = CandidateSpec(channels=channels, patch_pixels=5, separation_nm=separation_nm)
    return build_problem(np.stack([structure, noise]), ["a", "b"], 10 * x, 10 * y, spec, objective="area")


def agent_on(problem, kind="patch_gp", goal="optimum", seed=0, **options):
    return make_agent(spec_for(kind, goal, options, seed=seed), problem)


def run(agent, problem, steps, truth=None):
    """Measure ``steps`` suggestions one by one; return the candidates."""
    truth = landscape(problem) if truth is None else truth
    found = []
    for _ in range(steps):
        point = agent.suggest()[0]
        candidate = agent.explain(point)["candidate"]
        agent.ingest([{"_id": point["_id"], problem.objective: truth[candidate]}])
        found.append(candidate)
    return found


# A law over positions, and settings with which agents are quick: tests of promises are not about quality.
WAVE = {
    "name": "wave",
    "expression": "a + b * sin(x / 50) + c * y / 100",
    "parameters": {name: {"prior": "normal", "mean": 0, "std": 1} for name in "abc"},
}
SLOPE = {"expression": "a + c * y / 100", "parameters": {k: WAVE["parameters"][k] for k in "ac"}}
QUICK = {
    "dkl": {"components": 4, "hidden": 4, "steps": 2},
    "patch_gp": {"components": 4},
    "sgp": {"law": WAVE, "particles": 64},
    "hypothesis": {"laws": [WAVE, SLOPE], "particles": 64},
}
