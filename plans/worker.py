"""The one door between a plan and its agent: method name and arguments in, Future out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any

import bluesky.plan_stubs as bps
from bluesky.utils import Msg

from ..core.errors import RefusedError
from ..devices.threads import CallThread
from .stubs import park


class AgentWorker:
    """Runs an agent on a thread of its own, one call after the other.

    The RunEngine's thread never computes a suggestion, so a pause takes effect at once
    while the agent thinks.

    Parameters
    ----------
    make : callable
        Makes the agent; called on the worker's thread.
    """

    def __init__(self, make: Callable[[], Any]):
        self._thread = CallThread("agent")
        self._agent = self._thread.submit(make)

    def submit(self, method: str, *args: Any) -> Future:
        """Queue ``agent.method(*args)`` behind all earlier calls and return its Future."""
        return self._thread.submit(lambda: getattr(self._agent.result(), method)(*args))

    def decide(self, count: int) -> Future:
        """Queue a batch of decisions and return its Future: each suggestion, and why it was made.

        In one call, so that nothing queued in between delays the explanations.
        """

        def suggested() -> list[tuple[dict[str, Any], dict[str, Any]]]:
            agent = self._agent.result()
            return [(dict(suggestion), agent.explain(suggestion)) for suggestion in suggestions(agent, count)]

        return self._thread.submit(suggested)

    def close(self) -> None:
        """Take no more calls; one that never returns keeps nobody waiting."""
        self._thread.close()


def beside(function: Callable[..., Any], *args: Any) -> Future:
    """Return the Future of ``function(*args)`` on a thread of its own.

    For linear algebra, which takes turns in a process: what the RunEngine's thread waited for, no pause could end.
    """
    thread = CallThread("computation")
    future = thread.submit(function, *args)
    thread.close()
    return future


def suggestions(agent: Any, count: int) -> list[Any]:
    """Return ``count`` decisions of an agent, each knowing of those before it; fewer where no more candidates are left.

    Raises
    ------
    RefusedError
        When there is not even one.
    """
    found: list[Any] = []
    while len(found) < count:
        try:
            found += agent.suggest(1)
        except RefusedError:
            if not found:
                raise
            break  # should it be for another reason, the next batch will tell
    return found


def await_agent(instrument: Any, future: Future) -> Generator[Msg, Any, bool]:
    """Plan stub: wait for ``future``; a real instrument that waits too long is parked. Return whether it was."""
    patience = None if instrument.link.description["virtual_clock"] else instrument.spec.idle_after_s
    if not (yield from await_future(future, timeout=patience)):
        yield from park(instrument)
        yield from await_future(future)
        return True
    return False


def await_future(future: Future, timeout: float | None = None) -> Generator[Msg, Any, bool]:
    """Plan stub: wait for ``future`` without blocking the RunEngine.

    Parameters
    ----------
    future : Future
        From :meth:`AgentWorker.submit`; its exception, if any, stays in it.
    timeout : float, optional
        Wall seconds to wait at most.

    Yields
    ------
    Msg
        One ``wait_for``; a pause is honoured at once, and a rewound wait is harmless.

    Returns
    -------
    bool
        Whether the future is done.
    """

    def waiter() -> asyncio.Future:
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def finish() -> None:
            if not done.done():
                done.set_result(None)

        def wake(_: Future) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(finish)

        future.add_done_callback(wake)
        if timeout is not None:
            loop.call_later(timeout, finish)
        return done

    yield from bps.wait_for([waiter])
    return future.done()
