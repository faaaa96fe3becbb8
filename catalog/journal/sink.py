"""Where the RunEngine's documents go first: each to the journal of its run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...core.errors import CatalogError
from ..listing import journal_path
from .appending import JournalWriter
from .syncing import Syncer


class JournalSink:
    """A document callback that journals, then says so; what it wrote is on the disk within a second.

    Safe to call from several threads: monitored signals emit from their own.

    Parameters
    ----------
    folder : Path
        Where journals are made.
    notify : callable
        Told the path of a journal after each record.
    begin : callable, optional
        Told the path of a new journal, and a descriptor that keeps its lock until it is closed.
    durable : bool
        Bring every record to the disk at once.
    """

    def __init__(
        self,
        folder: Path,
        notify: Callable[[Path], None],
        begin: Callable[[Path, int], None] | None = None,
        *,
        durable: bool = False,
    ):
        self._folder, self._notify, self._begin, self._durable = folder, notify, begin, durable
        self._lock = threading.Lock()
        self._closed = False
        self._syncer = Syncer()
        self._journals: dict[str, JournalWriter] = {}
        self._owner: dict[str, str] = {}

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        """Write one document down before returning.

        Raises
        ------
        CatalogError
            When it cannot be written, belongs to a run whose start was not seen, or comes after :meth:`close`.
        """
        with self._lock:
            if self._closed:
                raise CatalogError("the catalogue is closed; open it again to record a run")
            run = self._run_of(name, doc)
            if name == "start":
                path = journal_path(self._folder, doc)
                journal = self._journals[run] = JournalWriter(path, durable=self._durable)
                if self._begin is not None:
                    self._begin(path, journal.share_lock())
            if run not in self._journals:
                raise CatalogError(
                    f"a {name} came of a run whose start was not recorded; subscribe the writer before the run begins"
                )
            journal = self._journals[run]
            try:
                journal.write(name, doc)
            except BaseException:
                if name in ("start", "stop"):  # the disk is full: then it is an orphan, which `recover` closes
                    journal.abandon()
                    self._forget(run)
                raise
            if name == "stop":
                journal.close()
                self._forget(run)
            elif journal.unsynced:
                self._syncer.owe(journal)
            self._notify(journal.path)

    def _run_of(self, name: str, doc: dict[str, Any]) -> str:
        if name == "start":
            return doc["uid"]
        parent = doc.get("run_start") or doc.get("descriptor") or doc.get("resource") or ""
        run = self._owner.get(parent, parent)
        if name in ("descriptor", "resource", "stream_resource"):
            self._owner[doc["uid"]] = run
        return run

    def _forget(self, run: str) -> None:
        del self._journals[run]
        self._owner = {child: owner for child, owner in self._owner.items() if owner != run}

    def close(self) -> None:
        """Close the journals of runs that did not end and take nothing more. Idempotent."""
        with self._lock:
            self._closed = True
            for run, journal in list(self._journals.items()):
                journal.sync()
                journal.abandon()
                self._forget(run)
        self._syncer.close()
