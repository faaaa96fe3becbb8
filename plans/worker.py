"""The one door between a plan and its agent: method name and arguments in, Future out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any

import bluesky.plan_stubs as bps
from bluesky.utils import Msg

from ..devices.threads import CallThread


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

    def decide(self) -> Future:
        """Queue a decision and return its Future: the suggestion and why it was made.

        In one call, so that nothing queued in between delays the explanation.
        """

        def suggested() -> tuple[dict[str, Any], dict[str, Any]]:
            agent = self._agent.result()
            (suggestion,) = agent.suggest(1)
            return dict(suggestion), agent.explain(suggestion)

        return self._thread.submit(suggested)

    def close(self) -> None:
        """Take no more calls; one that never returns keeps nobody waiting."""
        self._thread.close()


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
