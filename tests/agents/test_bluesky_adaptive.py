"""Our agents in the plans of bluesky-adaptive, without any change."""

import pytest
from bluesky_adaptive import protocols
from bluesky_adaptive.plan_stubs import navigate_to_best
from bluesky_adaptive.plans import optimize, optimize_in_run
from ophyd.sim import SynAxis, SynSignal

from probeline.agents.check import landscape
from probeline.agents.checkpoint import load_checkpoint
from probeline.plans.session import run_engine

from .worlds import agent_on, small_problem


@pytest.fixture(scope="module")
def engine():
    with run_engine() as made:
        yield made


@pytest.mark.parametrize("plan", [optimize, optimize_in_run])
@pytest.mark.parametrize("kind", ["gp", "greedy_channel"])
def test_optimize_runs_with_our_agent(engine, kind, plan, tmp_path):
    problem = small_problem()
    truth = landscape(problem)
    agent = agent_on(problem, kind, seed_points=3)
    x, y = SynAxis(name="x"), SynAxis(name="y")
    measured, distances = [], []

    def read():
        measured.append(problem.nearest(x.position, y.position))
        distances.append(problem.distance((x.position, y.position)).min())
        return float(truth[measured[-1]])

    sensor = SynSignal(func=read, name="sensor")
    distances.clear()  # the signal reads once when it is made

    def evaluate(uid, suggestions):
        places = {s["_id"]: problem.nearest(s["x"], s["y"]) for s in suggestions}
        return [{"_id": number, "area": float(truth[place])} for number, place in places.items()]

    task = protocols.OptimizationProblem(
        optimizer=agent, actuators=[x, y], sensors=[sensor], evaluation_function=evaluate
    )
    assert isinstance(agent, protocols.Optimizer)
    assert isinstance(agent, protocols.TrialFaultAware)
    assert isinstance(agent, protocols.CanRegisterSuggestions)
    events = []
    agent.checkpoint_path = tmp_path / "agent.ckpt"
    engine(
        plan(task, iterations=3, n_points=2, checkpoint_interval=2),
        lambda name, doc: events.append(doc) if name == "event" else None,
    )
    assert load_checkpoint(agent.checkpoint_path, problem).decisions == 4
    assert len([e for e in events if "suggestion_ids" in e["data"]]) == 6
    assert max(distances) == 0
    engine(navigate_to_best([x, y], agent))
    _, place, _ = agent.get_best_points()[0]
    assert (x.position, y.position) == (place["x"], place["y"])
