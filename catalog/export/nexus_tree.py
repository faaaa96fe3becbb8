"""Groups and fields of a NeXus file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from .about import as_json, in_si


def new_group(parent: h5py.Group, name: str, nx_class: str) -> h5py.Group:
    """Return a new group of a NeXus class."""
    group = parent.create_group(name)
    group.attrs["NX_class"] = nx_class
    return group


def new_field(parent: h5py.Group, name: str, value: Any, unit: str = "", *, long_name: str = "") -> h5py.Dataset:
    """Return a new field; numbers in ``unit`` are written in SI, with that unit."""
    factor, si = in_si(unit)
    if isinstance(value, str) or (isinstance(value, np.ndarray) and value.dtype == object):
        field = parent.create_dataset(name, data=value, dtype=h5py.string_dtype())
    else:
        field = parent.create_dataset(name, data=value if factor == 1.0 else np.multiply(value, factor))
    if si:
        field.attrs["units"] = si
    if long_name:
        field.attrs["long_name"] = long_name
    return field


def put_collection(parent: h5py.Group, name: str, values: Mapping[str, Any]) -> None:
    """Write nested values as NXcollection groups with fields; lists as JSON text, what is unknown is left out."""
    group = new_group(parent, name, "NXcollection")
    for key, value in values.items():
        place = "".join(char if char.isalnum() else "_" for char in str(key))
        if isinstance(value, Mapping):
            put_collection(group, place, value)
        elif isinstance(value, str | bool | int | float):
            new_field(group, place, value)
        elif value is not None:
            new_field(group, place, as_json(value))
