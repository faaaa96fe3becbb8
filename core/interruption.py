"""One Ctrl-C is enough: what it interrupts is being closed, and a second one must not end that half-way."""

from __future__ import annotations

import signal
from typing import Any


class Interruption:
    """A handler of SIGINT that lets the first one through and ignores later ones."""

    def __init__(self) -> None:
        self.came = False

    def __call__(self, number: int, frame: Any) -> None:
        """Take one signal.

        Raises
        ------
        KeyboardInterrupt
            For the first.
        """
        if not self.came:
            self.came = True
            raise KeyboardInterrupt


def interrupt_once() -> None:
    """Let one Ctrl-C through and ignore later ones, until the process ends; for the main thread of a command."""
    signal.signal(signal.SIGINT, Interruption())


def ignore_interrupts() -> None:
    """Take it that the first Ctrl-C has come, where :func:`interrupt_once` was called: somebody else took it."""
    handler = signal.getsignal(signal.SIGINT)
    if isinstance(handler, Interruption):
        handler.came = True
