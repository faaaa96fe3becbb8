import json

import numpy as np
import pytest

from probeline.agents.base import seed_order
from probeline.agents.check import drive, landscape
from probeline.agents.problem import grid_problem
from probeline.agents.spec import rebuild_agent
from probeline.core.errors import LimitError, RefusedError
from probeline.core.registry import AGENTS

from .worlds import QUICK, agent_on, run, small_problem


def test_all_kinds_start_with_the_same_points(problem):
    first = {
        kind: run(agent_on(problem, kind, seed=5, seed_points=4, **QUICK.get(kind, {})), problem, 4)
        for kind in AGENTS.names()
    }
    expected = seed_order(problem, 5)[:4].tolist()
    assert all(found == expected for found in first.values())


def test_sources_and_counts(problem):
    told = drive(agent_on(problem, "gp", seed_points=3), problem, 5)
    assert [entry["source"] for entry in told] == ["seed"] * 3 + ["agent"] * 2
    assert [entry["n_seen"] for entry in told] == [0, 1, 2, 3, 4]
    assert [entry["fit"] for entry in told] == [0, 0, 1, 2, 3]
    assert [entry["rank"] for entry in told[3:]] == [0, 0]
    assert np.isnan(told[0]["mean"])
    assert np.isnan(told[1]["std"])


def test_seeds_go_on_until_two_outcomes_are_known(problem):
    agent = agent_on(problem, "gp", seed_points=1)
    points = agent.suggest(3)
    agent.register_failures(points[1:])
    agent.ingest([{"_id": 0, "area": 1.0}])
    assert agent.explain(agent.suggest()[0])["source"] == "seed"


def test_explanations_stay_as_they_were(problem):
    agent = agent_on(problem, "gp", seed_points=2)
    point = [agent.suggest()[0] for _ in range(2)][-1]
    before = agent.explain(point)
    run(agent, problem, 3)
    assert json.dumps(agent.explain(point)) == json.dumps(before)


def test_points_nearer_than_the_separation_are_not_suggested():
    problem = small_problem(separation_nm=25)
    agent = agent_on(problem, "random")
    found = []
    while np.isfinite(agent.posterior()["acquisition"]).any():
        found.append(agent.explain(agent.suggest()[0])["candidate"])
    with pytest.raises(RefusedError, match="no admissible candidate is left of 144"):
        agent.suggest()
    offsets = problem.points[found][:, None] - problem.points[found][None]
    distance = np.hypot(offsets[..., 0], offsets[..., 1])[~np.eye(len(found), dtype=bool)]
    assert distance.min() >= 25
    # Every other candidate is near to one that was suggested, so the design is maximal.
    near = np.hypot(*(problem.points[:, None] - problem.points[found][None]).transpose(2, 0, 1)).min(axis=1)
    assert near.max() < 25


def test_a_refused_batch_changes_nothing(problem):
    agent = agent_on(problem, "random")
    first = agent.suggest()
    with pytest.raises(RefusedError, match="no admissible"):
        agent.suggest(len(problem))
    assert agent.suggest()[0]["_id"] == 1
    agent.ingest([{"_id": first[0]["_id"], "area": 1.0}])
    with pytest.raises(RefusedError, match="no suggestion has the id 2"):
        agent.explain({"_id": 2})


def test_a_batch_of_outcomes_counts_whole_or_not_at_all(problem):
    agent = agent_on(problem, "random")
    points = agent.suggest(2)
    good = {"_id": points[0]["_id"], "area": 1.0}
    for bad in ({"_id": 1, "area": np.nan}, {"_id": 1, "area": 2.0, "area_sigma": -1.0}, {"_id": 0, "area": 1.0}):
        with pytest.raises(RefusedError):
            agent.ingest([good, bad])
    assert agent.get_best_points() == []
    agent.ingest([good, {"_id": 1, "area": 2.0, "area_sigma": np.nan}])
    assert [best[0] for best in agent.get_best_points(5)] == [1, 0]


def test_small_is_best_when_minimising(problem):
    agent = agent_on(problem, "gp", direction="min", seed_points=5)
    run(agent, problem, 22)
    _, place, outcome = agent.get_best_points()[0]
    assert outcome["area"] < np.quantile(landscape(problem), 0.03)
    assert set(place) == {"x", "y"}


def test_external_points_snap_to_the_nearest_candidate(problem):
    agent = agent_on(problem, "random")
    x, y = problem.points[17]
    agent.ingest([{"_id": "baseline", "x": x + 4.9, "y": y - 4.9, "area": 2.0}])
    assert agent.get_best_points() == [("baseline", {"x": x, "y": y}, {"area": 2.0})]
    with pytest.raises(LimitError, match=r"0\.707 steps"):
        agent.ingest([{"x": x, "y": problem.points[:, 1].max() + 7.2, "area": 2.0}])
    with pytest.raises(RefusedError, match="no y"):
        agent.ingest([{"x": x, "area": 2.0}])
    with pytest.raises(LimitError, match="finite"):
        agent.ingest([{"x": x, "y": np.inf, "area": 2.0}])


