"""Whether a request stays inside the envelope: pure functions, asked before anything is sent."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..core.envelope import Envelope
from ..core.errors import CommandRejected, LimitError, SpecError, UnknownNameError
from .drivers import Description, ScanSettings, SignalInfo, SpectrumInfo, Value

_SCAN_KEYS = set(ScanSettings.__annotations__)
# Coordinates come from nm and sines; what lies exactly on a limit may miss it by rounding.
_ROUNDING = 1e-9


def effective_envelope(description: Description, envelope: Envelope) -> Envelope:
    """Return ``envelope`` narrowed by what the controller itself accepts.

    Raises
    ------
    SpecError
        When the envelope names a key that the driver does not have, or leaves no value at all.
    """
    x_min, x_max, y_min, y_max = description["scan_range"]
    limits: dict[str, tuple[float, float]] = {"x": (x_min, x_max), "y": (y_min, y_max)}
    for key, info in description["signals"].items():
        if "limits" in info:
            limits[key] = (float(info["limits"][0]), float(info["limits"][1]))
    known = set(description["signals"]) | {"x", "y"}
    unknown = sorted((set(envelope.limits) | set(envelope.max_step)) - known)
    if unknown:
        raise SpecError(f"the envelope limits {', '.join(unknown)}, which this driver does not have: {sorted(known)}")
    for key, (low, high) in envelope.limits.items():
        own_low, own_high = limits.get(key, (-math.inf, math.inf))
        if max(low, own_low) > min(high, own_high):
            raise SpecError(
                f"the envelope allows {key} from {low:g} to {high:g}, "
                f"the controller accepts {own_low:g} to {own_high:g}: nothing is left"
            )
        limits[key] = (max(low, own_low), min(high, own_high))
    finite = {key: pair for key, pair in limits.items() if all(map(math.isfinite, pair))}
    return Envelope(limits=finite, max_step=envelope.max_step, budgets=envelope.budgets)


def check_number(name: str, value: Any, unit: str = "", *, integer: bool = False) -> float:
    """Return ``value`` as a number.

    Raises
    ------
    CommandRejected
        When it is not a number.
    LimitError
        When it is not finite, or not whole where it has to be.
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real | np.number):
        raise CommandRejected(f"{name} = {value!r} is not a number; give one in {unit or 'its unit'}")
    if not math.isfinite(float(value)):
        raise LimitError(name, float(value), "a finite number", unit, "give a finite value")
    number = float(value)
    if integer and not number.is_integer():
        raise LimitError(name, number, "a whole number", unit, "round it")
    return number


def check_signal(key: str, signals: Mapping[str, SignalInfo], value: Any, envelope: Envelope) -> Value:
    """Return ``value`` (SI) as a plain number, bool or text when ``key`` exists, is writable and may be set to it.

    Raises
    ------
    CommandRejected
        For an unknown or read-only key, or a value of the wrong type or choice.
    LimitError
        For a value that is not finite or outside the envelope.
    """
    info = signals.get(key)
    if info is None:
        raise CommandRejected(f"there is no signal {key!r}; there are {', '.join(signals)}")
    if not info["writable"]:
        raise CommandRejected(f"signal {key!r} is read-only")
    if info["dtype"] in ("number", "integer"):
        number = check_number(key, value, info["unit"], integer=info["dtype"] == "integer")
        envelope.check(key, number, info["unit"])
        return int(number) if info["dtype"] == "integer" else number
    if info["dtype"] == "boolean":
        if not isinstance(value, bool | np.bool_):
            raise CommandRejected(f"{key} = {value!r} is neither true nor false")
        return bool(value)
    if not isinstance(value, str) or value not in info.get("choices", [value]):
        raise CommandRejected(f"{key} = {value!r} is none of {', '.join(info.get('choices', ['a text']))}")
    return value


