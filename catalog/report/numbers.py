"""Numbers for people: sensible digits, always with their unit."""

from __future__ import annotations

import math
from typing import Any

NONE = "–"


def with_unit(text: str, unit: str) -> str:
    """Return ``text`` followed by its unit, if it has one."""
    return f"{text} {unit}" if unit and text != NONE else text


def number(value: Any, unit: str = "", digits: int = 4) -> str:
    """Return ``value`` with ``digits`` significant digits and its unit; a dash when there is none."""
    if value is None or not math.isfinite(value):
        return NONE
    return with_unit(_plain(f"{float(value):.{digits}g}"), unit)


def _plain(text: str) -> str:
    """Return a number of format ``g`` without an exponent where people would write none."""
    if "e" not in text:
        return text
    mantissa, exponent = text.split("e")
    if 0 < int(exponent) <= 7:
        return f"{float(text):.0f}"
    return f"{mantissa}e{int(exponent)}"


def measured(value: float, sigma: float, unit: str = "") -> str:
    """Return ``value ± sigma`` to two significant digits of sigma; the value alone without one."""
    if not (math.isfinite(value) and math.isfinite(sigma) and sigma > 0):
        return number(value, unit)
    decimals = 1 - math.floor(math.log10(sigma))
    large = max(abs(value), sigma)
    if large >= 1e6 or (large < 1e-3 and large > 0):
        power = math.floor(math.log10(large))
        scaled, error = value / 10.0**power, sigma / 10.0**power
        places = max(0, decimals + power)
        return with_unit(f"({scaled:.{places}f} ± {error:.{places}f})e{power}", unit)
    if decimals < 0:
        value, sigma, decimals = round(value, decimals), round(sigma, decimals), 0
    return with_unit(f"{value:.{decimals}f} ± {sigma:.{decimals}f}", unit)


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
    return f"{name.replace('_', ' ')} ({unit})" if unit else f"{name.replace('_', ' ')} (no unit)"
