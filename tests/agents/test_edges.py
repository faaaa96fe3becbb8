"""What every agent does at the edges: hardly any candidates, very many, no information, outcomes out of step."""

from dataclasses import replace

import numpy as np
import pytest

from probeline.agents.check import landscape
from probeline.agents.problem import grid_problem
from probeline.core.errors import RefusedError
from probeline.core.registry import AGENTS

from .worlds import QUICK, agent_on, run, small_problem

KINDS = AGENTS.names()


def agent(problem, kind, **options):
    return agent_on(problem, kind, **{"seed_points": 4, **QUICK.get(kind, {}), **options})


def only(problem, count):
    """Return the problem with its first ``count`` candidates alone."""
    rows = slice(0, count)
    return replace(
        problem,
        points=problem.points[rows],
        coordinates=problem.coordinates[rows],
        pixel=problem.pixel[rows],
        patches=problem.patches[rows],
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_candidates_are_all_used_once(kind, count):
    problem = only(small_problem(), count)
    made = agent(problem, kind)
    assert sorted(run(made, problem, count)) == list(range(count))
    assert np.isnan(made.posterior()["acquisition"]).all()
    with pytest.raises(RefusedError, match="no admissible candidate is left"):
        made.suggest()
    assert len(made.get_best_points(9)) == count


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_known_yet(problem, kind):
    made = agent(problem, kind)
    assert made.get_best_points() == []
    assert made.posterior()["mean"].shape == (len(problem),)
    (point,) = made.suggest()
    assert made.explain(point)["source"] == "seed"
    made.ingest([{"_id": point["_id"], "area": 1.0}])
    assert made.get_best_points()[0][2] == {"area": 1.0}
    assert made.posterior()["mean"].shape == (len(problem),)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [0.0, 3.0, -1e-30])
def test_equal_outcomes_end_nothing(problem, kind, value):
    made = agent(problem, kind)
    found = run(made, problem, 9, truth=np.full(len(problem), value))
    assert len(set(found)) == 9
    belief = made.posterior()
    assert np.isfinite(belief["mean"]).all()
    assert np.isfinite(belief["std"]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_only_failures_end_nothing(problem, kind):
    made = agent(problem, kind)
    candidates = []
    for _ in range(8):
        (point,) = made.suggest()
        candidates.append(made.explain(point)["candidate"])
        made.register_failures([point])
    assert len(set(candidates)) == 8
    assert made.get_best_points() == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_late_outcome_counts_when_it_comes(problem, kind):
    made, truth = agent(problem, kind), landscape(problem)
    (late,) = made.suggest()
    run(made, problem, 8)
    made.ingest([{"_id": late["_id"], "area": truth[made.explain(late)["candidate"]]}])
    told = made.explain(made.suggest()[0])
    assert (told["n_seen"], told["n_failed"]) == (9, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_may_turn_out_late_too(problem, kind):
    made = agent(problem, kind)
    (late,) = made.suggest()
    run(made, problem, 6)
    made.register_failures([late])
    with pytest.raises(RefusedError, match="failed already"):
        made.ingest([{"_id": late["_id"], "area": 1.0}])


@pytest.mark.parametrize("kind", KINDS)
def test_repeated_external_outcomes_at_one_candidate_are_averaged(problem, kind):
    made = agent(problem, kind)
    x, y = problem.points[7]
    made.ingest([{"x": x, "y": y, "area": value} for value in (1.0, 2.0, 3.0)])
    assert made.get_best_points()[0][2]["area"] == pytest.approx(2.0)
    run(made, problem, 6)


@pytest.mark.parametrize("kind", KINDS)
def test_outliers_leave_finite_numbers(problem, kind):
    made, truth = agent(problem, kind), landscape(problem)
    truth[:] = np.where(np.arange(len(truth)) % 7 == 0, 1e90, truth)
    run(made, problem, 10, truth=truth)
    assert np.isfinite(made.posterior()["mean"]).all()


@pytest.mark.parametrize("kind", ["random", "grid", "space_filling", "gp"])
def test_a_hundred_thousand_candidates(kind):
    axis = np.linspace(0, 1, 317)
    problem = grid_problem({"x": axis, "y": axis}, {"x": "nm", "y": "nm"}, objective="area")
    assert len(problem) > 100_000
    made, truth = agent(problem, kind), landscape(problem)
    assert len(set(run(made, problem, 8))) == 8
    if kind == "gp":
        assert truth[run(made, problem, 12)].max() > np.quantile(truth, 0.99)
