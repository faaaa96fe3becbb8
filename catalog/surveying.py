"""The overview image and where its pixels lie: one function for the plan, for replay and for readers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.envelope import Envelope
from ..core.errors import DataError
from ..core.units import to_si
from .run import Run


@dataclass(frozen=True)
class SurveyImage:
    """A frame as read from the announced file.

    Attributes
    ----------
    images : ndarray, shape (channel, row, column)
        Raw, display units; row 0 is the first line that was scanned.
    channels : list of str
        Names along the first axis.
    units : list of str
        Unit of each channel; empty strings when the descriptor gives none.
    x, y : ndarray, shape (row, column)
        Sample coordinates (nm) of the pixel centres, y up.
    line_clock : ndarray, shape (row,)
        Instrument time (s) at the end of each line; that of the event for every line where the
        instrument does not give it, NaN where it gives neither.
    """

    images: NDArray[np.float64]
    channels: list[str]
    units: list[str]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    line_clock: NDArray[np.float64]

    @property
    def step_nm(self) -> float:
        """Distance (nm) of neighbouring pixel centres along a line."""
        return float(np.hypot(self.x[0, 1] - self.x[0, 0], self.y[0, 1] - self.y[0, 0]))


def survey_image(run: Run, stream: str = "survey") -> SurveyImage:
    """Return the last frame of ``stream`` with its coordinates.

    Parameters
    ----------
    run : Run
        Of any plan whose start document names the frame in ``probeline.keys.frame``; it may still go on.
    stream : str
        Name of the stream.

    Raises
    ------
    UnknownNameError
        When the run has no such stream.
    DataError
        When the run names no frame, or the frame cannot be read.
    """
    keys = (run.start.get("probeline") or {}).get("keys") or {}
    if "frame" not in keys:
        raise DataError(f"run {run.uid[:8]} does not say which of its data keys is the survey image")
    key = keys["frame"]
    info = run.documents_of(stream).data_keys.get(key, {})
    settings = frame_settings(run.configuration(stream), info.get("object_name", ""))
    images = np.asarray(run.last(stream, key), dtype=float)
    x, y = frame_coordinates(settings)
    if images.shape[1:] != x.shape:
        raise DataError(f"the frame has {images.shape[1:]} pixels, its settings say {x.shape}")
    return SurveyImage(
        images=images,
        channels=list(info["channels"]),
        units=list(info.get("channel_units") or [""] * len(images)),
        x=x,
        y=y,
        line_clock=_line_clock(run, stream, keys.get("clock"), len(x)),
    )


def frame_settings(configuration: Mapping[str, Any], device: str) -> dict[str, Any]:
    """Return the settings of the frame detector ``device`` without its name in front."""
    prefix = f"{device}_"
    return {key.removeprefix(prefix): value for key, value in configuration.items() if key.startswith(prefix)}


def frame_coordinates(settings: Mapping[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where the pixel centres of a frame lie.

    Row 0 is the first line: the lowest for ``slow = "up"``, the highest for ``"down"``; column 0
    is the left end of a line, before the frame is turned about its centre.

    Parameters
    ----------
    settings : mapping
        ``center_x``, ``center_y``, ``width``, ``height`` (nm, from edge to edge), ``pixels`` per line, ``lines``,
        ``angle`` (deg, counter-clockwise), ``slow`` (``"up"`` or ``"down"``).

    Returns
    -------
    x, y : ndarray, shape (lines, pixels)
        nm, right-handed, y up.

    Raises
    ------
    DataError
        When a setting is missing.
    """
    missing = {"center_x", "center_y", "width", "height", "pixels", "lines", "angle", "slow"} - settings.keys()
    if missing:
        raise DataError(f"the frame's settings lack {', '.join(sorted(missing))}: its pixels lie nowhere")
    pixels, lines = int(settings["pixels"]), int(settings["lines"])
    u = ((np.arange(pixels) + 0.5) / pixels - 0.5) * settings["width"]
    v = ((np.arange(lines) + 0.5) / lines - 0.5) * settings["height"]
    u, v = np.meshgrid(u, v if settings["slow"] == "up" else -v)
    angle = np.deg2rad(settings["angle"])
    x = settings["center_x"] + u * np.cos(angle) - v * np.sin(angle)
    y = settings["center_y"] + u * np.sin(angle) + v * np.cos(angle)
    return x, y


def admissible_pixels(x: NDArray[np.float64], y: NDArray[np.float64], envelope: Envelope) -> NDArray[np.bool_]:
    """Return which pixels may be measured: those inside the envelope's limits of ``x`` and ``y``.

    Parameters
    ----------
    x, y : ndarray, shape (row, column)
        Coordinates (nm); at the survey, sample and scanner coordinates are the same.
    envelope : Envelope
        Limits in m.

    Returns
    -------
    ndarray of bool, shape (row, column)
    """
    inside = np.ones(np.shape(x), bool)
    for key, values in (("x", x), ("y", y)):
        low, high = envelope.limits.get(key, (-np.inf, np.inf))
        metres = values * to_si(1.0, "nm")
        inside &= (metres >= low) & (metres <= high)
    return inside


def _line_clock(run: Run, stream: str, clock: str | None, lines: int) -> NDArray[np.float64]:
    stream_keys = run.documents_of(stream).data_keys
    for key in stream_keys:
        if key.endswith("line_clock"):
            return np.asarray(run.last(stream, key), dtype=float)
    if clock in stream_keys and run.documents_of(stream).events:
        return np.full(lines, float(run.last(stream, clock)))
    return np.full(lines, np.nan)
