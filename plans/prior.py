"""What a resumed exploration takes over from the run before it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import bluesky.plan_stubs as bps
import numpy as np

from ..analysis.drift import Sighting
from ..analysis.measurement import Scalar
from ..catalog.documents import Stream, unpacked
from ..catalog.player import Player, Row, rows_of
from ..catalog.run import Run
from .records import Record, emit
from .stubs import Plan

ValueOf = Callable[[Mapping[str, Any], Mapping[str, Any]], Scalar]


def last_state(run: Run) -> dict[str, Any] | None:
    """Return the state of the instrument at the last event that holds one: a measurement, else the survey."""
    key = run.start["probeline"]["keys"]["state"]
    for stream in ("primary", "survey"):
        if rows := rows_of(run, stream):
            return json.loads(rows[-1][key])
    return None


def can_continue(run: Run, state: Mapping[str, Any], *, virtual: bool) -> bool:
    """Return whether an instrument in this ``state`` is exactly where ``run`` was left.

    Only a twin whose clock stands still between two runs can be; it must never have been surveyed anew.
    """
    return virtual and bool(state) and "resurvey" not in run.streams() and state == last_state(run)


@dataclass(frozen=True)
class Prior:
    """The settled part of a run: what the agent knew, what was measured, what it cost.

    Attributes
    ----------
    run : Run
        Where it is from.
    exact : bool
        Whether the instrument is exactly where that run left it.
    decisions, outcomes, drifts : tuple of mapping
        Events of ``optimization``, ``outcome`` and ``drift`` that are taken over; each decision has its outcome.
    registration_s : float
        Instrument time (s) that the last registration took.
    """

    run: Run
    exact: bool
    decisions: tuple[Row, ...] = ()
    outcomes: tuple[Row, ...] = ()
    drifts: tuple[Row, ...] = ()
    registration_s: float = 0.0

    @property
    def surveyed(self) -> bool:
        """Whether there is a survey to go on from."""
        return bool(rows_of(self.run, "survey"))

    @property
    def done(self) -> int:
        """Measurements that were made or begun."""
        return sum(row["status"] not in ("refused", "external") for row in self.outcomes)

    @property
    def refusals(self) -> int:
        """Decisions refused in a row at the end."""
        statuses = [row["status"] for row in self.outcomes]
        return next((n for n, status in enumerate(reversed(statuses)) if status != "refused"), len(statuses))

    @property
    def best(self) -> float:
        """Best value so far, NaN before the first."""
        return self.outcomes[-1]["best"] if self.outcomes else math.nan

    @property
    def last_cost(self) -> float:
        """Instrument time (s) of the last measurement."""
        return next((row["measure_s"] for row in reversed(self.outcomes) if row["status"] != "refused"), 0.0)

    def began(self, now: float) -> float:
        """Return the clock (s), as the instrument counts now, at which the experiment would have begun."""
        began = self.run.start["probeline"]["clock"]
        return began if self.exact else now - (_last_clock(self.run) - began)

    def sightings(self, then: float) -> tuple[Sighting, ...]:
        """Return what registrations saw of the landmark, which the survey saw at ``then`` (s)."""
        return tuple(
            Sighting(then, row["clock"], (row["shift_x"], row["shift_y"])) for row in self.drifts if row["applied"]
        )

    def settings_of(self, spectrometer: Any) -> dict[str, Any]:
        """Return the settings (units shown) that the spectrometer had then."""
        if not rows_of(self.run, "primary"):
            return {}
        found = self.run.configuration("primary")
        keys = {name: f"{spectrometer.name}_{name}" for name in spectrometer.setting_names}
        return {name: found[key] for name, key in keys.items() if key in found}

    def record(self, decisions: Record, drift: Record, outcomes: Record) -> Plan:
        """Plan stub: write the decisions taken over, with drift seen and outcomes, into the open run."""
        for row, outcome in zip(self.decisions, self.outcomes, strict=True):
            yield from emit(decisions, "optimization", **{**row, "inherited": True})
            for seen in self.drifts:
                if seen["decision"] == row["decision"]:
                    yield from emit(drift, "drift", **seen)
            yield from emit(outcomes, "outcome", **outcome)
        yield from bps.checkpoint()


def take_over(run: Run, value_of: ValueOf, *, exact: bool, destructive: bool) -> Prior:
    """Return what is settled of ``run``.

    Where the instrument is exactly where it was left, that is everything until its last measurement: what came
    after it has not happened to this instrument. Elsewhere it is every decision; one that was begun on an instrument
    that changes its sample and left no measurement counts as abandoned.

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
    """
    primary = run.documents_of("primary") if rows_of(run, "primary") else None
    measured = {event["data"]["decision"]: event for event in primary.events.values()} if primary else {}
    last = max(measured, default=-1)
    known = {row["decision"]: row for row in rows_of(run, "outcome")}
    decisions, outcomes = [], []
    for row in rows_of(run, "optimization"):
        number = row["decision"]
        if exact and number > last:
            break
        # A run that ends between a measurement and its outcome says "abandoned" of what was measured.
        if number in known and not (number in measured and known[number]["status"] == "abandoned"):
            outcome: Row = known[number]
        elif primary and number in measured:
            event = measured[number]
            scalar = value_of(primary.descriptors[event["descriptor"]], event)
            outcome = _settled(run, row, scalar, event, outcomes)
        elif destructive:
            outcome = _abandoned(run, number, outcomes)
        else:
            break  # nothing has happened yet: it is decided again
        decisions.append({"noise": math.nan, **row})  # runs made before there were audits do not say it
        outcomes.append(outcome)
    numbers = {row["decision"] for row in decisions}
    drifts = [row for row in rows_of(run, "drift") if row["decision"] in numbers]
    cost = _registration_cost(run, last if exact else None)
    return Prior(run, exact, tuple(decisions), tuple(outcomes), tuple(drifts), cost)


class _SaidBefore:
    """An agent that has said already what it will suggest next."""

    def __init__(self, agent: Any, suggestion: Row):
        self._agent, self._next = agent, [suggestion]

    def suggest(self, num_points: int | None = None) -> Any:
        """Return what was said, then what the agent says."""
        if self._next:
            return [self._next.pop()]
        return self._agent.suggest(num_points)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._agent, name)


def caught_up(player: Player, *, ahead: int) -> Any:
    """Return the agent of ``player`` after every outcome; with ``ahead`` it decides before it knows the last one."""
    if not ahead:
        player.feed()
        return player.agent
    player.feed(player.total - 1)
    (suggestion,) = player.agent.suggest(1)
    player.feed()
    return _SaidBefore(player.agent, suggestion)


def _settled(run: Run, decision: Row, scalar: Scalar, event: Mapping[str, Any], earlier: list[Row]) -> Row:
    """Return the outcome that the process did not live to record."""
    good = scalar.flag == "ok"
    clock = event["data"][run.start["probeline"]["keys"]["clock"]]
    best = earlier[-1]["best"] if earlier else math.nan
    if good:
        better = np.fmin if run.start["probeline"]["agent"]["direction"] == "min" else np.fmax
        best = float(better(best, scalar.value))
    return {
        "decision": decision["decision"], "status": "ok" if good else "failed", "reason": scalar.flag,
        "objective": scalar.value if good else math.nan, "sigma": scalar.sigma, "quality": scalar.quality,
        "flag": scalar.flag, "measure_s": clock - _clock_before(run, event), "clock": clock, "best": best,
    }  # fmt: skip


def _abandoned(run: Run, decision: int, earlier: list[Row]) -> Row:
    return {
        "decision": decision, "status": "abandoned", "reason": "the process ended before it was whole",
        "objective": math.nan, "sigma": math.nan, "quality": 0.0, "flag": "abandoned", "measure_s": 0.0,
        "clock": _last_clock(run), "best": earlier[-1]["best"] if earlier else math.nan,
    }  # fmt: skip


def _clocks(run: Run) -> list[tuple[str, float]]:
    """Return uid and instrument time (s) of every event that holds one, in the order in which they were written."""
    key = run.start["probeline"]["keys"]["clock"]
    data = [(doc["uid"], doc["data"]) for name, doc in unpacked(run.documents()) if name == "event"]
    return [
        (uid, values.get(key, values.get("clock"))) for uid, values in data if key in values or "measure_s" in values
    ]


def _clock_before(run: Run, event: Mapping[str, Any]) -> float:
    """Return the instrument time (s) when the measurement of ``event`` was begun: that of the event before."""
    clocks = _clocks(run)
    place = next(index for index, (uid, _) in enumerate(clocks) if uid == event["uid"])
    return clocks[place - 1][1] if place else event["data"][run.start["probeline"]["keys"]["clock"]]


def _last_clock(run: Run) -> float:
    clocks = _clocks(run)
    return clocks[-1][1] if clocks else run.start["probeline"]["clock"]


def _registration_cost(run: Run, last: int | None) -> float:
    """Return the instrument time (s) of the last registration, of those for decisions until ``last``; 0 for none."""
    if "reference" not in run.streams():
        return 0.0
    reference: Stream = run.documents_of("reference")
    count = sum(last is None or row["decision"] <= last for row in rows_of(run, "drift"))
    seen = [reference.events[seq] for seq in reference.seq_nums if seq in reference.events][:count]
    if not seen:
        return 0.0
    return seen[-1]["data"][run.start["probeline"]["keys"]["clock"]] - _clock_before(run, seen[-1])
