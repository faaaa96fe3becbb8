"""The journal: one append-only file per run, written before anything else happens.

Format version 1, described in ``docs/reference/journal.md``: one record per line, made of its
CRC-32 (8 hex digits), a space and JSON. The first record is the header
``{"format": "probeline-journal", "version": 1}``, every further one ``[name, document]``.
Journals whose run Tiled holds are compressed (:mod:`.compressing`); readers take both.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ..core.errors import CatalogError, JournalError
from .codec import decode, encode
from .compressing import DAMAGES, is_compressed, last_lines, open_plain

FORMAT = "probeline-journal"
VERSION = 1
_SYNC_EVERY_S = 1.0


class JournalWarning(UserWarning):
    """The last record of a journal was torn by a crash and is left out."""


class JournalInUseError(CatalogError):
    """Somebody, here or in another process, is writing this journal."""


class JournalWriter:
    """Appends documents of one run to a new file, or to the one that a dead process left.

    The file is locked as long as it is open (``flock``), so that others can tell a run that goes
    on from one whose process died.

    Every record is handed to the operating system before :meth:`write` returns, so a killed
    process loses nothing; ``start`` and ``stop`` reach the disk, and so does any record that
    is written more than a second after the last time, so a power cut costs little more.

    Parameters
    ----------
    path : Path
        File to create; it must not exist. With ``resume``, the file to continue.
    durable : bool
        Bring every record to the disk at once (slower).
    resume : bool
        Continue an existing journal; a torn last record is cut off.

    Raises
    ------
    JournalInUseError
        When a journal to continue is still being written.
    JournalError
        When a journal to continue is damaged before its last record, or compressed.
    CatalogError
        When the file cannot be created or opened.
    """

    def __init__(self, path: Path, *, durable: bool = False, resume: bool = False):
        self.path = path
        self._durable = durable
        self._synced = 0.0
        try:
            self._file = open(path, "r+b" if resume else "xb", buffering=0)  # noqa: SIM115  # open as long as the run
        except OSError as error:
            raise _refused(path, error) from error
        if resume:
            self._resume()
            return
        # Waits for one who looks whether this is an orphan. Where a file system knows no locks, nobody can tell.
        with contextlib.suppress(OSError):
            fcntl.flock(self._file, fcntl.LOCK_EX)
        self._append(encode({"format": FORMAT, "version": VERSION}))

    def _resume(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_compressed(self.path):
                raise JournalError(f"{self.path} is compressed: its run is over, nothing can be added")
            tail = JournalTail(self.path)
            documents = sum(1 for _ in tail.read())
            end = self._file.seek(0, os.SEEK_END)
            if documents:  # else it may be anything
                self._file.truncate(end - tail.torn)
                self._file.seek(end - tail.torn)
        except OSError as error:  # locked, or on a file system without locks
            self._file.close()
            raise JournalInUseError(f"the journal {self.path} is being written: {error}") from error
        except BaseException:
            self._file.close()
            raise

    def write(self, name: str, doc: dict[str, Any]) -> None:
        """Append one document.

        Raises
        ------
        CatalogError
            When the disk is full or gone; what was written before stays readable.
        """
        self._append(encode([name, doc]), sync=name in ("start", "stop"))

    def _append(self, content: bytes, *, sync: bool = False) -> None:
        record = b"%08x %s\n" % (zlib.crc32(content), content)
        start = written = 0
        try:
            start = self._file.tell()
            while written < len(record):  # an unbuffered write may stop early
                written += self._file.write(record[written:])
            now = time.monotonic()
            if sync or self._durable or now - self._synced > _SYNC_EVERY_S:
                os.fsync(self._file.fileno())
                self._synced = now
        except ValueError as error:  # closed, because an earlier failure could not be repaired
            raise _refused(self.path, error) from error
        except OSError as error:
            self._cut(start)
            raise _refused(self.path, error) from error

    def _cut(self, size: int) -> None:
        """Remove half a record, so that what follows later is not damage in the middle."""
        try:
            self._file.truncate(size)
            self._file.seek(size)
        except OSError:
            self._file.close()

    def share_lock(self) -> int:
        """Return a descriptor that keeps the lock until it is closed too, also after :meth:`close`."""
        return os.dup(self._file.fileno())

    def abandon(self) -> None:
        """Close the file and give up its lock, whoever shares it: nobody will end the run. Idempotent."""
        if not self._file.closed:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(self._file, fcntl.LOCK_UN)
            self._file.close()

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()


def lock(path: Path) -> int | None:
    """Return a descriptor that locks a journal until it is closed; None while another holds the lock.

    Raises
    ------
    OSError
        When the journal cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:  # a file system without locks, where nobody can tell
        pass
    return descriptor


def _refused(path: Path, error: OSError | ValueError) -> CatalogError:
    return CatalogError(
        f"the journal {path} cannot be written: {error}; free space on the disk or choose another catalogue, "
        "then repeat the run: what was acknowledged is in the journal"
    )


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
