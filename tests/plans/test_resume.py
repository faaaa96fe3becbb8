"""An exploration that was killed goes on as if nothing had happened, or refuses with its reason."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bluesky.utils import RunEngineInterrupted

from probeline import catalog as catalogs
from probeline.catalog import decisions, load, replay
from probeline.catalog.journal.recovering import close_orphan
from probeline.catalog.listing import journal_files
from probeline.catalog.report import report
from probeline.plans.explore import explore
from probeline.plans.resume import instrument_of, left_instrument, resumable, resume

from .explorations import journalled

HERE = Path(__file__).parent
SEED = 5
ARGUMENTS = {
    "size_nm": 1280.0, "pixels": 32, "patch_nm": 200.0, "seed_points": 3, "points": 6, "register_every": 2,
    "agent_options": {"seed": SEED},
}  # fmt: skip
# Killed after the survey, between measurement and outcome, within a registration, with a decision open.
MOMENTS = [("survey", 1), ("primary", 3), ("drift", 2), ("optimization", 5)]
# What differs between two runs of the same experiment: how fast the computer was, and who decided.
INCIDENTAL = ["suggest_s", "fit_s", "inherited"]


def killed(root, arguments, moments, uid=None):
    """Kill one exploration after each of these events and return their uids, closed as the next process closes them."""
    task = json.dumps([arguments, SEED, uid, moments])
    paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    subprocess.run([sys.executable, str(HERE / "killed_explorer.py"), str(root), task], env=environment, check=True)
    found = []
    for path in journal_files(root / "journal")[::-1]:
        if close_orphan(path):
            found.append(path.stem.partition("-")[2])
    return found


def went_on(root, uid):
    """Resume the run on the twin that was left and return the new run."""
    with catalogs.open(root) as catalog:
        spec = instrument_of(resumable(uid, catalog))
    with journalled(root, spec) as session:
        (child,) = session.RE(resume(session.instrument, uid, session.catalog))
        return session.catalog[child]


@pytest.fixture(scope="module", params=[0, 1], ids=["lockstep", "lookahead"])
def kills(request, tmp_path_factory):
    """Return a catalogue folder, an exploration that nothing disturbed, and the uids of those that were killed."""
    root = tmp_path_factory.mktemp("kills") / "catalog"
    arguments = {**ARGUMENTS, "lookahead": request.param}
    with journalled(root, options={"seed": SEED}) as session:
        (uid,) = session.RE(explore(session.instrument, **arguments))
        whole = session.catalog[uid]
    return root, whole, killed(root, arguments, MOMENTS if not request.param else MOMENTS[1:2])


@pytest.mark.system
def test_a_killed_exploration_ends_as_the_undisturbed_one(kills):
    root, whole, uids = kills
    expected = decisions(whole)
    for uid in uids:
        child = went_on(root, uid)
        assert child.start["probeline"]["parent"] == uid
        assert child.stop["exit_status"] == "success"
        found = decisions(child)
        own = [row for row in found.columns if row in columns_of(whole, "optimization", "outcome")]
        assert_equal(expected[own], found[own])
        mine = found.index[~found["inherited"]]
        assert len(mine) == len(expected) - found["inherited"].sum()
        assert_equal(expected.loc[mine], found.loc[mine])  # measurements, positions, clocks and states too
        assert replay(child).exact
        measured = [row for run in (run_in(root, uid), child) for row in measured_in(run)]
        assert sorted(measured) == list(range(len(expected)))  # each point once
        assert set(load(child).children) >= {"survey", "optimization", "outcome"}
        np.testing.assert_array_equal(child.stream("survey").spm_scan_frame, whole.stream("survey").spm_scan_frame)
        assert report(child, root / "reports" / "page.html").stat().st_size > 10_000


@pytest.mark.system
def test_what_was_resumed_and_killed_is_resumed_again(kills):
    root, whole, uids = kills
    first = uids[1] if len(uids) > 1 else uids[0]  # killed after its third measurement
    before, second = killed(root, {}, [("survey", 1), ("primary", 2)], first)
    with catalogs.open(root) as catalog:
        assert resumable(before, catalog).uid == first  # it measured nothing itself
        assert resumable(second, catalog).uid == second
    for uid, parent, own in ((before, first, 3), (second, second, 1)):
        child = went_on(root, uid)
        assert child.start["probeline"]["parent"] == parent
        found, expected = decisions(child), decisions(whole)
        shared = sorted(columns_of(whole, "optimization", "outcome") & set(found.columns))
        assert_equal(expected[shared], found[shared])
        assert len(measured_in(child)) == own
        assert replay(child).exact
    chain = [run_in(root, uid) for uid in (first, second)]
    assert sorted(number for run in (*chain, child) for number in measured_in(run)) == list(range(len(expected)))


def test_an_aborted_exploration_spends_the_time_that_is_left(tmp_path):
    """Aborted by a human while it measures; the budget is one of seconds."""
    root, arguments = tmp_path / "catalog", {**ARGUMENTS, "points": 30, "seconds": 130.0}
    with journalled(root, options={"seed": SEED}) as session:
        (uid,) = session.RE(explore(session.instrument, **arguments))
        whole = session.catalog[uid]
    with journalled(root, options={"seed": SEED}) as session:
        token = session.RE.subscribe(_pause_at_decision(session.RE, 3), "event")
        with pytest.raises(RunEngineInterrupted):
            session.RE(explore(session.instrument, **arguments))
        (uid,) = session.RE.abort(reason="enough")
        session.RE.unsubscribe(token)
        assert session.catalog[uid].stop["exit_status"] == "abort"
        earlier = resumable(uid, session.catalog)
        with left_instrument(earlier, session.instrument, session.catalog.data_root) as twin:
            assert twin is not session.instrument
            (child,) = session.RE(resume(twin, earlier, session.catalog))
        child = session.catalog[child]
    assert "of 130 s of instrument time spent" in whole.stop["reason"]
    assert child.stop["reason"] == whole.stop["reason"]
    assert len(decisions(whole)) > 5
    shared = sorted(columns_of(whole, "optimization", "outcome") & set(decisions(child).columns))
    assert_equal(decisions(whole)[shared], decisions(child)[shared])


def _pause_at_decision(engine, number):
    def watch(_, doc):
        if doc["data"].get("decision") == number and "candidate" in doc["data"]:
            engine.loop.create_task(engine._request_pause_coro())

    return watch


def columns_of(run, *streams):
    return {key for name in streams for key in run.documents_of(name).data_keys if key not in INCIDENTAL}


def assert_equal(expected, found):
    for column in expected.columns:
        if column not in INCIDENTAL:
            assert list(map(str, expected[column])) == list(map(str, found[column])), column


def run_in(root, uid):
    with catalogs.open(root) as catalog:
        return catalog[uid]


def measured_in(run):
    if "primary" not in run.streams():
        return []
    return run.stream("primary")["decision"].values.tolist()
