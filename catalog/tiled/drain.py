"""The drain: a thread that carries journals into Tiled, so that nobody else waits for it."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...core.errors import CatalogError
from ..listing import read_state
from .away import TiledAwayError
from .uploading import RunUpload

_log = logging.getLogger(__name__)
# How long rows may gather before they are written: each write costs as much as a hundred rows.
_GATHER_S = 1.0
# How long to wait before Tiled is tried again, and at most: doubled each time.
_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0


class Drain:
    """Writes journals into Tiled on a thread of its own.

    What waits is only the names of journals: the backlog itself is the journal, so a slow or
    dead Tiled costs neither memory nor time of the caller. While Tiled is away everything waits,
    and is tried again after pauses that grow to half a minute.

    Parameters
    ----------
    client : callable
        Returns the Tiled client; called on the thread.
    """

    def __init__(self, client: Callable[[], Any]):
        self._client = client
        self._changed = threading.Condition()
        self._waiting: dict[Path, None] = {}
        self._locks: dict[Path, int] = {}
        self._busy = False
        self._hurry = 0
        self._at_once = False
        self._closed = False
        self._pause = 0.0
        self._away = ""
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

    def begin(self, path: Path, lock: int) -> None:
        """Say that this process writes the journal ``path`` and that ``lock`` keeps others away from it."""
        with self._changed:
            self._locks[path] = lock
        self.notify(path)

    def flush(self, timeout: float) -> None:
        """Wait until everything that was journalled before has been handed to Tiled.

        Raises
        ------
        CatalogError
            When that takes longer than ``timeout`` (s); nothing is lost.
        """
        with self._changed:
            self._hurry += 1
            self._at_once = True
            self._changed.notify_all()
            done = self._changed.wait_for(lambda: not self._waiting and not self._busy, timeout)
            self._hurry -= 1
            away = f" ({self._away})" if self._away else ""
        if not done:
            raise CatalogError(
                f"Tiled did not take everything within {timeout:g} s{away}; the journals hold all of it, "
                "flush() again or see runs() for the reason"
            )

    def settle(self) -> str:
        """Wait until Tiled has what was journalled before, or is away; return why it is away, or nothing."""
        with self._changed:
            self._hurry += 1
            self._at_once = True
            self._away = ""
            self._changed.notify_all()
            try:
                self._changed.wait_for(lambda: not self._busy and (self._away or not self._waiting))
            finally:
                self._hurry -= 1
            return self._away

    def close(self, timeout: float | None = None) -> bool:
        """Hand over what is left, end the thread, and return whether it ended within ``timeout`` (s).

        A Tiled that is away is not waited for. When the interpreter is ending, only the document in hand is
        still handed over.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while paths := self._next():
            left = self._carry(paths)
            with self._changed:
                self._waiting = {**dict.fromkeys(left), **self._waiting}
                self._busy = False
                self._changed.notify_all()
                if left and not self._wait_for_tiled():
                    break
        for upload in self._uploads.values():
            upload.close()
        for lock in self._locks.values():
            os.close(lock)

    def _next(self) -> list[Path]:
        """Return what has gathered; nothing when it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._changed.wait_for(lambda: self._hurry or self._closed, _GATHER_S)
            paths, self._waiting = list(self._waiting), {}
            self._busy = bool(paths)
            return paths

    def _carry(self, paths: list[Path]) -> list[Path]:
        """Write these runs as far as their journals go, and return those left because Tiled is away."""
        for number, path in enumerate(paths):
            if read_state(path) == "stored":  # its stop was read before its notification was taken
                continue
            try:
                self._advance(path)
            except TiledAwayError as error:
                if not self._away:
                    _log.warning("Tiled is away, the journals keep what it lacks: %s", error)
                self._away = str(error)
                return [*paths[number + 1 :], path]
        if self._away:
            _log.warning("Tiled is back and has what it lacked")
        self._away, self._pause = "", 0.0
        return []

    def _advance(self, path: Path) -> None:
        upload = self._uploads.get(path)
        if upload is None:
            with self._changed:
                lock = self._locks.pop(path, None)
            upload = self._uploads[path] = RunUpload(path, self._client, lock)
        if upload.advance():
            upload.close()
            del self._uploads[path]

    def _wait_for_tiled(self) -> bool:
        """Wait before the next attempt; return whether there is to be one."""
        self._pause = min(max(2 * self._pause, _PAUSE_S), _LONGEST_PAUSE_S)
        self._changed.wait_for(lambda: self._at_once or self._closed, self._pause)
        self._at_once = False
        return not self._closed
