"""A contact-mode PFM that does not exist: the driver of the twin."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ...core.errors import CommandRejected, LimitError, NotSupported
from ...devices.drivers import Description, ScanSettings, SignalInfo
from ..twin import HARMLESS_BIAS, Block, TwinAcquisition, TwinDriver
from . import spectroscopy
from .imaging import CHANNELS, Excitation, scan_lines
from .raster import LINE_TIME, Raster
from .spectroscopy import LoopSettings, loop_cycles
from .world import PFMWorld

SCAN_RANGE = (-2e-6, 2e-6, -2e-6, 2e-6)
Z_LIMIT = 2e-6  # m
ENGAGE_TIME = 20.0  # s
WITHDRAW_TIME = 2.0  # s
FLYBACK_TIME = 1.0  # s
SETTLE_TIME = 0.5  # s, after a move
_SPEED = 10e-6  # m/s
_SHORTEST_MOVE = 0.2  # s
_BLOCK = 16  # lines computed and delivered together

SIGNALS: dict[str, SignalInfo] = {
    "bias": {
        "unit": "V",
        "writable": True,
        "dtype": "number",
        "limits": (-10.0, 10.0),
        "resolution": 1e-3,
        "doc": f"Constant bias of the tip; the sample is grounded. In contact at most {HARMLESS_BIAS:g} V.",
    },
    "setpoint": {
        "unit": "V",
        "writable": True,
        "dtype": "number",
        "limits": (0.05, 5.0),
        "resolution": 1e-3,
        "doc": "Deflection that the z loop holds.",
    },
    "drive_amplitude": {
        "unit": "V",
        "writable": True,
        "dtype": "number",
        "limits": (0.0, 5.0),
        "resolution": 1e-3,
        "doc": "Amplitude of the drive at the tip.",
    },
    "drive_frequency": {
        "unit": "Hz",
        "writable": True,
        "dtype": "number",
        "limits": (1e3, 1e6),
        "resolution": 1.0,
        "doc": "Frequency of the drive.",
    },
    "phase_offset": {
        "unit": "rad",
        "writable": True,
        "dtype": "number",
        "limits": (-math.pi, math.pi),
        "resolution": 1e-6,
        "doc": "Phase reference: a note that goes with every loop; X and Y stay raw.",
    },
    "feedback": {"unit": "", "writable": True, "dtype": "boolean", "doc": "Whether the z loop is closed."},
    "z": {
        "unit": "m",
        "writable": False,
        "dtype": "number",
        "limits": (-Z_LIMIT, Z_LIMIT),
        "resolution": 1e-12,
        "doc": "Height of the tip; at its upper limit when withdrawn.",
    },
    "deflection": {"unit": "V", "writable": False, "dtype": "number", "resolution": 1e-4, "doc": "Deflection now."},
    "tip": {
        "unit": "",
        "writable": False,
        "dtype": "string",
        "choices": ["withdrawn", "tracking", "open"],
        "doc": "Lifted, following the surface, or in contact with the z loop open.",
    },
}

INITIAL = {
    "bias": 0.0,
    "setpoint": 1.0,
    "drive_amplitude": 1.0,
    "drive_frequency": 50e3,
    "phase_offset": 0.0,
    "feedback": False,
    "z": Z_LIMIT,
    "deflection": 0.0,
    "tip": "withdrawn",
}

METADATA: dict[str, Any] = {
    "sample": {"id": "simulated", "material": "PbTiO3 film, geometric model", "mount": "none"},
    "probe": {
        "id": "simulated",
        "model": "conductive contact",
        "k_N_per_m": 3.0,
        "f0_Hz": 70e3,
        "Q": 150.0,
        "invols_nm_per_V": None,  # deflection stays in V: nothing was calibrated
        "invols_date": None,
    },
    "bias_convention": "tip",
    "environment": {"gas": "air", "temperature_K": 293.0},
}


class PFMDriver(TwinDriver):
    """Scan, position, spectroscopy and feedback of a PFM twin.

    Parameters
    ----------
    world : PFMWorld
        The hidden truth.
    state : dict, optional
        What :meth:`state` returned before; the tip is then where it was.
    """

    def __init__(self, world: PFMWorld, state: Mapping[str, Any] | None = None):
        state = state or {}
        super().__init__(world, SIGNALS, {**INITIAL, **state.get("values", {})})
        self._pfm = world
        self._position = _inside(*state.get("position", (0.0, 0.0)))
        self._refuse_to_pole(self._values["bias"], self._values["tip"] != "withdrawn")

    def describe(self) -> Description:
        """Return what this controller is and can do."""
        return {
            "model": "PFM twin",
            "serial": f"seed-{self._pfm.seed}",
            "version": "1",
            "mode": "contact_pfm",
            "capabilities": ["scan", "position", "spectroscopy", "feedback"],
            "virtual_clock": not self._pfm.paced,
            "signals": {key: {**info} for key, info in SIGNALS.items()},
            "channels": [{"name": info["name"], "unit": info["unit"]} for info in CHANNELS],
            "spectra": {
                spectroscopy.KIND: {
                    "dims": list(spectroscopy.DIMS),
                    "channels": list(spectroscopy.CHANNELS),
                    "coords": {"field": list(spectroscopy.FIELDS)},
                    "unit": "m",
                    "settings": dict(spectroscopy.DEFAULTS),
                    "destructive": True,
                    "footprint": spectroscopy.FOOTPRINT,
                    "seconds": spectroscopy.OVERHEAD + LoopSettings.checked({}).duration,
                }
            },
            "scan_range": SCAN_RANGE,
            "line_time": LINE_TIME,
            "metadata": METADATA,
        }

    def state(self) -> dict[str, Any]:
        """Return the state that reopens the twin exactly as it is; JSON."""
        return {**super().state(), "position": list(self._position)}

    # Signals

    def get_many(self, keys: Sequence[str]) -> dict[str, Any]:
        """Return the value of each key; z and deflection follow the surface."""
        values = super().get_many(keys)
        if self._values["tip"] == "tracking":
            now = {"z": self._surface_height, "deflection": lambda: self._values["setpoint"]}
            values.update({key: float(now[key]()) for key in keys if key in now})
        return values

    def set_many(self, values: Mapping[str, Any]) -> None:
        """Check all values, then set them together; ``Busy`` while an acquisition runs."""
        self._require_idle()
        super().set_many(values)

    def _check(self, key: str, value: Any) -> None:
        super()._check(key, value)
        if key == "bias":
            self._refuse_to_pole(value, self._values["tip"] != "withdrawn")
        if key == "feedback" and value:
            self._require_contact()

    def _refuse_to_pole(self, bias: float, contact: bool) -> None:
        if contact and abs(bias) > HARMLESS_BIAS:
            raise CommandRejected(
                f"a bias of {bias:g} V held in contact would pole the film, which this twin does not model; stay "
                f"within {HARMLESS_BIAS:g} V, withdraw first, or measure a switching loop"
            )

    def _require_contact(self) -> None:
        if self._values["tip"] == "withdrawn":
            raise CommandRejected("the tip is withdrawn, the z loop cannot be closed; call approach() first")

    def _apply(self, values: Mapping[str, Any]) -> None:
        plain = {key: value for key, value in values.items() if key != "feedback"}
        super()._apply(plain)
        if "feedback" in values:
            self.set_feedback(bool(values["feedback"]))

    def _surface_height(self) -> float:
        time = self._pfm.time
        shift = self._pfm.drift(time)
        height, _ = self._pfm.surface(self._position[0] + shift[0], self._position[1] + shift[1])
        return float(height) + float(self._pfm.z_drift(time)[0])

    # Feedback

    def set_feedback(self, on: bool) -> None:
        """Close or open the z loop at the present setpoint.

        Raises
        ------
        CommandRejected
            When the tip is withdrawn.
        Busy
            While an acquisition runs.
        """
        self._require_idle()
        if on == self._values["feedback"]:
            return
        self._require_contact()
        if not on:
            self._values.update(self.get_many(["z", "deflection"]))
        self._values.update(feedback=on, tip="tracking" if on else "open")

    def withdraw(self) -> None:
        """Retract the tip and return when z is at its limit."""
        self._require_idle()
        if self._values["tip"] != "withdrawn":
            self._pfm.advance(WITHDRAW_TIME)
        self._values.update(feedback=False, tip="withdrawn", z=Z_LIMIT, deflection=0.0)

    def approach(self) -> None:
        """Bring the tip to the setpoint and close the loop.

        Raises
        ------
        CommandRejected
            At a bias that would pole the film.
        Busy
            While an acquisition runs.
        """
        self._require_idle()
        self._refuse_to_pole(self._values["bias"], True)
        if self._values["tip"] == "withdrawn":
            self._pfm.advance(ENGAGE_TIME)
        self._values.update(feedback=True, tip="tracking")

    def park(self) -> None:
        """End what is running and lift the tip; the drive stays on."""
        self.hold()
        self.withdraw()

    def make_safe(self) -> None:
        """End what is running, switch drive and bias to 0, then lift the tip.

        In this order: a bias that is still applied while the last contact breaks poles the
        film and erodes the tip's coating.
        """
        self.hold()
        self.set_many({"drive_amplitude": 0.0, "bias": 0.0})
        self.withdraw()

    # Position

    def position(self) -> tuple[float, float]:
        """Return the scanner coordinates (m)."""
        return self._position

    def move(self, x: float, y: float) -> None:
        """Move to scanner coordinates (m), settle, and return.

        Raises
        ------
        LimitError
            Outside the scan range.
        Busy
            While an acquisition runs.
        """
        self._require_idle()
        self._travel(_inside(x, y))

    def _travel(self, target: tuple[float, float]) -> None:
        here = self._position
        share = self._pfm.advance(max(_SHORTEST_MOVE, math.dist(here, target) / _SPEED) + SETTLE_TIME)
        on_the_way = (here[0] + share * (target[0] - here[0]), here[1] + share * (target[1] - here[1]))
        self._position = target if share == 1 else on_the_way

    # Acquisition

    def start_scan(self, settings: ScanSettings) -> TwinAcquisition:
        """Start a frame; blocks of up to 16 lines follow.

        Raises
        ------
        Busy
            While another acquisition runs.
        CommandRejected
            When the tip does not track the surface.
        LimitError
            When the frame leaves the scan range.
        """
        self._require_tracking("a frame")
        raster = Raster.checked(settings, SCAN_RANGE)
        clocks = np.full(raster.lines, np.nan)

        def finish(data: np.ndarray, _: np.ndarray) -> dict[str, Any]:
            return {"data": data, "channels": [info["name"] for info in CHANNELS], "line_clock": clocks.copy()}

        shape = (len(CHANNELS), raster.lines, raster.pixels)
        return self._begin(TwinAcquisition(self._pfm, self._frame(raster, clocks), shape, finish))

    def _frame(self, raster: Raster, clocks: np.ndarray) -> Iterator[Block]:
        """Yield blocks of lines; the end of each line goes to ``clocks``."""
        film, exposure = self._pfm, self._pfm.exposure()
        excitation = Excitation(self._values["bias"], self._values["setpoint"], self._gain())
        self._travel(raster.start())
        start = film.time
        size = 1 if film.paced else _BLOCK
        for first in range(0, raster.lines, size):
            rows = np.arange(first, min(first + size, raster.lines))
            block = scan_lines(film, raster, excitation, rows, start, exposure)
            clocks[rows] = start + (rows + 1) * raster.line_time
            film.advance_to(float(clocks[rows[-1]]))
            self._position = raster.start(int(rows[-1]))
            if rows[-1] == raster.lines - 1:
                film.advance(FLYBACK_TIME)
                self._position = (float(raster.center_x), float(raster.center_y))
            yield first, block, film.time

    def start_spectrum(self, kind: str, settings: Mapping[str, Any]) -> TwinAcquisition:
        """Start a switching loop where the tip is; a block per cycle follows.

        Raises
        ------
        NotSupported
            For another kind.
        Busy
            While another acquisition runs.
        CommandRejected
            When the tip does not track the surface, or for an unknown setting.
        LimitError
            For a setting out of range.
        """
        if kind != spectroscopy.KIND:
            raise NotSupported(f"this instrument does not measure {kind!r}; it measures {spectroscopy.KIND}")
        self._require_tracking("a switching loop")
        loop = LoopSettings.checked(settings)
        provenance = {"kind": "simulated", "phase_offset": self._values["phase_offset"], "bias_convention": "tip"}

        def finish(data: np.ndarray, _: np.ndarray) -> dict[str, Any]:
            return {
                "kind": kind,
                "data": data,
                "dims": list(spectroscopy.DIMS),
                "channels": list(spectroscopy.CHANNELS),
                "coords": loop.coords(),
                "unit": "m",
                "provenance": provenance,
            }

        return self._begin(TwinAcquisition(self._pfm, self._loop(loop), loop.shape, finish))

    def _loop(self, loop: LoopSettings) -> Iterator[Block]:
        exposure = self._pfm.exposure()
        yield from loop_cycles(self._pfm, loop, self._position, self._gain(), exposure)

    def _gain(self) -> complex:
        values = self._values
        return self._pfm.tip.gain(values["drive_amplitude"], values["drive_frequency"], values["setpoint"])

    def _require_tracking(self, what: str) -> None:
        self._require_idle()
        state = self._values["tip"]
        if state == "withdrawn":
            raise CommandRejected(f"{what} needs contact, but the tip is withdrawn; call approach() first")
        if state != "tracking":
            raise CommandRejected(f"{what} needs the z loop, but it is open; call set_feedback(True) first")


def _inside(x: Any, y: Any) -> tuple[float, float]:
    """Return scanner coordinates (m), or raise where they are out of the scan range."""
    for name, value, low, high in (("x", x, *SCAN_RANGE[:2]), ("y", y, *SCAN_RANGE[2:])):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise CommandRejected(f"{name} = {value!r} is not a number; give one in m")
        if not low <= value <= high:
            raise LimitError(name, float(value), f"{low:g} to {high:g} m", "m", "choose a point in the scan range")
    return float(x), float(y)
