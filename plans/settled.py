"""What is settled of a run that ended before its time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..analysis.measurement import Scalar
from ..catalog.documents import Stream
from ..catalog.player import CONTROL, Row, rows_of
from ..catalog.run import Run
from .prior import NOT_BEGUN, Prior, clocks_of, followed, last_clock

ValueOf = Callable[[Mapping[str, Any], Mapping[str, Any]], Scalar]


def take_over(run: Run, value_of: ValueOf, *, exact: bool, destructive: bool, now: float) -> Prior:
    """Return what is settled of ``run``.

    Where the instrument is exactly where it was left, that is everything until its last measurement: what came
    after it has not happened to this instrument, but decisions of the same batch stand. Elsewhere every decision
    stands; one that was begun on an instrument that changes its sample and left no measurement counts as abandoned.

    Parameters
    ----------
    run : Run
        The run to go on from.
    value_of : callable
        ``value_of(descriptor, event) -> Scalar``: for a measurement whose outcome was not recorded any more.
    exact : bool
        Whether the instrument is exactly where the run left it.
    destructive : bool
        Whether a measurement leaves the sample changed.
    now : float
        Instrument time (s).
    """
    primary = run.documents_of("primary") if rows_of(run, "primary") else None
    measured = {event["data"]["decision"]: event for event in primary.events.values()} if primary else {}
    known = {row["decision"]: row for row in rows_of(run, "outcome") if row["flag"] != NOT_BEGUN}
    decisions = [_complete(row) for row in rows_of(run, "optimization")]
    order = followed(decisions)
    if exact:
        last = max((place for place, row in enumerate(order) if row["decision"] in measured), default=-1)
        decisions = [row for row in decisions if last >= 0 and row["batch"] <= order[last]["batch"]]
        order = order[: last + 1]
    outcomes: list[Row] = []
    for row in order:
        number = row["decision"]
        # A run that ends between a measurement and its outcome says "abandoned" of what was measured.
        if number in known and not (number in measured and known[number]["status"] == "abandoned"):
            outcomes.append(known[number])
        elif primary and number in measured:
            event = measured[number]
            scalar = value_of(primary.descriptors[event["descriptor"]], event)
            outcomes.append(_settled(run, row, scalar, event, outcomes))
        else:
            if destructive and not _said_not_begun(run, number):
                outcomes.append(_abandoned(run, number, outcomes))
            elif row["source"] == CONTROL:
                decisions.remove(row)  # the plan will know itself that it is its turn
            break
    numbers = {row["decision"] for row in outcomes}
    drifts = [row for row in rows_of(run, "drift") if row["decision"] in numbers]
    cost = _registration_cost(run, len(drifts) if exact else None)
    shift = 0.0 if exact else now - last_clock(run)
    return Prior(run, exact, tuple(decisions), _shifted(outcomes, shift), _shifted(drifts, shift), cost, shift)


def _shifted(rows: Sequence[Row], seconds: float) -> tuple[Row, ...]:
    return tuple({**row, "clock": row["clock"] + seconds} for row in rows)


def _complete(row: Row) -> Row:
    """Return a decision with what runs do not say that were made before there were audits, or batches."""
    return {"noise": math.nan, "batch": row["decision"], "turn": 0, **row}


def _said_not_begun(run: Run, decision: int) -> bool:
    return any(row["flag"] == NOT_BEGUN for row in rows_of(run, "outcome") if row["decision"] == decision)


def _settled(run: Run, decision: Row, scalar: Scalar, event: Mapping[str, Any], earlier: list[Row]) -> Row:
    """Return the outcome that the process did not live to record."""
    good, control = scalar.flag == "ok", decision["source"] == CONTROL
    clock = event["data"][run.start["probeline"]["keys"]["clock"]]
    best = earlier[-1]["best"] if earlier else math.nan
    if good and not control:
        better = np.fmin if run.start["probeline"]["agent"]["direction"] == "min" else np.fmax
        best = float(better(best, scalar.value))
    return {
        "decision": decision["decision"], "status": status_of(scalar, control=control), "reason": scalar.flag,
        "objective": scalar.value if good else math.nan, "sigma": scalar.sigma, "quality": scalar.quality,
        "flag": scalar.flag, "measure_s": clock - _clock_before(run, event), "clock": clock, "best": best,
    }  # fmt: skip


def status_of(scalar: Scalar, *, control: bool) -> str:
    """Return the status of an outcome: of a point of the agent, or of the control site."""
    if scalar.flag == "ok":
        return "external" if control else "ok"
    return "abandoned" if scalar.flag == "abandoned" else "failed"


def _abandoned(run: Run, decision: int, earlier: list[Row]) -> Row:
    return {
        "decision": decision, "status": "abandoned", "reason": "the process ended before it was whole",
        "objective": math.nan, "sigma": math.nan, "quality": 0.0, "flag": "abandoned", "measure_s": 0.0,
        "clock": last_clock(run), "best": earlier[-1]["best"] if earlier else math.nan,
    }  # fmt: skip


def _clock_before(run: Run, event: Mapping[str, Any]) -> float:
    """Return the instrument time (s) when the measurement of ``event`` was begun: that of the event before."""
    clocks = clocks_of(run)
    place = next(index for index, (uid, _) in enumerate(clocks) if uid == event["uid"])
    return clocks[place - 1][1] if place else event["data"][run.start["probeline"]["keys"]["clock"]]


def _registration_cost(run: Run, count: int | None) -> float:
    """Return the instrument time (s) of the last registration, of the first ``count`` of them; 0 for none."""
    if "reference" not in run.streams():
        return 0.0
    reference: Stream = run.documents_of("reference")
    seen = [reference.events[seq] for seq in reference.seq_nums if seq in reference.events][:count]
    if not seen:
        return 0.0
    return seen[-1]["data"][run.start["probeline"]["keys"]["clock"]] - _clock_before(run, seen[-1])
