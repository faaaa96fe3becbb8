"""A run that ended within a batch goes on within it."""

from __future__ import annotations

import pytest

from probeline.agents.baselines import RandomAgent
from probeline.catalog import decisions, replay
from probeline.catalog.player import rows_of
from probeline.plans.explore import explore, explore_with
from probeline.plans.resume import resume
from probeline.plans.settings import resolve
from probeline.sim.pfm.world import PFMWorld

from .explorations import SMALL, journalled
from .gentle import gentle_twins
from .test_auditing import gone_on
from .test_batches import NOTHING
from .test_resume import ARGUMENTS, SEED, assert_equal, columns_of, killed, measured_in, run_in, went_on
from .test_resume_elsewhere import PACED, instrument_over

BATCHES = {**ARGUMENTS, "points": 8, "batch": 3}
# Killed while the second batch is written down, and between a measurement in it and the outcome.
MOMENTS = [("optimization", 5), ("primary", 5)]


@pytest.fixture(scope="module")
def kills(tmp_path_factory):
    root = tmp_path_factory.mktemp("kills") / "catalog"
    arguments = {**BATCHES, "lookahead": 1}
    with journalled(root, options={"seed": SEED}) as session:
        (uid,) = session.RE(explore(session.instrument, **arguments))
        whole = session.catalog[uid]
    return root, whole, killed(root, arguments, MOMENTS)


@pytest.mark.system
def test_killed_within_a_batch_it_ends_as_the_undisturbed_one(kills):
    root, whole, uids = kills
    for uid in uids:
        require_the_same(whole, run_in(root, uid), went_on(root, uid))


def require_the_same(whole, before, after):
    assert after.stop["reason"] == whole.stop["reason"]
    expected, found = decisions(whole), decisions(after)
    own = sorted(columns_of(whole, "optimization", "outcome") & set(found.columns))
    assert_equal(expected[own], found[own])
    order = [[row["decision"] for row in rows_of(run, "outcome")] for run in (whole, after)]
    assert order[0] == order[1]
    mine = measured_in(after)
    if mine:
        assert_equal(expected.loc[mine], found.loc[mine])  # measurements, positions, clocks and states too
    assert sorted([*measured_in(before), *mine]) == list(range(len(expected)))  # each point once
    assert replay(after).exact


@pytest.mark.system
def test_what_may_have_been_begun_counts_as_abandoned_elsewhere(kills):
    """On an instrument that was not left as it is, where nobody knows what a dead process did last."""
    root, whole, uids = kills
    with journalled(root, instrument=instrument_over(PFMWorld(SEED, pace=1e6), root)) as session:
        before = session.catalog[uids[0]]
        (uid,) = session.RE(resume(session.instrument, before))
        after = session.catalog[uid]
    known, table = decisions(before), decisions(after)
    order = [row["decision"] for row in rows_of(after, "outcome")]
    lost = order.index(table.index[table["status"] == "abandoned"][0])
    assert lost == len(measured_in(before))
    assert list(table["candidate"][: len(known)]) == list(known["candidate"])
    assert sorted(table["status"]) == ["abandoned"] + ["ok"] * (len(whole.stream("primary")["event"]) - 1)
    assert replay(after).identical == len(table)


class Blackout(Exception):
    """What ends the first run."""


def black_out(stream, number):
    names, seen = {}, []

    def watch(name, doc):
        if name == "descriptor":
            names[doc["uid"]] = doc["name"]
        elif name == "event" and names.get(doc["descriptor"]) == stream:
            seen.append(doc)
            if len(seen) == number:
                raise Blackout

    return watch


def blacked_out(session, stream, number, **arguments):
    """Explore until that event of a stream, where the process fails; return that run."""
    return ended_at(session, stream, number, explore(session.instrument, **arguments))


def ended_at(session, stream, number, plan):
    token = session.RE.subscribe(black_out(stream, number))
    with pytest.raises(Blackout):
        session.RE(plan)
    session.RE.unsubscribe(token)
    return session.catalog[-1]


@pytest.mark.parametrize(("stream", "number"), [("primary", 5), ("drift", 3), ("outcome", 8)])
def test_failed_within_a_batch_it_ends_as_the_undisturbed_one(tmp_path, stream, number):
    with journalled(tmp_path / "catalog", options={"seed": SEED}) as session:
        (uid,) = session.RE(explore(session.instrument, **BATCHES))
        whole = session.catalog[uid]
    with journalled(tmp_path / "catalog", options={"seed": SEED}) as session:
        before = blacked_out(session, stream, number, **BATCHES)
        require_the_same(whole, before, gone_on(session, before))


@pytest.mark.parametrize(("stream", "number"), [("primary", 4), ("optimization", 5)])
def test_what_was_decided_is_followed_first(tmp_path, stream, number):
    """On an instrument that went on meanwhile, by a process that could say that a decision was not begun."""
    with journalled(tmp_path / "catalog", options=PACED) as session:
        before = blacked_out(session, stream, number, **{**BATCHES, "register_every": 0})
        (uid,) = session.RE(resume(session.instrument, before))
        after = session.catalog[uid]
    known, table = decisions(before), decisions(after)
    assert after.stop["exit_status"] == "success"
    assert list(table["candidate"][: len(known)]) == list(known["candidate"])
    assert table["inherited"].sum() == len(known)
    assert sorted([*measured_in(before), *measured_in(after)]) == sorted(table.index[table["status"] == "ok"])
    assert list(table["status"]) == ["ok"] * 8
    assert replay(after).identical == len(table)


class Between(RandomAgent):
    """Suggests one place twice, between two candidates: the gate admits one and then the other."""

    def suggest(self, num_points=None):
        (point,) = super().suggest(num_points)
        if point["_id"] == 0:
            self.place = {"x": point["x"] + 0.49 * float(self.problem.steps[0]), "y": point["y"]}
        return [{**point, **self.place}] if point["_id"] < 2 else [point]


@pytest.mark.parametrize(("stream", "number"), [("optimization", 3), ("primary", 1)])
def test_what_lies_between_two_candidates_is_measured_where_it_was_admitted(tmp_path, stream, number):
    """Ended before anything was followed, and after the first of the two."""
    with gentle_twins(), journalled(tmp_path / "catalog", options=PACED) as session:
        described = session.instrument.spec, session.instrument.description
        asked = resolve(*described, **{**NOTHING, **SMALL, "points": 4, "batch": 3})
        plan = explore_with(session.instrument, asked, lambda problem: Between(asked.agent, problem))
        before = ended_at(session, stream, number, plan)
        (uid,) = session.RE(resume(session.instrument, before))
        after = session.catalog[uid]
    rows = rows_of(before, "optimization")
    assert rows[0]["suggested_x"] == rows[1]["suggested_x"]
    places = {row["decision"]: (row["x"], row["y"]) for row in rows}
    assert len({*places.values()}) == 3
    done = [row for run in (before, after) if "primary" in run.streams() for row in rows_of(run, "primary")]
    found = {row["decision"]: (row["x"], row["y"]) for row in done}
    assert {number: found[number] for number in places} == places
