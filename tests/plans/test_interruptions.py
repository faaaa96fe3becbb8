"""The closed loop when something comes between: pauses, aborts, errors, a dead controller, a tip that was made safe."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest
from bluesky.utils import RunEngineInterrupted

from probeline import catalog as catalogs
from probeline.analysis.scalarizers import get_scalarizer
from probeline.catalog import decisions, replay
from probeline.catalog.measurements import measurement_from
from probeline.core.errors import ProbelineError, RefusedError
from probeline.devices.factory import instrument_spec
from probeline.plans.explore import explore
from probeline.plans.session import open_session
from probeline.plans.stubs import make_safe
from probeline.sim.pfm.driver import PFMDriver
from probeline.sim.twin import TwinAcquisition

from .explorations import SMALL, run_small


def pytest_generate_tests(metafunc):
    """Interrupt at some messages in every run of the tests, at every one of them with ``make campaign``."""
    every = metafunc.config.getoption("--every-message")
    if "at" in metafunc.fixturenames:
        metafunc.parametrize("at", range(4, 142) if every else range(5, 141, 24))
    if "first" in metafunc.fixturenames:
        metafunc.parametrize("first", range(64) if every else range(0, 64, 8))


def test_an_abort_leaves_the_tip_safe_and_the_run_readable(pfm):
    stop_at = 2
    count = iter(range(10**6))

    def interrupt(name, doc):
        if name == "event" and "status" in doc["data"] and next(count) == stop_at:
            pfm.RE.loop.create_task(pfm.RE._request_pause_coro())

    token = pfm.RE.subscribe(interrupt)
    with pytest.raises(RunEngineInterrupted):
        run_small(pfm, points=20)
    pfm.RE.unsubscribe(token)
    pfm.RE.abort(reason="the user said so")
    run = pfm.catalog[-1]
    assert (run.stop["exit_status"], run.stop["reason"]) == ("abort", "the user said so")
    assert len(decisions(run)) >= stop_at + 1
    values = pfm.instrument.link.driver.get_many(["bias", "drive_amplitude", "tip"])
    assert values == {"bias": 0.0, "drive_amplitude": 0.0, "tip": "withdrawn"}


@pytest.mark.parametrize("ending", ["abort", "stop"])
def test_an_end_at_any_message_leaves_the_tip_safe_and_every_decision_settled(pfm, ending, at):
    """Messages of a run with a registration; `make_safe` is the last that reaches the driver.

    The first three see whether there is room and stage devices: an end there leaves the instrument as it was.
    """
    seen, uids = [], []

    def hook(_):
        seen.append(None)
        if len(seen) == at:
            pfm.RE.loop.create_task(pfm.RE._request_pause_coro())

    token = pfm.RE.subscribe(lambda _, doc: uids.append(doc["uid"]), "start")
    pfm.RE.msg_hook = hook
    with pytest.raises(RunEngineInterrupted):
        run_small(pfm, points=2, seed_points=1, register_every=1, pixels=24)
    pfm.RE.msg_hook = None
    pfm.RE.abort(reason="enough") if ending == "abort" else pfm.RE.stop()
    pfm.RE.unsubscribe(token)
    safe = {"bias": 0.0, "drive_amplitude": 0.0, "tip": "withdrawn", "feedback": False}
    assert pfm.instrument.link.driver.get_many(list(safe)) == safe
    assert pfm.RE.rewindable  # else every later pause in this session would go wrong
    if not uids:  # the run was not open yet
        return
    run = pfm.catalog[uids[0]]
    assert run.stop["exit_status"] == {"abort": "abort", "stop": "success"}[ending]
    assert run.stop["reason"] == ("enough" if ending == "abort" else "")
    if "optimization" in run.streams():
        table = decisions(run)
        assert table["status"].notna().all()
        assert list(table["objective"].dropna()) == _scalars(run)[: table["objective"].notna().sum()]
        assert replay(run).exact


def test_a_destructive_measurement_is_never_repeated(pfm, monkeypatch):
    """A pause in the middle of a loop ends it; after the resume it counts as abandoned."""
    pulses, ended = [], threading.Event()
    abort, loop = TwinAcquisition.abort, PFMDriver._loop

    def end(self):
        self._aborted.set()  # before the loop goes on, which holds the lock that `abort` waits for
        ended.set()
        abort(self)

    def last_until_ended(self, settings):
        for block in loop(self, settings):
            assert len(pulses) != 2 or ended.wait(30)
            yield block

    monkeypatch.setattr(TwinAcquisition, "abort", end)
    monkeypatch.setattr(PFMDriver, "_loop", last_until_ended)

    def hook(message):
        if message.command == "trigger" and message.obj is pfm.instrument.spectrometer:
            pulses.append(message)
            if len(pulses) == 2:
                ended.clear()
                pfm.RE.loop.create_task(pfm.RE._request_pause_coro())

    pfm.RE.msg_hook = hook
    with pytest.raises(RunEngineInterrupted):
        run_small(pfm, points=4)
    pfm.RE.resume()
    pfm.RE.msg_hook = None
    run = pfm.catalog[-1]
    table = decisions(run)
    assert len(pulses) == len(table) == 4
    # A pause that comes after the last block keeps what was measured; in neither case is it measured again.
    assert sorted(table["status"]) in (["abandoned", "ok", "ok", "ok"], ["ok"] * 4)
    assert len(run.stream("primary")["event"]) == (table["status"] == "ok").sum()
    assert replay(run).identical == 4


@pytest.mark.parametrize("instrument", ["pfm", "beacon"])
def test_a_pause_at_any_message_leaves_ingested_equal_to_stored(request, instrument, first):
    """Pause before messages first, first + 64, ...: together the cases meet every eighth message, or every one.

    The stride is longer than what a resume replays; otherwise the run would never get on. Loops of the PFM
    change the sample, so what a pause interrupts is abandoned; what was measured is kept.
    """
    session = request.getfixturevalue(instrument)
    quick = {**SMALL, "register_every": 1} if instrument == "pfm" else {}
    seen = []

    def hook(_):
        seen.append(None)
        if (len(seen) - first) % 64 == 32:
            session.RE.loop.create_task(session.RE._request_pause_coro())

    session.RE.msg_hook = hook
    with pytest.raises(RunEngineInterrupted):
        session.RE(explore(session.instrument, **{**quick, "points": 3, "seed_points": 2, "agent": "gp"}))
    while session.RE.state == "paused":
        try:
            session.RE.resume()
        except RunEngineInterrupted:
            continue
    session.RE.msg_hook = None
    run = session.catalog[-1]
    assert run.stop["exit_status"] == "success"
    table = decisions(run)
    assert list(table["objective"].dropna()) == _scalars(run)
    assert set(table["status"]) <= ({"ok", "abandoned"} if instrument == "pfm" else {"ok"})
    answer = replay(run)
    assert answer.exact
    assert answer.identical == len(table) == 3


def _scalars(run):
    """Return the objective of every stored measurement, in order, from the stored events alone."""
    if "primary" not in run.streams():
        return []
    about, stream = run.start["probeline"], run.documents_of("primary")
    scalarizer = get_scalarizer(about["objective"]["name"])
    events = [stream.events[seq] for seq in stream.seq_nums]
    found = [measurement_from(stream.descriptors[e["descriptor"]], e, about["keys"]["spectrum"]) for e in events]
    return [scalarizer(measurement, **about["objective"]["options"]).value for measurement in found]


def test_after_make_safe_the_drive_comes_back_before_anything_is_imaged(pfm):
    """Safe means a drive of 0; an exploration after it must not measure noise."""
    first = run_small(pfm, points=2)
    pfm.RE(make_safe(pfm.instrument))
    assert pfm.instrument.drive.amplitude.get() == 0
    again = run_small(pfm, points=2)
    assert pfm.instrument.drive.amplitude.get() == 1
    spread = [np.nanstd(run.stream("survey")["spm_scan_frame"].values[0, 1]) for run in (first, again)]
    assert spread[1] == pytest.approx(spread[0], rel=0.2)
    assert (decisions(again)["status"] == "ok").all()


def test_a_drive_that_is_off_and_stated_nowhere_is_refused(tmp_path):
    spec = instrument_spec("sim-pfm").model_copy(update={"imaging": {}})
    with open_session(spec, tmp_path / "catalog") as session:
        session.RE(make_safe(session.instrument))
        with pytest.raises(ProbelineError, match="drive_amplitude is 0 V"):
            run_small(session, points=2)


def test_a_jump_of_the_tip_is_recorded(pfm, monkeypatch):
    whole, jump = PFMDriver._surface_height, []
    loop = PFMDriver._loop

    def crash(self, settings):
        yield from loop(self, settings)
        if self._pfm.exposures % 2:
            jump.append(3e-9)

    monkeypatch.setattr(PFMDriver, "_loop", crash)
    monkeypatch.setattr(PFMDriver, "_surface_height", lambda self: whole(self) + sum(jump))
    table = decisions(run_small(pfm, points=4, register_every=0))
    assert table["tip_changed"].sum() == len(jump) == 2


def test_a_dead_driver_leaves_a_closed_run_with_every_decision_settled(tmp_path):
    spec = instrument_spec("sim-pfm").model_copy(update={"hosted": True})
    with pytest.raises(ProbelineError):
        _explore_until_the_driver_is_killed(spec, tmp_path / "catalog")
    with catalogs.open(tmp_path / "catalog") as catalog:
        run = catalog[-1]
    assert run.stop["exit_status"] == "fail"
    assert "could not be confirmed that the instrument is safe" in run.stop["reason"]
    assert list(decisions(run)["status"]) == ["ok", "abandoned"]


def test_five_refusals_in_a_row_end_therun_small(beacon):
    """An agent that always asks for a place outside is not followed, and not for ever."""
    from probeline.agents.baselines import RandomAgent
    from probeline.plans.explore import explore_with
    from probeline.plans.settings import resolve

    class Astray(RandomAgent):
        def suggest(self, num_points=None):
            return [{**point, "x": 1e6} for point in super().suggest(num_points)]

    settings = resolve(
        beacon.instrument.spec, beacon.instrument.description, goal="optimum", objective=None,
        objective_options=None, agent="random", agent_options=None, points=20, size_nm=None, pixels=None,
        patch_nm=None, seed_points=2, seconds=None, roi=None, exclude=None, lookahead=0, register_every=None,
    )  # fmt: skip
    with pytest.raises(RefusedError, match="5 decisions in a row"):
        beacon.RE(explore_with(beacon.instrument, settings, lambda problem: Astray(settings.agent, problem)))
    run = beacon.catalog[-1]
    assert run.stop["exit_status"] == "fail"
    assert "5 decisions in a row" in run.stop["reason"]
    assert list(decisions(run)["status"]) == ["refused"] * 5


def test_an_error_while_measuring_closes_the_run_with_its_reason(pfm, monkeypatch):
    def broken(self, kind, settings):
        raise ProbelineError("the controller caught fire")

    monkeypatch.setattr(PFMDriver, "start_spectrum", broken)
    with pytest.raises(ProbelineError, match="caught fire"):
        run_small(pfm, points=3)
    run = pfm.catalog[-1]
    assert run.stop["exit_status"] == "fail"
    assert "caught fire" in run.stop["reason"]
    assert pfm.instrument.link.driver.get_many(["tip"]) == {"tip": "withdrawn"}


def _explore_until_the_driver_is_killed(spec, catalog):
    """Kill the driver's process when the second decision is recorded."""
    decided = []
    with open_session(spec, catalog) as session:
        host = session.instrument.link.driver._driver

        def kill(name, doc):
            if name == "event" and "suggested_x" in doc["data"]:
                decided.append(doc)
                if len(decided) == 2:
                    os.kill(host.pid, signal.SIGKILL)

        session.RE.subscribe(kill)
        run_small(session, points=4)
