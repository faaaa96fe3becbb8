"""Gwyddion (.gwy): images and volume data, parsed by gwyfile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..content import Axis, Content, Image, Pixel, Spectra
from .registry import library
from .units import distinct, length_nm, text_of


def read(path: Path) -> Content:
    """Return the data fields as images and the bricks as spectra; masks are not applied."""
    container: Any = library("gwyfile").load(str(path))
    keys = [key for key in container if key.startswith("/") and key.endswith("/data") and key.count("/") == 2]
    names = distinct([text_of(container.get(f"{key}/title", "")) for key in keys], keys)
    images = tuple(_field(name, container[key]) for name, key in zip(names, keys, strict=True))
    keys = [key for key in container if key.startswith("/brick/") and key.count("/") == 2]
    names = distinct([text_of(container.get(f"{key}/title", "")) for key in keys], keys)
    return Content(path.name, images, tuple(_brick(n, container[key]) for n, key in zip(names, keys, strict=True)))


def _field(name: str, field: Any) -> Image:
    values = np.asarray(field["data"], float).reshape(field["yres"], field["xres"])
    return Image(name, values, _unit(field, "si_unit_z"), _pixel(field, "si_unit_xy", "si_unit_xy"))


def _brick(name: str, brick: Any) -> Spectra:
    values = np.asarray(brick["data"], float).reshape(brick["zres"], brick["yres"], brick["xres"])
    step = brick["zreal"] / brick["zres"]
    axis = Axis("z", _unit(brick, "si_unit_z"), brick.get("zoff", 0.0) + step * np.arange(brick["zres"]))
    pixel = _pixel(brick, "si_unit_y", "si_unit_x")
    return Spectra(name, np.moveaxis(values, 0, -1), _unit(brick, "si_unit_w"), (axis,), pixel)


def _pixel(what: Any, row_unit: str, column_unit: str) -> Pixel:
    row, column = length_nm(_unit(what, row_unit)), length_nm(_unit(what, column_unit))
    if row is None or column is None:
        return None
    return row * what["yreal"] / what["yres"], column * what["xreal"] / what["xres"]


def _unit(what: Any, key: str) -> str:
    return text_of(what[key]["unitstr"]) if key in what else ""