@pytest.mark.parametrize("number", [(1, 2), [1], {"a": 1}, object()])
def test_an_id_that_cannot_be_stored_is_refused_before_anything_counts(problem, number):
    agent = agent_on(problem, "random")
    point = {"_id": number, **dict(zip(problem.dofs, problem.points[17], strict=True))}
    with pytest.raises(RefusedError, match="give a string, a number or none"):
        agent.ingest([{**point, "area": 1.0}])
    with pytest.raises(RefusedError, match="give a string, a number or none"):
        agent.register_failures([point])
    assert agent.log == []


def test_repeated_external_points_are_averaged(problem):
    agent = agent_on(problem, "random")
    x, y = problem.points[17]
    for value in (1.0, 3.0):
        agent.ingest([{"x": x, "y": y, "area": value}])
    assert agent.get_best_points() == [(None, {"x": x, "y": y}, {"area": 2.0})]


def test_adopted_points_are_decisions(problem):
    agent = agent_on(problem, "random")
    agent.suggest()
    adopted = agent.register_suggestions([{"_id": 77, "x": problem.points[3, 0] + 1, "y": problem.points[3, 1]}])
    assert adopted == [{"_id": 1, "x": problem.points[3, 0], "y": problem.points[3, 1]}]
    assert agent.explain(adopted[0])["source"] == "external"
    with pytest.raises(LimitError, match="free candidate"):
        agent.register_suggestions([{"x": problem.points[3, 0], "y": problem.points[3, 1]}])


def test_failures_count_once_and_only_where_nothing_was_measured(problem):
    agent = agent_on(problem, "random")
    points = agent.suggest(2)
    agent.register_failures([points[0], points[0]])
    agent.register_failures([points[0]])
    agent.ingest([{"_id": 1, "area": 0.0}])
    with pytest.raises(RefusedError, match="has an outcome already"):
        agent.register_failures([points[1]])
    with pytest.raises(RefusedError, match="failed already"):
        agent.ingest([{"_id": 0, "area": 0.0}])
    agent.register_failures([{"x": problem.points[9, 0], "y": problem.points[9, 1]}])
    assert agent.explain(agent.suggest()[0])["n_failed"] == 2
    assert np.isnan(agent.posterior()["acquisition"][9])


def test_outcomes_in_one_batch_or_one_by_one_give_the_same_agent(problem):
    truth = landscape(problem)
    one, other = agent_on(problem, "patch_gp"), agent_on(problem, "patch_gp")
    points = one.suggest(14)
    other.suggest(14)
    rows = [{"_id": p["_id"], "area": truth[one.explain(p)["candidate"]]} for p in points]
    one.ingest(rows)
    for row in rows:
        other.ingest([row])
        other.posterior()
    a, b = one.explain(one.suggest()[0]), other.explain(other.suggest()[0])
    assert a["model_digest"] == b["model_digest"]
    assert a["candidate"] == b["candidate"]


def test_the_log_is_json_and_rebuilds_the_agent(problem):
    agent = agent_on(problem, "space_filling")
    run(agent, problem, 3)
    agent.ingest(
        [{"_id": None, "x": problem.points[5, 0], "y": np.float64(problem.points[5, 1]), "area": np.float32(1.5)}]
    )
    agent.register_failures(agent.suggest(2))
    again = rebuild_agent(agent.spec, problem, json.loads(json.dumps(agent.log)))
    assert agent.suggest(4) == again.suggest(4)


def test_the_time_of_an_outcome_is_kept(problem):
    agent = agent_on(problem, "random")
    first, second, third = agent.suggest(3)
    agent.ingest([{**first, problem.objective: 1.0, "_time": 12.5}, {**second, problem.objective: 2.0}])
    np.testing.assert_array_equal(agent._ledger.outcomes().time, [12.5, np.nan])
    assert agent.log[-1]["argument"][0]["_time"] == 12.5
    with pytest.raises(RefusedError, match="_time = nan s"):
        agent.ingest([{**third, problem.objective: 1.0, "_time": float("nan")}])
    again = rebuild_agent(agent.spec, problem, agent.log)
    np.testing.assert_array_equal(again._ledger.outcomes().time, [12.5, np.nan])


def test_a_degree_of_freedom_may_be_called_time():
    """How long a pulse takes, say; that is not when it was given."""
    problem = grid_problem({"bias": [1, 2, 3], "time": [0.1, 0.2]}, {"bias": "V", "time": "s"}, objective="area")
    agent = agent_on(problem, "random")
    (point,) = agent.suggest(1)
    agent.ingest([{**point, "area": 1.0}])
    agent.ingest([{"bias": 2.0, "time": 0.1, "area": 1.0, "_time": 7.0}])
    np.testing.assert_array_equal(agent._ledger.outcomes().time, [np.nan, 7.0])
