"""Writing a journal: each document is with the operating system before anything else happens with it."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
import zlib
from pathlib import Path
from typing import Any

from ...core.errors import CatalogError, JournalError
from .codec import encode
from .compressing import is_compressed
from .reading import FORMAT, VERSION, JournalTail

_log = logging.getLogger(__name__)


class JournalInUseError(CatalogError):
    """Somebody, here or in another process, is writing this journal."""


class JournalWriter:
    """Appends documents of one run to a new file, or to the one that a dead process left.

    The file is locked as long as it is open (``flock``), so that others can tell a run that goes
    on from one whose process died.

    Every record is handed to the operating system before :meth:`write` returns, so a killed
    process loses nothing. ``start`` and ``stop`` reach the disk as well; for the others somebody calls
    :meth:`sync` soon, so that a power cut costs little more.

    Parameters
    ----------
    path : Path
        File to create; it must not exist. With ``resume``, the file to continue.
    durable : bool
        Bring every record to the disk at once (slower).
    resume : bool
        Continue an existing journal; a torn last record is cut off.

    Attributes
    ----------
    unsynced : bool
        Whether something was written that may not have reached the disk.

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
        self.unsynced = False
        self._durable = durable
        self._failure: OSError | None = None
        self._closing = threading.Lock()
        try:
            self._file = open(path, "r+b" if resume else "xb", buffering=0)  # noqa: SIM115  # open as long as the run
        except (OSError, ValueError) as error:  # or a name that no file can have
            raise _refused(path, error) from error
        if resume:
            self._resume()
            return
        # Waits for one who looks whether this is an orphan. Where a file system knows no locks, nobody can tell.
        with contextlib.suppress(OSError):
            fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            self._append(encode({"format": FORMAT, "version": VERSION}))
            _sync_folder(path.parent)
        except BaseException:
            self.close()
            raise

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
            When the disk is full or gone, or could not keep what was written before; what it kept stays readable.
        """
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise _refused(self.path, failure) from failure
        self._append(encode([name, doc]), sync=self._durable or name in ("start", "stop"))

    def _append(self, content: bytes, *, sync: bool = False) -> None:
        record = b"%08x %s\n" % (zlib.crc32(content), content)
        start = written = 0
        try:
            start = self._file.tell()
            while written < len(record):  # an unbuffered write may stop early
                written += self._file.write(record[written:])
            self.unsynced = True
            if sync:
                self.unsynced = False
                os.fsync(self._file.fileno())
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
            self.close()

    def sync(self) -> None:
        """Bring what was written to the disk, from any thread; where that fails the next :meth:`write` says so."""
        with self._closing:
            if self._file.closed:
                return
            self.unsynced = False
            try:
                os.fsync(self._file.fileno())
            except OSError as error:
                _log.warning("the disk did not take the journal %s: %s", self.path, error)
                self._failure = error

    def share_lock(self) -> int:
        """Return a descriptor that keeps the lock until it is closed too, also after :meth:`close`."""
        return os.dup(self._file.fileno())

    def abandon(self) -> None:
        """Close the file and give up its lock, whoever shares it: nobody will end the run. Idempotent."""
        if not self._file.closed:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(self._file, fcntl.LOCK_UN)
            self.close()

    def close(self) -> None:
        """Close the file. Idempotent."""
        with self._closing:
            self._file.close()


def _sync_folder(folder: Path) -> None:
    """Bring the name of a new file to the disk; not every file system can, and there it is as safe as it gets."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lock(path: Path) -> int | None:
    """Return a descriptor that locks a journal until it is closed; None while another holds the lock.

    On a file system without locks nobody can tell, and it locks nothing.

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
    except OSError:  # a file system without locks, where nobody can tell: the run must reach Tiled all the same
        pass
    return descriptor


def _refused(path: Path, error: OSError | ValueError) -> CatalogError:
    return CatalogError(
        f"the journal {path} cannot be written: {error}; free space on the disk or choose another catalogue, "
        "then repeat the run: what was acknowledged is in the journal"
    )
