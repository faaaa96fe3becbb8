"""What a dead process left behind: runs that nobody closed."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import uuid
import weakref
from pathlib import Path
from typing import Any

from ..core.errors import DataError
from .appending import JournalInUseError, JournalWriter
from .documents import unpacked
from .journal import JournalTail, last_record

_log = logging.getLogger(__name__)


def is_ended(path: Path) -> bool:
    """Return whether the last record of a journal can be read and is the run's stop document."""
    try:
        last = last_record(path)
    except OSError as error:
        _log.warning("the journal %s cannot be read: %s", path, error)
        return False
    return last is not None and last[0] == "stop"


def close_orphan(path: Path) -> bool:
    """Append the stop document that a dead process could not write; return whether that was done.

    A journal that is being written, holds no start document or is damaged stays as it is.
    """
    written = path.stat().st_mtime
    try:
        writer = JournalWriter(path, resume=True)
    except JournalInUseError:
        return False
    except DataError as error:
        _log.warning("the open run %s cannot be closed: %s", path.stem, error)
        return False
    try:
        stop = _stop(path, written)
        if stop is None:
            return False
        writer.write("stop", stop)
    except DataError as error:
        _log.warning("the open run %s cannot be closed: %s", path.stem, error)
        return False
    finally:
        writer.close()
    _log.warning("run %s was open and nobody writes it any more: closed as failed", stop["run_start"])
    return True


def _stop(path: Path, time: float) -> dict[str, Any] | None:
    """Return the stop document; None without a start, or when there is one already."""
    run, streams, counts = None, {}, {}
    for name, doc in unpacked(JournalTail(path).read()):
        match name:
            case "start":
                run = doc["uid"]
            case "descriptor":
                streams[doc["uid"]] = doc["name"]
                counts.setdefault(doc["name"], 0)
            case "event":
                stream = streams[doc["descriptor"]]
                counts[stream] = max(counts[stream], doc["seq_num"])
            case "stop":
                return None
    if run is None:
        return None
    return {
        "uid": str(uuid.uuid4()),
        "run_start": run,
        "time": time,  # the file's last change, which is the last sign of life
        "exit_status": "fail",
        "reason": "process died, or its disk was full, before the run was closed",
        "num_events": counts,
    }


class Presence:
    """Tells other processes that this one writes into the catalogue, by a lock on its marker.

    Attributes
    ----------
    alone : bool
        Whether nobody else did when this was made; others wait until :meth:`share`.
    """

    def __init__(self, marker: Path):
        self._file = os.open(marker, os.O_RDWR)
        self.leave = weakref.finalize(self, os.close, self._file)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.alone = True
        except OSError:  # held by another, or a file system without locks, where nobody can tell
            self.alone = False

    def share(self) -> None:
        """Let others write too."""
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(self._file, fcntl.LOCK_SH)
