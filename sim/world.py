"""The part of every twin that the instrument cannot see past: time, exposures, acts."""

from __future__ import annotations

import threading
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
        self._hurry = threading.Event()  # never set: a wait that is no sleep

    @property
    def paced(self) -> bool:
        """Whether virtual time takes wall time."""
        return self.pace is not None

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` of virtual time pass."""
        self.advance_to(self.time + seconds)

    def advance_to(self, time: float) -> None:
        """Let virtual time pass until it is exactly ``time`` (s)."""
        if not time >= self.time:
            raise ValueError(f"time cannot go back from {self.time} s to {time} s")
        if self.pace is not None:
            self._hurry.wait((time - self.time) / self.pace)
        self.time = time

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
        """Return time, exposures and acts; JSON."""
        return {"time": self.time, "exposures": self.exposures, "acts": [dict(act) for act in self.acts]}
