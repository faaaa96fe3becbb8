"""One measurement at a point: the only place that knows the order of its steps."""

from __future__ import annotations

import math
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
from bluesky.utils import Msg

from ..core.errors import Incomplete
from .records import Record
from .stubs import Plan, prepare


def measure_at(
    instrument: Any,
    target: Record,
    *,
    decision: int,
    x_nm: float,
    y_nm: float,
    offset_nm: tuple[float, float] = (0.0, 0.0),
    stream: str = "primary",
) -> Plan:
    """Plan stub: go to a point of the sample, measure there, record it.

    Transit (tip tracking, or beam blanked), move, settle (part of the move's completion),
    measure, read. An act that changes the sample is never repeated: an immediate pause ends it,
    and after the resume it counts as abandoned. A deferred pause waits until it is over. What was
    measured is read again as often as a pause asks for it.

    Of a sharp tip the height is compared before and after: a jump of more than the instrument file's
    ``tip_changed_nm`` is recorded as ``tip_changed``.

    Parameters
    ----------
    instrument : SPM or STEM
        Staged.
    target : Record
        From :func:`~probeline.plans.records.target_record`.
    decision : int
        Number of the decision that asked for it.
    x_nm, y_nm : float
        Where, sample frame (nm).
    offset_nm : tuple of float
        Correction (nm) to the scanner frame.
    stream : str
        Stream of the event.

    Returns
    -------
    bool
        False when it was ended before it was complete: then there is no event.
    """
    yield from prepare(instrument)
    yield from bps.abs_set(instrument.probe, (x_nm + offset_nm[0], y_nm + offset_nm[1]), wait=True)
    before = yield from _height(instrument)
    yield from _act(instrument.spectrometer)
    if instrument.spectrometer.destructive:
        yield from bps.checkpoint()
    wanted = {"decision": decision, "x": x_nm, "y": y_nm, "offset_x": offset_nm[0], "offset_y": offset_nm[1]}
    if instrument.spec.kind == "spm":
        jump = abs((yield from _height(instrument)) - before)
        wanted["tip_changed"] = jump > instrument.spec.tip_changed_nm
    target.put(**wanted)
    complete = yield from _record(instrument, target, stream)
    yield from bps.checkpoint()
    return complete


def _act(spectrometer: Any) -> Plan:
    """Measure; what changes the sample is not repeated after a pause."""
    if not spectrometer.destructive:
        yield from bps.trigger(spectrometer, wait=True)
        return
    before = yield Msg("rewindable", None, None)

    # bluesky's own wrapper leaves the engine unable to rewind, for good, when an abort meets its first message.
    def act() -> Plan:
        yield Msg("rewindable", None, False)
        yield from bps.trigger(spectrometer, wait=True)

    def restore() -> Plan:
        yield Msg("rewindable", None, before)

    yield from bpp.finalize_wrapper(act(), restore)


def _height(instrument: Any) -> Plan:
    """Return the height of the tip (nm), NaN for a beam."""
    if instrument.spec.kind != "spm":
        return math.nan
    return (yield from bps.rd(instrument.z.readback))


def _record(instrument: Any, target: Record, stream: str) -> Plan:
    """Write the event of what was just measured; without anything measured, write nothing and return False."""
    others = [instrument.probe, instrument.clock, instrument.state]
    if instrument.spec.kind == "spm":
        others += [instrument.z, instrument.bias]
    yield from bps.create(name=stream)
    try:
        yield from bps.read(instrument.spectrometer)
    except Incomplete:
        yield from bps.drop()
        return False
    yield from bps.read(target)  # pyright: ignore[reportArgumentType]  # structurally a Readable
    for device in others:
        yield from bps.read(device)
    yield from bps.save()
    return True
