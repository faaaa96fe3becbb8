"""Numbers for people: sensible digits, always with their unit."""

from __future__ import annotations

import math
from typing import Any

NONE = "–"


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def pretty_unit(unit: str) -> str:
    """Return a unit with its powers raised: ``V^2`` as V²."""
    base, caret, power = unit.partition("^")
    return base + power.translate(_RAISED) if caret else unit


def with_unit(text: str, unit: str) -> str:
    """Return ``text`` followed by its unit, if it has one."""
    return f"{text} {pretty_unit(unit)}" if unit and text != NONE else text


def number(value: Any, unit: str = "", digits: int = 4) -> str:
    """Return ``value`` with ``digits`` significant digits and its unit; a dash when there is none."""
    if value is None or not math.isfinite(value):
        return NONE
    text = f"{float(value):.{digits}g}"
    if "e" in text:
        mantissa, exponent = text.split("e")
        short = 0 < int(exponent) <= 5
        text = f"{float(text):.0f}" if short else f"{mantissa} × {_power(int(exponent))}"
    return with_unit(text, unit)


def _power(exponent: int) -> str:
    return f"10{str(exponent).translate(_RAISED)}"


def measured(value: float, sigma: float, unit: str = "") -> str:
    """Return ``value ± sigma`` to two significant digits of sigma; the value alone without one."""
    if not (math.isfinite(value) and math.isfinite(sigma) and sigma > 0):
        return number(value, unit)
    large = max(abs(value), sigma)
    power = math.floor(math.log10(large))
    if -2 <= power <= 5:
        return with_unit(_rounded(value, sigma), unit)
    return with_unit(f"({_rounded(value / 10.0**power, sigma / 10.0**power)}) × {_power(power)}", unit)


def _rounded(value: float, sigma: float) -> str:
    places = 1 - math.floor(math.log10(sigma))
    value, sigma = round(value, places), round(sigma, places)
    return f"{value:.{max(places, 0)}f} ± {sigma:.{max(places, 0)}f}"


def duration(seconds: float | None) -> str:
    """Return an instrument time in s, and in min or h where that reads better."""
    if seconds is None or not math.isfinite(seconds):
        return NONE
    text = f"{seconds:.1f} s" if seconds < 100 else f"{seconds:.0f} s"
    if seconds < 120:
        return text
    minutes = seconds / 60
    return f"{text} ({minutes:.1f} min)" if minutes < 120 else f"{text} ({minutes / 60:.1f} h)"


def position(x: float, y: float) -> str:
    """Return a position (nm) of the sample frame."""
    return f"({x:.1f}, {y:.1f}) nm"


def labelled(name: str, unit: str) -> str:
    """Return the label of an axis: the quantity with its unit."""
    return f"{name.replace('_', ' ')} ({pretty_unit(unit) or 'no unit'})"
