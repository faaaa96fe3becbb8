import numpy as np
import pytest

from probeline.agents.adapters.ask_tell import AskTell, AskTellOptimizer
from probeline.agents.adapters.external import ExternalAgent
from probeline.agents.check import landscape
from probeline.core.errors import RefusedError

from ..worlds import agent_on, small_problem


def test_our_agent_is_asked_and_told(problem):
    truth, agent = landscape(problem), agent_on(problem, "gp", seed_points=4)
    optimizer = AskTell(agent, problem)
    for _ in range(6):
        x = optimizer.ask(2)["x"]
        assert x.shape == (2, 2)
        optimizer.tell(x, [truth[problem.nearest(*place)] for place in x], noise_variances=[0.01, 0.04])
    twin = agent_on(problem, "gp", seed_points=4)
    for _ in range(6):
        points = twin.suggest(2)
        values = [truth[twin.explain(point)["candidate"]] for point in points]
        twin.ingest(
            [{"_id": p["_id"], "area": v, "area_sigma": s} for p, v, s in zip(points, values, (0.1, 0.2), strict=True)]
        )
    assert agent.suggest() == twin.suggest()


def test_failures_and_other_places_are_told(problem):
    agent = agent_on(problem, "random")
    optimizer = AskTell(agent, problem)
    x = optimizer.ask()["x"]
    optimizer.tell(x, [np.nan])
    optimizer.tell(problem.points[20], 3.0)
    told = agent.explain(agent.suggest()[0])
    assert (told["n_seen"], told["n_failed"]) == (1, 1)


@pytest.mark.parametrize(("y", "failed"), [([1.0, 3.0], 0), ([np.nan, 3.0], 1), ([1.0, np.nan], 1)])
def test_a_place_may_be_told_twice(problem, y, failed):
    agent = agent_on(problem, "random")
    optimizer = AskTell(agent, problem)
    x = optimizer.ask()["x"]
    optimizer.tell(np.repeat(x, 2, axis=0), y)
    ((_, dofs, found),) = agent.get_best_points()
    assert (list(dofs.values()), found["area"]) == (x[0].tolist(), np.nanmean(y))
    assert agent.explain(agent.suggest()[0])["n_failed"] == failed


@pytest.mark.parametrize(("x", "y"), [([[1.0]], [1.0]), ([[1.0, 2.0]], [1.0, 2.0]), ([[1.0, 2.0], [3.0, 4.0]], 1.0)])
def test_shapes_that_disagree_are_refused(problem, x, y):
    optimizer = AskTell(agent_on(problem, "random"), problem)
    with pytest.raises(RefusedError, match="one row of 2 numbers"):
        optimizer.tell(x, y)


@pytest.mark.filterwarnings("ignore:No noise function or:UserWarning")
def test_gpcam_runs_over_candidates():
    from gpcam import GPOptimizer

    problem = small_problem()
    truth, rng = landscape(problem), np.random.default_rng(0)
    start = rng.permutation(len(problem))[:6]
    theirs = GPOptimizer(problem.points[start], truth[start], init_hyperparameters=np.array([1.0, 40.0, 40.0]))
    bounds = np.column_stack([problem.points.min(axis=0), problem.points.max(axis=0)])
    agent = ExternalAgent(
        AskTellOptimizer(
            lambda n: theirs.ask(bounds, n=n, acquisition_function="expected improvement", max_iter=3, pop_size=5)["x"],
            lambda x, y: theirs.tell(x, y, append=True),
            problem,
        ),
        problem,
    )
    for _ in range(8):
        (point,) = agent.suggest()
        agent.ingest([{"_id": point["_id"], "area": truth[agent.explain(point)["candidate"]]}])
    assert len(theirs.y_data) == 14
    assert agent.get_best_points()[0][2]["area"] > np.quantile(truth, 0.8)


def test_what_is_refused_leaves_nothing_behind(problem):
    optimizer = AskTell(agent_on(problem, "random"), problem)
    x = optimizer.ask()["x"]
    with pytest.raises(RefusedError, match="no candidate is there"):
        optimizer.tell([x[0], [1e6, 1e6]], [1.0, np.nan])
    with pytest.raises(RefusedError, match="none may be negative"):
        optimizer.tell(x, [1.0], noise_variances=[-1.0])
    optimizer.tell(x, [1.0])
