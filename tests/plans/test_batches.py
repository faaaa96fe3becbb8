"""Batches: decided together, recorded before anything moves, followed along a short path, exact in every respect."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from bluesky.utils import RunEngineInterrupted
from hypothesis import given, settings
from hypothesis import strategies as st

from probeline.agents.baselines import RandomAgent
from probeline.agents.spec import make_agent
from probeline.catalog import decisions, replay
from probeline.catalog.calibrating import calibration_of
from probeline.catalog.player import rebuilt, rows_of
from probeline.catalog.replaying import maker_of, problem_of
from probeline.core.errors import LimitError
from probeline.plans import batch as batches
from probeline.plans import closed_loop
from probeline.plans.batch import path_length, shortest
from probeline.plans.explore import explore_with
from probeline.plans.gate import Gate, Refused
from probeline.plans.settings import resolve

from .explorations import SMALL, run_small

NOTHING = {
    "goal": "optimum", "objective": None, "objective_options": None, "agent": "random", "agent_options": None,
    "points": 10, "pixels": None, "size_nm": None, "patch_nm": None, "seed_points": 2, "seconds": None, "roi": None,
    "exclude": None, "lookahead": 0, "register_every": None,
}  # fmt: skip


@pytest.fixture(scope="module", params=[0, 1], ids=["lockstep", "lookahead"])
def run(request, pfm):
    """Ten points in batches of four; maps are made in the middle of a batch too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(closed_loop, "POSTERIOR_EVERY", 3)
        return run_small(
            pfm, points=10, batch=4, register_every=3, lookahead=request.param, agent_options={"audit": 0.5}
        )


def require_that_maps_follow_from_the_record(run):
    rows, outcomes = rows_of(run, "optimization"), rows_of(run, "outcome")
    stream, asked = run.stream("posterior"), rows_of(run, "posterior")
    for number, told in enumerate(asked):
        player = rebuilt(maker_of(run), problem_of(run), rows[: told["decision"] + told["pending"]], outcomes)
        player.feed(told["decision"])
        for name, expected in player.agent.posterior().items():
            np.testing.assert_array_equal(stream[name].values[number], expected)
    return [(told["decision"], told["pending"]) for told in asked]


def followed(run):
    """Return the decisions in the order in which they got their outcomes."""
    table = decisions(run)
    return table.loc[[row["decision"] for row in rows_of(run, "outcome")]]


def test_a_batch_is_decided_and_recorded_before_anything_moves_for_it(run):
    table, lookahead = decisions(run), run.start["probeline"]["lookahead"]
    assert run.start["probeline"]["batch"] == 4
    assert list(table["batch"]) == [0] * 4 + [1] * 4 + [2] * 2
    known = table["n_seen"] + table["n_failed"]
    assert list(known) == ([0] * 8 + [4] * 2 if lookahead else [0] * 4 + [4] * 4 + [8] * 2)
    names = {doc["uid"]: doc["name"] for name, doc in run.documents() if name == "descriptor"}
    order = [
        (names[doc["descriptor"]], doc["data"]["decision"])
        for name, doc in run.documents()
        if name == "event" and names[doc["descriptor"]] in ("optimization", "drift", "primary", "outcome")
    ]
    for _, batch in table.groupby("batch"):
        first = min(order.index(event) for event in order if event[0] != "optimization" and event[1] in batch.index)
        assert all(order.index(("optimization", number)) < first for number in batch.index)


def test_a_batch_is_followed_along_a_short_path(run):
    done, here = followed(run), None
    for _, batch in done.groupby("batch"):
        assert list(batch["turn"]) == list(range(len(batch)))
        ways = [[*zip(rows["x"], rows["y"], strict=True)] for rows in (batch, batch.sort_index())]
        assert path_length(ways[0], here) <= path_length(ways[1], here)
        here = ways[0][-1]
    assert list(done.index) != sorted(done.index)
    assert done["clock"].is_monotonic_increasing


