"""The journal: one append-only file per run, written before anything else happens.

Format version 1, described in ``docs/reference/journal.md``: one record per line, made of its
CRC-32 (8 hex digits), a space and JSON. The first record is the header
``{"format": "probeline-journal", "version": 1}``, every further one ``[name, document]``.
They are written by :mod:`.appending`; those whose run Tiled holds are compressed (:mod:`.compressing`), readers
take both.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ...core.errors import CatalogError, JournalError
from .codec import decode
from .compressing import DAMAGES, last_lines, open_plain

FORMAT = "probeline-journal"
VERSION = 1


class JournalWarning(UserWarning):
    """The last record of a journal was torn by a crash and is left out."""


def read_journal(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield ``(name, document)`` of every record, in the order in which they were written.

    A torn last record, as a crash leaves it, is left out with one :class:`JournalWarning`.

    Raises
    ------
    JournalError
        When the file is no journal, of a newer version, or damaged before its last record.
    CatalogError
        When it cannot be read at all.
    """
    tail = JournalTail(path)
    yield from tail.read()
    if tail.torn:
        warnings.warn(
            f"the last record of {path} is torn ({tail.torn} bytes) and is left out; the run ended in a crash",
            JournalWarning,
            stacklevel=2,
        )


class JournalTail:
    """Reads a journal as far as it goes now; call :meth:`read` again for what came since.

    Attributes
    ----------
    torn : int
        Bytes of an incomplete record at the end, as of the last :meth:`read`.
    """

    def __init__(self, path: Path):
        self.path = path
        self.torn = 0
        self._offset = 0
        self._line = 0

    def read(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield ``(name, document)`` of every complete record that was not yielded before.

        Raises
        ------
        JournalError, CatalogError
            As :func:`read_journal`.
        """
        try:
            with open_plain(self.path) as file:
                file.seek(self._offset)
                yield from self._records(file)
        except OSError as error:
            raise CatalogError(f"the journal {self.path} cannot be read: {error}") from error

    def _records(self, file: BinaryIO) -> Iterator[tuple[str, dict[str, Any]]]:
        self.torn = 0
        line, damage = _line(file)
        while line:
            following, damage = _line(file)
            try:
                content = _checked(line)
            except ValueError as error:
                if damage or (following and line.endswith(b"\n")):  # without its end it is just being written
                    raise self._damaged(error, "records after it are intact, so this is not a crash") from error
                self.torn = len(line)
                return
            self._offset += len(line)
            self._line += 1
            if self._line == 1:
                _check_header(self.path, content)
            else:
                yield content[0], content[1]
            line = following
        if damage:
            raise self._damaged(damage, "the compressed file is damaged from there") from damage

    def _damaged(self, error: Exception, meaning: str) -> JournalError:
        return JournalError(
            f"{self.path}, record {self._line + 1} (byte {self._offset}): {error}; {meaning}: restore the file "
            "from a backup; what stands before it can be read"
        )


def _line(file: BinaryIO) -> tuple[bytes, Exception | None]:
    """Return the next line, empty at the end, and what is wrong with the compressed file there."""
    try:
        return file.readline(), None
    except DAMAGES as error:
        return b"", error


def last_record(path: Path) -> tuple[str, dict[str, Any]] | None:
    """Return the last ``(name, document)`` of a journal without reading all of it; None when torn."""
    try:
        lines = last_lines(path)
        content = _checked(lines[-1]) if lines else None
    except (ValueError, *DAMAGES):
        return None
    return (content[0], content[1]) if isinstance(content, list) else None


def _checked(line: bytes) -> Any:
    """Return the content of one line; ``ValueError`` when it is not what was written."""
    if not line.endswith(b"\n"):
        raise ValueError("it has no end")
    checksum, _, content = line[:-1].partition(b" ")
    if checksum != b"%08x" % zlib.crc32(content):
        raise ValueError("its checksum is wrong")
    return decode(content)


def _check_header(path: Path, header: Any) -> None:
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise JournalError(f"{path} is no journal of probeline")
    if header.get("version") != VERSION:
        raise JournalError(
            f"{path} has version {header.get('version')} of the journal format, this probeline reads {VERSION}; "
            "upgrade probeline"
        )
