"""NSID: every array has a scale for each of its dimensions (pycroscopy.github.io/pyNSID)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from ..content import Axis, Content, Image, Spectra
from .units import distinct, step_nm, text_of


def is_main(dataset: h5py.Dataset) -> bool:
    """Return whether ``dataset`` is an array with scales that say whether they are spatial."""
    if "data_type" not in dataset.attrs or dataset.ndim < 2:
        return False
    return all(len(dim) and "dimension_type" in dim[0].attrs for dim in dataset.dims)


def content(source: str, datasets: Mapping[str, h5py.Dataset]) -> Content:
    """Return the arrays with two spatial dimensions: images, and spectra where there are further ones."""
    mains = {path: dataset for path, dataset in datasets.items() if is_main(dataset)}
    mains = {path: dataset for path, dataset in mains.items() if len(_spatial(dataset)) == 2}
    names = distinct([_text(dataset, "quantity") for dataset in mains.values()], list(mains))
    images, spectra = [], []
    for name, dataset in zip(names, mains.values(), strict=True):
        rows_first = _rows_first(dataset)
        order = [*rows_first, *(axis for axis in range(dataset.ndim) if axis not in rows_first)]
        values = np.asarray(dataset).transpose(order)
        steps = [step_nm(np.asarray(dataset.dims[i][0], float), _text(dataset.dims[i][0], "units")) for i in rows_first]
        pixel = None if steps[0] is None or steps[1] is None else (steps[0], steps[1])
        unit = _text(dataset, "units")
        if dataset.ndim == 2:
            images.append(Image(name, np.asarray(values, float), unit, pixel))
        else:
            axes = tuple(_axis(dataset.dims[i][0]) for i in order[2:])
            spectra.append(Spectra(name, values, unit, axes, pixel))
    return Content(source, tuple(images), tuple(spectra))


def _spatial(dataset: h5py.Dataset) -> list[int]:
    return [i for i, dim in enumerate(dataset.dims) if _text(dim[0], "dimension_type").upper() == "SPATIAL"]


def _rows_first(dataset: h5py.Dataset) -> list[int]:
    """Return the two spatial dimensions with y before x; as they stand when they have other names."""
    first, second = _spatial(dataset)
    return [second, first] if str(dataset.dims[first].label).lower() == "x" else [first, second]


def _axis(scale: Any) -> Axis:
    name = _text(scale, "quantity") or _text(scale, "name")
    return Axis(name, _text(scale, "units"), np.asarray(scale, float))


def _text(item: Any, key: str) -> str:
    return text_of(item.attrs.get(key, ""))