def test_decisions_maps_and_verdicts_follow_from_the_record(run):
    assert replay(run).exact
    told = require_that_maps_follow_from_the_record(run)
    ahead = run.start["probeline"]["lookahead"]
    assert told == ([(3, 5), (6, 4), (9, 1), (10, 0)] if ahead else [(3, 1), (6, 2), (9, 1), (10, 0)])
    player = rebuilt(maker_of(run), problem_of(run), rows_of(run, "optimization"), rows_of(run, "outcome"))
    player.feed()
    assert player.agent.calibration() == calibration_of(run)


@pytest.mark.parametrize("lookahead", [0, 1])
def test_what_is_left_of_a_batch_when_time_is_up_is_recorded(pfm, lookahead):
    run = run_small(pfm, points=20, batch=4, seconds=60.0, lookahead=lookahead, register_every=0, agent="gp")
    assert "of 60 s of instrument time spent" in run.stop["reason"]
    done = followed(run)
    left = done[done["flag"] == "not_begun"]
    measured = len(done) - len(left)
    assert measured % 4
    assert len(left) == (4 - measured % 4) + 4 * lookahead
    assert list(left.index) == [*done.index[measured:]]
    assert set(left["status"]) == {"abandoned"}
    assert set(left["reason"]) == {run.stop["reason"]}
    assert run.last("progress", "done") == measured
    assert replay(run).exact
    assert require_that_maps_follow_from_the_record(run)[-1] == (len(done), 0)


@pytest.mark.parametrize("lookahead", [0, 1])
def test_a_full_sample_takes_what_is_left(pfm, lookahead):
    small = {"size_nm": 500.0, "pixels": 32, "patch_nm": 50.0, "seed_points": 2, "agent": "random"}
    run = run_small(pfm, **small, points=25, batch=7, lookahead=lookahead)
    assert run.stop["exit_status"] == "success"
    assert "no candidate is left" in run.stop["reason"]
    table = decisions(run)
    assert (table["status"] == "ok").all()
    assert len(table) % 7 > 0
    assert replay(run).exact


class Astray(RandomAgent):
    """Suggests some of its points outside."""

    of = 5

    def suggest(self, num_points=None):
        found = super().suggest(num_points)
        return [{**point, "x": 1e6} if point["_id"] % self.of in self.astray else point for point in found]


def test_five_refusals_within_a_batch_of_which_some_is_measured_end_nothing(pfm):
    asked = resolve(pfm.instrument.spec, pfm.instrument.description, **{**NOTHING, **SMALL, "points": 7, "batch": 7})
    made = type("Astray", (Astray,), {"astray": (0, 1, 2, 3, 4), "of": 7})
    pfm.RE(explore_with(pfm.instrument, asked, lambda problem: made(asked.agent, problem)))
    done = followed(pfm.catalog[-1])
    assert list(done["status"])[:7] == ["refused"] * 5 + ["ok"] * 2
    assert (done["status"] == "ok").sum() == 7


@pytest.mark.parametrize("astray", [(1, 2), (0, 1, 2, 3, 4)])
def test_refusals_come_first_and_five_in_a_row_end_the_run(pfm, astray):
    asked = resolve(pfm.instrument.spec, pfm.instrument.description, **{**NOTHING, **SMALL, "batch": 5})
    made = type("Astray", (Astray,), {"astray": astray})
    plan = explore_with(pfm.instrument, asked, lambda problem: made(asked.agent, problem))
    if len(astray) == 5:
        with pytest.raises(Exception, match="5 batches in a row were refused"):
            pfm.RE(plan)
        assert list(decisions(pfm.catalog[-1])["status"]) == ["refused"] * 25
        return
    pfm.RE(plan)
    done = followed(pfm.catalog[-1])
    assert list(done["status"])[:5] == ["refused", "refused", "ok", "ok", "ok"]
    assert list(done["turn"])[:5] == [0, 1, 2, 3, 4]
    assert (done["status"] == "ok").sum() == 10


def test_a_path_begins_where_the_probe_went_last(pfm, monkeypatch):
    """What is refused when its turn comes, because it drifted out of reach meanwhile, moves nothing."""
    admit, route, asked, starts = Gate.admit, batches.in_turn, [], []

    def drifted(self, candidate, offset):
        asked.append(candidate)
        return Refused("it drifted away") if len(asked) == 4 else admit(self, candidate, offset)

    def noted(decided, here):
        starts.append(here)
        return route(decided, here)

    monkeypatch.setattr(Gate, "admit", drifted)
    monkeypatch.setattr(batches, "in_turn", noted)
    first, second, *_ = followed(run_small(pfm, points=3, batch=2, agent="random")).itertuples()
    assert (first.status, second.status) == ("ok", "refused")
    assert starts[:2] == [None, (first.x, first.y)]


