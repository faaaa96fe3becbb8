"""Frame files that a killed process left open: rewritten, so that other software opens them.

A program of its own, ``python -m probeline.catalog.frames.repair FILE``, because the HDF5 library can crash or hang at
a damaged file: :mod:`.rewriting` calls it and ends it. It says on stderr why a file stays as it is.
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np

from ...core.errors import DataError
from .left_open import is_left_open
from .reading import open_hdf5

BEING_WRITTEN = 3  # exit code, as in .rewriting
_BLOCK = 2**22  # values compared at a time


class _BeingWrittenError(DataError):
    """Somebody has the file open for writing."""


def rewrite(path: Path, draft: Path, *, alone: bool) -> None:
    """Replace a file that was left open by a closed one with the same content, bit by bit, in one step.

    The copy is read back and compared before it takes the place of the original. A file that was not left open
    stays as it is.

    Parameters
    ----------
    path : Path
        The file.
    draft : Path
        Where the copy is made.
    alone : bool
        Whether it is known that nobody else writes into the catalogue: for file systems that do not say who
        writes a file.

    Raises
    ------
    DataError
        When somebody writes the file, or it cannot be read, or not be copied; it stays as it is.
    """
    _require_unwritten(path, alone)
    try:
        # Readable by everything that knows HDF5 1.10, unless what is copied is newer itself.
        with open_hdf5(path) as left, h5py.File(draft, "w", libver=("v110", "latest")) as whole:
            _copy(left, whole)
        with open_hdf5(path) as left, h5py.File(draft, "r") as whole:
            different = next(_differences(left, whole), None)
        if different is not None:
            raise DataError(f"{different} did not read back as it was")
        shutil.copymode(path, draft)
        with open(draft, "rb") as file:
            os.fsync(file.fileno())
        _require_unwritten(path, alone)
        if is_left_open(path):
            os.replace(draft, path)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:  # whatever h5py makes of a broken file
        raise DataError(f"it cannot be rewritten: {error}") from error
    finally:
        draft.unlink(missing_ok=True)


def _require_unwritten(path: Path, alone: bool) -> None:
    """Raise when somebody has the file open for writing, which the kernel knows: it gives no lease then."""
    with open(path, "rb") as file:
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except BlockingIOError as error:
            raise _BeingWrittenError(f"{path} is being written") from error
        except OSError as error:  # no leases on this file system, or not on the file of another user
            if not alone or error.errno == errno.EACCES:
                raise DataError(f"it cannot be told whether somebody is writing it ({error.strerror})") from error
        else:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def _copy(left: h5py.File, whole: h5py.File) -> None:
    for name in left:
        link = left.get(name, getlink=True)
        if isinstance(link, h5py.HardLink):
            left.copy(name, whole)
        else:  # where it leads to is not part of this file, or copied anyway
            whole[name] = link
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
        _same(np.asarray(one.attrs[name]), np.asarray(other.attrs[name])) for name in one.attrs
    )


def _same_values(one: h5py.Dataset, other: h5py.Dataset) -> bool:
    if (one.shape, one.dtype) != (other.shape, other.dtype):
        return False
    if one.shape is None:  # it holds nothing at all
        return True
    rows = max(1, _BLOCK // max(1, int(np.prod(one.shape[1:])))) if one.ndim else 1
    places: list[Any] = [slice(start, start + rows) for start in range(0, len(one), rows)] if one.ndim else [()]
    return all(_same(np.asarray(one[place]), np.asarray(other[place])) for place in places)


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    if one.dtype.hasobject:  # texts, of which an array holds the addresses
        return repr(one.tolist()) == repr(other.tolist())
    return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


def main() -> None:
    """Rewrite the file that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("draft", type=Path)
    parser.add_argument("--alone", action="store_true")
    wanted = parser.parse_args()
    try:
        rewrite(wanted.file, wanted.draft, alone=wanted.alone)
    except _BeingWrittenError:
        sys.exit(BEING_WRITTEN)
    except (DataError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
