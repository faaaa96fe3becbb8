"""The binary form of Gwyddion files, written as a stream.

A file is ``GWYP`` and one object; an object is its name, the number of bytes that follow and its
components (http://gwyddion.net/documentation/user-guide-en/gwyfile-format.html). Sizes are worked out before anything
is written, so that no array is copied as a whole.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError

_LIMIT = 2**32 - 1  # the size of an object has 32 bits


@dataclass(frozen=True)
class GwyObject:
    """An object of a Gwyddion file.

    Attributes
    ----------
    name : str
        Its type, for example ``"GwyDataField"``.
    components : mapping
        Name to bool, int, float, str, GwyObject or :class:`Rows`.
    """

    name: str
    components: Mapping[str, Any]


@dataclass(frozen=True)
class Rows:
    """An array of float64, all finite, that is made row by row while it is written.

    Attributes
    ----------
    size : int
        How many numbers it holds.
    rows : iterable of ndarray
        They, one row after the other.
    """

    size: int
    rows: Iterable[NDArray[np.float64]]


def write_gwy(path: Path, root: GwyObject) -> None:
    """Write ``root`` as a Gwyddion file.

    Raises
    ------
    DataError
        When it is too large for the format.
    """
    if _size(root) > _LIMIT:
        raise DataError(
            f"{_size(root) / 2**30:.1f} GiB do not fit into a .gwy file, which ends at 4 GiB; choose .nxs or .h5"
        )
    with path.open("wb") as file:
        file.write(b"GWYP")
        _write_object(file, root)


def _text(value: str) -> bytes:
    return value.replace("\0", "").encode() + b"\0"


def _content_size(item: GwyObject) -> int:
    return sum(len(_text(name)) + 1 + _size(value) for name, value in item.components.items())


def _size(value: Any) -> int:
    """Return how many bytes a value takes, without its name and type."""
    match value:
        case GwyObject():
            return len(_text(value.name)) + 4 + _content_size(value)
        case bool():
            return 1
        case int():
            return 4
        case float():
            return 8
        case str():
            return len(_text(value))
        case Rows():
            return 4 + 8 * value.size
        case _:
            raise TypeError(f"a Gwyddion file holds no {type(value).__name__}")


def _write_object(file: BinaryIO, item: GwyObject) -> None:
    file.write(_text(item.name) + struct.pack("<I", _content_size(item)))
    for name, value in item.components.items():
        file.write(_text(name))
        _write_value(file, value)


def _write_value(file: BinaryIO, value: Any) -> None:
    match value:
        case GwyObject():
            file.write(b"o")
            _write_object(file, value)
        case bool():
            file.write(b"b" + bytes([value]))
        case int():
            file.write(b"i" + struct.pack("<i", value))
        case float():
            file.write(b"d" + struct.pack("<d", value))
        case str():
            file.write(b"s" + _text(value))
        case Rows():
            file.write(b"D" + struct.pack("<I", value.size))
            for row in value.rows:
                file.write(np.ascontiguousarray(row, "<f8").data)
        case _:
            raise TypeError(f"a Gwyddion file holds no {type(value).__name__}")
