"""What was journalled reaches the disk at most a second later, also when nothing more is journalled."""

from __future__ import annotations

import threading

from .appending import JournalWriter

# How long records may gather before the disk is waited for; with the time that the disk takes, less than a second.
_GATHER_S = 0.5


class Syncer:
    """Waits for the disk on a thread of its own, so that neither the RunEngine nor the drain does.

    The drain's thread would not do: a Tiled that is slow or away holds it up.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._owed: dict[JournalWriter, None] = {}
        self._closed = False
        self._thread: threading.Thread | None = None

    def owe(self, journal: JournalWriter) -> None:
        """Say that ``journal`` was written. Returns at once."""
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="probeline-sync", daemon=True)
                self._thread.start()
            if journal not in self._owed:
                self._owed[journal] = None
                self._changed.notify_all()

    def close(self) -> None:
        """Bring what is owed to the disk and end the thread. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while journals := self._next():
            for journal in journals:
                journal.sync()

    def _next(self) -> list[JournalWriter]:
        """Return what is owed, once it has gathered; nothing when it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._owed or self._closed)
            self._changed.wait_for(lambda: self._closed, _GATHER_S)
            journals, self._owed = list(self._owed), {}
            return journals
