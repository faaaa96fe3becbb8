"""What a session opens ends with it."""

from __future__ import annotations

import threading

import bluesky.plan_stubs as bps
from ophyd.status import Status

from probeline.plans.session import run_engine


def test_an_engine_ends_with_its_loop_and_thread():
    with run_engine(context_managers=[]) as engine:
        engine(bps.null())
    assert engine.loop.is_closed()
    assert not engine._th.is_alive()


def test_a_status_that_finishes_after_its_engine_is_no_error(caplog):
    status, told = Status(), threading.Event()

    class Late:
        name, parent = "late", None

        def trigger(self):
            return status

    with run_engine(context_managers=[]) as engine:
        engine(bps.trigger(Late()))
    status.add_callback(lambda _: told.set())  # after the engine's own
    status.set_finished()
    assert told.wait(30)
    assert not caplog.records
