"""NumPy arrays (.npy, .npz), with what an array cannot say in keys beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..content import Axis, Content, Image, Spectra

Arrays = Mapping[str, NDArray[Any]]
_BESIDE = ("_unit", "_axis", "_axis_name", "_axis_unit")


def read(path: Path) -> Content:
    """Return arrays with two dimensions as images, those with more as spectra at (row, column).

    An ``.npz`` file may add ``pixel_nm`` for all, and for an array ``NAME`` its ``NAME_unit``
    and, where its spectra have one axis, ``NAME_axis``, ``NAME_axis_name`` and ``NAME_axis_unit``.
    """
    arrays = _fields(_loaded(path))
    edge = float(arrays["pixel_nm"]) if "pixel_nm" in arrays else None
    pixel = None if edge is None else (edge, edge)
    shown = {name: array for name, array in arrays.items() if array.ndim >= 2 and not name.endswith(_BESIDE)}
    return Content(
        path.name,
        tuple(
            Image(name, np.asarray(array, float), _text(arrays, f"{name}_unit"), pixel)
            for name, array in shown.items()
            if array.ndim == 2
        ),
        tuple(
            Spectra(name, array, _text(arrays, f"{name}_unit"), _axes(arrays, name), pixel)
            for name, array in shown.items()
            if array.ndim > 2
        ),
    )


def _loaded(path: Path) -> Arrays:
    loaded = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return {path.stem: loaded}
    with loaded:
        return dict(loaded)


def _fields(arrays: Arrays) -> Arrays:
    """Return the arrays, each field of a structured one by itself as ``array.field``."""
    found: dict[str, NDArray[Any]] = {}
    for name, array in arrays.items():
        if array.dtype.names:
            found |= {f"{name}.{field}": array[field] for field in array.dtype.names}
        else:
            found[name] = array
    return found


def _axes(arrays: Arrays, name: str) -> tuple[Axis, ...]:
    lengths = arrays[name].shape[2:]
    if len(lengths) == 1 and f"{name}_axis" in arrays:
        label, unit = _text(arrays, f"{name}_axis_name") or "axis", _text(arrays, f"{name}_axis_unit")
        return (Axis(label, unit, np.asarray(arrays[f"{name}_axis"], float)),)
    return tuple(Axis(f"axis {number}", "", np.arange(float(length))) for number, length in enumerate(lengths, 2))


def _text(arrays: Arrays, key: str) -> str:
    return str(arrays[key]) if key in arrays else ""
