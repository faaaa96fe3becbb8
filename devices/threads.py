"""One thread that does calls in order, each with a deadline, and can be made to drop them."""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any

from ..core.errors import Busy, CommandRejected, ConnectionLost, DriverTimeout

Job = tuple[Future, float, Callable[..., Any], tuple[Any, ...]]
_ALWAYS = math.inf  # generation of what is never called off


class CalledOff(CommandRejected):
    """A posture came before the turn of a call; nothing of it was sent."""


class CallThread:
    """Runs functions one after the other on a daemon thread of its own.

    A daemon, because a controller that never answers must not keep the session from ending.
    Every call belongs to a generation; :meth:`call_off` starts the next one, and what belongs
    to an earlier one is refused when its turn comes.

    Parameters
    ----------
    name : str
        What the thread and error messages call the device.
    """

    def __init__(self, name: str):
        self.name = name
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._working = threading.Lock()
        self._submitting = threading.Lock()
        self._generation = 0
        self._owed: Future | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=f"probeline-{name}", daemon=True)
        self._thread.start()

    @property
    def generation(self) -> int:
        """How often calls were called off so far."""
        return self._generation

    def call_off(self) -> None:
        """Refuse what was submitted until now and has not begun, and what belongs to it."""
        with self._submitting:
            self._generation += 1

    def submit(self, function: Callable[..., Any], *args: Any, generation: float | None = None) -> Future:
        """Queue ``function(*args)`` behind all earlier calls and return its Future.

        Parameters
        ----------
        generation : float, optional
            :attr:`generation` at the time it was wanted; now, when left out.

        Raises
        ------
        ConnectionLost
            After :meth:`close`.
        Busy
            While what is owed (:meth:`owe`) has not been done.
        """
        with self._submitting:
            if self._closed:
                raise ConnectionLost(f"{self.name} is closed; open the instrument again")
            self._require_nothing_owed()
            return self._put(self._generation if generation is None else generation, function, *args)

    def _put(self, generation: float, function: Callable[..., Any], *args: Any) -> Future:
        future: Future = Future()
        self._jobs.put((future, generation, function, args))
        return future

    def _require_nothing_owed(self) -> None:
        if self._owed is None:
            return
        if not (self._owed.running() or self._owed.done()):
            raise Busy(
                f"{self.name}: a posture was carried out beside a call that has not returned; it is repeated when "
                "that call returns, and nothing else is done before. Wait, or check the controller"
            )
        if self._owed.done() and (error := self._owed.exception()) is not None:
            raise CommandRejected(
                f"{self.name}: a posture could not be repeated after a call that had been stuck: {error}; "
                "bring the instrument into a posture again before anything else"
            ) from error

    def owe(self, function: Callable[[], None]) -> None:
        """Do ``function`` as soon as the running call returns; refuse everything else until then."""
        with self._submitting:
            self._generation += 1
            self._owed = self._put(_ALWAYS, function)

    def forgive(self) -> None:
        """Forget what was owed: it has been done in another way."""
        with self._submitting:
            self._owed = None

    def settle(self, patience: float) -> None:
        """Wait until what is owed has been done.

        Raises
        ------
        DriverTimeout
            When it is not done within ``patience`` (s).
        Exception
            What it raised.
        """
        if self._owed is None:
            return
        if not wait([self._owed], timeout=patience).done:
            raise DriverTimeout(
                f"{self.name}: a call has not returned within {patience:g} s of a posture, which could not be "
                "repeated after it; check the controller: the probe may be engaged"
            )
        self._owed.result()

    def call(
        self, what: str, deadline: float, function: Callable[..., Any], *args: Any, generation: float | None = None
    ) -> Any:
        """Return ``function(*args)``, done on this thread.

        Parameters
        ----------
        what : str
            Name of the call, for the error message.
        deadline : float
            Wall seconds to wait at most.
        generation : float, optional
            As for :meth:`submit`.

        Raises
        ------
        CalledOff
            When its generation was over before its turn came.
        Busy, ConnectionLost
            From :meth:`submit`.
        DriverTimeout
            When it is not done in time; a call that has not begun is withdrawn.
        """
        future = self.submit(function, *args, generation=generation)
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
            future, generation, function, args = job
            with self._working:
                if not future.set_running_or_notify_cancel():
                    continue
                try:
                    if generation != _ALWAYS:
                        self._require_current(generation, function)
                    result = function(*args)
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)
            del job, future, function, args  # an idle thread must not keep results alive

    def _require_current(self, generation: float, function: Callable[..., Any]) -> None:
        self._require_nothing_owed()
        if generation < self._generation:
            what = getattr(function, "__name__", "a call")
            raise CalledOff(
                f"{self.name}: {what} was asked for before the instrument was parked or made safe, and is called off; "
                "nothing was sent. Ask again if it is still wanted"
            )
