"""What scanning and spectroscopy share: one acquisition at a time, stoppable and pausable."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import Busy, DriverTimeout, Incomplete
from .drivers import Acquisition
from .link import LinkedDevice, Progress

_END = 60.0  # s, an aborted acquisition may take that long to come to its end


class AcquiringDevice(LinkedDevice, ABC):
    """Base of devices that are triggered, followed block by block, and read.

    What was stopped before its end is no measurement: its status finishes, so that a pause can
    rewind and trigger again, and reading it is an error.
    """

    unit_of_progress = "blocks"

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._guarding = threading.Lock()
        self._running: threading.Thread | None = None
        self._acquisition: Acquisition | None = None
        self._ending = False
        self._result: dict[str, Any] | None = None
        self._taken = 0.0

    def trigger(self) -> Any:
        """Start one measurement and return its status, which can be watched.

        Raises
        ------
        Busy
            While one is running here.
        RefusedError, CommandRejected
            For parameters that are not allowed, before anything is sent.
        """
        self.check()
        with self._guarding:
            if self._running is not None:
                raise Busy(f"{self.name} is measuring; wait for its end or stop it before triggering again")
            self._result, self._ending = None, False
            status = Progress(self)
            self._running = threading.Thread(
                target=self.link.driver.bound(self._measure), args=(status,), name=f"probeline-{self.name}", daemon=True
            )
            self._running.start()
        return status

    def _measure(self, status: Progress) -> None:
        error: Exception | None = None
        try:
            self._follow(status)
        except Exception as caught:  # a status hands it to whoever waits
            error = caught
            self._give_up(caught)
        finally:
            with self._guarding:
                self._running = self._acquisition = None
        if error is None:
            status.set_finished()
        else:
            status.set_exception(error)

    def _follow(self, status: Progress) -> None:
        acquisition = self._start()
        with self._guarding:
            self._acquisition = acquisition
            ending = self._ending
        if ending:
            acquisition.abort()
        done, total = 0, self._total()
        for first, block, clock in acquisition:
            self._take(first, block, clock)
            done = first + (block.shape[1] if block.ndim > 1 else 1)
            if total:
                status.report(done, total, self.unit_of_progress)
        result = acquisition.result()
        data = result["data"]
        if done >= (data.shape[1] if data.ndim > 1 else 1):
            self._taken = time.time()
            self._result = self._complete(result)

    def _give_up(self, error: Exception) -> None:
        """Leave the driver idle after ``error``, which is what gets reported; it notes if that fails too."""
        if self._acquisition is not None:
            try:
                self._acquisition.abort()
            except Exception as second:
                error.add_note(f"{self.name}: ending the measurement failed too: {type(second).__name__}: {second}")

    @abstractmethod
    def check(self) -> None:
        """Raise unless the present parameters are allowed; starts nothing."""

    @abstractmethod
    def _start(self) -> Acquisition:
        """Start the driver's acquisition with the present parameters."""

    def _total(self) -> int:
        """Return how many blocks' worth of progress to expect, 0 when unknown."""
        return 0

    def _take(self, first: int, block: NDArray[np.float64], clock: float) -> None:
        """Take one block as it comes."""

    def _complete(self, result: dict[str, Any]) -> dict[str, Any]:
        """Return what is kept of a complete result."""
        return result

    def _measured(self) -> dict[str, Any]:
        """Return the last result.

        Raises
        ------
        Incomplete
            When there is none, or it was stopped before its end.
        """
        if self._result is None:
            raise Incomplete(f"{self.name} has nothing to read: it was not triggered, or stopped before its end")
        return self._result

    def stop(self, *, success: bool = False) -> None:
        """Posture *hold*: the measurement ends, nothing else changes. Idempotent."""
        self._ending = True
        super().stop(success=success)

    def pause(self) -> None:
        """Abort what is in flight and wait until the device is idle, so that it can be triggered again.

        What was complete before can still be read.

        Raises
        ------
        DriverTimeout
            When the controller does not end the measurement.
        """
        with self._guarding:
            running, acquisition, self._ending = self._running, self._acquisition, True
        if acquisition is not None:
            acquisition.abort()
        if running is not None:
            running.join(_END)
            if running.is_alive():
                raise DriverTimeout(f"{self.name} did not end its measurement within {_END:g} s of being told to")

    def resume(self) -> None:
        """Do nothing: the rewound plan triggers again."""

    def unstage(self) -> list[object]:
        """End what is in flight and release the device."""
        if self._running is not None:
            self.pause()
        return super().unstage()
