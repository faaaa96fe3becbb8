"""kill -9 at any moment of an exploration: nothing acknowledged is lost, and it goes on as if nothing had happened.

A few moments in every run of the tests, two hundred with ``make campaign``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from probeline import catalog as catalogs
from probeline.catalog import decisions, replay
from probeline.catalog.journal.reading import JournalWarning

HERE = Path(__file__).parent
ARGUMENTS = {
    "size_nm": 1280.0, "pixels": 32, "patch_nm": 200.0, "seed_points": 3, "points": 8, "register_every": 3,
}  # fmt: skip
SEED = 11  # of the moments, the twin and the agent
AGAIN = 0.3  # share of resumed sessions that are killed as well
# What differs between two runs of the same experiment: how fast the computer was, and who decided.
INCIDENTAL = {"suggest_s", "fit_s", "inherited"}


class Sessions:
    """Sessions on one catalogue, each in its own process."""

    def __init__(self, root, process):
        self.root, self._process, self._count = root, process, 0

    def run(self, *, uid=None, kill_after=None):
        """Run one session; return its seconds from the start of its run, whether it was killed, and what is safe."""
        self._count += 1
        acknowledged = self.root.parent / f"acknowledged-{self._count}"
        arguments = {**ARGUMENTS, "agent_options": {"seed": SEED}}
        task = {"acknowledged": str(acknowledged), "kill_after": kill_after, "uid": uid, "seed": SEED}
        self._process.stdin.write(json.dumps({**task, "arguments": arguments}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        # A line that was cut off was not told to anybody.
        lines = acknowledged.read_text().splitlines(keepends=True) if acknowledged.exists() else []
        told = [line.rstrip("\n").split(" ") for line in lines if line.endswith("\n")]
        return answer["seconds"], answer["killed"], told


@pytest.fixture
def sessions(tmp_path):
    command = [sys.executable, str(HERE / "killed_session.py"), str(tmp_path / "catalog")]
    with (
        open(tmp_path / "errors", "w+") as errors,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        yield Sessions(tmp_path / "catalog", process)
        process.stdin.close()
        assert process.wait(60) == 0, (tmp_path / "errors").read_text()


@pytest.mark.system
def test_explorations_killed_at_any_moment_end_as_the_undisturbed_one(sessions, request, capsys):
    sessions.run()  # makes the databases, which takes longer
    seconds, _, told = sessions.run()
    rng = np.random.default_rng(SEED)
    seen = {"during the run": 0, "while Tiled takes it": 0, "resumed runs": 0, "events": 0}
    for moment in range(request.config.getoption("--moments")):
        after = float(rng.uniform(0.0, seconds))
        with capsys.disabled():
            sys.stdout.write(f"\nseed {SEED}, moment {moment}: killed {after:.3f} s after the start, so far {seen}")
        _chain(sessions, told[0][1], after, seconds, rng, seen)
    with capsys.disabled():
        sys.stdout.write(f"\nin the end {seen}\n")
    with catalogs.open(sessions.root, create=False) as catalog:
        catalog.writer()
        catalog.flush(timeout=600)
        assert {info.state for info in catalog.runs()} == {"stored"}
        assert {info.exit_status for info in catalog.runs()} <= {"success", "fail"}


def _chain(sessions, whole, after, seconds, rng, seen):
    """Kill one exploration, go on with it until it is complete, and compare."""
    _, killed, told = sessions.run(kill_after=after)
    runs = [_recovered(sessions.root, told)]
    seen["during the run"] += not _is_complete(runs[0])
    seen["while Tiled takes it"] += _is_complete(runs[0]) and killed
    while not _is_complete(runs[-1]):
        kill = float(rng.uniform(0.0, seconds)) if rng.random() < AGAIN else None
        _, _, told = sessions.run(uid=runs[-1].uid, kill_after=kill)
        runs.append(_recovered(sessions.root, told))
        seen["resumed runs"] += 1
    seen["events"] += sum(len(run.documents_of(name).events) for run in runs for name in run.streams())
    _compare(sessions.root, whole, runs)


def _is_complete(run):
    return run.stop is not None and run.stop["exit_status"] == "success"


def _recovered(root, told):
    """Return the run as the journal has it, after checking that it has everything that was acknowledged."""
    with catalogs.open(root, create=False) as catalog, warnings.catch_warnings():
        warnings.simplefilter("ignore", JournalWarning)  # it may have been killed within a record
        run = catalog[told[0][1]]
    kept = [[name, str(doc.get("uid")), str(doc.get("seq_num", ""))] for name, doc in run.documents()]
    assert kept[: len(told)] == told
    return run


def _compare(root, whole, runs):
    """Assert that the last of these runs decided and measured as the undisturbed one, and no point twice."""
    with catalogs.open(root, create=False) as catalog:
        expected, last = catalog[whole], catalog[runs[-1].uid]
        mine, theirs = decisions(last), decisions(expected)
        measured_here = mine.index[~mine["inherited"]]  # may be none: killed before the last run was closed
        for name in theirs.columns.difference(list(INCIDENTAL)):
            place = measured_here if name in _of_measurements(expected) else mine.index
            assert place.empty or list(map(str, mine.loc[place, name])) == list(map(str, theirs.loc[place, name])), name
        assert len(mine) == len(theirs)
        assert replay(last).exact
    points = [point for run in runs for point in _measured(run)]
    assert sorted(set(points)) == sorted(points) == list(range(len(theirs)))


def _of_measurements(run):
    own = {key for name in ("optimization", "outcome") for key in run.documents_of(name).data_keys}
    return set(decisions(run).columns) - own


def _measured(run):
    if "primary" not in run.streams():
        return []
    return run.stream("primary")["decision"].values.tolist()
