"""Everything as text: decisions, settings, metadata, what was spent."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..player import rows_of
from .facts import Decision, Facts, column
from .numbers import NONE, duration, measured, number, pretty_unit, with_unit
from .pictures import Section, Table

_KEY_VALUE = ("", "")
# Parts of the settings that are long and rarely read.
_LONG = ("driver", "instrument")


def outcomes_section(facts: Facts) -> Section:
    """Return the table of all decisions."""
    decisions = facts.decisions
    if not decisions:
        return Section("Decisions", ["No decision was made."])
    unit = f" ({pretty_unit(facts.unit)})" if facts.unit else ""
    columns = (
        "decision", "x (nm)", "y (nm)", "source", "status", f"{facts.objective.replace('_', ' ')}{unit}",
        f"predicted{unit}", "quality", "flag", "instrument time (s)",
    )  # fmt: skip
    rows = [
        [
            str(row.index), f"{row.x:.1f}", f"{row.y:.1f}", row.source, _status(row),
            measured(row.objective, row.sigma), measured(row.mean, row.std),
            number(row.quality, digits=2), row.flag or NONE, number(row.seconds, digits=6),
        ]
        for row in decisions
    ]  # fmt: skip
    counts = ", ".join(f"{count} {status}" for status, count in Counter(row.status for row in decisions).most_common())
    text = [f"{len(decisions)} decisions: {counts}. Values with one standard deviation."]
    return Section("Decisions", text, tables=[Table(columns, rows, "All decisions", collapsed=True)])


def _status(row: Decision) -> str:
    return row.status if row.status == "ok" or row.reason == row.flag else f"{row.status}: {row.reason}"


def budget_section(facts: Facts) -> Section:
    """Return what was asked for and what was spent."""
    budget = facts.about["budget"]
    wanted = budget.get("seconds")
    rows = [
        ["points", f"{len(facts.measured)} of {budget.get('points')}"],
        ["of these failed", str(len(facts.failed))],
        ["instrument time", duration(spent_seconds(facts)) + (f" of {duration(wanted)}" if wanted else ", no limit")],
        ["measuring", duration(float(np.nansum(column(facts.decisions, "measure_s"))))],
    ]
    pulses = _pulses(facts)
    if pulses is not None:
        rows.append(["bias steps applied", str(pulses)])
    if left := rows_of(facts.run, "stopping"):
        rows.append(["left to learn, by the agent", _left(left[-1])])
    return Section("Spent", tables=[Table(_KEY_VALUE, rows)])


def _left(row: Mapping[str, Any]) -> str:
    """Return what measuring on promises, and which criteria for stopping hold."""
    text = f"an improvement by {row['improvement']:.2g} standard deviations, {row['variance']:.0%} of the variance"
    return f"{text}: enough by {row['met']}" if row["met"] else text


def spent_seconds(facts: Facts) -> float:
    """Return the instrument time (s) from the beginning of the run to its last record of it; NaN when unknown."""
    if facts.has("progress"):
        return float(facts.run.stream("progress")["instrument_s"].values[-1])
    return float("nan")


def _pulses(facts: Facts) -> int | None:
    """Return how many bias steps the recorded loops applied; None for other measurements."""
    if not facts.has("primary"):
        return None
    stream = facts.run.documents_of("primary")
    coords = stream.data_keys[facts.about["keys"]["spectrum"]].get("coords") or {}
    if "bias" not in coords:
        return None
    return len(stream.events) * len(coords["bias"]) * len(coords.get("cycle", [0]))


def settings_section(facts: Facts) -> Section:
    """Return everything that the start document says was set, and about the sample and the probe."""
    about = dict(facts.about)
    described = {**about["driver"].get("metadata", {}), **about["instrument"].get("metadata", {})}
    long = [(name, about.pop(name)) for name in _LONG]
    tables = [
        Table(_KEY_VALUE, list(_flat(described)), "Sample, probe or column, source"),
        Table(_KEY_VALUE, list(_flat(about)), "Settings and versions"),
    ]
    tables += [
        Table(_KEY_VALUE, _configured(facts, stream), f"Instrument settings of the stream {stream}")
        for stream in ("survey", "primary")
    ]
    tables += [Table(_KEY_VALUE, list(_flat(block)), f"Settings: {name}", collapsed=True) for name, block in long]
    return Section("Settings and metadata", tables=[table for table in tables if table.rows])


def _configured(facts: Facts, stream: str) -> list[list[str]]:
    """Return the settings of all devices, with units, at the last event of a stream; nothing without the stream."""
    if stream not in facts.run.streams():
        return []
    return [
        [key, _setting(key, value, device.get("data_keys", {}).get(key, {}).get("units") or "")]
        for device in facts.run.documents_of(stream).descriptor.get("configuration", {}).values()
        for key, value in device.get("data", {}).items()
    ]


def _setting(key: str, value: Any, unit: str) -> str:
    if key.endswith("_line_time") and value == 0:
        return "the controller's own"
    return with_unit(_text(value), unit)


def _flat(value: Any, path: str = "") -> Iterator[list[str]]:
    """Yield ``[dotted name, text]`` for everything in nested JSON."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(inner, Mapping) for inner in value):
        for index, inner in enumerate(value):
            yield from _flat(inner, f"{path}[{index}]")
    else:
        yield [path, _text(value)]


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(
            _text(inner) if not isinstance(inner, list | tuple) else f"({_text(inner)})" for inner in value
        )
    if isinstance(value, bool) or not isinstance(value, float):
        return NONE if value is None or value == {} else str(value)
    return f"{value:.10g}"


def record_section(facts: Facts) -> Section:
    """Return where the record of the run is and how it ended."""
    run, stop = facts.run, facts.run.stop or {}
    files = sorted({doc["uri"] for name, doc in run.documents() if name == "stream_resource"})
    events = ", ".join(f"{name} {len(run.documents_of(name).seq_nums)}" for name in run.streams())
    rows = [
        ["uid", run.uid],
        ["begun", utc(run.start.get("time"))],
        ["ended", utc(stop.get("time"))],
        ["exit status", stop.get("exit_status", "open: no stop document")],
        ["reason", stop.get("reason") or NONE],
        ["state in the catalogue", run.state],
        ["events per stream", events or NONE],
        ["files", ", ".join(files) or NONE],
        ["continues run", facts.about.get("parent") or NONE],
    ]
    return Section("Record", tables=[Table(_KEY_VALUE, rows)])


def utc(seconds: float | None) -> str:
    """Return a time (s, Unix) as date and time in UTC."""
    if seconds is None:
        return NONE
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
