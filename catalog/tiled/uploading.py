"""One run from its journal into Tiled: cast, written, written again where a rewind repeated events."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from ...core.errors import CatalogError
from ..documents import Document, unpacked, without_repeats
from ..journal.appending import lock
from ..journal.compressing import compress
from ..journal.reading import JournalTail, read_journal
from ..listing import uid_of, write_state
from .away import Fault, TiledAwayError, fault_of, reason_of
from .casting import Caster
from .microbatches import MicroBatches

_log = logging.getLogger(__name__)
# How often a server may fail at a run that it began to take, before that is the run's fault.
_TRIES = 6


def tiled_writer(client: Any) -> MicroBatches:
    """Return the writer of one run."""
    return MicroBatches(client)


def upload(client: Any, read: Callable[[], Iterable[Document]]) -> None:
    """Write a whole run into Tiled, in place of what may be there of it.

    Parameters
    ----------
    client : CatalogOfBlueskyRuns
        Where to.
    read : callable
        Returns its documents; called twice.
    """
    write, caster = tiled_writer(client), Caster()
    for name, doc in without_repeats(read):
        if name == "start":
            _delete(client, doc["uid"])
        write(name, caster(name, doc))


def _delete(client: Any, uid: str) -> None:
    if uid in client:
        client[uid].delete(recursive=True, external_only=False)


class RunUpload:
    """Follows the journal of one run and writes it into Tiled.

    It holds the journal's lock, so that no other process does the same.

    Parameters
    ----------
    path : Path
        The journal.
    client : callable
        Returns the Tiled client; may take long, may fail.
    lock : int, optional
        Descriptor that holds the journal's lock, when this process writes it.
    """

    def __init__(self, path: Path, client: Callable[[], Any], lock: int | None = None):
        self._path = path
        self._client = client
        self._lock = lock
        self._is_ours = lock is not None
        self._failed = 0
        self._begin()

    def _begin(self) -> None:
        self._tail = JournalTail(self._path)
        self._caster = Caster()
        self._write: MicroBatches | None = None
        self._last: dict[str, int] = {}
        self._stream_of: dict[str, str] = {}
        self._again = False
        self._failure: str | None = None

    def advance(self) -> bool:
        """Write what was journalled since the last call; return whether there is nothing left to do.

        What the run is to blame for is its state afterwards.

        Raises
        ------
        TiledAwayError
            When Tiled is to blame; the next call begins the run again.
        """
        try:
            return self._advance()
        except Exception as error:  # whatever Tiled, its server or the disk comes up with
            if _is_ending() or not self._is_tiled_to_blame(error):
                self._reject(error)
                return True
            self._begin()
            raise error if isinstance(error, TiledAwayError) else TiledAwayError(reason_of(error)) from error

    def _advance(self) -> bool:
        if self._lock is None:
            self._lock = lock(self._path)
        if self._lock is None:
            return True  # who has it takes care of the run
        for name, doc in unpacked(_until_ending(self._tail.read())):
            self._again = self._again or self._repeats(name, doc)
            if self._failure is None:
                self._attempt(self._forward, name, doc)
            if name == "stop":
                self._finish()
                return True
        if self._failure is None and self._write is not None:
            self._attempt(self._write.flush)
        return False

    def _attempt(self, step: Callable[..., None], *arguments: Any) -> None:
        try:
            step(*arguments)
        except Exception as error:
            if _is_ending():
                raise
            if self._is_tiled_to_blame(error):
                raise TiledAwayError(reason_of(error)) from error
            self._failure = reason_of(error)  # tried once more, as a whole, at the end of the run
            _log.warning("run %s is not in Tiled yet: %s", uid_of(self._path), self._failure)

    def _is_tiled_to_blame(self, error: Exception) -> bool:
        fault = fault_of(error)
        if fault is Fault.UNCLEAR and self._write is not None:
            self._failed += 1
            return self._failed < _TRIES
        return fault is not Fault.RUN

    def _forward(self, name: str, doc: dict[str, Any]) -> None:
        if self._write is None:
            client = self._open()
            write = tiled_writer(client)
            _delete(client, doc["uid"])  # what an earlier attempt left
            write(name, self._caster(name, doc))
            self._write = write
        else:
            self._write(name, self._caster(name, doc))

    def _open(self) -> Any:
        try:
            return self._client()
        except CatalogError as error:
            raise TiledAwayError(str(error)) from error

    def _repeats(self, name: str, doc: dict[str, Any]) -> bool:
        """Return whether this event was written before, which a rewind does."""
        if name == "descriptor":
            self._stream_of[doc["uid"]] = doc["name"]
        if name != "event":
            return False
        stream = self._stream_of[doc["descriptor"]]
        last = self._last.get(stream, 0)
        self._last[stream] = max(last, doc["seq_num"])
        return doc["seq_num"] <= last

    def _finish(self) -> None:
        if self._again or self._failure is not None:
            upload(self._open(), lambda: _until_ending(read_journal(self._path)))
        write_state(self._path, "stored")
        if not self._is_ours:
            _log.warning("run %s, which an earlier process left, is in Tiled now", uid_of(self._path))
        try:
            compress(self._path)
        except OSError as error:  # no room for both: it stays as it is
            _log.info("the journal %s is not compressed: %s", self._path, error)

    def _reject(self, error: Exception) -> None:
        if _is_ending():
            _log.info("run %s goes to Tiled at the next opening: the process ends", uid_of(self._path))
            return
        reason = reason_of(error)
        _log.warning("run %s is in the journal only: %s", uid_of(self._path), reason)
        try:
            write_state(self._path, f"rejected: {reason}")
        except OSError as trouble:  # the disk is full: then the state stays "pending"
            _log.warning("the state of %s cannot be written: %s", uid_of(self._path), trouble)

    def close(self) -> None:
        """Release the journal. Idempotent."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _until_ending(documents: Iterable[Document]) -> Iterator[Document]:
    for document in documents:
        if _is_ending():
            raise CatalogError("the process ends")
        yield document


def _is_ending() -> bool:
    """Return whether the interpreter is ending, which ends Tiled and takes threads and pools away."""
    return threading._SHUTTING_DOWN  # pyright: ignore[reportAttributeAccessIssue]
