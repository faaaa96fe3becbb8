"""What the HDF5 formats share: attributes from nested values, arrays written one measurement after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from .about import as_json
from .parts import Spectra


def put_attributes(group: h5py.Group, values: Mapping[str, Any]) -> None:
    """Write nested values as groups with attributes; lists as JSON text, what is unknown is left out."""
    for key, value in values.items():
        name = str(key).replace("/", "_")
        if isinstance(value, Mapping):
            put_attributes(group.require_group(name), value)
        elif isinstance(value, str | bool | int | float):
            group.attrs[name] = value
        elif value is not None:
            group.attrs[name] = as_json(value)


def put_text(group: h5py.Group, name: str, text: str) -> h5py.Dataset:
    """Write ``text`` as a dataset: an attribute may not be longer than 64 kB."""
    return group.create_dataset(name, data=text, dtype=h5py.string_dtype())


def put_channel(
    group: h5py.Group,
    name: str,
    spectra: Spectra,
    channel: int,
    *,
    shape: tuple[int, ...] | None = None,
    factor: float = 1.0,
) -> h5py.Dataset:
    """Write one channel of all points times ``factor``, point by point; ``shape`` is that of one point."""
    each = spectra.shape[1:] if shape is None else shape
    dataset = group.create_dataset(name, (len(spectra.data), *each), "<f8")
    for point, data in enumerate(spectra.data):
        dataset[point] = (data[channel] if factor == 1.0 else data[channel] * factor).reshape(each)
    return dataset


def described(spectra: Spectra) -> dict[str, Any]:
    """Return unit, quantity and values of every axis, those of text included."""
    return {axis.name: {"unit": axis.unit, "quantity": axis.quantity, "values": axis.values} for axis in spectra.axes}


def columns_of(table: Any) -> dict[str, Any]:
    """Return the columns of a table of decisions as arrays that HDF5 can hold: numbers, truth values or text."""
    found: dict[str, Any] = {"decision": table.index.to_numpy(np.int64)}
    for name in table.columns:
        column = table[name]
        if column.dtype == object:
            found[name] = column.fillna("").astype(str).to_numpy(object)
        else:
            found[name] = column.to_numpy()
    return found
