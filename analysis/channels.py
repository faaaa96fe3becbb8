"""From raw survey channels to the channels that agents may see."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .levelling import apply_transforms

VERSION = 1
_HEIGHT_TRANSFORMS = ("level_plane", "level_lines")


def principal_phase(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return the angle (rad, -pi/2 to pi/2) along which lock-in X and Y vary most.

    The response of a ferroelectric lies on one line through the X-Y plane; its angle is the
    phase offset of the instrument, known up to half a turn.

    Parameters
    ----------
    x, y : ndarray
        Lock-in components, same shape, same unit; NaN is left out.
    """
    good = np.isfinite(x) & np.isfinite(y)
    z = x[good] + 1j * y[good]
    # The squared phasor has no half-turn ambiguity, so its mean does not cancel over domains.
    return float(0.5 * np.angle(np.mean(z**2))) if z.size else 0.0


def derived_names(channels: list[str]) -> list[str]:
    """Return the channels that :func:`derive_channels` makes of raw ones."""
    names = ["height"] if "height_trace" in channels else []
    if {"x_trace", "y_trace"} <= set(channels):
        names += ["response", "amplitude"]
    used = ("height_", "x_", "y_", "deflection_", "amplitude_", "phase_")
    return names + [name for name in channels if not name.startswith(used)]


def derive_channels(images: NDArray[np.float64], channels: list[str]) -> tuple[NDArray[np.float64], list[str]]:
    """Return what agents may see: levelled height, signed response, amplitude, the rest as it is.

    Never a wrapped phase: lock-in X and Y become the signed response along their
    :func:`principal_phase` and the amplitude. Retrace and error channels are left out.

    Parameters
    ----------
    images : ndarray, shape (channel, row, column)
        Raw survey.
    channels : list of str
        Names along the first axis, ``<quantity>_trace`` for scanning probes.

    Returns
    -------
    images : ndarray, shape (derived channel, row, column)
    names : list of str
        As :func:`derived_names`.
    """
    raw = dict(zip(channels, images, strict=True))
    names = derived_names(channels)
    derived = []
    for name in names:
        if name in raw:
            derived.append(raw[name])
        elif name == "height":
            derived.append(apply_transforms(raw["height_trace"], _HEIGHT_TRANSFORMS))
        elif name == "response":
            phase = principal_phase(raw["x_trace"], raw["y_trace"])
            derived.append(raw["x_trace"] * np.cos(phase) + raw["y_trace"] * np.sin(phase))
        else:
            derived.append(np.hypot(raw["x_trace"], raw["y_trace"]))
    return np.stack(derived) if derived else np.empty((0, *images.shape[1:])), names
