"""The agent thinks on a thread of its own; the RunEngine stays responsive."""

from __future__ import annotations

import threading

import bluesky.plan_stubs as bps
import pytest
from bluesky.utils import RunEngineInterrupted

from probeline.catalog.player import rows_of
from probeline.core.blas import one_thread
from probeline.plans.session import run_engine
from probeline.plans.worker import AgentWorker, await_future

from .explorations import run_small


class _Thinker:
    def __init__(self):
        self.release = threading.Event()
        self.calls = []

    def suggest(self, n):
        self.calls.append(threading.current_thread().name)
        assert self.release.wait(30)
        return [{"_id": 0, "x": 1.0}] * n

    def fail(self):
        raise ValueError("no")


@pytest.fixture
def engine():
    with run_engine(context_managers=[]) as engine:
        yield engine


def test_a_pause_takes_effect_while_the_agent_thinks(engine):
    agent, answers = _Thinker(), []
    worker = AgentWorker(lambda: agent)

    def plan():
        yield from bps.checkpoint()
        future = worker.submit("suggest", 1)
        engine.loop.call_later(0.05, lambda: engine.loop.create_task(engine._request_pause_coro()))
        yield from await_future(future)
        answers.append(future.result())

    with pytest.raises(RunEngineInterrupted):
        engine(plan())
    assert engine.state == "paused"  # and the agent has not answered yet
    assert not answers
    agent.release.set()
    engine.resume()
    worker.close()
    assert answers == [[{"_id": 0, "x": 1.0}]]
    assert agent.calls[0].startswith("probeline-agent")
    assert len(agent.calls) == 1  # a rewound wait asks nothing twice


@pytest.mark.parametrize("since", ["wait_for", "create"])
def test_a_pause_takes_effect_while_candidates_wait_for_a_stuck_agent(pfm, since):
    """An agent of an earlier run of this process has the turn to compute: from the beginning, or from the survey on."""
    release, stuck, waiting = threading.Event(), [], []

    def think(held):
        with one_thread:
            held.set()
            release.wait(20)

    def hold():
        held = threading.Event()
        stuck.append(threading.Thread(target=think, args=(held,)))
        stuck[0].start()
        assert held.wait(30)

    def watch(msg):
        if msg.command == "create" and not stuck:
            hold()
        if msg.command == "wait_for" and stuck and not waiting:
            waiting.append(msg)
            pfm.RE.loop.create_task(pfm.RE._request_pause_coro())

    if since == "wait_for":
        hold()
    pfm.RE.msg_hook = watch
    with pytest.raises(RunEngineInterrupted):
        run_small(pfm, points=2)
    pfm.RE.msg_hook = None
    assert stuck[0].is_alive()
    release.set()
    pfm.RE.resume()
    stuck[0].join()
    run = pfm.catalog[-1]
    assert run.stop["exit_status"] == "success"
    assert len(rows_of(run, "primary")) == 2


def test_an_exception_of_the_agent_reaches_the_plan(engine):
    worker = AgentWorker(_Thinker)

    def plan():
        future = worker.submit("fail")
        yield from await_future(future)
        future.result()

    with pytest.raises(ValueError, match="no"):
        engine(plan())
    worker.close()


def test_waiting_can_end_before_the_agent_does(engine):
    agent, done = _Thinker(), []
    worker = AgentWorker(lambda: agent)

    def plan():
        future = worker.submit("suggest", 1)
        done.append((yield from await_future(future, timeout=0.01)))
        agent.release.set()
        done.append((yield from await_future(future)))

    engine(plan())
    worker.close()
    assert done == [False, True]
