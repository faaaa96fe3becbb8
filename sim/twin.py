"""What all twin drivers share: named signals, one acquisition at a time, postures."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import Busy, CommandRejected, LimitError
from .world import World

Block = tuple[int, NDArray[np.float64], float]

HARMLESS_BIAS = 1.0  # V; a larger one, held in contact, poles a film, which neither twins nor replays model
_TYPES = {"number": (int, float), "integer": (int,), "boolean": (bool,), "string": (str,)}


class TwinAcquisition:
    """An acquisition whose blocks are computed when they are asked for.

    Parameters
    ----------
    world : World
        Whose time passes.
    blocks : iterator of (first, block, clock)
        Computes block after block and lets the world's time pass. Blocks go to
        ``data[(slice(None), slice(first, first + n))]``: the second axis is filled in order.
    shape : tuple of int
        Shape of the complete data.
    finish : callable
        ``finish(data, clocks) -> dict``: makes the result; ``clocks`` has one entry per
        index of the second axis (s), NaN where aborted.
    """

    def __init__(
        self, world: World, blocks: Iterator[Block], shape: tuple[int, ...], finish: Callable[..., dict[str, Any]]
    ):
        self._world = world
        self._blocks = blocks
        self._data = np.full(shape, np.nan)
        self._clocks = np.full(shape[1] if len(shape) > 1 else 1, np.nan)
        self._finish = finish
        self._aborted = threading.Event()
        self._lock = threading.Lock()
        self._done = False

    def __iter__(self) -> Iterator[Block]:
        while not self._aborted.is_set():
            item = self._next()
            if item is None:
                break
            yield item
        self._done = True

    def _next(self) -> Block | None:
        """Compute one block; the lock lets one thread follow while another waits for the result."""
        with self._lock:
            try:
                item = next(self._blocks, None)
            except BaseException:
                self._done = True
                raise
            if item is None or self._aborted.is_set():
                self._done = True
                return None
            first, block, clock = item
            if self._data.ndim > 1:
                self._data[:, first : first + block.shape[1]] = block
                self._clocks[first : first + block.shape[1]] = clock
            else:
                self._data[:] = block
                self._clocks[:] = clock
            return item

    def abort(self) -> None:
        """End it now; what is missing, a block that is being computed included, stays NaN."""
        self._aborted.set()
        self._world.interrupt()
        with self._lock:  # whoever goes on after this must not find time passing
            self._done = True

    @property
    def running(self) -> bool:
        """Whether blocks are still to come."""
        return not self._done

    def result(self) -> dict[str, Any]:
        """Return the result, running to the end if need be."""
        for _ in self:
            pass
        return self._finish(self._data, self._clocks)


class TwinDriver:
    """Base of twin drivers.

    Parameters
    ----------
    world : World
        The hidden truth; no caller of the driver may read it.
    signals : mapping
        Key -> :class:`~probeline.devices.drivers.SignalInfo`.
    values : mapping
        Key -> initial value, overridden by ``state["values"]`` when opened at a state.
    """

    def __init__(self, world: World, signals: Mapping[str, Any], values: Mapping[str, Any]):
        self._world = world
        self._signals = dict(signals)
        self._values = dict(values)
        self._acquisition: TwinAcquisition | None = None
        for key in self._values:
            self._check_value(key, self._values[key])

    def get_many(self, keys: Sequence[str]) -> dict[str, Any]:
        """Return the value of each key."""
        unknown = [key for key in keys if key not in self._signals]
        if unknown:
            raise CommandRejected(f"no signal {', '.join(unknown)}; there are {', '.join(self._signals)}")
        return {key: self._values[key] for key in keys}

    def set_many(self, values: Mapping[str, Any]) -> None:
        """Check all values, then set them together."""
        for key, value in values.items():
            self._check(key, value)
        self._apply(values)

    def _check(self, key: str, value: Any) -> None:
        info = self._signals.get(key)
        if info is None or not info["writable"]:
            raise CommandRejected(f"signal {key!r} {'is read-only' if info else 'does not exist'}")
        self._check_value(key, value)

    def _check_value(self, key: str, value: Any) -> None:
        """Raise unless the signal may have the value, whoever sets it."""
        info = self._signals.get(key)
        if info is None:
            raise CommandRejected(f"signal {key!r} does not exist")
        if not isinstance(value, _TYPES[info["dtype"]]) or (isinstance(value, bool) and info["dtype"] != "boolean"):
            raise CommandRejected(f"{key} = {value!r} is not a {info['dtype']}")
        if info["dtype"] in ("number", "integer"):
            low, high = info.get("limits", (-math.inf, math.inf))
            if not (math.isfinite(value) and low <= value <= high):
                raise LimitError(key, float(value), f"{low:g} to {high:g} {info['unit']}", info["unit"])
        elif "choices" in info and value not in info["choices"]:
            raise CommandRejected(f"{key} = {value!r} is none of {', '.join(info['choices'])}")

    def _apply(self, values: Mapping[str, Any]) -> None:
        """Make the values true; twins override it where that takes time."""
        self._values.update(values)

    def clock(self) -> float:
        """Return the virtual time (s)."""
        return self._world.time

    def wait(self, seconds: float) -> None:
        """Let virtual time pass; ``hold`` from another thread ends a paced wait at once.

        Raises
        ------
        LimitError
            For a negative or non-finite time.
        """
        if not (math.isfinite(seconds) and seconds >= 0):
            raise LimitError("waiting time", float(seconds), "0 s or more", "s")
        self._world.advance(seconds)

    def state(self) -> dict[str, Any]:
        """Return the state that reopens the twin exactly as it is; JSON."""
        return {**self._world.state(), "values": dict(self._values)}

    def _require_idle(self) -> None:
        if self._acquisition is not None and self._acquisition.running:
            raise Busy("an acquisition is running; abort it or wait for its end before the next command")

    def _begin(self, acquisition: TwinAcquisition) -> TwinAcquisition:
        self._require_idle()
        self._acquisition = acquisition
        return acquisition

    def hold(self) -> None:
        """End what is running or waiting, change nothing else."""
        if self._acquisition is not None:
            self._acquisition.abort()
        self._world.interrupt()

    def close(self) -> None:
        """End what is running."""
        self.hold()
