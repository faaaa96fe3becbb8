"""USID: arrays with one row per position, and tables of positions and spectral steps (pycroscopy.github.io/USID)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..content import Axis, Content, Image, Pixel, Spectra
from .units import distinct, step_nm, text_of

_TABLES = ("Position_Indices", "Position_Values", "Spectroscopic_Indices", "Spectroscopic_Values")


def is_main(dataset: h5py.Dataset) -> bool:
    """Return whether ``dataset`` refers to the four tables that tell its axes."""
    return dataset.ndim == 2 and all(isinstance(dataset.attrs.get(name), h5py.Reference) for name in _TABLES)


def content(source: str, datasets: Mapping[str, h5py.Dataset]) -> Content:
    """Return the arrays over two position axes, and as images arrays beside them that have no tables."""
    mains = {path: d for path, d in datasets.items() if is_main(d) and _table(d, "Position_Indices").shape[1] == 2}
    images, spectra = [], []
    names = distinct([path.rpartition("/")[2] for path in mains], list(mains))
    for name, dataset in zip(names, mains.values(), strict=True):
        values, pixel = _on_grid(dataset)
        if values.shape[2] == 1:
            images.append(Image(name, np.asarray(values[:, :, 0], float), _unit(dataset, "units"), pixel))
            continue
        axes = _axes(dataset)
        values = values.reshape(*values.shape[:2], *(len(axis.values) for axis in axes))
        spectra.append(Spectra(name, values, _unit(dataset, "units"), axes, pixel))
    images += [
        Image(path.rpartition("/")[2], np.asarray(dataset, float), _unit(dataset, "units"), None)
        for path, dataset in datasets.items()
        if path.rpartition("/")[2] == "Image" and not is_main(dataset) and dataset.ndim == 2
    ]
    return Content(source, tuple(images), tuple(spectra))


def _on_grid(dataset: h5py.Dataset) -> tuple[NDArray[Any], Pixel]:
    """Return the rows of ``dataset`` at their places, shape (row, column, step), and the pixel.

    Positions that are not in the file are NaN.
    """
    index, place = _table(dataset, "Position_Indices"), _table(dataset, "Position_Values")
    table = dataset.file[dataset.attrs["Position_Indices"]]
    labels = [label.lower() for label in _texts(table, "labels")]
    row, column = (0, 1) if labels[0].startswith("y") else (1, 0)
    shape = tuple(int(index[:, axis].max()) + 1 for axis in (row, column))
    values = np.asarray(dataset)
    stored = np.zeros(shape, bool)
    stored[index[:, row], index[:, column]] = True
    complete = bool(stored.all())
    grid = np.full((*shape, values.shape[1]), 0 if complete else np.nan, values.dtype if complete else float)
    grid[index[:, row], index[:, column]] = values
    units = _texts(dataset.file[dataset.attrs["Position_Values"]], "units")
    steps = [step_nm(np.unique(place[:, axis]), units[axis]) for axis in (row, column)]
    return grid, None if steps[0] is None or steps[1] is None else (steps[0], steps[1])


def _axes(dataset: h5py.Dataset) -> tuple[Axis, ...]:
    """Return the spectral axes, the slowest first as steps are stored; one counted axis where they are no grid."""
    index, value = _table(dataset, "Spectroscopic_Indices"), _table(dataset, "Spectroscopic_Values")
    table = dataset.file[dataset.attrs["Spectroscopic_Values"]]
    labels, units = _texts(table, "labels"), _texts(table, "units")
    if len(labels) == 1:
        return (Axis(labels[0], units[0], value[0].astype(float)),)
    changes = [int(np.count_nonzero(np.diff(line))) for line in index]
    order = np.argsort(changes, kind="stable")
    axes = []
    for axis in order:
        _, first = np.unique(index[axis], return_index=True)
        axes.append(Axis(labels[axis], units[axis], value[axis][first].astype(float)))
    if np.prod([len(axis.values) for axis in axes]) != index.shape[1]:
        return (Axis("step", "", np.arange(float(index.shape[1]))),)
    return tuple(axes)


def _table(dataset: h5py.Dataset, name: str) -> NDArray[Any]:
    return np.asarray(dataset.file[dataset.attrs[name]])


def _texts(table: Any, key: str) -> list[str]:
    return [text_of(text) for text in table.attrs[key]]


def _unit(dataset: h5py.Dataset, key: str) -> str:
    return text_of(dataset.attrs.get(key, ""))
