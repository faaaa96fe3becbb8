"""The parts of a run as files need them: a frame, axes, measurements at points."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

_AXIS_QUANTITIES = {"bias": "bias voltage"}


@dataclass(frozen=True)
class Frame:
    """The survey as it was recorded, nothing levelled.

    Attributes
    ----------
    images : ndarray, shape (channel, line, pixel)
        Each channel in its unit of ``units``; line 0 was scanned first, NaN where nothing was measured.
    channels, units : list of str
        Names and units along the first axis.
    center : tuple of float
        Centre of the frame (nm, sample).
    size : tuple of float
        Width and height (nm) from edge to edge.
    angle_deg : float
        By how much the frame is turned about its centre, counter-clockwise.
    slow : str
        ``"up"``: line 0 is the lowest before the turn; ``"down"``: the highest.
    x, y : ndarray, shape (line, pixel)
        Sample coordinates (nm) of the pixel centres, y up.
    line_clock : ndarray, shape (line,)
        Instrument time (s) at the end of each line, NaN where it is not known.
    """

    images: NDArray[np.float64]
    channels: list[str]
    units: list[str]
    center: tuple[float, float]
    size: tuple[float, float]
    angle_deg: float
    slow: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    line_clock: NDArray[np.float64]

    @property
    def downward(self) -> slice:
        """What puts the lines in order from the top of the frame to its bottom."""
        return slice(None, None, -1) if self.slow == "up" else slice(None)

    @property
    def pixel(self) -> tuple[float, float]:
        """Distance (nm) of pixel centres along a line, and of lines."""
        lines, pixels = self.images.shape[1:]
        return self.size[0] / pixels, self.size[1] / lines

    @property
    def columns(self) -> NDArray[np.float64]:
        """Coordinate x (nm) of each column before the turn, shape (pixel,)."""
        step, pixels = self.pixel[0], self.images.shape[2]
        return self.center[0] + (np.arange(pixels) - (pixels - 1) / 2) * step

    @property
    def lines(self) -> NDArray[np.float64]:
        """Coordinate y (nm) of each line from the top down before the turn, shape (line,)."""
        step, lines = self.pixel[1], self.images.shape[1]
        return self.center[1] - (np.arange(lines) - (lines - 1) / 2) * step

    def before_turn(self, x: Any, y: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return sample coordinates (nm) turned back about the centre, as ``columns`` and ``lines`` are."""
        angle = math.radians(self.angle_deg)
        u, v = np.asarray(x, float) - self.center[0], np.asarray(y, float) - self.center[1]
        back_u, back_v = u * math.cos(angle) + v * math.sin(angle), v * math.cos(angle) - u * math.sin(angle)
        return self.center[0] + back_u, self.center[1] + back_v

    def settings(self) -> dict[str, Any]:
        """Return the geometry, JSON; units in the names."""
        return {
            "center_x_nm": self.center[0],
            "center_y_nm": self.center[1],
            "width_nm": self.size[0],
            "height_nm": self.size[1],
            "angle_deg": self.angle_deg,
            "angle_sign": "counter-clockwise about the centre",
            "slow": self.slow,
        }


@dataclass(frozen=True)
class Axis:
    """One axis of a measurement: its name, values (numbers or text), unit and quantity."""

    name: str
    values: list[Any]
    unit: str

    @property
    def quantity(self) -> str:
        """What it is an axis of."""
        return _AXIS_QUANTITIES.get(self.name, self.name)

    @property
    def is_text(self) -> bool:
        """Whether its values are names, such as ``"off"`` and ``"on"``."""
        return any(isinstance(value, str) for value in self.values)

    @property
    def numbers(self) -> NDArray[np.float64]:
        """Its values as numbers, their places where they are text; shape (value,)."""
        return np.arange(len(self.values), dtype=float) if self.is_text else np.asarray(self.values, float)


@dataclass(frozen=True)
class Spectra:
    """Measurements at points that have the same axes and settings.

    Attributes
    ----------
    name : str
        Their kind; with a number behind it for the second axes or settings of a run, and so on.
    kind, unit : str
        Kind of measurement, and the unit of its data.
    channels : list of str
        Names along the first axis of ``data``.
    axes : list of Axis
        The other axes.
    settings : mapping
        Settings of the spectrometer, in the units of the record.
    decision : list of int
        The decision that asked for each.
    x, y : list of float
        Where it was taken (nm, sample).
    data : list of ndarray, shape (channel, *axes)
        As recorded, NaN where nothing was measured.
    """

    name: str
    kind: str
    unit: str
    channels: list[str]
    axes: list[Axis]
    settings: Mapping[str, Any]
    decision: list[int] = field(default_factory=list)
    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)
    data: list[NDArray[np.float64]] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one channel of all points: (point, *axes)."""
        return (len(self.data), *(len(axis.values) for axis in self.axes))
