"""The drain: a thread that carries journals into Tiled, so that nobody else waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..core.errors import CatalogError
from .listing import read_state
from .uploading import RunUpload

# How long new records may gather before they are looked at: waking up for each costs the RunEngine time.
_GATHER_S = 0.2


class Drain:
    """Writes journals into Tiled on a thread of its own.

    What waits is only the names of journals: the backlog itself is the journal, so a slow or
    dead Tiled costs neither memory nor time of the caller.

    Parameters
    ----------
    client : callable
        Returns the Tiled client; called on the thread.
    """

    def __init__(self, client: Callable[[], Any]):
        self._client = client
        self._changed = threading.Condition()
        self._waiting: dict[Path, None] = {}
        self._busy = False
        self._hurry = 0
        self._closed = False
        self._thread: threading.Thread | None = None
        self._uploads: dict[Path, RunUpload] = {}

    def notify(self, path: Path) -> None:
        """Say that the journal ``path`` has grown. Returns at once."""
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="probeline-drain", daemon=True)
                self._thread.start()
            if path not in self._waiting:
                self._waiting[path] = None
                self._changed.notify_all()

    def flush(self, timeout: float) -> None:
        """Wait until everything that was journalled before has been handed to Tiled.

        Raises
        ------
        CatalogError
            When that takes longer than ``timeout`` (s); nothing is lost.
        """
        with self._changed:
            self._hurry += 1
            self._changed.notify_all()
            done = self._changed.wait_for(lambda: not self._waiting and not self._busy, timeout)
            self._hurry -= 1
        if not done:
            raise CatalogError(
                f"Tiled did not take everything within {timeout:g} s; the journals hold all of it, "
                "flush() again or see runs() for the reason"
            )

    def close(self, timeout: float | None = None) -> bool:
        """Hand over what is left, end the thread, and return whether it ended within ``timeout`` (s).

        When the interpreter is ending, only the document in hand is still handed over.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                self._changed.wait_for(lambda: self._hurry or self._closed, _GATHER_S)
                if not self._waiting and self._closed:
                    return
                paths, self._waiting = list(self._waiting), {}
                self._busy = True
            for path in paths:
                if read_state(path) == "stored":  # its stop was read before its notification was taken
                    continue
                upload = self._uploads.setdefault(path, RunUpload(path, self._client))
                if upload.advance():
                    del self._uploads[path]
            with self._changed:
                self._busy = False
                self._changed.notify_all()
