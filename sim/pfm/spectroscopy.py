"""Switching loops at a point, as the lock-in records them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import CommandRejected, LimitError
from ..twin import Block
from .imaging import LOCK_IN_NOISE
from .loops import run_cycles, sweep
from .world import PFMWorld, cycle_frequency

KIND = "switching_loop"
DIMS = ["channel", "cycle", "field", "bias"]
CHANNELS = ["x", "y"]
FIELDS = ["off", "on"]
DEFAULTS: dict[str, Any] = {"v_max": 8.0, "steps": 64, "cycles": 2, "step_time": 0.004}
FOOTPRINT = 60e-9  # m, radius beyond which a loop of default settings changes less than a tenth
SWITCHED = 1e-3  # share of the polarisation below whose change a loop has left no domain
OVERHEAD = 0.3  # s, to arm the sequence
_RANGES = {"v_max": (0.1, 10.0, "V"), "step_time": (1e-4, 1.0, "s")}
_COUNTS = {"steps": (8, 1024), "cycles": (1, 100)}


@dataclass(frozen=True)
class LoopSettings:
    """Settings of a switching loop: ``v_max`` (V), ``steps``, ``cycles``, ``step_time`` (s)."""

    v_max: float
    steps: int
    cycles: int
    step_time: float

    @classmethod
    def checked(cls, settings: Mapping[str, Any]) -> LoopSettings:
        """Return ``settings`` with defaults filled in.

        Raises
        ------
        CommandRejected
            For an unknown setting.
        LimitError
            For a value out of range, or ``steps`` that is not a multiple of 4.
        """
        unknown = [name for name in settings if name not in DEFAULTS]
        if unknown:
            raise CommandRejected(f"no setting {', '.join(unknown)}; {KIND} has {', '.join(DEFAULTS)}")
        values = {**DEFAULTS, **settings}
        for name, value in values.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise CommandRejected(f"{name} = {value!r} is not a number")
        for name, (low, high, unit) in _RANGES.items():
            if not low <= values[name] <= high:
                raise LimitError(name, float(values[name]), f"{low:g} to {high:g} {unit}", unit)
        for name, (least, most) in _COUNTS.items():
            if values[name] % 1 or not least <= values[name] <= most:
                raise LimitError(name, values[name], f"a whole number, {least} to {most}")
        if values["steps"] % 4:
            raise LimitError("steps", values["steps"], "a multiple of 4", remedy="the sweep must reach both extremes")
        return cls(float(values["v_max"]), int(values["steps"]), int(values["cycles"]), float(values["step_time"]))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the data, axes as in :data:`DIMS`."""
        return len(CHANNELS), self.cycles, 2, self.steps

    @property
    def cycle_time(self) -> float:
        """Duration of one cycle (s); each step is held with and without bias."""
        return 2 * self.steps * self.step_time

    @property
    def duration(self) -> float:
        """Duration of all cycles (s)."""
        return self.cycles * self.cycle_time

    def coords(self) -> dict[str, list[Any]]:
        """Return the values along the axes; the bias (V) is a sweep, not sorted."""
        bias = sweep(self.v_max, self.steps).tolist()
        return {"cycle": list(range(self.cycles)), "field": list(FIELDS), "bias": bias}


def loop_cycles(
    world: PFMWorld, settings: LoopSettings, position: tuple[float, float], gain: complex, exposure: int
) -> Iterator[Block]:
    """Measure cycle after cycle, let its time pass, and leave a domain behind where it switched anything.

    Parameters
    ----------
    world : PFMWorld
        The truth.
    settings : LoopSettings
        The sweep.
    position : tuple of float
        Scanner coordinates (m).
    gain : complex
        Lock-in output (m) per response (m/V).
    exposure : int
        Index of the measurement, the key of its noise.

    Yields
    ------
    cycle : int
        Index of the cycle.
    block : ndarray, shape (channel, 1, field, bias)
        X and Y (m), without and with bias.
    clock : float
        Instrument time (s) at its end.
    """
    world.advance(OVERHEAD)
    offset = world.drift(world.time)
    x, y = position[0] + float(offset[0]), position[1] + float(offset[1])
    bias = sweep(settings.v_max, settings.steps)
    frequency = cycle_frequency(vars(settings))
    loops, before = world.loops(np.array([x]), np.array([y]), frequency)
    share = run_cycles(bias, loops, before, settings.cycles)[0]
    response = loops.response(bias, share[None])[0]
    fields = np.stack([response + world.electrostatic(0.0), response + world.electrostatic(bias)], axis=1)
    data = _lock_in(world, fields, gain, settings.step_time, exposure)
    for cycle in range(settings.cycles):
        world.advance(settings.cycle_time)
        if np.abs(share[: cycle + 1] - before[0]).max() > SWITCHED:
            duration = (cycle + 1) * settings.cycle_time
            world.write(exposure, x, y, (float(before[0]), float(share[-1, -1])), settings.v_max, duration)
        yield cycle, data[:, cycle : cycle + 1], world.time


def _lock_in(
    world: PFMWorld, fields: NDArray[np.float64], gain: complex, step_time: float, exposure: int
) -> NDArray[np.float64]:
    """Return X and Y (m) of ``fields`` (m/V), shape (2, *fields.shape), with noise."""
    noise = world.noise("loop", exposure).standard_normal((2, *fields.shape))
    signal = gain * fields
    return np.stack([signal.real, signal.imag]) + world.noise_scale * LOCK_IN_NOISE / np.sqrt(step_time) * noise
