"""What a controller must offer: the protocols that vendors, twins and replays fill.

Plain Python, no ophyd. All numbers are SI. Arguments and results are JSON values and
numpy arrays, so that any driver can live in a process of its own. Positions ``x, y`` are
scanner coordinates (m), right-handed, y up; angles are counter-clockwise (rad).

A driver states in ``describe()["capabilities"]`` which of the groups below it fills:
``scan``, ``position``, ``spectroscopy``, ``feedback``. Asking for another one raises
:class:`~probeline.core.errors.NotSupported`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NotRequired, Protocol, TypedDict, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Value = float | int | bool | str


class SignalInfo(TypedDict):
    """One named quantity of the controller."""

    unit: str  # SI unit, "" for none
    writable: bool
    dtype: str  # "number", "integer", "boolean", "string"
    limits: NotRequired[tuple[float, float]]  # what the controller itself accepts
    resolution: NotRequired[float]  # smallest step it can hold
    choices: NotRequired[list[str]]
    doc: NotRequired[str]


class ChannelInfo(TypedDict):
    """One imaging channel."""

    name: str  # e.g. "height_trace"
    unit: str  # SI unit, "" for none


class SpectrumInfo(TypedDict):
    """One kind of measurement at a point."""

    dims: list[str]  # names of the axes of the data, first is always "channel"
    channels: list[str]
    unit: str  # SI unit of the data
    settings: dict[str, Value]  # every setting that is accepted, with its default (SI)
    destructive: bool  # leaves the sample changed
    footprint: float  # radius (m) that the measurement changes or occupies, at default settings
    coords: NotRequired[dict[str, list[Any]]]  # axis -> values (SI), of axes that no setting changes
    seconds: NotRequired[float]  # instrument time that it takes at default settings, where that is known


class Description(TypedDict):
    """What ``Driver.describe`` answers; JSON."""

    model: str
    serial: str
    version: str
    mode: str  # "contact_pfm", "stem", ...
    capabilities: list[str]
    virtual_clock: bool
    signals: dict[str, SignalInfo]
    channels: list[ChannelInfo]
    spectra: dict[str, SpectrumInfo]
    scan_range: tuple[float, float, float, float]  # x_min, x_max, y_min, y_max (m)
    line_time: NotRequired[float]  # s, of a line without a line time of its own, where that is known
    metadata: dict[str, Any]  # sample, probe or column, bias convention, source, licence


class ScanSettings(TypedDict):
    """One raster frame. Row 0 is the first line in ``slow`` direction."""

    center_x: float  # m
    center_y: float  # m
    width: float  # m, outer edge to outer edge; pixel centres lie half a pixel inside
    height: float  # m
    pixels: int  # per line
    lines: int
    angle: float  # rad, counter-clockwise
    slow: str  # "up" or "down": the direction in which y of successive lines goes
    line_time: NotRequired[float]  # s, trace and retrace


class Frame(TypedDict):
    """Result of a scan."""

    data: NDArray[np.float64]  # (channel, line, pixel), SI, NaN where aborted
    channels: list[str]
    line_clock: NDArray[np.float64]  # (line,), s, end of each line, NaN where aborted


class Spectrum(TypedDict):
    """Result of a measurement at a point."""

    kind: str
    data: NDArray[np.float64]  # axes as in ``dims``, SI, NaN where aborted
    dims: list[str]
    channels: list[str]
    coords: dict[str, list[Any]]  # axis name -> values (SI), for every axis but "channel"
    unit: str
    provenance: dict[str, Any]  # JSON: {"kind": "measured" | "interpolated" | "simulated", ...}


@runtime_checkable
class Acquisition(Protocol):
    """A running measurement. Iterate to follow it; ``result`` waits for the end.

    Iteration yields ``(first, block, clock)``: the index of the first line (or first cycle)
    of the block, the data in the layout of the result, and the instrument time (s).
    """

    def __iter__(self) -> Iterator[tuple[int, NDArray[np.float64], float]]: ...

    def abort(self) -> None:
        """End it now, from any thread; what is missing becomes NaN. Idempotent."""
        ...

    def result(self) -> dict[str, Any]:
        """Return the :class:`Frame` or :class:`Spectrum`, running to the end if need be."""
        ...


@runtime_checkable
class Driver(Protocol):
    """What every controller offers."""

    def describe(self) -> Description:
        """Return what this controller is and can do; constant while it is open."""
        ...

    def get_many(self, keys: Sequence[str]) -> dict[str, Value]:
        """Return the present value of each key, read from the controller.

        Raises
        ------
        CommandRejected
            For a key that is not in ``describe()["signals"]``.
        """
        ...

    def set_many(self, values: Mapping[str, Value]) -> None:
        """Set keys that belong together and return when all have been reached.

        Raises
        ------
        CommandRejected
            For an unknown or read-only key.
        LimitError
            For a value outside what the controller accepts; then none is set.
        """
        ...

    def clock(self) -> float:
        """Return the instrument time (s): virtual on twins, monotonic on hardware."""
        ...

    def wait(self, seconds: float) -> None:
        """Let ``seconds`` of instrument time pass, in short pieces that ``hold`` ends."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what is needed to open the instrument again as it is now; JSON, may be empty."""
        ...

    def hold(self) -> None:
        """Posture *hold*: end motion and acquisition, change nothing else. Idempotent."""
        ...

    def park(self) -> None:
        """Posture *idle*: tip lifted, beam blanked. Idempotent."""
        ...

    def make_safe(self) -> None:
        """Posture *safe*: withdraw and switch off in the order that the mode needs. Idempotent."""
        ...

    def close(self) -> None:
        """Release the controller. Idempotent."""
        ...


@runtime_checkable
class ScanDriver(Driver, Protocol):
    """A driver with capability ``scan``."""

    def start_scan(self, settings: ScanSettings) -> Acquisition:
        """Start one frame. Raises ``Busy`` while another acquisition runs."""
        ...


@runtime_checkable
class PositionDriver(Driver, Protocol):
    """A driver with capability ``position``: the probe can be placed at a point."""

    def move(self, x: float, y: float) -> None:
        """Move the probe to scanner coordinates (m) and return on arrival."""
        ...

    def position(self) -> tuple[float, float]:
        """Return the scanner coordinates (m), read back."""
        ...


@runtime_checkable
class SpectroscopyDriver(Driver, Protocol):
    """A driver with capability ``spectroscopy``."""

    def start_spectrum(self, kind: str, settings: Mapping[str, Value]) -> Acquisition:
        """Start the measurement ``kind`` of ``describe()["spectra"]`` where the probe is.

        Settings that are left out take their defaults. Raises ``Busy`` while another
        acquisition runs, ``NotMeasured`` where a replay holds nothing.
        """
        ...


@runtime_checkable
class FeedbackDriver(Driver, Protocol):
    """A driver with capability ``feedback``: a z loop that tracks the surface."""

    def set_feedback(self, on: bool) -> None:
        """Close or open the z loop at the present setpoint."""
        ...

    def withdraw(self) -> None:
        """Retract z by the controller's own command and return when z is at its limit."""
        ...

    def approach(self) -> None:
        """Bring the tip to the setpoint and close the loop."""
        ...
