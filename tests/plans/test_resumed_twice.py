"""A run that was resumed and ended again: what its child may have begun on a sample that keeps it."""

from __future__ import annotations

from itertools import pairwise

import bluesky.plan_stubs as bps
import numpy as np
import pytest

from probeline.catalog import Run, decisions, replay
from probeline.catalog.player import rows_of
from probeline.core.errors import ConnectionLost, RefusedError
from probeline.plans.resume import resumable, resume
from probeline.sim.pfm.driver import PFMDriver
from probeline.sim.pfm.world import PFMWorld

from .explorations import journalled
from .test_resume_elsewhere import ARGUMENTS, PACED, instrument_over
from .test_resumed_batches import blacked_out


def lost(*_args):
    raise ConnectionLost("the controller is gone")


@pytest.fixture(scope="module")
def resumed(tmp_path_factory):
    """Return a folder, a run that ended after three loops, and its child, which ended while it made its first one."""
    root = tmp_path_factory.mktemp("twice") / "catalog"
    with journalled(root, options=PACED) as session:
        session.RE(bps.configure(session.instrument.spectrometer, {"v_max": 6.0}))
        before = blacked_out(session, "optimization", 4, **ARGUMENTS)
    with journalled(root, instrument=fresh(root)) as session, pytest.MonkeyPatch.context() as patch:
        patch.setattr(PFMDriver, "start_spectrum", lost)
        with pytest.raises(ConnectionLost):
            session.RE(resume(session.instrument, before))
        return root, before, session.catalog[-1]


def fresh(root):
    return instrument_over(PFMWorld(5, pace=1e6), root)


def killed_version(run):
    """Return the run as it is where a process dies before it can say that a loop was abandoned."""
    documents, names = [], {}
    for name, doc in run.documents():
        if name == "descriptor":
            names[doc["uid"]] = doc["name"]
        if name == "event" and names[doc["descriptor"]] == "outcome" and doc["data"]["decision"] == 3:
            continue
        documents.append((name, doc))
    return Run.from_documents(documents)


def test_what_the_child_began_is_not_measured_again(resumed):
    root, _, child = resumed
    assert "primary" not in child.streams()
    assert decisions(child)["flag"][3] == "abandoned"
    with journalled(root, instrument=fresh(root)) as session:
        assert resumable(child, session.catalog).uid == child.uid
        (uid,) = session.RE(resume(session.instrument, child, session.catalog))
        grandchild = session.catalog[uid]
    table = decisions(grandchild)
    assert list(table["status"]) == ["ok", "ok", "ok", "abandoned", "ok"]
    assert table["candidate"].is_unique
    assert grandchild.configuration("primary")["spm_spectrometer_v_max"] == 6.0  # as in the run before its parent


def test_times_of_outcomes_are_by_one_clock(resumed):
    """That of the new instrument began anew, and stands earlier than that of the old one did at its end."""
    root, before, child = resumed
    with journalled(root, instrument=fresh(root)) as session:
        (uid,) = session.RE(resume(session.instrument, child, session.catalog))
        after = session.catalog[uid]
    clocks = [clocks_in(run) for run in (before, child, after)]
    for earlier, later in pairwise(clocks):
        assert later[0] < earlier[0]
        assert later == sorted(later)
        np.testing.assert_allclose(np.diff(later[:3]), np.diff(earlier[:3]))
    began = [run.start["probeline"]["clock"] for run in (before, child, after)]
    np.testing.assert_allclose([times[0] - start for times, start in zip(clocks, began, strict=True)], clocks[0][0])
    assert replay(after).identical == 5


def clocks_in(run):
    return [row["clock"] for row in rows_of(run, "outcome")]


def test_a_killed_child_may_have_begun_what_it_left_open(resumed):
    root, _, child = resumed
    with journalled(root, instrument=fresh(root)) as session:
        assert resumable(killed_version(child), session.catalog).uid == child.uid
        (uid,) = session.RE(resume(session.instrument, killed_version(child), session.catalog))
        assert decisions(session.catalog[uid])["status"][3] == "abandoned"


def test_what_measured_before_it_is_looked_up(resumed):
    with (
        journalled(resumed[0], instrument=fresh(resumed[0])) as session,
        pytest.raises(RefusedError, match=r"measured nothing; give the catalogue"),
    ):
        session.RE(resume(session.instrument, resumed[2]))
