"""HyperSpy (.hspy), Gatan (.dm3, .dm4), Velox and EMD (.emd), TIFF: parsed by RosettaSciIO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..content import Axis, Content, Image, Pixel, Spectra
from .registry import library
from .units import distinct, split_unit, step_nm, text_of

_PLUGINS = {".hspy": "hspy", ".dm3": "digitalmicrograph", ".dm4": "digitalmicrograph", ".emd": "emd",
            ".tif": "tiff", ".tiff": "tiff"}  # fmt: skip
_ROWS, _COLUMNS = ("y", "height"), ("x", "width")


def read(path: Path) -> Content:
    """Return every signal with two spatial axes: as an image, or as spectra where it has further axes."""
    signals: Any = library(f"rsciio.{_PLUGINS[path.suffix.lower()]}").file_reader(str(path))
    maps = [(signal, place) for signal in signals if (place := _spatial(signal["axes"]))]
    titles = [text_of(signal["metadata"].get("General", {}).get("title", "")) for signal, _ in maps]
    names = distinct(titles, [f"signal {number}" for number in range(len(maps))])
    images, spectra = [], []
    for name, (signal, (row, column)) in zip(names, maps, strict=True):
        rest = [axis for axis in range(len(signal["axes"])) if axis not in (row, column)]
        values = np.asarray(signal["data"]).transpose([row, column, *rest])
        pixel = _pixel(signal["axes"][row], signal["axes"][column])
        if rest:
            axes = tuple(_axis(signal["axes"][axis]) for axis in rest)
            spectra.append(Spectra(name, values, _unit(signal), axes, pixel))
        elif values.ndim == 2 and values.dtype.kind in "iuf":
            images.append(Image(name, np.asarray(values, float), _unit(signal), pixel))
    return Content(path.name, tuple(images), tuple(spectra))


def _spatial(axes: list[dict[str, Any]]) -> tuple[int, int] | None:
    """Return the axes of rows and columns: those called so, else the two that are navigated."""
    names = [str(axis.get("name", "")).lower() for axis in axes]
    row = next((names.index(name) for name in _ROWS if name in names), None)
    column = next((names.index(name) for name in _COLUMNS if name in names), None)
    if row is not None and column is not None:
        return row, column
    navigated = [number for number, axis in enumerate(axes) if axis.get("navigate")]
    return (navigated[0], navigated[1]) if len(navigated) == 2 else None


def _axis(axis: dict[str, Any]) -> Axis:
    return Axis(str(axis.get("name", "")), _axis_unit(axis), _values(axis))


def _values(axis: dict[str, Any]) -> Any:
    if "axis" in axis:
        return np.asarray(axis["axis"], float)
    return axis.get("offset", 0.0) + axis.get("scale", 1.0) * np.arange(axis["size"])


def _pixel(row: dict[str, Any], column: dict[str, Any]) -> Pixel:
    steps = [step_nm(_values(axis), _axis_unit(axis)) for axis in (row, column)]
    return None if steps[0] is None or steps[1] is None else (steps[0], steps[1])


def _axis_unit(axis: dict[str, Any]) -> str:
    unit = axis.get("units")
    return unit if isinstance(unit, str) else ""


def _unit(signal: dict[str, Any]) -> str:
    """Return the unit of the quantity; what an X-ray detector counted are counts, whatever is noted."""
    about = signal["metadata"].get("Signal", {})
    if str(about.get("signal_type", "")).startswith("EDS") and np.asarray(signal["data"]).dtype.kind in "iu":
        return "counts"
    return split_unit(str(about.get("quantity", "")))[1]
