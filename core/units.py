"""The microscopist's units at the surface, SI inside drivers."""

from __future__ import annotations

# Unit shown -> (SI unit, SI value of one unit). One table, so that no factor is typed twice.
_UNITS: dict[str, tuple[str, float]] = {
    "m": ("m", 1.0),
    "um": ("m", 1e-6),
    "nm": ("m", 1e-9),
    "pm": ("m", 1e-12),
    "s": ("s", 1.0),
    "ms": ("s", 1e-3),
    "us": ("s", 1e-6),
    "V": ("V", 1.0),
    "mV": ("V", 1e-3),
    "A": ("A", 1.0),
    "nA": ("A", 1e-9),
    "pA": ("A", 1e-12),
    "Hz": ("Hz", 1.0),
    "kHz": ("Hz", 1e3),
    "N": ("N", 1.0),
    "nN": ("N", 1e-9),
    "rad": ("rad", 1.0),
    "mrad": ("rad", 1e-3),
    "deg": ("rad", 0.017453292519943295),
    "eV": ("eV", 1.0),
    "keV": ("eV", 1e3),
    "counts": ("counts", 1.0),
    "": ("", 1.0),
}


def si_factor(unit: str) -> float:
    """Return the SI value of one ``unit``.

    Raises
    ------
    KeyError
        When the unit is not in the table: a programming error, not a user's.
    """
    return _UNITS[unit][1]


def si_unit(unit: str) -> str:
    """Return the SI unit that ``unit`` is measured in."""
    return _UNITS[unit][0]


def to_si(value: float, unit: str) -> float:
    """Convert ``value`` in ``unit`` to SI."""
    return value * si_factor(unit)


def from_si(value: float, unit: str) -> float:
    """Convert ``value`` in SI to ``unit``."""
    return value / si_factor(unit)
