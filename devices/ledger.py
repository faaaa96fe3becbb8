"""What a session has spent: counted once, here, and readable like any other signal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from ..core.errors import SpecError
from .drivers import SignalInfo, SpectrumInfo, Value

_DOC = {
    "seconds": ("s", "number", "instrument time since the session began"),
    "pulses": ("", "integer", "bias steps applied to the sample; a loop counts in full when it starts"),
    "spectra": ("", "integer", "measurements at a point that were started"),
    "frames": ("", "integer", "frames that were started"),
}


def pulses_of(info: SpectrumInfo, settings: Mapping[str, Value]) -> int | None:
    """Return how many bias steps one spectrum applies, or None when its settings do not say.

    Parameters
    ----------
    info : SpectrumInfo
        The kind of spectrum. Without an axis ``bias`` it applies none.
    settings : mapping
        Complete settings (SI); ``steps`` per cycle and ``cycles`` are what counts.
    """
    if "bias" not in info["dims"]:
        return 0
    if "steps" not in settings:
        return None
    return int(settings["steps"]) * int(settings.get("cycles", 1))


class Ledger:
    """Counts instrument time, bias pulses, spectra and frames of one session.

    Parameters
    ----------
    clock : callable
        The instrument time (s).
    spectra : mapping
        ``describe()["spectra"]``: says whether pulses can be counted at all.
    """

    def __init__(self, clock: Callable[[], float], spectra: Mapping[str, SpectrumInfo]):
        self._clock = clock
        self._opened = clock()
        self._lock = threading.Lock()
        self._counts = {"spectra": 0, "frames": 0}
        pulsing = [info for info in spectra.values() if "bias" in info["dims"]]
        if pulsing and all(pulses_of(info, info["settings"]) is not None for info in pulsing):
            self._counts["pulses"] = 0

    @property
    def countable(self) -> list[str]:
        """Names of everything this ledger counts."""
        return ["seconds", *sorted(self._counts)]

    def require(self, budgets: Mapping[str, float]) -> None:
        """Raise unless every budget can be counted.

        Raises
        ------
        SpecError
            Naming the budgets that nothing counts: such a budget would never bind.
        """
        missing = sorted(set(budgets) - set(self.countable))
        if missing:
            raise SpecError(
                f"budget of {', '.join(missing)} cannot be counted on this instrument; "
                f"it counts {', '.join(self.countable)}. Remove the budget or use a driver that declares what it needs"
            )

    def charge(self, **amounts: int) -> None:
        """Add ``amounts`` to what was spent; what this ledger does not count is left out."""
        with self._lock:
            for name, amount in amounts.items():
                if name in self._counts:
                    self._counts[name] += amount

    def spent(self, name: str) -> float:
        """Return what was spent of ``name`` so far (``seconds`` in s, the rest are counts)."""
        if name == "seconds":
            return self._clock() - self._opened
        with self._lock:
            return self._counts[name]

    def signals(self) -> dict[str, SignalInfo]:
        """Return the read-only signals ``spent_<name>`` that a guard adds to its driver's."""
        return {
            f"spent_{name}": SignalInfo(unit=_DOC[name][0], writable=False, dtype=_DOC[name][1], doc=_DOC[name][2])
            for name in self.countable
        }
