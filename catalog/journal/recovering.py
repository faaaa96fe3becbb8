"""What a dead process left behind: runs that nobody closed."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...core.errors import CatalogError, DataError
from ..documents import unpacked
from ..listing import uid_of
from .appending import JournalInUseError, JournalWriter
from .reading import JournalTail, last_record

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ending:
    """How a run stands.

    Attributes
    ----------
    kind : {"ended", "closed", "lives", "empty", "damaged"}
        ``"ended"``: it has its stop document. ``"closed"``: it got one just now. ``"lives"``: its journal is being
        written. ``"empty"``: its journal has no start document. ``"damaged"``: it cannot be closed.
    reason : str
        Why it cannot be closed.
    """

    kind: Literal["ended", "closed", "lives", "empty", "damaged"]
    reason: str = ""

    @property
    def has_stop(self) -> bool:
        """Whether the journal is complete."""
        return self.kind in ("ended", "closed")


def end(path: Path) -> Ending:
    """Return how the run of a journal stands, after closing it where a dead process could not.

    What was done or could not be done is named in the log.
    """
    try:
        if is_ended(path):
            return Ending("ended")
        return Ending("closed" if close_orphan(path) else "empty")
    except JournalInUseError:
        return Ending("lives")
    except (DataError, OSError) as error:
        _log.warning("the open run %s cannot be closed: %s", uid_of(path), error)
        return Ending("damaged", str(error))


def is_ended(path: Path) -> bool:
    """Return whether the last record of a journal can be read and is the run's stop document.

    Raises
    ------
    OSError
        When it is no longer there.
    """
    last = last_record(path)
    return last is not None and last[0] == "stop"


def close_orphan(path: Path) -> bool:
    """Append the stop document that a dead process could not write; return whether one was missing.

    Raises
    ------
    JournalInUseError
        When the run goes on.
    DataError
        When the journal is damaged, or the disk full; it stays as it is.
    OSError
        When it is no longer there.
    """
    written = path.stat().st_mtime
    writer = JournalWriter(path, resume=True)
    try:
        stop = _stop(path, written)
        if stop is None:
            return False
        writer.write("stop", stop)
    except (LookupError, TypeError, ValueError) as error:  # documents that no RunEngine wrote
        raise CatalogError(f"its documents do not belong together: {error!r}") from error
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
