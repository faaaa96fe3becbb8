"""How a run ends that did not end well: safe first, then closed with its reason."""

from __future__ import annotations

from typing import Any

import bluesky.plan_stubs as bps
from bluesky.utils import FailedStatus, IllegalMessageSequence, RunEngineControlException

from .stubs import Plan, make_safe
from .tap import RunTap


def end_badly(instrument: Any, loop: Any, tap: RunTap, error: Exception) -> Plan:
    """Plan for an error or an abort: make the instrument safe, settle the open decision, close the run if it is open.

    Parameters
    ----------
    instrument : SPM or STEM
        Made safe whatever else fails.
    loop : ClosedLoop
        Knows whether a decision waits for its outcome.
    tap : RunTap
        Follows the run once it is open.
    error : Exception
        What ended the run.

    Raises
    ------
    Exception
        What a failed status failed of, in its place: that says more than that one failed.
    """
    # A resume after a pause in here must not repeat what went before: that would approach again.
    yield from bps.clear_checkpoint()
    cause = _cause(error)
    reason = str(cause) or type(cause).__name__
    try:
        yield from make_safe(instrument)
    except Exception as failure:  # the run is closed all the same, and says so
        instrument.make_safe()  # once more, at once and beside the engine
        reason += f"; and it could not be confirmed that the instrument is safe: {_cause(failure)}"
    dropped = yield from _drop_bundle()
    yield from loop.abandon(reason, dropped=dropped)
    if tap.uid and not isinstance(error, RunEngineControlException):  # else the engine closes it
        yield from bps.close_run(exit_status="fail", reason=reason)
    if cause is not error:
        raise cause


def _cause(error: BaseException) -> BaseException:
    return error.__cause__ if isinstance(error, FailedStatus) and error.__cause__ else error


def _drop_bundle() -> Plan:
    """Drop the event that the error left half written; return whether it did leave one."""
    try:
        yield from bps.drop()
    except IllegalMessageSequence:
        return False
    return True
