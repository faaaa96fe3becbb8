"""One thread that does calls in order, each with a deadline."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any

from ..core.errors import ConnectionLost, DriverTimeout

Job = tuple[Future, Callable[..., Any], tuple[Any, ...]]


class CallThread:
    """Runs functions one after the other on a daemon thread of its own.

    A daemon, because a controller that never answers must not keep the session from ending.

    Parameters
    ----------
    name : str
        What the thread and error messages call the device.
    """

    def __init__(self, name: str):
        self.name = name
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._working = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=f"probeline-{name}", daemon=True)
        self._thread.start()

    def submit(self, function: Callable[..., Any], *args: Any) -> Future:
        """Queue ``function(*args)`` behind all earlier calls and return its Future.

        Raises
        ------
        ConnectionLost
            After :meth:`close`.
        """
        if self._closed:
            raise ConnectionLost(f"{self.name} is closed; open the instrument again")
        future: Future = Future()
        self._jobs.put((future, function, args))
        return future

    def call(self, what: str, deadline: float, function: Callable[..., Any], *args: Any) -> Any:
        """Return ``function(*args)``, done on this thread.

        Parameters
        ----------
        what : str
            Name of the call, for the error message.
        deadline : float
            Wall seconds to wait at most.

        Raises
        ------
        DriverTimeout
            When it is not done in time; a call that has not begun is withdrawn.
        """
        future = self.submit(function, *args)
        if not wait([future], timeout=deadline).done:
            began = not future.cancel()
            stuck = "it has not returned" if began else "an earlier call has not returned"
            raise DriverTimeout(
                f"{self.name}: {what} did not answer within {deadline:g} s: {stuck}; "
                "hold, park and make_safe still work; check the controller, then open the instrument again"
            )
        return future.result()

    @contextmanager
    def quiet(self, patience: float) -> Iterator[bool]:
        """Keep this thread from starting calls; yields False when one still runs after ``patience`` (s)."""
        quiet = self._working.acquire(timeout=patience)
        try:
            yield quiet
        finally:
            if quiet:
                self._working.release()

    def close(self) -> None:
        """Take no more calls; what is queued is still done. Idempotent."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, function, args = job
            with self._working:
                if not future.set_running_or_notify_cancel():
                    continue
                try:
                    result = function(*args)
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)
            del job, future, function, args  # an idle thread must not keep results alive
