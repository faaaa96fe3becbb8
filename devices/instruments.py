"""Whole instruments, assembled from what a driver offers."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import orjson
from ophyd import Component, Kind
from ophyd.device import create_device_from_components

from ..core.errors import SpecError
from .drivers import Description
from .guard import Guard
from .instrument_file import InstrumentSpec
from .link import Link, LinkedDevice, Progress
from .parts import BeamBlanker, Bias, Clock, PFMDrive, Posture, Settle, State, ZController
from .position import ProbePosition
from .scan import ScanEngine
from .signals import DriverSignal
from .spectroscopy import SpectrumDetector, detector_component
from .threads import CallThread


class Instrument(LinkedDevice):
    """What an SPM and a STEM have in common; see :func:`assemble`.

    Attributes
    ----------
    scan : ScanEngine
        Imaging; ``scan.frame`` says where and how.
    probe : ProbePosition
        Where the probe is; ``probe.x`` and ``probe.y`` are positioners (nm).
    spectrometer : SpectrumDetector
        The measurement at a point that the instrument file names; other kinds stand under
        their own names.
    clock, state : ReadOnly
        Instrument time (s), and what reopens the instrument as it is (JSON text).
    ledger : Device
        What this session has spent.
    settle, posture
        ``set(seconds)``; ``set("park")`` and so on, for plans.
    """

    scan: ScanEngine
    spectrometer: SpectrumDetector
    ledger: LinkedDevice
    probe = Component(ProbePosition, kind=Kind.hinted)
    clock = Component(Clock, kind=Kind.normal)
    state = Component(State, kind=Kind.omitted)

    def __init__(self, prefix: str = "", *, name: str, link: Link, spec: InstrumentSpec, **kwargs: Any):
        super().__init__(prefix, name=name, link=link, **kwargs)
        self.spec = spec
        self.settle, self.posture = Settle(self), Posture(self, spec.imaging)
        size, pixels = spec.survey.size_nm, spec.survey.pixels
        self.scan.frame.set({"width": size, "height": size, "pixels": pixels, "lines": pixels})

    @property
    def description(self) -> Description:
        """What the driver says of itself, limits narrowed by the envelope; JSON."""
        return orjson.loads(orjson.dumps(self.link.description))

    @property
    def keys(self) -> dict[str, str]:
        """Role -> data key, as readers of a run need it."""
        return {
            "frame": f"{self.scan.name}_frame",
            "spectrum": f"{self.spectrometer.name}_spectrum",
            "x": "x",
            "y": "y",
            "offset_x": "offset_x",
            "offset_y": "offset_y",
            "probe_x": self.probe.x.name,
            "probe_y": self.probe.y.name,
            "clock": self.clock.name,
            "state": self.state.name,
        }

    def describe_instrument(self) -> dict[str, Any]:
        """Return the instrument file as used and, as ``driver``, what the driver says of itself; JSON."""
        return {**self.spec.model_dump(mode="json"), "driver": self.description}

    def park(self) -> Progress:
        """Posture *idle*: tip lifted, beam blanked; acts at once, whatever was asked before."""
        return self.at_once(self.link.driver.park)

    def make_safe(self) -> Progress:
        """Posture *safe*: withdrawn and switched off in the order of the mode; acts at once."""
        return self.at_once(self.link.driver.make_safe)

    def close(self) -> None:
        """Make the instrument safe and release everything. Idempotent.

        Raises
        ------
        DriverError
            When it could not be made safe, for example because its process is gone; everything
            is released all the same.
        """
        if self._destroyed:
            return
        with contextlib.ExitStack() as stack:  # each step is taken whatever the ones before it raise
            stack.callback(self.destroy)
            stack.callback(self.link.actions.close)
            stack.callback(self.link.driver.close)
            stack.callback(self.scan.pause)
            self.link.driver.make_safe()


class SPM(Instrument):
    """A sharp tip.

    Attributes
    ----------
    z : ZController
        Feedback, setpoint, height.
    bias : Bias
        Bias voltage (V).
    drive : PFMDrive
        Drive amplitude, frequency and phase, where the driver has them.
    """

    z: ZController
    bias = Component(Bias, kind=Kind.normal)


class STEM(Instrument):
    """A focused electron probe.

    Attributes
    ----------
    blanker : BeamBlanker
        Whether the beam is kept off the sample.
    beam_current : DriverSignal
        Beam current (pA), where the driver knows it.
    """

    blanker = Component(BeamBlanker, kind=Kind.normal)


_KINDS = {"spm": (SPM, ("bias", "setpoint", "z", "feedback")), "stem": (STEM, ("blanked",))}


def assemble(driver: Guard, spec: InstrumentSpec, data_root: str | Path) -> SPM | STEM:
    """Return the instrument that ``spec`` names over a guarded driver.

    Parameters
    ----------
    driver : Guard
        Connected.
    spec : InstrumentSpec
        Kind, name and defaults.
    data_root : str or Path
        Folder that frames are written to.

    Raises
    ------
    SpecError
        When the driver lacks what this kind of instrument needs.
    """
    description = driver.describe()
    base, needed = _KINDS[spec.kind]
    missing = [key for key in needed if key not in description["signals"]]
    missing += [name for name in ("scan", "position", "spectroscopy") if name not in description["capabilities"]]
    if missing or spec.spectrum not in description["spectra"]:
        raise SpecError(
            f"{spec.name}: {description['model']} lacks {', '.join(missing) or f'the spectrum {spec.spectrum!r}'}; "
            f"a {spec.kind} needs it. Its spectra are {', '.join(description['spectra']) or 'none'}"
        )
    unknown = [key for key in spec.imaging if key not in description["signals"]]
    if unknown:
        raise SpecError(f"{spec.name}: imaging sets {', '.join(unknown)}, which {description['model']} does not have")
    parts = _parts(description, spec, data_root)
    kind = create_device_from_components(base.__name__, docstring=base.__doc__, base_class=base, **parts)
    link = Link(driver, description, CallThread(f"{spec.name} actions"))
    return kind(name=spec.name, link=link, spec=spec)


def _parts(description: Description, spec: InstrumentSpec, data_root: str | Path) -> dict[str, Component]:
    """Return the components that depend on what the driver offers."""
    signals, spectra = description["signals"], description["spectra"]
    parts = {
        "scan": Component(ScanEngine, data_root=str(data_root), kind=Kind.omitted, labels=("detectors",)),
        "spectrometer": detector_component(spec.spectrum, description),
        "ledger": Component(_ledger(description), kind=Kind.normal),
    }
    parts.update({kind: detector_component(kind, description) for kind in spectra if kind != spec.spectrum})
    if {"drive_amplitude", "drive_frequency", "phase_offset"} <= set(signals):
        parts["drive"] = Component(PFMDrive, kind=Kind.normal)
    if spec.kind == "spm":
        parts["z"] = Component(_z_controller(description), kind=Kind.normal)
    if "beam_current" in signals:
        parts["beam_current"] = Component(DriverSignal, "beam_current", unit="pA", kind=Kind.normal)
    return parts


def _z_controller(description: Description) -> type[LinkedDevice]:
    """Return a z controller that also says where the tip is, if the driver does."""
    states = [key for key in ("tip", "tip_state") if key in description["signals"]]
    parts = {} if not states else {"tip": Component(DriverSignal, states[0], kind=Kind.normal)}
    return create_device_from_components("ZController", docstring=ZController.__doc__, base_class=ZController, **parts)


def _ledger(description: Description) -> type[LinkedDevice]:
    """Return a device with a read-only signal for everything that is counted."""
    spent = {
        key: Component(DriverSignal, key, kind=Kind.normal)
        for key in description["signals"]
        if key.startswith("spent_")
    }
    return create_device_from_components(
        "Ledger", docstring="What this session has spent.", base_class=LinkedDevice, **spent
    )
