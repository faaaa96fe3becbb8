"""Which frame files were left open: by a killed process, or by one that is still writing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ...core.errors import DataError
from ..journal.reading import JournalTail
from ..paths import locate

DRAFT = ".draft"
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_VERSION, _FLAGS = 8, 11  # bytes of the superblock, from version 3 on; HDF5 File Format Specification 3.0, II.A
_OPEN = 0b101  # open for writing, and for writing beside readers


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


def left_open_files(folder: Path) -> list[Path]:
    """Return the files below ``folder`` that :func:`is_left_open` says, links and unreadable ones left out."""
    return sorted(path for path in _files(folder) if path.suffix != DRAFT and _says_so(path))


def _files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            if path.is_file() and not path.is_symlink():
                yield path


def _says_so(path: Path) -> bool:
    try:
        return is_left_open(path)
    except OSError:  # it has just been taken away, or belongs to somebody else
        return False


def files_of_runs(journals: Iterable[Path], roots: Sequence[Path]) -> set[Path]:
    """Return the data files that these runs have announced."""
    return {file for path in journals for file in _announced(path, roots)}


def _announced(path: Path, roots: Sequence[Path]) -> Iterator[Path]:
    try:
        for name, doc in JournalTail(path).read():
            if name == "stream_resource":
                try:
                    yield locate(doc["uri"], roots, doc.get("relative_path")).resolve()
                except DataError:  # elsewhere, so that it is not one of ours
                    continue
    except DataError:  # damaged, and yet it goes on: what stands before counts
        return
