"""Why a point was measured, and what another agent would have done, from the record alone."""

from __future__ import annotations

import inspect
import json
import math

import numpy as np
import pytest

from probeline.agents.spec import make_agent
from probeline.catalog import decisions, replay
from probeline.catalog.reasons import reason_in_words
from probeline.catalog.replaying import problem_of
from probeline.catalog.why import why
from probeline.core.errors import DataError, LimitError, SpecError
from probeline.plans.explore import explore, explore_with
from probeline.plans.resume import left_instrument, resume
from probeline.plans.settings import resolve

from ..plans.explorations import journalled

SMALL = {"size_nm": 640.0, "pixels": 16, "patch_nm": 200.0, "seed_points": 3, "points": 6, "register_every": 0}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An exploration of six points, three of them of the seed design."""
    with journalled(tmp_path_factory.mktemp("why") / "catalog", options={"seed": 5}) as session:
        (uid,) = session.RE(explore(session.instrument, **SMALL))
        return session.catalog[uid]


def test_a_point_of_the_agent_is_explained(run):
    row = decisions(run).loc[4]
    reason = why(run, 4)
    assert reason.facts["acquisition"] == row["acquisition"]
    assert reason.facts["outcome"]["objective"] == row["objective"]
    assert reason.facts["rank"] == 0
    assert "the best of" in reason.text
    assert "patch_gp by log ei" in reason.text
    assert "It knew 4 outcomes" in reason.text
    assert f"It gave {row['objective']:.0f}"[:10] in reason.text
    assert [near["decision"] for near in reason.facts["nearest"]] == _nearest(run, 4)
    assert reason.png.startswith(b"\x89PNG")
    json.dumps(reason.facts, allow_nan=False)


def test_an_audit_is_said_to_be_one(run):
    row = decisions(run).loc[5]
    assert row["source"] == "audit"
    reason = why(run, 5)
    assert "an audit, drawn at random (seed 0) to judge what was predicted there." in reason.text
    assert "It expected " in reason.text
    assert "standard deviations (of prediction and measurement together)" in reason.text


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
    with pytest.raises(LimitError, match="decision = 17 was refused: the limit is 0 to 5 in this run; give the number"):
        why(run, 17)


class Wayward:
    """The recorded agent, but its fourth suggestion lies off the sample, and its fifth nowhere."""

    def __init__(self, agent):
        self._agent, self._count = agent, 0

    def suggest(self, num_points=None):
        (point,) = self._agent.suggest(num_points)
        self._count += 1
        return [{**point, "x": {4: 9e4, 5: math.nan}.get(self._count, point["x"])}]

    def __getattr__(self, name):
        return getattr(self._agent, name)


@pytest.fixture(scope="module")
def troubled(tmp_path_factory):
    """An exploration with two refusals whose process ended while it measured, and the run that went on from it."""
    with journalled(tmp_path_factory.mktemp("troubled") / "catalog", options={"seed": 5}) as session:

        def black_out(_, doc):
            if doc["data"].get("decision") == 6 and "candidate" in doc["data"]:
                raise OSError("the lights went out")

        arguments = inspect.signature(explore).bind(session.instrument, **SMALL)
        arguments.apply_defaults()
        chosen = {key: value for key, value in arguments.arguments.items() if key not in ("instrument", "md")}
        settings = resolve(session.instrument.spec, session.instrument.description, **chosen)
        token = session.RE.subscribe(black_out, "event")
        plan = explore_with(session.instrument, settings, lambda problem: Wayward(make_agent(settings.agent, problem)))
        with pytest.raises(OSError, match="lights"):
            session.RE(plan)
        session.RE.unsubscribe(token)
        before = session.catalog[-1]
        with left_instrument(before, session.instrument, session.catalog.data_root) as twin:
            (uid,) = session.RE(resume(twin, before))
        return before, session.catalog[uid]


def test_what_was_refused_was_not_measured(troubled):
    before, _ = troubled
    assert list(decisions(before)["status"]) == ["ok", "ok", "ok", "refused", "refused", "ok", "abandoned"]
    far, nowhere = why(before, 3), why(before, 4)
    assert far.text.startswith("Decision 3 asked for (90000.0, ")
    assert "Nothing was measured: it was refused, because (90000.0, " in far.text
    assert "Decision 4 asked for a place that is not finite: " in nowhere.text
    assert "(nan, " in nowhere.text.splitlines()[-1]
    json.dumps(nowhere.facts, allow_nan=False)
    assert "It knew 3 outcomes and 2 failures, the best of them" in why(before, 5).text
    assert why(before, (9e4, 0.0)).decision == 3


def test_what_ended_early_is_said(troubled):
    assert why(troubled[0], 6).text.endswith("because its turn did not come: the lights went out.")


def test_what_was_taken_over_is_said(troubled):
    before, after = troubled
    reason, other = why(after, 1), why(before, 1)
    first, second, *others = reason.text.splitlines()
    assert second == f"It was taken over from run {before.uid[:8]}, which this run goes on from."
    assert [first, *others] == other.text.splitlines()
    assert "taken over" not in why(after, 7).text


def test_what_failed_was_measured(tmp_path):
    try:
        with journalled(tmp_path / "catalog", "replay:beps-pto-50x50") as session:
            (uid,) = session.RE(explore(session.instrument, points=2, seed_points=2))
            run = session.catalog[uid]
    except DataError as absent:
        pytest.skip(str(absent))
    assert list(decisions(run)["status"]) == ["failed", "failed"]
    assert "It knew 0 outcomes and 1 failure." in why(run, 1).text
    assert "It was measured, but no value came of it: poor fit." in why(run, 1).text


FACTS = {
    "decision": 5, "x": 1.0, "y": 2.0, "source": "agent", "rank": 0, "n_seen": 4, "n_failed": 0, "inherited": False,
    "open": 40, "best": None, "mean": 2.0, "std": 1.0, "mean_above": 0.998, "std_above": 0.001,
    "nearest": [{"decision": 1, "distance_nm": 0.213, "objective": 1.5}],
    "outcome": {"status": "ok", "reason": "ok", "objective": 5.0, "sigma": None},
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "acquisition", "words"),
    [
        ({}, "log_ei", "the best of 40 open candidates for the agent gp by log ei."),
        ({"rank": 2}, "log_ei", "number 3 of 40 open candidates"),
        ({"source": "fallback"}, "log_ei", "An earlier fit stood in"),
        ({"source": "audit"}, "log_ei", "an audit, drawn at random (seed 7) to judge what was predicted there."),
        ({"source": "space_filling"}, "log_ei", "the farthest from all others, as audits said"),
        ({"noise": 12.0}, "log_ei", "It gave 5 V²,"),
        ({"source": "external"}, "log_ei", "chosen by somebody else"),
        ({"source": "seed"}, "log_ei", "drawn at random (seed 7), as too few outcomes were known for a model."),
        ({}, None, "the choice of the agent gp among 40 open candidates."),
        (
            {},
            "log_ei",
            "that of more than 99 % of the other open candidates, its uncertainty larger than that of less tha",
        ),
        ({}, "log_ei", "than that of less than 1 %: it was chosen for its value."),
        ({"mean_above": 0.2, "std_above": 1.0}, "ucb", "larger than that of 100 %: it was chosen to learn."),
        ({}, "integrated_variance", "weighs uncertainty alone"),
        ({}, "straddle", "either side of its threshold"),
        ({}, "novelty", "unlike those that were found"),
        ({"mean_above": None}, None, "It expected the same everywhere"),
        ({}, "log_ei", "Nearest measured: decision 1 (0.213 nm away) gave 1.5 V²."),
        ({}, "log_ei", "It gave 5 V², 3.0 standard deviations"),
        ({"outcome": None}, "log_ei", "What came of it is not recorded yet."),
        ({"outcome": {"status": "failed", "reason": "not_measured"}}, "log_ei", "the replayed data have none there."),
    ],
)
def test_words_say_what_the_numbers_say(changes, acquisition, words):
    agent = {"kind": "gp", "acquisition": acquisition, "seed": 7, "seed_points": 3}
    about = {"objective": {"unit": "V^2"}, "agent": agent, "parent": None}
    assert words in reason_in_words({**FACTS, **changes}, about, ended=False)


def test_the_recorded_agent_agrees_with_itself(run):
    answer = replay(run, run.start["probeline"]["agent"])
    audits = int(decisions(run)["source"].eq("audit").sum())
    assert (answer.decisions, answer.seeds, answer.audits) == (6, 3, audits)
    assert (answer.agreed, answer.agreement) == (3 - audits, 1.0)
    assert answer.distance_nm == [0.0] * 6


def test_another_agent_is_asked_and_not_followed(run):
    table = decisions(run)
    answer = replay(run, "random")
    problem = problem_of(run)
    assert answer.agent["kind"] == "random"
    assert answer.distance_nm[:3] == [0.0] * 3  # the seed design is shared
    chosen = [away for away, source in zip(answer.distance_nm, table["source"], strict=True) if source == "agent"]
    assert min(chosen) > 0
    assert answer.agreement == 0
    assert len(answer.distance_nm) == len(table)
    assert answer.regret is None
    edge = np.ptp(problem.points, axis=0)
    assert max(answer.distance_nm) <= np.hypot(*edge)


def test_regret_is_told_where_the_whole_map_is_known(run):
    problem = problem_of(run)
    table = decisions(run)
    truth = -np.hypot(*(problem.points - problem.points[10]).T)  # the best is at candidate 10
    answer = replay(run, "gp", truth=truth)
    shortest = np.hypot(table["x"] - problem.points[10, 0], table["y"] - problem.points[10, 1]).min()
    assert answer.regret["recorded"] == pytest.approx(shortest)
    assert 0 <= answer.regret["other"] <= answer.regret["recorded"] + np.hypot(*np.ptp(problem.points, axis=0))
    assert answer.regret["unit"] == "pm V"
    unknown = np.where(np.arange(len(problem)) == 10, 0.0, np.nan)  # measured by nobody, unless it is candidate 10
    assert replay(run, "gp", truth=unknown).regret["recorded"] in (0.0, None)
    with pytest.raises(SpecError, match="one value for each"):
        replay(run, "gp", truth=truth[:-1])
    with pytest.raises(SpecError, match="another agent only"):
        replay(run, truth=truth)
