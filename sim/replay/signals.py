"""The named signals of a replayed instrument, and their values when it is opened."""

from __future__ import annotations

import math
from typing import Any

from ...devices.drivers import SignalInfo, Value
from .dataset import Dataset

WITHDRAWN_Z = 3e-6  # m, where z stands when the tip is withdrawn
_NO_EFFECT = "kept and read back; has no effect on replayed data"


def signals_of(dataset: Dataset) -> tuple[dict[str, SignalInfo], dict[str, Value]]:
    """Return signal descriptions and initial values for the instrument of ``dataset``."""
    return _spm() if dataset.kind == "spm" else _stem(dataset.metadata["column"])


def _number(unit: str, limits: tuple[float, float], resolution: float) -> SignalInfo:
    return {
        "unit": unit,
        "writable": True,
        "dtype": "number",
        "limits": limits,
        "resolution": resolution,
        "doc": _NO_EFFECT,
    }


def _spm() -> tuple[dict[str, SignalInfo], dict[str, Value]]:
    signals: dict[str, SignalInfo] = {
        "bias": _number("V", (-10.0, 10.0), 1e-3),
        "setpoint": _number("V", (0.0, 10.0), 1e-3),
        "drive_amplitude": _number("V", (0.0, 10.0), 1e-3),
        "drive_frequency": _number("Hz", (1e3, 2e6), 1.0),
        "phase_offset": _number("rad", (-math.pi, math.pi), 1e-4),
        "feedback": {"unit": "", "writable": True, "dtype": "boolean", "doc": _NO_EFFECT},
        "z": {
            "unit": "m",
            "writable": False,
            "dtype": "number",
            "limits": (0.0, WITHDRAWN_Z),
            "doc": "0 when tracking, its upper limit when withdrawn; the data hold no z",
        },
        "tip": {"unit": "", "writable": False, "dtype": "string", "choices": ["tracking", "withdrawn"]},
    }
    values: dict[str, Value] = {
        "bias": 0.0,
        "setpoint": 1.0,
        "drive_amplitude": 1.0,
        "drive_frequency": 350e3,
        "phase_offset": 0.0,
        "feedback": False,
        "z": WITHDRAWN_Z,
        "tip": "withdrawn",
    }
    return signals, values


def _stem(column: dict[str, Any]) -> tuple[dict[str, SignalInfo], dict[str, Value]]:
    signals: dict[str, SignalInfo] = {
        "blanked": {
            "unit": "",
            "writable": True,
            "dtype": "boolean",
            "doc": "False during each dwell of an acquisition, True again after it",
        },
        "beam_current": {"unit": "A", "writable": False, "dtype": "number", "doc": "as stored with the data"},
        "high_tension": {"unit": "V", "writable": False, "dtype": "number", "doc": "as stored with the data"},
    }
    values: dict[str, Value] = {
        "blanked": True,
        "beam_current": column["beam_current_A"],
        "high_tension": column["high_tension_V"],
    }
    return signals, values
