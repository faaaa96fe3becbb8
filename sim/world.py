"""The part of every twin that the instrument cannot see past: time, exposures, acts."""

from __future__ import annotations

import threading
from time import monotonic
from typing import Any

import numpy as np

from ..core.rng import generator


class World:
    """Hidden truth with a virtual clock and random-access noise.

    Parameters
    ----------
    seed : int
        Seed of everything random in this world.
    state : dict, optional
        What :meth:`state` returned before; the world goes on from there.
    pace : float, optional
        Virtual seconds per wall second; without it nothing ever waits.
    """

    def __init__(self, seed: int, state: dict[str, Any] | None = None, pace: float | None = None):
        state = state or {}
        self.seed = int(seed)
        self.time = float(state.get("time", 0.0))
        self.exposures = int(state.get("exposures", 0))
        self.acts: list[dict[str, Any]] = [dict(act) for act in state.get("acts", [])]
        self.pace = pace
        self._passing = threading.Lock()
        self._called = threading.Event()

    @property
    def paced(self) -> bool:
        """Whether virtual time takes wall time."""
        return self.pace is not None

    def advance(self, seconds: float) -> float:
        """Let ``seconds`` of virtual time pass and return how much of it did, as :meth:`advance_to`."""
        with self._passing:
            return self._pass(self.time + seconds)

    def advance_to(self, time: float) -> float:
        """Let virtual time pass until it is exactly ``time`` (s).

        Returns
        -------
        float
            Share that passed: 1, or less where :meth:`interrupt` ended a paced wait.
        """
        with self._passing:
            return self._pass(time)

    def _pass(self, time: float) -> float:
        start = self.time
        if not time >= start:
            raise ValueError(f"time cannot go back from {start} s to {time} s")
        self.time = time if self.pace is None else self._wait(start, time, self.pace)
        return 1.0 if time == start else (self.time - start) / (time - start)

    def _wait(self, start: float, end: float, pace: float) -> float:
        """Wait out paced time and return the virtual time (s) at the end of it."""
        began = monotonic()
        if not self._called.wait((end - start) / pace):
            return end
        return min(end, start + (monotonic() - began) * pace)

    def interrupt(self) -> None:
        """End the paced wait of another thread, if there is one, and return when it has ended."""
        self._called.set()
        with self._passing:
            self._called.clear()

    def exposure(self) -> int:
        """Return the index of a new exposure; noise is keyed by it."""
        self.exposures += 1
        return self.exposures - 1

    def noise(self, name: str, *index: int) -> np.random.Generator:
        """Return the generator of noise ``name`` for the given index, whatever came before."""
        return generator(self.seed, name, *index)

    def act(self, **what: Any) -> None:
        """Note that the sample was changed; JSON values only. Part of the state."""
        self.acts.append({"time": self.time, **what})

    def state(self) -> dict[str, Any]:
        """Return seed, time, exposures and acts; JSON."""
        return {
            "seed": self.seed,
            "time": self.time,
            "exposures": self.exposures,
            "acts": [dict(act) for act in self.acts],
        }
