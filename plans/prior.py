"""What a resumed exploration takes over from the run before it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import bluesky.plan_stubs as bps

from ..analysis.drift import Sighting
from ..catalog.documents import unpacked
from ..catalog.player import CONTROL, Row, chosen, rows_of
from ..catalog.run import Run
from .records import Record, emit
from .stubs import Plan

NOT_BEGUN = "not_begun"  # flag of a decision whose run ended before it was its turn


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
    decisions : tuple of mapping
        Events of ``optimization`` that are taken over, in order.
    outcomes : tuple of mapping
        Events of ``outcome`` that are taken over, in order; decisions without one are still to be followed.
    drifts : tuple of mapping
        Events of ``drift`` that are taken over.
    registration_s : float
        Instrument time (s) that the last registration took.
    shift : float
        What (s) was added to every ``clock`` of these events, so that all of them are by the clock of the instrument
        now: as if it went on at once where the run ended.
    """

    run: Run
    exact: bool
    decisions: tuple[Row, ...] = ()
    outcomes: tuple[Row, ...] = ()
    drifts: tuple[Row, ...] = ()
    registration_s: float = 0.0
    shift: float = 0.0

    @property
    def surveyed(self) -> bool:
        """Whether there is a survey to go on from."""
        return bool(rows_of(self.run, "survey"))

    @property
    def open(self) -> tuple[Row, ...]:
        """Decisions that are still to be followed, in the order in which they are."""
        settled = {row["decision"] for row in self.outcomes}
        return tuple(row for row in followed(self.decisions) if row["decision"] not in settled)

    @property
    def site(self) -> Row | None:
        """The decision whose place is the control site: the first one that gave a value."""
        good = [outcome["decision"] for outcome in self.outcomes if outcome["status"] == "ok"]
        return next((row for row in self.decisions if good and row["decision"] == good[0]), None)

    @property
    def controlled(self) -> int:
        """How many measurements were made when the control site was measured last, 0 before."""
        control = self._control
        places = [place for place, outcome in enumerate(self.outcomes) if outcome["decision"] in control]
        return self._done(self.outcomes[: places[-1]]) if places else 0

    @property
    def registered(self) -> int:
        """How many measurements were made when drift was registered last; -1 where what that saw does not hold now."""
        if not (self.exact and self.drifts):
            return -1
        numbers = [outcome["decision"] for outcome in self.outcomes]
        return self._done(self.outcomes[: numbers.index(self.drifts[-1]["decision"])])

    @property
    def seen(self) -> int:
        """How many values the agent was told of."""
        return sum(outcome["status"] in ("ok", "external") for outcome in self.outcomes)

    @property
    def measured(self) -> list[Row]:
        """Decisions whose measurement was made or begun, in order."""
        rows = {row["decision"]: row for row in self.decisions}
        return [rows[outcome["decision"]] for outcome in self.outcomes if outcome["status"] != "refused"]

    @property
    def done(self) -> int:
        """Measurements that were made or begun."""
        return self._done(self.outcomes)

    @property
    def batches(self) -> int:
        """How many batches were decided."""
        return self.decisions[-1]["batch"] + 1 if self.decisions else 0

    @property
    def before(self) -> tuple[Row, ...]:
        """Outcomes that were known when the agent's last batch was begun."""
        batches = {row["decision"]: row["batch"] for row in self.decisions}
        return tuple(row for row in self.outcomes if batches[row["decision"]] < self._last)

    @property
    def committed(self) -> int:
        """Measurements that were made, begun or intended when the agent's last batch was decided."""
        return self._done(self.before) + sum(row["batch"] == self._last for row in self.decisions)

    @property
    def _last(self) -> int:
        return max((row["batch"] for row in chosen(self.decisions)), default=0)

    @property
    def _control(self) -> set[int]:
        return {row["decision"] for row in self.decisions if row["source"] == CONTROL}

    def _done(self, outcomes: Sequence[Row]) -> int:
        """Return how many of these outcomes are those of measurements that count."""
        control = self._control
        return sum(row["status"] != "refused" and row["decision"] not in control for row in outcomes)

    @property
    def here(self) -> tuple[float, float] | None:
        """Where (nm) the last measurement was made or begun, None before the first."""
        return (self.measured[-1]["x"], self.measured[-1]["y"]) if self.measured else None

    @property
    def refusals(self) -> int:
        """Batches in a row, at the end, each of them refused as a whole; without what is open."""
        batches = {row["batch"] for row in chosen(self.decisions)} - {row["batch"] for row in self.open}
        last = max(batches & self._fruitful, default=-1)
        return sum(batch > last for batch in batches)

    @property
    def fruitful(self) -> bool:
        """Whether anything was measured of the batch that is open."""
        return any(row["batch"] in self._fruitful for row in self.open)

    @property
    def _fruitful(self) -> set[int]:
        return {row["batch"] for row in self.measured}

    @property
    def best(self) -> float:
        """Best value so far, NaN before the first."""
        return self.outcomes[-1]["best"] if self.outcomes else math.nan

    @property
    def last_cost(self) -> float:
        """Instrument time (s) of the last measurement."""
        return next((row["measure_s"] for row in reversed(self.outcomes) if row["status"] != "refused"), 0.0)

    @property
    def began(self) -> float:
        """The clock (s), as the instrument counts now, at which the experiment would have begun."""
        return self.run.start["probeline"]["clock"] + self.shift

    def sightings(self, then: float) -> tuple[Sighting, ...]:
        """Return what registrations saw of the landmark, which the survey saw at ``then`` (s)."""
        return tuple(
            Sighting(then, row["clock"], (row["shift_x"], row["shift_y"])) for row in self.drifts if row["applied"]
        )

    def record(self, decisions: Record, drift: Record, outcomes: Record) -> Plan:
        """Plan stub: write the decisions taken over, with drift seen and outcomes, into the open run."""
        for _, batch in groupby(self.decisions, key=lambda row: row["batch"]):
            numbers = set()
            for row in batch:
                yield from bps.checkpoint()  # a rewind must not record the next one in its place
                yield from emit(decisions, "optimization", **{**row, "inherited": True})
                numbers.add(row["decision"])
            for outcome in self.outcomes:
                if outcome["decision"] in numbers:
                    yield from self._record_outcome(outcome, drift, outcomes)
        yield from bps.checkpoint()

    def _record_outcome(self, outcome: Row, drift: Record, outcomes: Record) -> Plan:
        for seen in self.drifts:
            if seen["decision"] == outcome["decision"]:
                yield from bps.checkpoint()
                yield from emit(drift, "drift", **seen)
        yield from bps.checkpoint()
        yield from emit(outcomes, "outcome", **outcome)


def followed(decisions: Sequence[Row]) -> list[Row]:
    """Return decisions in the order in which they are followed."""
    return sorted(decisions, key=lambda row: (row["batch"], row["turn"]))


def clocks_of(run: Run) -> list[tuple[str, float]]:
    """Return uid and instrument time (s) of every event that holds one, in the order in which they were written."""
    key = run.start["probeline"]["keys"]["clock"]
    data = [(doc["uid"], doc["data"]) for name, doc in unpacked(run.documents()) if name == "event"]
    return [
        (uid, values.get(key, values.get("clock"))) for uid, values in data if key in values or "measure_s" in values
    ]


def last_clock(run: Run) -> float:
    """Return the instrument time (s) of the last event that holds one, or at which the run began."""
    clocks = clocks_of(run)
    return clocks[-1][1] if clocks else run.start["probeline"]["clock"]
