"""Frame files that a killed process left open: rewritten, so that other software opens them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np

from ..core.errors import DataError
from .frames import open_hdf5

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_VERSION, _FLAGS = 8, 11  # bytes of the superblock, from version 3 on; HDF5 File Format Specification 3.0, II.A
_OPEN = 0b101  # open for writing, and for writing beside readers
_BLOCK = 2**22  # values compared at a time


def is_left_open(path: Path) -> bool:
    """Return whether an HDF5 file says that somebody writes it, be it a process that died.

    Raises
    ------
    OSError
        When it cannot be read.
    """
    with open(path, "rb") as file:
        start = file.read(_FLAGS + 1)
    return len(start) > _FLAGS and start.startswith(_SIGNATURE) and start[_VERSION] >= 3 and bool(start[_FLAGS] & _OPEN)


def rewrite(path: Path) -> None:
    """Replace a file that was left open by a closed one with the same content, bit by bit, in one step.

    The copy is read back and compared before it takes the place of the original.

    Raises
    ------
    DataError
        When the file cannot be read, or not be copied; it stays as it is.
    """
    draft = path.with_name(f"{path.name}.draft")
    try:
        with open_hdf5(path) as left, h5py.File(draft, "w", libver="latest") as whole:
            for name in left:
                left.copy(name, whole)
            _copy_attributes(left, whole)
        with open_hdf5(path) as left, h5py.File(draft, "r") as whole:
            different = next(_differences(left, whole), None)
        if different is not None:
            raise DataError(f"{path}: {different} did not read back as it was; the file stays as it is")
        with open(draft, "rb") as file:
            os.fsync(file.fileno())
        os.replace(draft, path)
    except (OSError, RuntimeError, ValueError, KeyError) as error:  # whatever h5py makes of a broken file
        raise DataError(f"the frame file {path} cannot be rewritten: {error}; it stays as it is") from error
    finally:
        draft.unlink(missing_ok=True)


def _copy_attributes(left: h5py.File, whole: h5py.File) -> None:
    for name, value in left.attrs.items():
        whole.attrs.create(name, value, dtype=left.attrs.get_id(name).dtype)


def _differences(left: h5py.File, whole: h5py.File) -> Iterator[str]:
    """Yield the names of what is not the same, bit by bit."""
    if _names(left) != _names(whole):
        yield "the list of its parts"
        return
    for name in ["/", *_names(left)]:
        one, other = left[name], whole[name]
        if not _same_attributes(one, other):
            yield f"the attributes of {name}"
        if isinstance(one, h5py.Dataset) and not _same_values(one, cast(h5py.Dataset, other)):
            yield name


def _names(file: h5py.File) -> list[str]:
    names: list[str] = []
    file.visit(names.append)
    return sorted(names)


def _same_attributes(one: Any, other: Any) -> bool:
    return list(one.attrs) == list(other.attrs) and all(
        repr(np.asarray(one.attrs[name]).tolist()) == repr(np.asarray(other.attrs[name]).tolist()) for name in one.attrs
    )


def _same_values(one: h5py.Dataset, other: h5py.Dataset) -> bool:
    if (one.shape, one.dtype) != (other.shape, other.dtype):
        return False
    rows = max(1, _BLOCK // max(1, int(np.prod(one.shape[1:])))) if one.ndim else 1
    places: list[Any] = [slice(start, start + rows) for start in range(0, len(one), rows)] if one.ndim else [()]
    return all(np.asarray(one[place]).tobytes() == np.asarray(other[place]).tobytes() for place in places)