@pytest.mark.parametrize("at", [45, 52, 63, 85, 110])
def test_an_end_at_any_message_settles_every_decision(pfm, at):
    seen, uids = [], []

    def hook(_):
        seen.append(None)
        if len(seen) == at:
            pfm.RE.loop.create_task(pfm.RE._request_pause_coro())

    token = pfm.RE.subscribe(lambda _, doc: uids.append(doc["uid"]), "start")
    pfm.RE.msg_hook = hook
    with pytest.raises(RunEngineInterrupted):
        run_small(pfm, points=6, batch=3, seed_points=1, register_every=2, pixels=24)
    pfm.RE.msg_hook = None
    pfm.RE.abort(reason="enough")
    pfm.RE.unsubscribe(token)
    run = pfm.catalog[uids[0]]
    if "optimization" not in run.streams():
        return
    table = decisions(run)
    assert table["status"].notna().all()
    assert table["batch"].notna().all()  # no outcome without a decision
    assert (table["flag"] == "abandoned").sum() <= 1
    assert set(table["flag"]) <= {"ok", "abandoned", "not_begun"}
    assert replay(run).exact


@pytest.mark.parametrize("first", [0, 20, 40])
def test_pauses_change_nothing(pfm, first):
    """Loops change the sample: what a pause interrupts is abandoned, the rest of the batch is measured."""
    seen = []

    def hook(_):
        seen.append(None)
        if (len(seen) - first) % 64 == 32:
            pfm.RE.loop.create_task(pfm.RE._request_pause_coro())

    pfm.RE.msg_hook = hook
    with pytest.raises(RunEngineInterrupted):
        run_small(pfm, points=6, batch=3, seed_points=2, register_every=2, pixels=24)
    while pfm.RE.state == "paused":
        try:
            pfm.RE.resume()
        except RunEngineInterrupted:
            continue
    pfm.RE.msg_hook = None
    run = pfm.catalog[-1]
    assert run.stop["exit_status"] == "success"
    table = decisions(run)
    assert list(table["batch"]) == [0] * 3 + [1] * 3
    assert sorted(table["turn"][:3]) == [0, 1, 2]
    assert set(table["status"]) <= {"ok", "abandoned"}
    assert table["candidate"].is_unique
    assert replay(run).exact


@pytest.mark.parametrize("batch", [0, -1, 1.5, "2", True])
def test_what_is_no_batch_is_refused(pfm, batch):
    with pytest.raises(LimitError, match="batch = "):
        run_small(pfm, batch=batch)


def test_one_at_a_time_is_a_batch_of_one(pfm):
    table = decisions(run_small(pfm, points=3))
    assert list(table["batch"]) == [0, 1, 2]
    assert set(table["turn"]) == {0}


PLACES = st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 1000)), min_size=1, max_size=8)


@settings(max_examples=30, deadline=None)
@given(PLACES, st.none() | st.tuples(st.floats(0, 1000), st.floats(0, 1000)))
def test_a_path_visits_all_and_is_never_longer_than_the_order_given(points, here):
    numbers = list(range(len(points)))
    order = shortest(numbers, np.array(points), here)
    assert sorted(order) == numbers
    assert list(order) == list(shortest(numbers, np.array(points), here))
    assert path_length([points[i] for i in order], here) <= path_length(points, here)


def test_agents_decide_a_batch_as_they_suggest_one(pfm):
    """``suggest(n)`` and a batch of n are the same decisions."""
    run = run_small(pfm, points=4, batch=4, agent="gp")
    spec = run.start["probeline"]["agent"]
    agent = make_agent(spec, dataclasses.replace(problem_of(run)))
    assert [agent.explain(point)["candidate"] for point in agent.suggest(4)] == list(decisions(run)["candidate"])
