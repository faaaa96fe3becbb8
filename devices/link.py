"""What all devices of one instrument share, and how their statuses are finished."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from ophyd import Device
from ophyd.status import Status

from .drivers import Description
from .guard import Guard
from .threads import CallThread


@dataclass(frozen=True)
class Link:
    """The way from a device to its controller.

    Attributes
    ----------
    driver : Guard
        The guarded driver.
    description : Description
        What it says of itself, limits narrowed by the envelope.
    actions : CallThread
        Does what ``set`` asks for, in the order it was asked.
    """

    driver: Guard
    description: Description
    actions: CallThread


class Progress(Status):
    """A status that can be watched, as bluesky's progress bars do.

    Parameters
    ----------
    device : object
        What the status belongs to.
    timeout : float, optional
        Wall seconds after which it fails by itself.
    settle_time : float
        Wall seconds between the end and the callbacks.
    """

    def __init__(self, device: Any, *, timeout: float | None = None, settle_time: Any = 0):
        super().__init__(obj=device, timeout=timeout, settle_time=settle_time)
        self._name = device.name
        self._watchers: list[Callable[..., None]] = []
        self._began = time.monotonic()

    def watch(self, function: Callable[..., None]) -> None:
        """Call ``function(name=, current=, initial=, target=, unit=, precision=, time_elapsed=)`` as it goes on."""
        self._watchers.append(function)

    def report(self, done: int, total: int, unit: str) -> None:
        """Tell all watchers that ``done`` of ``total`` are there."""
        elapsed = time.monotonic() - self._began
        for function in tuple(self._watchers):
            function(
                name=self._name, current=done, initial=0, target=total, unit=unit, precision=0, time_elapsed=elapsed
            )


def finish(status: Status, future: Future) -> None:
    """Finish ``status`` when ``future`` does, with its exception if it has one."""

    def end(done: Future) -> None:
        error = done.exception()
        if error is None:
            status.set_finished()
        else:
            status.set_exception(error)

    future.add_done_callback(end)


class LinkedDevice(Device):
    """An ophyd device over a driver; the topmost is given the link, the others inherit it.

    Parameters
    ----------
    name : str
        Prefix of its data keys.
    link : Link, optional
        The way to the controller; the parent's when left out.
    """

    def __init__(self, prefix: str = "", *, name: str, link: Link | None = None, parent: Any = None, **kwargs: Any):
        self.link: Link = parent.link if link is None else link
        super().__init__(prefix, name=name, parent=parent, **kwargs)

    def stop(self, *, success: bool = False) -> None:
        """Posture *hold*: motion and acquisition end, nothing else changes. Idempotent."""
        self.link.driver.hold()

    def perform(self, function: Callable[..., Any], *args: Any) -> Progress:
        """Return the status of ``function(*args)``, done after everything asked before.

        It fails when a posture comes in between: an action is called off as a whole.
        """
        status = Progress(self)
        finish(status, self.link.actions.submit(self.link.driver.bound(function), *args))
        return status

    def at_once(self, function: Callable[..., Any], *args: Any) -> Progress:
        """Return the status of ``function(*args)``, done now, whatever was asked before and is not done yet."""
        status = Progress(self)
        thread = CallThread(f"{self.name} at once")
        finish(status, thread.submit(function, *args))
        thread.close()
        return status
