"""Measurements at a point: one event is one spectrum."""

from __future__ import annotations

import json
import re
import weakref
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from ophyd import Component, Kind
from ophyd.device import Staged, create_device_from_components

from ..core.errors import CommandRejected
from ..core.units import from_si, si_factor, si_unit, to_si
from .acquiring import AcquiringDevice
from .drivers import Acquisition, Description, SpectrumInfo, Value
from .signals import DriverSignal, Setting

# What a setting is measured in follows from its name; (pattern, unit shown).
_UNITS = (
    (r"v_.*|.*bias.*|.*voltage.*|.*amplitude", "V"),
    (r"dwell|dwell_time", "s"),
    (r".*time|.*delay|.*duration", "ms"),
    (r".*phase.*|.*angle.*", "deg"),
    (r".*frequency", "kHz"),
    (r".*energy.*", "eV"),
)


def setting_unit(name: str) -> str:
    """Return the unit in which the setting ``name`` is shown, empty for a pure number."""
    return next((unit for pattern, unit in _UNITS if re.fullmatch(pattern, name)), "")


def spectrum_unit(si: str) -> str:
    """Return the unit in which data of the SI unit ``si`` are stored: pm for m, SI otherwise."""
    return "pm" if si == "m" else si


class Axes(NamedTuple):
    """Shape of a spectrum, and the values along each axis but ``"channel"``."""

    shape: tuple[int, ...]
    coords: dict[str, list[Any]]


class SpectrumSetting(Setting):
    """A setting of a spectrum: kept here, and refused at once where the guard would refuse the measurement."""

    def check_value(self, value: Any, **kwargs: Any) -> None:
        """Raise unless a spectrum with ``value`` (``unit``) and the other present settings is allowed.

        Raises
        ------
        CommandRejected, LimitError
            Nothing is sent.
        """
        super().check_value(value)
        detector: SpectrumDetector = self.parent  # pyright: ignore[reportAssignmentType]
        detector.check({self.attr_name: value})

    def check_alone(self, value: Any) -> None:
        """Raise unless ``value`` is of the right type and finite, whatever the other settings are."""
        super().check_value(value)

    def keep(self, value: Any) -> None:
        """Keep a ``value`` that was checked together with others."""
        self._write(self.plain(value))


