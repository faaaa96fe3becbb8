"""Where and when each pixel of a frame is measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import CommandRejected, LimitError

OVERSCAN = 0.08  # share of the half line that the tip needs to turn round, on each side
LINE_TIME = 1.0  # s, trace and retrace
_ROUNDING = 1e-15  # m, what floating point may move a corner
_COUNTS = {"pixels": (1, 4096), "lines": (1, 4096)}
_RANGES = {
    "center_x": (-1e-3, 1e-3, "m"),
    "center_y": (-1e-3, 1e-3, "m"),
    "angle": (-2 * math.pi, 2 * math.pi, "rad"),
    "width": (1e-9, 1e-4, "m"),
    "height": (1e-9, 1e-4, "m"),
    "line_time": (0.02, 100.0, "s"),
}


@dataclass(frozen=True)
class Raster:
    """One frame, checked; names as in ``ScanSettings``."""

    center_x: float
    center_y: float
    width: float
    height: float
    pixels: int
    lines: int
    angle: float
    slow: str
    line_time: float = LINE_TIME

    @classmethod
    def checked(cls, settings: Mapping[str, Any], scan_range: tuple[float, float, float, float]) -> Raster:
        """Return the frame that ``settings`` describe.

        Raises
        ------
        CommandRejected
            When a setting is missing, unknown or of the wrong kind.
        LimitError
            When a value or a corner of the frame is out of range (m).
        """
        try:
            raster = cls(**settings)
        except TypeError as error:
            raise CommandRejected(f"scan settings are not understood: {error}") from error
        if raster.slow not in ("up", "down"):
            raise CommandRejected(f"slow = {raster.slow!r} is neither 'up' nor 'down'")
        for name, (least, most) in _COUNTS.items():
            value = getattr(raster, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise LimitError(name, value, f"a whole number, {least} to {most}")
        for name, (low, high, unit) in _RANGES.items():
            value = getattr(raster, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise CommandRejected(f"scan setting {name} = {value!r} is not a number; give one in {unit}")
            if not low <= value <= high:
                raise LimitError(name, float(value), f"{low:g} to {high:g} {unit}", unit)
        raster._check_corners(scan_range)
        return raster

    def _check_corners(self, scan_range: tuple[float, float, float, float]) -> None:
        x_min, x_max, y_min, y_max = scan_range
        for u in (-0.5, 0.5):
            for v in (-0.5, 0.5):
                x, y = self._place(u * self.width, v * self.height)
                for name, value, low, high in (("x", x, x_min, x_max), ("y", y, y_min, y_max)):
                    if not low - _ROUNDING <= value <= high + _ROUNDING:
                        limit = f"{low:g} to {high:g} m"
                        raise LimitError(f"{name} of a corner", float(value), limit, "m", "move or shrink the frame")

    def _place(self, u: Any, v: Any) -> tuple[Any, Any]:
        """Return scanner coordinates of frame coordinates (m) along and across the lines."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return self.center_x + u * cos - v * sin, self.center_y + u * sin + v * cos

    def coordinates(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return scanner coordinates (m) of the pixel centres, each of shape (row, pixel)."""
        u = ((np.arange(self.pixels) + 0.5) / self.pixels - 0.5) * self.width
        v = ((rows + 0.5) / self.lines - 0.5) * self.height * (1 if self.slow == "up" else -1)
        return self._place(u[None, :], v[:, None])

    def start(self, row: int = 0) -> tuple[float, float]:
        """Return scanner coordinates (m) of the first pixel of line ``row``."""
        x, y = self.coordinates(np.array([row]))
        return float(x[0, 0]), float(y[0, 0])

    def times(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return when each pixel is passed (s after the start), shape (2, row, pixel).

        The first axis is trace and retrace. Pixels of the retrace are in the order of the
        trace, so their time runs backwards along a row.
        """
        active = OVERSCAN + (1 - 2 * OVERSCAN) * (np.arange(self.pixels) + 0.5) / self.pixels
        within = 0.5 * self.line_time * np.stack([active, 2 - active])
        return within[:, None, :] + rows[None, :, None] * self.line_time

    @property
    def pixel_time(self) -> float:
        """Time on one pixel (s)."""
        return 0.5 * self.line_time * (1 - 2 * OVERSCAN) / self.pixels
