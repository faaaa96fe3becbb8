"""An optimizer of bluesky-adaptive runs unchanged in our plan."""

from __future__ import annotations

import warnings

import pytest

from probeline.agents.adapters.external import ExternalAgent
from probeline.catalog import decisions
from probeline.plans.explore import explore_with
from probeline.plans.settings import resolve


def _ax(problem):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from bluesky_adaptive.ax import Agent, Objective, RangeDOF

    low, high = problem.points.min(axis=0), problem.points.max(axis=0)
    dofs = [
        RangeDOF(name=name, bounds=(float(low[i]), float(high[i])), parameter_type="float")
        for i, name in enumerate(problem.dofs)
    ]
    agent = Agent(
        sensors=[],
        dofs=dofs,
        objectives=[Objective(name=problem.objective, minimize=False)],
        evaluation_function=lambda uid, suggestions: [],
    )
    return ExternalAgent(agent.to_optimization_problem().optimizer, problem)


@pytest.mark.filterwarnings("default")  # Ax and what it stands on warn of their own futures
def test_ax_chooses_the_points(beacon):
    settings = resolve(
        beacon.instrument.spec, beacon.instrument.description, goal="optimum", objective=None,
        objective_options=None, agent="random", agent_options=None, points=8, size_nm=None, pixels=None,
        patch_nm=None, seed_points=2, seconds=None, roi=None, exclude=None, lookahead=0, register_every=None,
    )  # fmt: skip
    beacon.RE(explore_with(beacon.instrument, settings, _ax))
    table = decisions(beacon.catalog[-1])
    assert list(table["status"]).count("ok") == 8
    assert len(table[["x", "y"]].drop_duplicates()) == len(table)
