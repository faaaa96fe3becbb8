"""Why a point was measured, and what another agent would have done, from the record alone."""

from __future__ import annotations

import json

import numpy as np
import pytest

from probeline.catalog import decisions, replay
from probeline.catalog.replaying import problem_of
from probeline.catalog.why import why
from probeline.core.errors import SpecError, UnknownNameError
from probeline.plans.explore import explore

from ..plans.explorations import journalled

SMALL = {"size_nm": 640.0, "pixels": 16, "patch_nm": 200.0, "seed_points": 3, "points": 6, "register_every": 0}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An exploration of six points, three of them of the seed design."""
    with journalled(tmp_path_factory.mktemp("why") / "catalog", options={"seed": 5}) as session:
        (uid,) = session.RE(explore(session.instrument, **SMALL))
        return session.catalog[uid]


def test_a_point_of_the_agent_is_explained(run):
    row = decisions(run).loc[5]
    reason = why(run, 5)
    assert reason.facts["acquisition"] == row["acquisition"]
    assert reason.facts["outcome"]["objective"] == row["objective"]
    assert reason.facts["rank"] == 0
    assert "the best of" in reason.text
    assert "patch_gp by log ei" in reason.text
    assert "It knew 5 outcomes" in reason.text
    assert f"It gave {row['objective']:.0f}"[:10] in reason.text
    assert [near["decision"] for near in reason.facts["nearest"]] == _nearest(run, 5)
    assert reason.png.startswith(b"\x89PNG")
    json.dumps(reason.facts, allow_nan=False)


def _nearest(run, number):
    table = decisions(run)
    here = table.loc[number]
    away = np.hypot(table["x"] - here["x"], table["y"] - here["y"]).loc[: number - 1]
    return list(away.sort_values().index[:3])


def test_a_seed_point_is_said_to_be_one(run):
    reason = why(run, 1)
    assert "seed design, drawn at random" in reason.text
    assert "It knew 1 outcome," in reason.text
    assert "open candidates" not in reason.text


def test_a_place_means_the_decision_nearest_to_it(run):
    row = decisions(run).loc[4]
    assert why(run, (row["x"] + 1.0, row["y"] - 1.0)).decision == 4


def test_an_unknown_decision_is_named(run):
    with pytest.raises(UnknownNameError, match="decisions 0 to 5"):
        why(run, 17)


def test_the_recorded_agent_agrees_with_itself(run):
    answer = replay(run, run.start["probeline"]["agent"])
    assert (answer.decisions, answer.seeds, answer.agreed, answer.agreement) == (6, 3, 3, 1.0)
    assert answer.distance_nm == [0.0] * 6


def test_another_agent_is_asked_and_not_followed(run):
    table = decisions(run)
    answer = replay(run, "random")
    problem = problem_of(run)
    assert answer.agent["kind"] == "random"
    assert answer.distance_nm[:3] == [0.0] * 3  # the seed design is shared
    assert min(answer.distance_nm[3:]) > 0
    assert answer.agreement == 0
    assert len(answer.distance_nm) == len(table)
    assert answer.regret is None
    edge = np.ptp(problem.xy, axis=0)
    assert max(answer.distance_nm) <= np.hypot(*edge)


def test_regret_is_told_where_the_whole_map_is_known(run):
    problem = problem_of(run)
    table = decisions(run)
    truth = -np.hypot(*(problem.xy - problem.xy[10]).T)  # the best is at candidate 10
    answer = replay(run, "gp", truth=truth)
    shortest = np.hypot(table["x"] - problem.xy[10, 0], table["y"] - problem.xy[10, 1]).min()
    assert answer.regret["recorded"] == pytest.approx(shortest)
    assert 0 <= answer.regret["other"] <= answer.regret["recorded"] + np.hypot(*np.ptp(problem.xy, axis=0))
    assert answer.regret["unit"] == "pm V"
    with pytest.raises(SpecError, match="one value for each"):
        replay(run, "gp", truth=truth[:-1])
    with pytest.raises(SpecError, match="another agent only"):
        replay(run, truth=truth)
