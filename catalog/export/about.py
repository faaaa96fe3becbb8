"""Where exported data come from: run, sample, instrument, settings, software."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import orjson

from ...core.units import si_factor, si_unit
from ..run import Run

# Keys of a start document that say how the engine ran, not what was measured.
_TECHNICAL = {
    "uid", "time", "scan_id", "plan_name", "plan_type", "plan_args", "detectors", "motors", "num_points",
    "num_intervals", "hints", "versions", "probeline",
}  # fmt: skip
_EXPERIMENT = (
    "goal", "objective", "agent", "candidates", "budget", "lookahead", "survey", "tracking", "operator", "parent",
)  # fmt: skip


def about(run: Run) -> dict[str, Any]:
    """Return where the data of a run come from, JSON, nested two levels.

    Parameters
    ----------
    run : Run
        Any; what its start document does not say is left out.

    Returns
    -------
    dict
        ``run`` (uid, plan, begin and end, exit status), ``origin`` (sample, probe or column, environment, bias
        convention; licence and source of replayed data; what the user added), ``instrument``, ``spectrometer``
        (settings, units of the record), ``experiment`` (goal, objective, agent, ...), ``software``.
    """
    start, stop = run.start, run.stop or {}
    ours = start.get("probeline") or {}
    return {
        "run": {
            "uid": run.uid,
            "scan_id": start.get("scan_id"),
            "plan_name": start.get("plan_name", ""),
            "began": iso_time(start["time"]),
            "ended": iso_time(stop["time"]) if stop else "",
            "exit_status": stop.get("exit_status", "open"),
            "reason": stop.get("reason", ""),
        },
        "origin": {key: value for key, value in start.items() if key not in _TECHNICAL},
        "instrument": _instrument(ours),
        "spectrometer": _spectrometer(run, ours),
        "experiment": {key: ours[key] for key in _EXPERIMENT if ours.get(key) is not None},
        "software": {
            "name": "probeline",
            "version": ours.get("version", ""),
            "git": ours.get("git"),
            "packages": ours.get("packages") or start.get("versions") or {},
            "machine": ours.get("machine"),
        },
    }


def _instrument(ours: Mapping[str, Any]) -> dict[str, Any]:
    spec, driver = ours.get("instrument") or {}, ours.get("driver") or {}
    found = {key: spec.get(key) for key in ("name", "kind", "backend", "options", "imaging")}
    return {**found, **{key: driver.get(key) for key in ("model", "serial", "version", "mode")}}


def _spectrometer(run: Run, ours: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the spectrometer at the last measurement."""
    key = (ours.get("keys") or {}).get("spectrum")
    if key is None or "primary" not in run.streams():
        return {}
    owner = run.documents_of("primary").data_keys.get(key, {}).get("object_name", "")
    configuration = run.configuration("primary")
    prefix = f"{owner}_"
    return {name.removeprefix(prefix): value for name, value in configuration.items() if name.startswith(prefix)}


def iso_time(seconds: float) -> str:
    """Return a Unix time (s) as ISO 8601, UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()


def as_json(value: Any) -> str:
    """Return ``value`` as JSON text; numpy arrays and numbers included."""
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    return orjson.dumps(value, default=str, option=options).decode()


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested values as text under dotted names; lists as JSON, what is unknown left out."""
    found: dict[str, str] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found |= flat(value, f"{name}.")
        elif value is not None and value != "":
            found[name] = value if isinstance(value, str) else as_json(value)
    return found


def in_si(unit: str) -> tuple[float, str]:
    """Return the SI value of one ``unit``, a product such as ``"pm V"`` or ``"V^2"``, and its SI unit.

    Of a unit that probeline does not know, this is 1 and the unit itself.
    """
    factor, parts = 1.0, []
    for part in unit.split():
        base, _, power = part.partition("^")
        exponent = int(power) if power.lstrip("-").isdecimal() else 1
        try:
            factor *= si_factor(base) ** exponent
            parts.append(f"{si_unit(base)}^{power}" if power else si_unit(base))
        except KeyError:
            return 1.0, unit
    return factor, " ".join(parts)