class SpectrumDetector(AcquiringDevice):
    """A measurement at the point where the probe is.

    Its settings are configuration signals in the units shown. An event holds
    ``<name>_spectrum`` (an array; its data key states ``kind``, ``dims``, ``channels``, ``coords``
    and ``units``), the mean of each channel as ``<name>_<channel>_mean`` for tables and plots,
    and ``<name>_provenance`` (JSON: measured, interpolated or simulated). Coordinates are those
    of the driver: bias in V, energy in eV, field as text, cycle counted from 0.

    Within a stream the axes change by ``bps.configure`` only, which gives the events that follow
    a descriptor of their own. Bluesky writes it before anything is measured: where the axes are
    not known by then, it leaves lengths and ``coords`` open, and the coordinates travel in
    ``<name>_provenance`` under ``"coords"``.

    Parameters
    ----------
    measures : str
        Kind of spectrum, a key of ``describe()["spectra"]``.
    """

    setting_names: tuple[str, ...] = ()

    def __init__(self, prefix: str = "", *, name: str, measures: str, **kwargs: Any):
        super().__init__(prefix, name=name, **kwargs)
        self.measures = measures
        self.info: SpectrumInfo = self.link.description["spectra"][measures]
        self.units = spectrum_unit(self.info["unit"])
        self._used: dict[str, Value] = {}
        self._known: tuple[dict[str, Value], Axes] | None = None  # the last spectrum's settings and axes
        self._promised: Axes | None = None  # what the descriptors of this staging say
        self._open = False  # whether one of them leaves the axes open
        self._handed: list[weakref.ref[OrderedDict[str, Any]]] = []

    @property
    def destructive(self) -> bool:
        """Whether it leaves the sample changed."""
        return self.info["destructive"]

    @property
    def footprint_nm(self) -> float:
        """Radius (nm) that it changes or occupies, at default settings."""
        return from_si(self.info["footprint"], "nm")

    def settings(self, changes: Mapping[str, Any] | None = None) -> dict[str, Value]:
        """Return the settings (SI) that the next trigger will use, with ``changes`` (units shown) made to them."""
        found: dict[str, Value] = {}
        for name in self.setting_names:
            signal = getattr(self, name)
            value = (changes or {}).get(name, signal.get())
            found[name] = to_si(value, signal.unit) if signal.dtype == "number" else value
        return found

    def check(self, changes: Mapping[str, Any] | None = None) -> None:
        """Raise unless the present settings, with ``changes`` (units shown) made to them, are allowed.

        Raises
        ------
        CommandRejected, LimitError
            Naming the setting that is not. Nothing is sent.
        """
        self.link.driver.check_settings(self.measures, self.settings(changes))

    def configure(self, d: dict[str, Any]) -> Any:
        """Change settings (units shown) together, all or none; the only way to do so within a stream.

        Parameters
        ----------
        d : dict
            Name of the setting, as in ``spectrometer.steps``, -> value.

        Returns
        -------
        (dict, dict)
            The configuration before and after.

        Raises
        ------
        CommandRejected, LimitError
            Before anything is changed.
        """
        if unknown := sorted(set(d) - set(self.configuration_attrs)):
            names = ", ".join(self.configuration_attrs) or "none"
            raise CommandRejected(f"{self.name} has no setting {', '.join(map(str, unknown))}; it has {names}")
        own = {name: value for name, value in d.items() if name in self.setting_names}
        for name, value in d.items():
            signal = getattr(self, name)
            (signal.check_alone if name in own else signal.check_value)(value)
        self.check(own)
        before = self.read_configuration()
        for name in set(d) - set(own):
            getattr(self, name).set(d[name]).wait()
        for name, value in own.items():
            getattr(self, name).keep(value)
        self._describe_anew()
        return before, self.read_configuration()

    def _describe_anew(self) -> None:
        """Correct the keys that were handed out: bluesky makes the next descriptor of them, without asking again."""
        present = self._axes()
        self._promised = present
        for keys in filter(None, (ref() for ref in self._handed)):
            keys[f"{self.name}_spectrum"] = self._spectrum_key(present)

    def stage(self) -> list[object]:
        """Get ready; what earlier runs recorded binds no longer."""
        self._promised, self._open = None, False
        return super().stage()

    def _start(self) -> Acquisition:
        self._used = self.settings()
        return self.link.driver.start_spectrum(self.measures, self._used)

    def _complete(self, result: dict[str, Any]) -> dict[str, Any]:
        data = np.asarray(result["data"], float) / si_factor(self.units)
        axes = Axes(data.shape, {axis: list(values) for axis, values in result["coords"].items()})
        self._known = (self._used, axes)
        return {**result, "data": data, "axes": axes}

    def _axes(self) -> Axes | None:
        """Return the axes of the next spectrum, None unless one was measured with the present settings."""
        return self._known[1] if self._known is not None and self._known[0] == self.settings() else None

    def _keys(self) -> dict[str, str]:
        """Return the data key of the mean of each channel."""
        return {channel: f"{self.name}_{channel}_mean" for channel in self.info["channels"]}

    @property
    def hints(self) -> dict[str, list[str]]:
        """Show the mean of each channel."""
        return {"fields": list(self._keys().values())}

    def describe(self) -> Any:
        """Return the data keys; lengths and coordinates are known after a measurement with the present settings."""
        axes = self._axes()
        if self._promised is None:
            self._promised = axes
        source = self._source
        mean = {"source": source, "dtype": "number", "dtype_numpy": "<f8", "shape": [], "units": self.units}
        keys = OrderedDict({f"{self.name}_spectrum": self._spectrum_key(axes)})
        keys.update({key: dict(mean) for key in self._keys().values()})
        keys[f"{self.name}_provenance"] = {"source": source, "dtype": "string", "shape": []}
        self._handed = [ref for ref in self._handed if ref() is not None] + [weakref.ref(keys)]
        return keys

    @property
    def _source(self) -> str:
        return f"{self.link.description['model']}:{self.measures}"

    def _spectrum_key(self, axes: Axes | None) -> dict[str, Any]:
        """Return the data key of the spectrum; without ``axes``, lengths and coordinates stay open."""
        info = self.info
        self._open = self._open or axes is None
        return {
            "source": self._source,
            "dtype": "array",
            "dtype_numpy": "<f8",
            "shape": [len(info["channels"])] + [None] * (len(info["dims"]) - 1) if axes is None else list(axes.shape),
            "units": self.units,
            "kind": self.measures,
            "dims": list(info["dims"]),
            "channels": list(info["channels"]),
            "coords": {} if axes is None else {axis: list(values) for axis, values in axes.coords.items()},
            "destructive": self.destructive,
            "footprint_nm": self.footprint_nm,
        }

    def read(self) -> Any:
        """Return the last spectrum.

        Raises
        ------
        Incomplete
            When none was completed since the last trigger.
        CommandRejected
            While staged, when its axes are not those of the descriptors before: settings were set
            in the middle of a stream.
        """
        result = self._measured()
        self._keep_promise(result["axes"])
        data, provenance = result["data"], dict(result["provenance"])
        if self._open:
            provenance["coords"] = result["axes"].coords
        values: dict[str, Any] = {f"{self.name}_spectrum": data}
        for index, key in enumerate(self._keys().values()):
            finite = data[index][np.isfinite(data[index])]
            values[key] = float(finite.mean()) if finite.size else float("nan")
        values[f"{self.name}_provenance"] = json.dumps(provenance, sort_keys=True)
        return OrderedDict((key, {"value": value, "timestamp": self._taken}) for key, value in values.items())

    def _keep_promise(self, axes: Axes) -> None:
        """Raise when a stream would get a spectrum with other axes than its descriptor states."""
        if self._staged != Staged.yes:
            return
        if self._promised is None:
            self._promised = axes
        elif axes != self._promised:
            shapes = f"shape {list(axes.shape)} after {list(self._promised.shape)}"
            raise CommandRejected(
                f"{self.name} measured other axes than this run's descriptor states "
                f"({shapes if axes.shape != self._promised.shape else 'same shape, other coordinates'}): settings "
                "were set in the middle of it; change them by bps.configure(spectrometer, {name: value})"
            )


