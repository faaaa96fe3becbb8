"""Linear algebra on one thread: how sums are split must not decide what they come to."""

from __future__ import annotations

from contextlib import ContextDecorator
from threading import RLock
from typing import Any

from threadpoolctl import threadpool_limits


class OneThread(ContextDecorator):
    """For functions whose results are recorded: more threads add in another order and give other last bits.

    The limit is one of the whole process, and who sets it puts it back to what it was before. So callers in several
    threads take turns: else the first to leave would lift it for the others, and the last would leave it in place.
    """

    def __init__(self):
        self._turn = RLock()
        self._limits: list[Any] = []  # one per call that is under way, all in the thread whose turn it is

    def __enter__(self) -> OneThread:
        self._turn.acquire()
        try:
            self._limits.append(threadpool_limits.wrap(limits=1, user_api="blas").__enter__())
        except BaseException:  # also an interrupt: nobody else would ever get a turn
            self._turn.release()
            raise
        return self

    def __exit__(self, *reason: Any) -> None:
        try:
            self._limits.pop().__exit__(*reason)
        finally:
            self._turn.release()


one_thread = OneThread()
