"""A small driver that remembers what reached it, and can be made to hang."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from probeline.core.errors import NotSupported
from probeline.sim.twin import TwinAcquisition, TwinDriver
from probeline.sim.world import World

SIGNALS = {
    "bias": {"unit": "V", "writable": True, "dtype": "number", "limits": (-10.0, 10.0), "resolution": 1e-3},
    "setpoint": {"unit": "V", "writable": True, "dtype": "number", "limits": (0.0, 5.0), "resolution": 1e-3},
    "drive_frequency": {"unit": "Hz", "writable": True, "dtype": "number", "limits": (1e3, 1e6), "resolution": 1.0},
    "feedback": {"unit": "", "writable": True, "dtype": "boolean"},
    "gain": {"unit": "", "writable": True, "dtype": "integer", "limits": (1, 8)},
    "mode": {"unit": "", "writable": True, "dtype": "string", "choices": ["slow", "fast"]},
    "z": {"unit": "m", "writable": False, "dtype": "number"},
    "tip": {"unit": "", "writable": False, "dtype": "string"},
}
VALUES = {"bias": 0.0, "setpoint": 1.0, "drive_frequency": 5e4, "feedback": True, "gain": 1, "mode": "slow",
          "z": 0.0, "tip": "tracking"}  # fmt: skip
LOOP = {
    "dims": ["channel", "cycle", "field", "bias"], "channels": ["x"], "unit": "m", "destructive": True,
    "footprint": 5e-8, "settings": {"v_max": 5.0, "steps": 8, "cycles": 2, "step_time": 0.01},
}  # fmt: skip


class FakeDriver(TwinDriver):
    """An SPM whose images are ramps; every value that reaches it stands in ``received``."""

    def __init__(self, capabilities: tuple[str, ...] = ("scan", "position", "spectroscopy", "feedback")):
        super().__init__(World(0), SIGNALS, VALUES)
        self.capabilities = list(capabilities)
        self.received: list[tuple[str, Any]] = []
        self.stuck: threading.Event | None = None  # calls wait for it, when set
        self.gate: threading.Semaphore | None = None  # one permit per line, when set
        self._xy = (0.0, 0.0)

    def describe(self) -> Any:
        return {
            "model": "fake", "serial": "0", "version": "1", "mode": "contact_pfm", "capabilities": self.capabilities,
            "virtual_clock": True, "signals": dict(self._signals),
            "channels": [{"name": "height", "unit": "m"}, {"name": "phase", "unit": "rad"}],
            "spectra": {"switching_loop": LOOP} if "spectroscopy" in self.capabilities else {},
            "scan_range": (-1e-6, 1e-6, -1e-6, 1e-6), "metadata": {},
        }  # fmt: skip

    def get_many(self, keys: Any) -> Any:
        if self.stuck is not None:
            self.stuck.wait(30)
        return super().get_many(keys)

    def _apply(self, values: Any) -> None:
        self.received += list(values.items())
        super()._apply(values)

    def move(self, x: float, y: float) -> None:
        self.received += [("x", x), ("y", y)]
        self._world.advance(0.5)
        self._xy = (x, y)

    def position(self) -> tuple[float, float]:
        return self._xy

    def start_scan(self, settings: Any) -> TwinAcquisition:
        self.received.append(("scan", dict(settings)))
        channels, lines, pixels = 2, settings["lines"], settings["pixels"]
        origin = 1e-3 * (settings["center_x"] + settings["center_y"])
        height = origin + np.arange(lines)[:, None] * 1e-9 + np.arange(pixels) * 1e-12
        ramp = height if settings["slow"] == "up" else height[::-1]

        def blocks() -> Any:
            for line in range(lines):
                if self.gate is not None:
                    while not self.gate.acquire(timeout=0.02):
                        if acquisition._aborted.is_set():
                            return
                self._world.advance(settings.get("line_time", 0.1))
                yield line, np.stack([ramp[line], ramp[line]])[:, None], self._world.time

        def finish(data: Any, clocks: Any) -> dict[str, Any]:
            return {"data": data, "channels": ["height", "phase"], "line_clock": clocks}

        acquisition = TwinAcquisition(self._world, blocks(), (channels, lines, pixels), finish)
        return self._begin(acquisition)

    def start_spectrum(self, kind: str, settings: Any) -> TwinAcquisition:
        complete = {**LOOP["settings"], **settings}
        self.received.append((kind, complete))
        steps, cycles = complete["steps"], complete["cycles"]
        bias = complete["v_max"] * np.sin(np.arange(steps))

        def blocks() -> Any:
            for cycle in range(cycles):
                self._world.advance(steps * complete["step_time"])
                yield cycle, np.full((1, 1, 2, steps), 3e-12 * (cycle + 1)), self._world.time

        def finish(data: Any, clocks: Any) -> dict[str, Any]:
            return {"kind": kind, "data": data, "dims": LOOP["dims"], "channels": ["x"], "unit": "m",
                    "coords": {"cycle": list(range(cycles)), "field": ["off", "on"], "bias": bias.tolist()},
                    "provenance": {"kind": "simulated"}}  # fmt: skip

        return self._begin(TwinAcquisition(self._world, blocks(), (1, cycles, 2, steps), finish))

    def set_feedback(self, on: bool) -> None:
        if "feedback" not in self.capabilities:
            raise NotSupported("no feedback")
        self._values["feedback"] = on

    def withdraw(self) -> None:
        self._values.update(tip="withdrawn", feedback=False)

    def approach(self) -> None:
        self._values.update(tip="tracking", feedback=True)

    def park(self) -> None:
        self.hold()
        self.withdraw()

    def make_safe(self) -> None:
        self.hold()
        self._values.update(bias=0.0)
        self.withdraw()


class SlowDriver(FakeDriver):
    """Its approach tells in ``begun`` that it began, and engages when ``go`` is set, whatever came in between."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go = threading.Event(), threading.Event()
        self.ended: list[str] = []
        self.withdraw()

    def approach(self) -> None:
        self.begun.set()
        self.go.wait(30)
        super().approach()

    def close(self) -> None:
        self.ended.append(str(self._values["tip"]))
        super().close()