class SwitchingSpectroscopy(SpectrumDetector):
    """Switching loops: bias is swept, the response is recorded; writes a domain."""


class EDSDetector(SpectrumDetector):
    """X-ray counts per energy."""


class ScalarDetector(SpectrumDetector):
    """One number per channel."""


_CLASSES = {"switching_loop": SwitchingSpectroscopy, "eds": EDSDetector, "scalar": ScalarDetector}


def detector_component(measures: str, description: Description) -> Component:
    """Return the component that measures ``measures``, with a signal for each of its settings.

    Where the driver has a phase reference, it stands in the configuration as
    ``phase_offset_deg``: a loop cannot be evaluated without it.
    """
    base = _CLASSES.get(measures, SpectrumDetector)
    settings = {name: _setting(name, default) for name, default in description["spectra"][measures]["settings"].items()}
    parts = dict(settings)
    if "phase_offset" in description["signals"]:
        parts["phase_offset_deg"] = Component(DriverSignal, "phase_offset", unit="deg", kind=Kind.config)
    kind = create_device_from_components(base.__name__, docstring=base.__doc__, base_class=base, **parts)
    kind.setting_names = tuple(settings)
    return Component(kind, measures=measures, kind=Kind.omitted, labels=("detectors",))


def _setting(name: str, default: Value) -> Component:
    if isinstance(default, bool):
        return Component(SpectrumSetting, dtype="boolean", value=default, kind=Kind.config)
    if isinstance(default, str):
        return Component(SpectrumSetting, dtype="string", value=default, kind=Kind.config)
    unit = setting_unit(name)
    if isinstance(default, int) and si_unit(unit) == unit:
        return Component(SpectrumSetting, dtype="integer", unit=unit, value=default, kind=Kind.config)
    return Component(SpectrumSetting, unit=unit, value=from_si(float(default), unit), kind=Kind.config)
