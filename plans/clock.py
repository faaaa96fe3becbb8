"""The instrument's time, as a plan reads it."""

from __future__ import annotations

from typing import Any

import bluesky.plan_stubs as bps

from .stubs import Plan


class Clock:
    """Reads the clock of an instrument and remembers what it said last.

    Parameters
    ----------
    instrument : SPM or STEM
        Has a ``clock``.
    """

    def __init__(self, instrument: Any):
        self._device = instrument.clock
        self.last = 0.0  # s; for when the instrument cannot be asked any more

    def now(self) -> Plan:
        """Return the instrument time (s)."""
        self.last = yield from bps.rd(self._device)
        return self.last
