import numpy as np
import pytest

from probeline.agents.adapters.external import ExternalAgent
from probeline.agents.check import landscape
from probeline.agents.protocols import Agent
from probeline.core.errors import RefusedError

from ..worlds import small_problem


class Scripted:
    """An optimizer that suggests given points and remembers what it was told."""

    def __init__(self, points):
        self.points, self.told, self.failed = list(points), [], []

    def suggest(self, num_points=None):
        return [{"_id": f"t{len(self.points)}", **self.points.pop(0)} for _ in range(num_points or 1)]

    def ingest(self, points):
        self.told += [dict(point) for point in points]

    def get_best_points(self):
        return []

    def register_failures(self, suggestions):
        self.failed += [point["_id"] for point in suggestions]


def test_points_are_moved_to_candidates_and_reported_there(problem):
    theirs = Scripted([{"x": 42.0, "y": 57.0}, {"x": 41.0, "y": 58.0}, {"x": -500.0, "y": 0.0}])
    agent = ExternalAgent(theirs, problem)
    assert isinstance(agent, Agent)
    first, second, third = (agent.suggest()[0] for _ in range(3))
    assert first == {"_id": 0, "x": 40.0, "y": 60.0}
    assert (second["x"], second["y"]) == (40.0, 50.0)  # the nearest one is taken
    assert third["x"] == 20.0
    agent.ingest([{"_id": k, "area": float(k)} for k in range(3)])
    assert theirs.told == [
        {"_id": "t3", "x": 40.0, "y": 60.0, "area": 0.0},
        {"x": 40.0, "y": 50.0, "area": 1.0},
        {"x": 20.0, "y": 20.0, "area": 2.0},
    ]
    assert theirs.failed == ["t2", "t1"]  # too far from what was asked for
    assert agent.get_best_points()[0][0] == 2
    assert agent.spec.options["optimizer"].endswith(":Scripted")


def test_failures_and_external_points_are_passed_on(problem):
    theirs = Scripted([{"x": 42.0, "y": 57.0}])
    agent = ExternalAgent(theirs, problem)
    agent.register_failures(agent.suggest())
    agent.ingest([{"x": 50.0, "y": 50.0, "area": 4.0}])
    adopted = agent.register_suggestions([{"x": 80.0, "y": 80.0}])
    agent.ingest([{"_id": adopted[0]["_id"], "area": 5.0}])
    assert theirs.failed == ["t1"]
    assert theirs.told == [{"x": 50.0, "y": 50.0, "area": 4.0}, {"x": 80.0, "y": 80.0, "area": 5.0}]
    with pytest.raises(RefusedError, match="1 to 141"):
        agent.suggest(142)


@pytest.mark.filterwarnings("ignore:add_tracking_metric is deprecated:DeprecationWarning")
def test_ax_runs_over_candidates():
    pytest.importorskip("ax")
    from ax import RangeParameterConfig
    from bluesky_adaptive.ax.optimizer import AxOptimizer

    problem = small_problem()
    truth = landscape(problem)
    parameters = [RangeParameterConfig(name=name, bounds=(20.0, 130.0), parameter_type="float") for name in ("x", "y")]
    agent = ExternalAgent(AxOptimizer(parameters, objective="area"), problem)
    seen = []
    for _ in range(4):
        point = agent.suggest()[0]
        entry = agent.explain(point)
        seen.append(entry["candidate"])
        agent.ingest([{"_id": point["_id"], "area": truth[entry["candidate"]], "area_sigma": 0.1}])
    assert len(set(seen)) == 4
    assert agent.get_best_points()[0][2]["area"] == truth[seen].max()
    assert np.isfinite(agent.posterior()["mean"]).all()


def explored(optimizer, steps):
    """Let an optimizer choose ``steps`` points and return the objective at each."""
    problem = small_problem()
    truth = landscape(problem)
    agent, found = ExternalAgent(optimizer, problem), []
    for _ in range(steps):
        point = agent.suggest()[0]
        found.append(truth[agent.explain(point)["candidate"]])
        agent.ingest([{"_id": point["_id"], "area": found[-1]}])
    return found, truth


def test_xopt_runs_over_candidates():
    from bluesky_adaptive.xopt.optimizer import XoptOptimizer
    from xopt.generators.random import RandomGenerator
    from xopt.vocs import VOCS

    vocs = VOCS(variables={"x": [20.0, 130.0], "y": [20.0, 130.0]}, objectives={"area": "MAXIMIZE"})
    found, _ = explored(XoptOptimizer(RandomGenerator(vocs=vocs)), 6)
    assert len(set(found)) == 6


def test_an_optimizer_that_knows_no_failures_gets_an_outcome_for_each_point():
    class Deaf(Scripted):
        register_failures = property()  # so that it has none

    theirs = Deaf([{"x": 42.0, "y": 57.0}] * 3)
    explored(theirs, 3)
    assert [point["_id"] for point in theirs.told] == ["t3", "t2", "t1"]


def test_scipy_runs_over_candidates():
    from bluesky_adaptive.scipy.configs import SCP, Objective, RangeDOF, ScipyCFG
    from bluesky_adaptive.scipy.inverter import InteractiveOptimizer
    from bluesky_adaptive.scipy.normalizers import Minimize

    class Patient(InteractiveOptimizer):
        """Waits until SciPy's thread has its next point."""

        def suggest(self, num_points=None):
            while not (points := super().suggest(num_points)):
                pass
            return points

    dofs = [RangeDOF(name=name, bounds=(20.0, 130.0), parameter_type="float") for name in ("x", "y")]
    config = ScipyCFG(
        dofs=dofs,
        objective=Objective(name="area", minimize=False),
        optimizer=SCP.NELDER_MEAD,
        initial=[60.0, 60.0],
        max_iter=None,
    )
    with Patient(Minimize(config)) as optimizer:
        found, truth = explored(optimizer, 12)
    assert max(found) > np.quantile(truth, 0.6)


def test_a_refused_call_leaves_no_trial_open():
    problem = small_problem(separation_nm=1000.0)  # room for one
    theirs = Scripted([{"x": 40.0, "y": 40.0}, {"x": 80.0, "y": 80.0}])
    agent = ExternalAgent(theirs, problem)
    with pytest.raises(RefusedError, match="no admissible candidate"):
        agent.suggest(2)
    assert theirs.failed == ["t2", "t1"]
    (adopted,) = agent.register_suggestions([{"x": 20.0, "y": 20.0}])
    agent.ingest([{"_id": adopted["_id"], "area": 1.0}])
    assert "_id" not in theirs.told[0]


def test_points_that_are_fewer_than_asked_for_are_told_to_have_failed(problem):
    class Sparing(Scripted):
        def suggest(self, num_points=None):
            return super().suggest(1)

    theirs = Sparing([{"x": 42.0, "y": 57.0}])
    with pytest.raises(RefusedError, match="gave 1 of 2 points"):
        ExternalAgent(theirs, problem).suggest(2)
    assert theirs.failed == ["t1"]
