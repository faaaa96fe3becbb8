"""What a guard hands out: an acquisition that is followed on the driver's thread and paid for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .drivers import Acquisition
from .threads import CalledOff

if TYPE_CHECKING:
    from .guard import Guard


class GuardedAcquisition:
    """An acquisition of which every block is fetched on the driver's thread and paid for.

    Parameters
    ----------
    guard : Guard
        Keeps the time.
    acquisition : Acquisition
        The driver's own.
    what : str
        Name for messages.
    seconds : float
        Instrument time that a block may take beyond the usual timeout (s).
    """

    def __init__(self, guard: Guard, acquisition: Acquisition, what: str, seconds: float):
        self._guard = guard
        self._acquisition = acquisition
        self._blocks = iter(acquisition)
        self._what = what
        self._seconds = seconds
        self._generation = guard._generation

    def __iter__(self) -> Iterator[tuple[int, NDArray[np.float64], float]]:
        """Yield ``(first, block, clock)`` as the driver does; a posture ends it like an abort.

        Raises
        ------
        LimitError
            When a budget is exceeded while it runs; it is aborted first.
        DriverTimeout
            When a block does not come in time; abort it then.
        """
        while (item := self._next()) is not None:
            try:
                self._guard._afford(seconds=0.0)
            except Exception:
                self.abort()
                raise
            yield item

    def _next(self) -> tuple[int, NDArray[np.float64], float] | None:
        try:
            return self._guard._call(
                self._what, next, self._blocks, None, needs=self._seconds, generation=self._generation
            )
        except CalledOff:
            self.abort()
            return None

    def abort(self) -> None:
        """End it now, from any thread, whatever the driver's thread does."""
        self._acquisition.abort()

    def result(self) -> dict[str, Any]:
        """Return the result, running to the end if need be."""
        for _ in self:
            pass
        # Of the present generation: what a posture ended can still be looked at.
        now = self._guard._thread.generation
        return self._guard._call(f"{self._what} result", self._acquisition.result, generation=now)
