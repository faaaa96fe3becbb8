"""Igor binary waves (.ibw) as Asylum Research writes images, parsed by igor2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import DataError
from ..content import Content, Image
from .registry import library
from .units import length_nm, text_of

# A wave has one unit for all its layers; these are the units in which the software keeps each kind.
_UNITS = {"Height": "m", "ZSensor": "m", "Amplitude": "m", "Deflection": "m", "Phase": "deg", "Frequency": "Hz",
          "Current": "A", "UserIn": "V"}  # fmt: skip


def read(path: Path) -> Content:
    """Return the layers of a wave as images.

    Raises
    ------
    DataError
        When the wave is no stack of images.
    """
    wave: Any = library("igor2.binarywave").load(str(path))["wave"]
    data = np.asarray(wave["wData"], float)
    if data.ndim not in (2, 3):
        raise DataError(f"{path} holds no map: its wave has {data.ndim} dimensions, an image has 2 or 3")
    data = data[..., None] if data.ndim == 2 else data
    header = wave["wave_header"]
    units = [b"".join(letters).decode("latin-1").strip("\x00 ") for letters in header["dimUnits"]]
    factors = [length_nm(unit) for unit in units[:2]]
    steps = [abs(float(step)) * (factor or 0.0) for step, factor in zip(header["sfA"], factors, strict=False)]
    pixel = (steps[1], steps[0]) if all(steps) else None  # a wave is stored as x, y, layer
    names = [text_of(label) for label in wave["labels"][2][1:]] if len(wave["labels"]) > 2 else []
    names += [f"layer {number}" for number in range(len(names), data.shape[2])]
    layers = np.moveaxis(data, -1, 0)
    return Content(
        path.name,
        tuple(Image(name, layer.T, _unit(name), pixel) for name, layer in zip(names, layers, strict=False)),
    )


def _unit(name: str) -> str:
    return next((unit for kind, unit in _UNITS.items() if name.startswith(kind)), "")
