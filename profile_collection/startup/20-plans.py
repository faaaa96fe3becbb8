"""The plans offered at the prompt and to the queue."""

import bluesky.plan_stubs as bps
import bluesky.plans as bp
from bluesky.plans import count, grid_scan, scan

from probeline.catalog import decisions, load, replay
from probeline.catalog.report import report
from probeline.catalog.why import why
from probeline.plans import resume as _resuming
from probeline.plans.explore import explore
from probeline.plans.stubs import make_safe, park, prepare


def resume(uid: str, md: dict | None = None):
    """Go on with an exploration that was killed, aborted or failed, in a new run linked to it.

    On the instrument of this session; a twin is opened anew, as the run left it.

    Parameters
    ----------
    uid : str
        Uid of the run, or how it begins.
    md : dict, optional
        Metadata for the start document.
    """
    run = _resuming.resumable(uid, cat)
    with _resuming.left_instrument(run, _instrument, cat.data_root) as instrument:
        _baseline.baseline[:] = [instrument.ledger]
        try:
            return (yield from _resuming.resume(instrument, run, cat, md))
        finally:
            _baseline.baseline[:] = [_instrument.ledger]