def check_scan(settings: Mapping[str, Any], envelope: Envelope) -> ScanSettings:
    """Return the settings as plain numbers when the whole frame, as rotated, is inside the limits of ``x`` and ``y``.

    Raises
    ------
    CommandRejected
        For a missing or unknown setting.
    LimitError
        For a setting that is not finite or positive, or a corner outside the envelope.
    """
    unknown = sorted(set(settings) - _SCAN_KEYS)
    missing = sorted(_SCAN_KEYS - set(settings) - {"line_time"})
    if unknown or missing:
        raise CommandRejected(f"scan settings: {unknown or 'none'} unknown, {missing or 'none'} missing")
    for name in ("center_x", "center_y", "width", "height", "angle"):
        check_number(name, settings[name], "rad" if name == "angle" else "m")
    for name in ("pixels", "lines"):
        check_number(name, settings[name], integer=True)
    for name in ("width", "height", "pixels", "lines", "line_time"):
        if name in settings and not check_number(name, settings[name]) > 0:
            raise LimitError(name, settings[name], "more than 0", "", "give a positive value")
    if settings["slow"] not in ("up", "down"):
        raise CommandRejected(f"slow = {settings['slow']!r} is neither 'up' nor 'down'")
    for x, y in corners(settings):
        for axis, value in (("x", x), ("y", y)):
            _inside(f"{axis} of a frame corner", value, envelope, "choose a smaller frame, or one nearer to the middle")
    types = {"slow": str, "pixels": int, "lines": int}
    return ScanSettings(**{key: types.get(key, float)(value) for key, value in settings.items()})


def corners(settings: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Return the four corners (m) of the frame, turned counter-clockwise by its angle (rad)."""
    cos, sin = math.cos(settings["angle"]), math.sin(settings["angle"])
    half = [(sx * settings["width"] / 2, sy * settings["height"] / 2) for sx in (-1, 1) for sy in (-1, 1)]
    return [(settings["center_x"] + u * cos - v * sin, settings["center_y"] + u * sin + v * cos) for u, v in half]


def _inside(what: str, value: float, envelope: Envelope, remedy: str) -> None:
    low, high = envelope.limits[what[0]]
    slack = _ROUNDING * (high - low)
    if not low - slack <= value <= high + slack:
        raise LimitError(what, float(value), f"{low:g} to {high:g} m", "m", remedy)


def check_travel(x: Any, y: Any, envelope: Envelope) -> tuple[float, float]:
    """Return (x, y) (m, scanner) when the probe may go there; what misses a limit by rounding is on it.

    Raises
    ------
    CommandRejected
        When one is not a number.
    LimitError
        When one is not finite or outside the limits.
    """
    there = []
    for axis, value in (("x", x), ("y", y)):
        number = check_number(axis, value, "m")
        _inside(axis, number, envelope, "choose a point inside the scanner's limits")
        low, high = envelope.limits[axis]
        there.append(min(max(number, low), high))
    return there[0], there[1]


def check_spectrum(
    kind: str, spectra: Mapping[str, SpectrumInfo], settings: Mapping[str, Any], envelope: Envelope
) -> dict[str, Value]:
    """Return the complete settings of a spectrum, after checking every one; counts as ``int``.

    A setting that bears the name of a signal obeys the limits of that signal; voltages
    (``v_...``) obey those of ``bias``, and ``v_max`` does so with both signs, since it is the
    amplitude of a sweep about zero.

    Raises
    ------
    UnknownNameError
        For an unknown kind.
    CommandRejected
        For an unknown setting or one of the wrong type.
    LimitError
        For a value that is not finite, not positive where it has to be, or outside the envelope.
    """
    if kind not in spectra:
        raise UnknownNameError("spectrum", kind, spectra)
    defaults = spectra[kind]["settings"]
    unknown = sorted(set(settings) - set(defaults))
    if unknown:
        raise CommandRejected(f"{kind} has no setting {', '.join(unknown)}; it has {', '.join(defaults)}")
    complete = {**defaults, **settings}
    for name, value in complete.items():
        default = defaults[name]
        if isinstance(default, bool | str):
            if not isinstance(value, type(default)):
                raise CommandRejected(f"{kind}: {name} = {value!r} is not a {type(default).__name__}")
            continue
        number = check_number(f"{kind} {name}", value, integer=isinstance(default, int))
        for key, reached in _reaches(name, number):
            envelope.check(key, reached, "V" if key == "bias" else "")
        if isinstance(default, int):
            complete[name] = int(number)
        if isinstance(default, int) and default > 0 and number < 1:
            raise LimitError(f"{kind} {name}", value, "1 or more", "", "give at least 1")
        if (name.endswith("time") or name == "dwell") and number < 0:
            raise LimitError(f"{kind} {name}", value, "0 s or more", "s", "time goes forward only")
    return complete


def _reaches(name: str, value: float) -> Iterable[tuple[str, float]]:
    """Yield the signal keys that a setting drives, with the values it makes them reach."""
    if name == "v_max":
        return [("bias", value), ("bias", -value)]
    if name.startswith("v_"):
        return [("bias", value)]
    return [(name, value)]
