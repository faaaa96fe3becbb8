"""The smaller parts of an instrument: z control, drive, beam, time, state, ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ophyd import Component, Kind

from ..core.errors import CommandRejected, UnknownNameError
from .limits import check_number
from .link import Link, LinkedDevice, Progress
from .signals import DriverSignal, ReadOnly

DRIVE = "drive_amplitude"


class ZController(LinkedDevice):
    """The z loop of an SPM: ``feedback`` (on or off), ``setpoint``, ``readback`` (nm)."""

    feedback = Component(DriverSignal, "feedback", kind=Kind.normal)
    setpoint = Component(DriverSignal, "setpoint", kind=Kind.normal)
    readback = Component(DriverSignal, "z", unit="nm", kind=Kind.normal)

    def withdraw(self) -> Progress:
        """Retract by the controller's own command; the status finishes when z is at its limit."""
        return self.perform(self.link.driver.withdraw)

    def approach(self) -> Progress:
        """Bring the tip to the setpoint; the status finishes when the loop is closed."""
        return self.perform(self.link.driver.approach)


class Bias(DriverSignal):
    """The bias voltage (V), by the convention that the driver's metadata state."""

    def __init__(self, *, parent: Any, **kwargs: Any):
        super().__init__("bias", unit="V", parent=parent, **kwargs)


class BeamBlanker(DriverSignal):
    """Whether the beam is kept off the sample."""

    def __init__(self, *, parent: Any, **kwargs: Any):
        super().__init__("blanked", parent=parent, **kwargs)


class PFMDrive(LinkedDevice):
    """The drive of piezoresponse imaging; ``phase_offset`` (deg) is the reference of the phase."""

    amplitude = Component(DriverSignal, "drive_amplitude", unit="V", kind=Kind.normal)
    frequency = Component(DriverSignal, "drive_frequency", unit="kHz", kind=Kind.normal)
    phase_offset = Component(DriverSignal, "phase_offset", unit="deg", kind=Kind.normal)


class Clock(ReadOnly):
    """Instrument time (s): virtual on a twin, monotonic on hardware."""

    def __init__(self, *, parent: Any, **kwargs: Any):
        super().__init__(ask=lambda link: link.driver.clock(), source="clock", unit="s", parent=parent, **kwargs)


class State(ReadOnly):
    """What reopens the instrument as it is now: JSON text."""

    def __init__(self, *, parent: Any, **kwargs: Any):
        super().__init__(
            ask=lambda link: json.dumps(link.driver.state(), sort_keys=True),
            source="state", dtype="string", parent=parent, **kwargs,
        )  # fmt: skip


class Settle:
    """Letting instrument time pass: ``set(seconds)``.

    Parameters
    ----------
    device : LinkedDevice
        The instrument.
    """

    parent = None

    def __init__(self, device: LinkedDevice):
        self._device = device
        self.name = f"{device.name}_settle"

    def check_value(self, value: Any) -> None:
        """Raise unless ``value`` (s) is a finite number.

        Raises
        ------
        CommandRejected, LimitError
            For anything else.
        """
        check_number(self.name, value, "s")

    def set(self, value: float) -> Progress:
        """Let ``value`` seconds of instrument time pass.

        Raises
        ------
        CommandRejected, LimitError
            For what is no finite number.
        """
        self.check_value(value)
        return self._device.perform(self._device.link.driver.wait, float(value))


class Posture:
    """Bringing the instrument into a posture: ``set("park")``, ``"make_safe"``, ``"hold"``, ``"track"``.

    ``track`` is ready to image: driven and approached with the loop closed (SPM); nothing to do for
    a beam. It comes after everything asked before; the others act at once.

    Parameters
    ----------
    device : LinkedDevice
        The instrument.
    imaging : mapping
        Drive of the probe (SI by driver key) that *make_safe* switches off.
    """

    parent = None
    choices = ("hold", "park", "make_safe", "track")

    def __init__(self, device: LinkedDevice, imaging: Mapping[str, float]):
        self._device, self._imaging = device, dict(imaging)
        self.name = f"{device.name}_posture"

    def check_value(self, value: Any) -> None:
        """Raise unless ``value`` is one of ``choices``.

        Raises
        ------
        UnknownNameError
            For anything else.
        """
        if value not in self.choices:
            raise UnknownNameError("posture", value, self.choices)

    def set(self, value: str) -> Progress:
        """Bring the instrument into the posture ``value``.

        Raises
        ------
        UnknownNameError
            When there is no such posture.
        """
        self.check_value(value)
        if value == "track":
            return self._device.perform(self._track)
        return self._device.at_once(getattr(self._device.link.driver, value))

    def _track(self) -> None:
        link: Link = self._device.link
        if "feedback" in link.description["capabilities"] and not link.driver.get_many(["feedback"])["feedback"]:
            self._drive(link)
            link.driver.approach()

    def _drive(self, link: Link) -> None:
        """Switch on again what is off; what somebody set to something else stays."""
        now = link.driver.get_many(list(self._imaging))
        off = {key: value for key, value in self._imaging.items() if now[key] == 0}
        if off:
            link.driver.set_many(off)
        if DRIVE in link.description["signals"] and link.driver.get_many([DRIVE])[DRIVE] == 0:
            raise CommandRejected(
                f"{self.name}: {DRIVE} is 0 V: images and loops would be noise; set it, or state it in the instrument "
                f"file (imaging: {{{DRIVE}: 1.0}})"
            )
