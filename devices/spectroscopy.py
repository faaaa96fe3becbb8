"""Measurements at a point: one event is one spectrum."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from typing import Any

import numpy as np
from ophyd import Component, Kind
from ophyd.device import create_device_from_components

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


class SpectrumDetector(AcquiringDevice):
    """A measurement at the point where the probe is.

    Its settings are configuration signals in the units shown. An event holds
    ``<name>_spectrum`` (an array; its data key states ``kind``, ``dims``, ``channels``, ``coords``
    and ``units``), the mean of each channel as ``<name>_<channel>_mean`` for tables and plots,
    and ``<name>_provenance`` (JSON: measured, interpolated or simulated). Coordinates are those
    of the driver: bias in V, energy in eV, field as text, cycle counted from 0.

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
        self._known: dict[str, Any] | None = None

    @property
    def destructive(self) -> bool:
        """Whether it leaves the sample changed."""
        return self.info["destructive"]

    @property
    def footprint_nm(self) -> float:
        """Radius (nm) that it changes or occupies, at default settings."""
        return from_si(self.info["footprint"], "nm")

    def settings(self) -> dict[str, Value]:
        """Return the settings (SI) that the next trigger will use."""
        signals = {name: getattr(self, name) for name in self.setting_names}
        return {
            name: to_si(signal.get(), signal.unit) if signal.dtype == "number" else signal.get()
            for name, signal in signals.items()
        }

    def check(self) -> None:
        """Raise unless the present settings are allowed.

        Raises
        ------
        LimitError
            Naming the setting that is not.
        """
        self.link.driver.check_settings(self.measures, self.settings())

    def _start(self) -> Acquisition:
        return self.link.driver.start_spectrum(self.measures, self.settings())

    def _complete(self, result: dict[str, Any]) -> dict[str, Any]:
        data = np.asarray(result["data"], float) / si_factor(self.units)
        self._known = {**result, "data": data}
        return self._known

    def _keys(self) -> dict[str, str]:
        """Return the data key of the mean of each channel."""
        return {channel: f"{self.name}_{channel}_mean" for channel in self.info["channels"]}

    @property
    def hints(self) -> dict[str, list[str]]:
        """Show the mean of each channel."""
        return {"fields": list(self._keys().values())}

    def describe(self) -> Any:
        """Return the data keys; lengths and coordinates are known after the first measurement."""
        known, info = self._known, self.info
        shape = (
            [len(info["channels"])] + [None] * (len(info["dims"]) - 1) if known is None else list(known["data"].shape)
        )
        spectrum = {
            "source": f"{self.link.description['model']}:{self.measures}",
            "dtype": "array",
            "dtype_numpy": "<f8",
            "shape": shape,
            "units": self.units,
            "kind": self.measures,
            "dims": list(info["dims"]),
            "channels": list(info["channels"]),
            "coords": {} if known is None else {axis: list(values) for axis, values in known["coords"].items()},
            "destructive": self.destructive,
            "footprint_nm": self.footprint_nm,
        }
        mean = {"source": spectrum["source"], "dtype": "number", "dtype_numpy": "<f8", "shape": [], "units": self.units}
        text = {"source": spectrum["source"], "dtype": "string", "shape": []}
        keys = {key: dict(mean) for key in self._keys().values()}
        return OrderedDict({f"{self.name}_spectrum": spectrum, **keys, f"{self.name}_provenance": text})

    def read(self) -> Any:
        """Return the last spectrum.

        Raises
        ------
        DriverError
            When none was completed since the last trigger.
        """
        result = self._measured()
        data = result["data"]
        values: dict[str, Any] = {f"{self.name}_spectrum": data}
        for index, key in enumerate(self._keys().values()):
            finite = data[index][np.isfinite(data[index])]
            values[key] = float(finite.mean()) if finite.size else float("nan")
        values[f"{self.name}_provenance"] = json.dumps(result["provenance"], sort_keys=True)
        return OrderedDict((key, {"value": value, "timestamp": self._taken}) for key, value in values.items())


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
        return Component(Setting, dtype="boolean", value=default, kind=Kind.config)
    if isinstance(default, str):
        return Component(Setting, dtype="string", value=default, kind=Kind.config)
    unit = setting_unit(name)
    if isinstance(default, int) and si_unit(unit) == unit:
        return Component(Setting, dtype="integer", unit=unit, value=default, kind=Kind.config)
    return Component(Setting, unit=unit, value=from_si(float(default), unit), kind=Kind.config)
