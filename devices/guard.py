"""The guard: every driver stands behind one, and nothing leaves the envelope through it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ..core.envelope import Envelope
from ..core.errors import Busy, CommandRejected, NotMeasured, NotSupported, RefusedError
from .drivers import Acquisition, Description, Driver, ScanSettings, Value
from .guarded import GuardedAcquisition
from .ledger import Ledger, pulses_of
from .limits import check_number, check_scan, check_signal, check_spectrum, check_travel, effective_envelope
from .threads import CallThread

PATIENCE = 2.0  # s, how long a posture lets a call that was told to end come to its end
# After these nothing was started: the request was answered, with no.
_ANSWERED_NO = (RefusedError, CommandRejected, NotSupported, Busy, NotMeasured)


class Guard:
    """Fills the driver protocols around ``driver`` and refuses what leaves the envelope.

    Every request is checked completely before any part of it is sent: out of range and
    non-finite are refused, never clipped. Calls run on one thread of the driver's own with a
    deadline. ``hold``, ``park``, ``make_safe``, ``clock`` and ``abort`` take a second way, work
    while a call is stuck or an acquisition runs, and never need a budget.

    ``park`` and ``make_safe`` last: calls asked for before them that have not begun are refused
    when their turn comes. A call that does not return in time cannot be stopped from here, and
    may engage the tip after all: the posture acts beside it, is repeated as soon as it returns,
    and everything else is refused until then.

    Parameters
    ----------
    driver : Driver
        In this process or hosted in another one.
    envelope : Envelope
        Limits, largest steps and budgets, in SI.
    timeout : float
        Wall seconds a call may take, beyond the instrument time it is known to need.

    Raises
    ------
    SpecError
        When the envelope names what this driver does not have, leaves nothing of a range, or
        sets a budget that cannot be counted.
    """

    def __init__(self, driver: Driver, envelope: Envelope, *, timeout: float = 30.0):
        self._driver: Any = driver
        self._timeout = timeout
        own = driver.describe()
        self._name = str(own["model"])
        self._envelope = effective_envelope(own, envelope)
        self._thread = CallThread(self._name)
        self._control = CallThread(f"{self._name} control")
        self._postures = CallThread(f"{self._name} postures")  # its own: not even hold() can keep it from acting
        self._acting = threading.Lock()
        self._asked = threading.local()
        self._ledger = Ledger(self.clock, own["spectra"])
        self._ledger.require(envelope.budgets)
        self._description = self._describe(own)

    def _describe(self, own: Description) -> Description:
        """Return the driver's own description, narrowed by the envelope, with the ledger's signals."""
        limits = self._envelope.limits
        signals = {
            key: {**info, "limits": limits[key]} if key in limits and info["dtype"] in ("number", "integer") else info
            for key, info in own["signals"].items()
        }
        reach = (*limits["x"], *limits["y"])
        return Description(**{**own, "signals": {**signals, **self._ledger.signals()}, "scan_range": reach})

    def describe(self) -> Description:
        """Return the driver's description; limits and ``scan_range`` are what the envelope leaves of them."""
        return self._description

    # named signals

    def get_many(self, keys: Sequence[str]) -> dict[str, Value]:
        """Return the present value of each key, ``spent_...`` from the ledger.

        Raises
        ------
        CommandRejected
            For an unknown key.
        DriverTimeout
            When the driver does not answer in time.
        """
        counted = {key for key in self._ledger.signals() if key in keys}
        rest = [key for key in keys if key not in counted]
        values = self._call("get_many", self._driver.get_many, rest) if rest or not counted else {}
        return {key: self._ledger.spent(key.removeprefix("spent_")) if key in counted else values[key] for key in keys}

    def set_many(self, values: Mapping[str, Value]) -> None:
        """Check all values, then set them together.

        Raises
        ------
        CommandRejected, LimitError
            Before anything is sent.
        """
        signals = self._description["signals"]
        plain = {key: check_signal(key, signals, value, self._envelope) for key, value in values.items()}
        stepping = [key for key in plain if key in self._envelope.max_step]
        present = self.get_many(stepping) if stepping else {}
        for key in stepping:
            self._envelope.check_step(key, float(present[key]), float(plain[key]), signals[key]["unit"])
        self._call("set_many", self._driver.set_many, plain)

    # time and state

    def clock(self) -> float:
        """Return the instrument time (s), also while a call is stuck."""
        return self._control.call("clock", self._timeout, self._driver.clock)

    def wait(self, seconds: float) -> None:
        """Let ``seconds`` of instrument time pass.

        Raises
        ------
        LimitError
            When it is negative, not finite, or more than the budget of seconds has left.
        """
        Envelope(limits={"wait": (0.0, 1e9)}).check("wait", check_number("wait", seconds, "s"), "s")
        self._afford(seconds=seconds)
        self._call("wait", self._driver.wait, float(seconds), needs=seconds)

    def state(self) -> dict[str, Any]:
        """Return what is needed to open the instrument again as it is now; JSON."""
        return self._call("state", self._driver.state)

    # postures

    def hold(self) -> None:
        """End motion and acquisition, change nothing else."""
        self._control.call("hold", self._timeout, self._driver.hold)

    def park(self) -> None:
        """Lift the tip, blank the beam."""
        self._posture("park", self._driver.park)

    def make_safe(self) -> None:
        """Withdraw and switch off in the order that the mode needs."""
        self._posture("make_safe", self._driver.make_safe)

    def _posture(self, what: str, function: Callable[[], None]) -> None:
        """Call off what waits, end what runs, act. An error of ``hold`` is raised afterwards."""
        self._thread.call_off()
        try:
            self.hold()
        finally:
            self._postures.call(what, PATIENCE + self._timeout, self._act, function)

    def _act(self, function: Callable[[], None]) -> None:
        """Act alone if the driver's thread comes to rest; else beside it, and again when it does.

        Done where no deadline ends it: the driver's thread starts nothing before it is over.
        """
        with self._thread.quiet(PATIENCE) as quiet:
            if not quiet:
                self._thread.owe(lambda: self._alone(function))
            self._alone(function)
            if quiet:
                self._thread.forgive()

    def _alone(self, function: Callable[[], None]) -> None:
        with self._acting:
            function()

    def bound(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``function`` as asked for now: once a posture has come, all calls it makes here are refused."""
        generation = self._thread.generation

        def act(*args: Any) -> Any:
            self._asked.generation = generation
            try:
                return function(*args)
            finally:
                del self._asked.generation

        return act

    def close(self) -> None:
        """End what runs and release the controller. Idempotent.

        Raises
        ------
        DriverError
            When a posture could not be repeated after a call that was stuck; all is released.
        """
        try:
            self._thread.settle(self._timeout)
        finally:
            with self._thread.quiet(PATIENCE):
                self._driver.close()
            for thread in (self._thread, self._control, self._postures):
                thread.close()

    # scan

    def check_frame(self, settings: ScanSettings) -> None:
        """Raise what :meth:`start_scan` would raise for these settings; starts nothing."""
        check_scan(settings, self._envelope)

    def start_scan(self, settings: ScanSettings) -> Acquisition:
        """Start one frame when all four of its corners, as rotated, are inside the limits.

        Raises
        ------
        LimitError, CommandRejected
            Before anything is sent.
        Busy
            While another acquisition runs.
        """
        self._need("scan")
        plain = check_scan(settings, self._envelope)
        seconds = plain["lines"] * plain.get("line_time", self._description.get("line_time", 0.0))
        self._afford(seconds=seconds, frames=1)
        with self._charged(frames=1):
            started = self._call("start_scan", self._driver.start_scan, plain)
        return GuardedAcquisition(self, started, "scan", seconds)

    # position

    def move(self, x: float, y: float) -> None:
        """Move the probe when the target is inside the limits and not too large a step away.

        Raises
        ------
        LimitError
            Before anything is sent.
        """
        self._need("position")
        x, y = check_travel(x, y, self._envelope)
        if {"x", "y"} & set(self._envelope.max_step):
            here = self.position()
            for axis, old, new in (("x", here[0], x), ("y", here[1], y)):
                self._envelope.check_step(axis, old, new, "m")
        self._afford(seconds=0.0)
        self._call("move", self._driver.move, x, y)

    def position(self) -> tuple[float, float]:
        """Return the scanner coordinates (m), read back."""
        self._need("position")
        x, y = self._call("position", self._driver.position)
        return x, y

    # spectroscopy

    def check_settings(self, kind: str, settings: Mapping[str, Value]) -> dict[str, Value]:
        """Return the complete settings of a spectrum, or raise what :meth:`start_spectrum` would; starts nothing."""
        return check_spectrum(kind, self._description["spectra"], settings, self._envelope)

    def start_spectrum(self, kind: str, settings: Mapping[str, Value]) -> Acquisition:
        """Start a measurement where the probe is, when its settings and its cost are allowed.

        Raises
        ------
        LimitError, CommandRejected, UnknownNameError
            Before anything is sent.
        Busy, NotMeasured
            From the driver.
        """
        self._need("spectroscopy")
        complete = self.check_settings(kind, settings)
        costs = self._check_cost(kind, complete, 1)
        plain = {key: complete[key] for key in settings}
        with self._charged(pulses=costs["pulses"], spectra=1):
            started = self._call("start_spectrum", self._driver.start_spectrum, kind, plain)
        return GuardedAcquisition(self, started, kind, 0.0)

    def check_cost(self, kind: str, settings: Mapping[str, Value], count: int) -> None:
        """Raise where a budget does not allow ``count`` measurements any more; starts nothing.

        Spectra and pulses are compared, and instrument time where the driver says what a
        measurement of default settings takes.

        Parameters
        ----------
        kind, settings
            As for :meth:`start_spectrum`.
        count : int
            How many.

        Raises
        ------
        LimitError, CommandRejected, UnknownNameError
            For a budget that is too small, or settings that are not allowed.
        """
        self._check_cost(kind, self.check_settings(kind, settings), count)

    def _check_cost(self, kind: str, complete: Mapping[str, Value], count: int) -> dict[str, int]:
        """Return the spectra and pulses of ``count`` measurements with ``complete`` settings, or raise."""
        info = self._description["spectra"][kind]
        costs = {"spectra": count, "pulses": count * (pulses_of(info, complete) or 0)}
        seconds = info.get("seconds", 0.0) if complete == info["settings"] else 0.0
        self._afford(seconds=count * seconds, **costs)
        return costs

    # feedback

    def set_feedback(self, on: bool) -> None:
        """Close or open the z loop at the present setpoint."""
        self._need("feedback")
        self._call("set_feedback", self._driver.set_feedback, bool(on))

    def withdraw(self) -> None:
        """Retract z by the controller's own command; like a posture it never needs a budget."""
        self._need("feedback")
        self._call("withdraw", self._driver.withdraw)

    def approach(self) -> None:
        """Bring the tip to the setpoint and close the loop."""
        self._need("feedback")
        self._afford(seconds=0.0)
        self._call("approach", self._driver.approach)

    # how

    def _need(self, capability: str) -> None:
        if capability not in self._description["capabilities"]:
            raise NotSupported(f"{self._name} has no {capability}; it has {self._description['capabilities']}")

    def _afford(self, **costs: float) -> None:
        for name, cost in costs.items():
            if name in self._envelope.budgets:
                self._envelope.check_spend(name, self._ledger.spent(name), cost)

    @contextmanager
    def _charged(self, **amounts: int) -> Iterator[None]:
        """Count ``amounts`` beforehand: a start that is not answered in time may have acted all the same."""
        self._ledger.charge(**amounts)
        try:
            yield
        except _ANSWERED_NO:
            self._ledger.charge(**{name: -amount for name, amount in amounts.items()})
            raise

    @property
    def _generation(self) -> int:
        """That of the action which this thread carries out, else the present one."""
        return getattr(self._asked, "generation", self._thread.generation)

    def _call(
        self,
        what: str,
        function: Callable[..., Any],
        *args: Any,
        needs: float = 0.0,
        generation: int | None = None,
    ) -> Any:
        wanted = self._generation if generation is None else generation
        return self._thread.call(what, self._timeout + needs, function, *args, generation=wanted)
