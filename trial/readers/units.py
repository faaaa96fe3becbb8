"""Units as files spell them."""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError

_NM = {"m": 1e9, "mm": 1e6, "um": 1e3, "nm": 1.0, "pm": 1e-3, "å": 0.1, "angstrom": 0.1}
_RAD = {"rad": 1.0, "radian": 1.0, "radians": 1.0, "mrad": 1e-3}
_RAD |= dict.fromkeys(("deg", "degree", "degrees", "°", "º"), math.pi / 180)
_UNEVEN = 0.01  # of a step


def length_nm(unit: str) -> float | None:
    """Return how many nm one ``unit`` is; None when it is no length."""
    return _NM.get(unit.strip().replace("µ", "u").replace("μ", "u").lower())


def angle_rad(unit: str) -> float | None:
    """Return how many rad one ``unit`` is; None when it is no angle."""
    return _RAD.get(unit.strip().lower())


def step_nm(values: NDArray[np.float64], unit: str) -> float | None:
    """Return the distance (nm) of neighbours on an axis, None when its unit is no length.

    Raises
    ------
    DataError
        When the values are not evenly spaced.
    """
    factor = length_nm(unit)
    if factor is None or len(values) < 2:
        return None
    steps = np.diff(values)
    step = float(np.median(steps))
    if not step or np.abs(steps - step).max() > _UNEVEN * abs(step):
        raise DataError("its pixels are not evenly spaced; resample the map on an even grid")
    return abs(step) * factor


def split_unit(label: str) -> tuple[str, str]:
    """Return name and unit of a label such as ``"Current (A)"``; the unit may be empty."""
    found = re.fullmatch(r"(.*?)\s*\(([^()]*)\)", label.strip())
    return (found[1], found[2]) if found else (label.strip(), "")


def text_of(value: object) -> str:
    """Return an attribute of a file as text; bytes are decoded."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip("\x00 ")
    return str(value)


def distinct(names: list[str], fallback: list[str]) -> list[str]:
    """Return ``names``, each that occurs twice or is empty replaced by its fallback."""
    return [name if name and names.count(name) == 1 else other for name, other in zip(names, fallback, strict=True)]
