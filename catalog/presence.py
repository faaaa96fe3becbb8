"""Who else writes into a catalogue."""

from __future__ import annotations

import contextlib
import fcntl
import os
import weakref
from pathlib import Path


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
