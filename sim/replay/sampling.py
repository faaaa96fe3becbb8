"""From a requested raster to the measured pixels under it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import CommandRejected, LimitError
from ...devices.drivers import ScanSettings

MOST = 4096  # pixels per line, and lines
_KEYS = set(ScanSettings.__annotations__)


def check_scan(settings: Mapping[str, Any]) -> None:
    """Raise unless ``settings`` describe a raster; where it lies is not judged.

    Raises
    ------
    CommandRejected
        For a missing, unknown or meaningless setting.
    LimitError
        For a number that is not finite, not whole or not positive where it must be.
    """
    unknown, missing = sorted(set(settings) - _KEYS), sorted(_KEYS - set(settings) - {"line_time"})
    if unknown or missing:
        raise CommandRejected(f"scan settings: {unknown or 'none'} unknown, {missing or 'none'} missing")
    if settings["slow"] not in ("up", "down"):
        raise CommandRejected(f"scan setting slow = {settings['slow']!r} is neither 'up' nor 'down'")
    for key in settings.keys() - {"slow"}:
        value = settings[key]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise CommandRejected(f"scan setting {key} = {value!r} is not a number; give one in SI units")
        if not math.isfinite(value):
            raise LimitError(key, float(value), "a finite number", remedy="give a finite value (SI)")
        if key in ("pixels", "lines") and value != int(value):
            raise LimitError(key, float(value), "a whole number", remedy="round it")
        if key in ("pixels", "lines") and value > MOST:
            raise LimitError(key, float(value), f"at most {MOST}", remedy="take fewer pixels")
        if key in ("width", "height", "pixels", "lines", "line_time") and value <= 0:
            raise LimitError(key, float(value), "more than 0", remedy="give a positive value (SI)")


def raster(settings: ScanSettings) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return x and y (m) of all pixel centres, each of shape (line, pixel), in scan order."""
    pixels, lines = settings["pixels"], settings["lines"]
    u = ((np.arange(pixels) + 0.5) / pixels - 0.5) * settings["width"]
    v = ((np.arange(lines) + 0.5) / lines - 0.5) * settings["height"]
    if settings["slow"] == "down":
        v = -v
    u, v = np.meshgrid(u, v)
    cos, sin = math.cos(settings["angle"]), math.sin(settings["angle"])
    return settings["center_x"] + u * cos - v * sin, settings["center_y"] + u * sin + v * cos


def bilinear(images: NDArray[np.float64], row: NDArray[np.float64], column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``images`` between pixel centres; NaN where one of the neighbours needed is missing.

    Nothing is extrapolated: beyond the outermost centres there is nothing to interpolate
    with. On a pixel centre the value is that of the pixel, bit for bit.

    Parameters
    ----------
    images : ndarray, shape (channel, row, column)
        What was measured.
    row, column : ndarray, any shape S
        Fractional indices.

    Returns
    -------
    ndarray, shape (channel,) + S
    """
    rows, columns = images.shape[1:]
    inside = (row >= 0) & (row <= rows - 1) & (column >= 0) & (column <= columns - 1)
    r, c = np.where(inside, row, 0.0), np.where(inside, column, 0.0)
    r0, c0 = np.floor(r).astype(int), np.floor(c).astype(int)
    fr, fc = r - r0, c - c0
    result = np.zeros((len(images), *row.shape))
    for dr, wr in ((0, 1 - fr), (1, fr)):
        for dc, wc in ((0, 1 - fc), (1, fc)):
            weight = wr * wc
            # A neighbour of weight zero may be missing, or lie outside: it is not used.
            used = weight > 0
            neighbour = images[:, np.where(used, r0 + dr, 0), np.where(used, c0 + dc, 0)]
            result += np.where(used, weight * neighbour, 0.0)
    return np.where(inside, result, np.nan)


def nearest_valid(valid: NDArray[np.bool_], row: float, column: float, limit: float) -> tuple[int, int, float] | None:
    """Return row, column and distance (pixels) of the nearest valid pixel within ``limit``, or None."""
    reach = math.ceil(limit)
    found = None
    for r in range(round(row) - reach, round(row) + reach + 1):
        for c in range(round(column) - reach, round(column) + reach + 1):
            if 0 <= r < valid.shape[0] and 0 <= c < valid.shape[1] and valid[r, c]:
                distance = math.hypot(r - row, c - column)
                if distance <= limit and (found is None or distance < found[2]):
                    found = (r, c, distance)
    return found
