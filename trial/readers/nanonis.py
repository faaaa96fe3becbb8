"""Nanonis: grids of spectra (.3ds) and scans (.sxm), parsed by nanonispy2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..content import Axis, Content, Image, Pixel, Spectra
from .registry import library
from .units import split_unit

_PLACE = ("X", "Y")


def read(path: Path) -> Content:
    """Return what a Nanonis file holds."""
    return _scan(path) if path.suffix.lower() == ".sxm" else _grid(path)


def _grid(path: Path) -> Content:
    """Return spectra of a grid by channel, and as images what was noted at each of its pixels.

    A grid that was aborted is shorter than its header says; what it lacks is NaN.
    """
    found: Any = library("nanonispy2.read").Grid(str(path))
    header, signals = found.header, found.signals
    columns, rows = (int(count) for count in header["dim_px"])
    stored = (
        (path.stat().st_size - found.byte_offset)
        // 4
        // (header["num_parameters"] + header["num_sweep_signal"] * header["num_channels"])
    )
    measured = (np.arange(rows * columns) < stored).reshape(rows, columns)
    noted = np.where(measured[..., None], np.asarray(signals["params"], float), np.nan)
    labels = [*header["fixed_parameters"], *header["experimental_parameters"]]
    notes = dict(zip(labels, np.moveaxis(noted, -1, 0), strict=True))
    pixel = _grid_pixel(header, notes)
    name, unit = split_unit(header["sweep_signal"])
    axis = Axis(name, unit, np.asarray(signals["sweep_signal"], float))
    spectra = []
    for label in header["channels"]:
        values = np.where(measured[..., None], np.asarray(signals[label], float), np.nan)
        spectra.append(Spectra(*_named(label, values), (axis,), pixel))
    images = tuple(Image(*_named(label, values), pixel) for label, values in notes.items() if _is_image(label, values))
    missing = rows * columns - int(measured.sum())
    said = (f"{missing} of {rows * columns} pixels were not measured",) if missing else ()
    return Content(path.name, images, tuple(spectra), said)


def _is_image(label: str, values: NDArray[np.float64]) -> bool:
    """Return whether what was noted differs between pixels, and is not their place."""
    return split_unit(label)[0] not in _PLACE and bool(np.nanmax(values) > np.nanmin(values))


def _named(label: str, values: NDArray[np.float64]) -> tuple[str, NDArray[np.float64], str]:
    name, unit = split_unit(label)
    return name, values, unit


def _grid_pixel(header: dict[str, Any], notes: dict[str, NDArray[np.float64]]) -> Pixel:
    """Return the distances of rows and columns from where the tip was, else from the frame."""
    columns, rows = (int(count) for count in header["dim_px"])
    width, height = (float(size) for size in header["size_xy"])
    steps = []
    for axis, (size, count) in enumerate(((height, rows), (width, columns))):
        nominal = size / max(count - 1, 1)
        if {"X (m)", "Y (m)"} <= set(notes):
            away = np.hypot(*(np.diff(notes[name], axis=axis) for name in ("X (m)", "Y (m)")))
            nominal = float(np.nanmedian(away)) if np.isfinite(away).any() else nominal
        steps.append(nominal * 1e9)
    return steps[0], steps[1]


def _scan(path: Path) -> Content:
    """Return the forward images of a scan; backward ones show the same again."""
    found: Any = library("nanonispy2.read").Scan(str(path))
    columns, rows = (int(count) for count in found.header["scan_pixels"])
    width, height = (float(size) * 1e9 for size in found.header["scan_range"])
    info = found.header["data_info"]
    units = dict(zip(info["Name"], info["Unit"], strict=True))
    images = tuple(
        Image(name, np.asarray(passes["forward"], float), units.get(name, ""), (height / rows, width / columns))
        for name, passes in found.signals.items()
    )
    return Content(path.name, images)
