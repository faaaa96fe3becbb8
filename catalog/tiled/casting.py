"""Documents as Tiled and the schema accept them; journals keep them as they were."""

from __future__ import annotations

import reprlib
from math import isfinite, isnan
from typing import Any

import numpy as np

from ...core.errors import CatalogError
from .json_metadata import to_json


class Caster:
    """Makes documents fit, where their descriptor says how, and refuses what would come back as something else.

    The type of a column and the shape of an array are fixed by the first rows that are written, and how
    many rows that are depends on the time: therefore nothing is left to what a batch happens to hold.
    """

    def __init__(self) -> None:
        self._stream: dict[str, dict[str, Any]] = {}
        self._shapes: dict[tuple[str, str], tuple[int, ...]] = {}

    def __call__(self, name: str, doc: dict[str, Any]) -> dict[str, Any]:
        """Return the document to write.

        Raises
        ------
        CatalogError
            When Tiled cannot hold it: with the stream, the key, what it is and what it should be.
        """
        match name:
            case "start" | "stop":
                return _all_to_json(doc)
            case "descriptor":
                self._stream[doc["uid"]] = doc
                _check_names(doc)
                return _descriptor(doc)
            case "event":
                return self._event(doc)
            case _:
                return doc

    def _event(self, doc: dict[str, Any]) -> dict[str, Any]:
        descriptor = self._stream[doc["descriptor"]]
        data = {key: self._value(descriptor, key, value) for key, value in doc["data"].items()}
        return {**doc, "data": data}

    def _value(self, descriptor: dict[str, Any], key: str, value: Any) -> Any:
        if key not in descriptor["data_keys"]:
            raise _refused(descriptor["name"], key, "is not declared by the descriptor")
        info = descriptor["data_keys"][key]
        try:
            fitting = cast(value, info)
        except (TypeError, ValueError, OverflowError) as error:
            raise _refused(descriptor["name"], key, str(error)) from error
        if isinstance(fitting, np.ndarray):
            first = self._shapes.setdefault((descriptor["name"], key), fitting.shape)
            if fitting.shape != first:
                raise _refused(descriptor["name"], key, f"has shape {fitting.shape} after {first}, Tiled takes one")
        return fitting


def _descriptor(doc: dict[str, Any]) -> dict[str, Any]:
    return {
        **doc,
        "data_keys": {
            key: {**_all_to_json(info), **_limits(info.get("limits"))} for key, info in doc["data_keys"].items()
        },
        "configuration": {
            device: {**settings, "data": _all_to_json(settings.get("data") or {})}
            for device, settings in (doc.get("configuration") or {}).items()
        },
    }


def _all_to_json(values: dict[str, Any]) -> dict[str, Any]:
    return {name: to_json(value) for name, value in values.items()}


def _limits(limits: Any) -> dict[str, Any]:
    """Return the limits of a data key, which may only be numbers, without those that are infinitely far."""
    if not isinstance(limits, dict):
        return {}
    return {
        "limits": {
            kind: {end: limit if limit is None or isfinite(limit) else None for end, limit in pair.items()}
            for kind, pair in limits.items()
            if isinstance(pair, dict)
        }
    }


def _check_names(descriptor: dict[str, Any]) -> None:
    """Refuse keys that a table takes for one column: beside each value stands its time, and case does not count."""
    seen = {"time": "the time of an event", "seq_num": "its number"}
    for key in descriptor["data_keys"]:
        for column in (key, f"ts_{key}"):
            other = seen.setdefault(column.lower(), key)
            if other != key or column.lower() in ("time", "seq_num"):
                raise _refused(descriptor["name"], key, f"and {other} would be one column of its table")


def _refused(stream: str, key: str, reason: str) -> CatalogError:
    return CatalogError(f"stream {stream}: {key} {reason}")


def cast(value: Any, info: dict[str, Any]) -> Any:
    """Return ``value`` in the type that its data key declares.

    Raises
    ------
    TypeError, ValueError, OverflowError
        When it would be another value then.
    """
    declared = info["dtype"]
    if declared == "array":
        return value if "external" in info else _array(value, info)
    if isinstance(value, list | tuple | dict) or np.ndim(value):
        raise TypeError(f"is declared as {declared}, but is {reprlib.repr(value)}")
    match declared:
        case "number":
            return np.nan if value is None else _exactly(value, float, "a number")
        case "integer":
            return _exactly(value, int, "an integer")
        case "boolean":
            return _exactly(value, bool, "a boolean")
        case "string":
            if isinstance(value, bytes | complex):
                raise TypeError(f"is declared as text, but is {value!r}")
            return "" if value is None else str(value)
        case _:
            return value


def _exactly(value: Any, kind: type, what: str) -> Any:
    if value is not None and not isinstance(value, str | bytes):
        exact = kind(value)
        if exact == value or (kind is float and isnan(exact)):
            return exact
    raise ValueError(f"is declared as {what}, but is {value!r}")


def _array(value: Any, info: dict[str, Any]) -> np.ndarray:
    wanted = info.get("dtype_numpy")
    dtype = np.dtype(wanted) if isinstance(wanted, str) and wanted else None
    array = np.asarray(value)
    if array.dtype.hasobject and dtype is not None and dtype.kind == "f":
        array = np.asarray(value, dtype=dtype)  # None is not a number
    if array.dtype.hasobject:
        raise TypeError("is an array of objects, not of numbers or text")
    with np.errstate(invalid="ignore"):  # what is no number is found by comparing
        fitting = array if dtype is None else array.astype(dtype)
    rounded = array.dtype.kind in "fc" and fitting.dtype.kind in "fc"
    if not rounded and not np.array_equal(fitting, array):
        raise ValueError(f"is declared as {wanted}, but its values are not")
    return fitting
