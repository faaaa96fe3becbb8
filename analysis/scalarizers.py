"""Scalarizers: registered, versioned functions from a measurement to one number.

Each judges a measurement by itself, without the population it comes from, because a running
experiment has none. Below its quality gate a value is flagged ``"poor_fit"``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..core.errors import DataError, SpecError
from ..core.registry import SCALARIZERS
from .loop_shape import noise_level, running_median, spike_excess
from .loops import Array, LoopParameters, loop_parameters, select_loop
from .measurement import Measurement, Scalar
from .peaks import PeakEstimate, centroid, gaussian_peak
from .spectra import window_mask, window_sum

_SPIKE_LIMIT = 0.7  # spike excess at which the quality of a loop is one half


class Options(BaseModel):
    """Base of the options of scalarizers: frozen, JSON, nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LoopOptions(Options):
    """``field``: the loop after (``"off"``) or during (``"on"``) each bias step."""

    field: Literal["off", "on"] = "off"


class WindowOptions(Options):
    """``low_eV``, ``high_eV``: a window of the spectrum (eV), both ends included."""

    low_eV: float
    high_eV: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low_eV < self.high_eV:
            raise ValueError(f"low_eV = {self.low_eV:g} must lie below high_eV = {self.high_eV:g}")
        return self


class SumOptions(WindowOptions):
    """With ``background="linear"`` the level of two flanks is subtracted, each half as wide as the window."""

    background: Literal["none", "linear"] = "none"


class PeakOptions(WindowOptions):
    """``method``: how the position of the one peak in the window is found."""

    method: Literal["centroid", "gaussian"] = "centroid"


class ChannelOptions(Options):
    """``channel``: name of the channel."""

    channel: str = Field(min_length=1)


@dataclass(frozen=True)
class Scalarizer:
    """A named, versioned function ``(measurement, **options) -> Scalar``.

    Attributes
    ----------
    name : str
        Name under which it is registered, and of the objective.
    version : int
        Raised whenever the same measurement would give another value.
    options : type of Options
        What it accepts.
    axes : tuple of str
        Axes that a measurement must have.
    unit_of : callable
        Unit of the measurement -> unit of the value.
    quality_gate : float
        A quality below it is flagged ``"poor_fit"``.
    function : callable
        ``(measurement, options) -> Scalar``, for finite data.
    obstacle : callable
        ``(spectrum, options) -> str``: why measurements like ``spectrum`` cannot give the value
        with these options, as far as that is known before the first; empty when nothing is.
    """

    name: str
    version: int
    options: type[Options]
    axes: tuple[str, ...]
    unit_of: Callable[[str], str]
    quality_gate: float
    function: Callable[[Measurement, Any], Scalar]
    obstacle: Callable[[Mapping[str, Any], Any], str] = lambda spectrum, options: ""

    def check_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return all options, defaults filled in, as JSON for the record.

        Raises
        ------
        SpecError
            When an option is unknown, missing or out of range.
        """
        return self._parse(options).model_dump(mode="json")

    def check_against(self, spectrum: Mapping[str, Any], options: Mapping[str, Any] | None = None) -> None:
        """Raise unless measurements like ``spectrum`` can give the value; asked before the first is made.

        Parameters
        ----------
        spectrum : mapping
            ``dims`` and ``channels`` of the measurements to come; ``coords`` (axis -> values)
            of the axes that are known already. An entry of ``describe()["spectra"]`` of a
            driver, or the data key of a spectrum.
        options : mapping, optional
            As for a call.

        Raises
        ------
        SpecError
            When the options are wrong, an axis is missing, or the options ask for a channel, a
            field or a window that the measurement does not have.
        """
        parsed = self._parse(options or {})
        self._check_axes(spectrum["dims"])
        if obstacle := self.obstacle(spectrum, parsed):
            raise SpecError(f"objective {self.name!r} cannot be had from this measurement: {obstacle}")

    def unit(self, spectrum: Mapping[str, Any], options: Mapping[str, Any] | None = None) -> str:
        """Return the unit of the value, before anything is measured.

        Parameters
        ----------
        spectrum : mapping
            ``dims`` and ``unit`` of the measurements to come.
        options : mapping, optional
            As for a call.

        Raises
        ------
        SpecError
            When the options are wrong, or the measurement lacks an axis.
        """
        self._parse(options or {})
        self._check_axes(spectrum["dims"])
        return self.unit_of(spectrum["unit"])

    def __call__(self, measurement: Measurement, options: Mapping[str, Any] | None = None, **more: Any) -> Scalar:
        """Return the value of ``measurement``; flag ``"not_finite"`` where any number of it is not.

        Parameters
        ----------
        measurement : Measurement
            With the axes that are needed.
        options : mapping, optional
            Options as they stand in the record.
        **more
            Options by name; they win.

        Raises
        ------
        SpecError
            When the options are wrong or contradict the measurement.
        DataError
            When the measurement cannot be understood.
        """
        parsed = self._parse({**(options or {}), **more})
        self._check_axes(measurement.dims)
        unit = self.unit_of(measurement.unit)
        if not measurement.data.size or not np.isfinite(measurement.data).all():
            return Scalar(math.nan, math.nan, 0.0, "not_finite", unit)
        result = replace(self.function(measurement, parsed), unit=unit)
        if result.flag == "ok" and result.quality < self.quality_gate:
            return replace(result, flag="poor_fit")
        return result

    def _check_axes(self, dims: Sequence[str]) -> None:
        missing = [axis for axis in self.axes if axis not in dims]
        if missing:
            raise SpecError(
                f"objective {self.name!r} needs a measurement with axis {', '.join(missing)}; this one has "
                f"{', '.join(dims)}; choose another objective or another measurement"
            )

    def _parse(self, options: Mapping[str, Any]) -> Options:
        try:
            return self.options.model_validate(dict(options))
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, e['loc'])) or 'options'}: {e['msg'].removeprefix('Value error, ')}"
                for e in error.errors()
            )
            accepted = ", ".join(self.options.model_fields)
            raise SpecError(f"options of objective {self.name!r} are wrong ({wrong}); it accepts {accepted}") from error


def get_scalarizer(name: str) -> Scalarizer:
    """Return the scalarizer registered under ``name``.

    Raises
    ------
    UnknownNameError
        When there is none.
    SpecError
        When what is registered there is no scalarizer.
    """
    found = SCALARIZERS.load(name)
    if not isinstance(found, Scalarizer):
        raise SpecError(f"objective {name!r} is registered as {type(found).__name__}; it must be a Scalarizer")
    return found


def _no_signal(value: float = math.nan, sigma: float = math.nan) -> Scalar:
    return Scalar(value, sigma, 0.0, "no_signal", "")


def _loop_quality(bias: Array, response: Array, area: float) -> float:
    """Return the quality of a loop from 0 to 1.

    Product of: broken points (one half where a point leaves its neighbours by 0.7 of the
    loop's height); physical plausibility (a loop cannot enclose more than its own bounding box
    without broken points); and signal to noise, which alone never costs more than 0.2, since a
    point that does not switch is a result and not a failure.
    """
    smooth = running_median(response, 5)
    height = float(np.ptp(smooth))
    box = height * float(np.ptp(bias))
    noise = noise_level(response)
    sound = 1 / (1 + (spike_excess(response) / _SPIKE_LIMIT) ** 2)
    plausible = 1.0 if abs(area) <= box else box / abs(area)
    contrast = height**2 / (height**2 + (10 * noise) ** 2) if height else 0.0
    return sound * plausible * (0.8 + 0.2 * contrast)


def _from_loop(pick: Callable[[LoopParameters], tuple[float, float]]) -> Callable[[Measurement, LoopOptions], Scalar]:
    """Return the function of a scalarizer that picks one number of the loop."""

    def function(measurement: Measurement, options: LoopOptions) -> Scalar:
        bias, response = select_loop(measurement, options.field)
        if np.ptp(response) == 0:
            return _no_signal()
        found = loop_parameters(bias, response, tilted=options.field == "on")
        value, sigma = pick(found)
        if not math.isfinite(value):
            return _no_signal()
        return Scalar(value, sigma, _loop_quality(bias, response, found.area.value), "ok", "")

    return function


def _imprint(found: LoopParameters) -> tuple[float, float]:
    """Return the imprint, NaN unless the states differ by three standard deviations."""
    switched = abs(found.switchable.value) > 3 * found.switchable.sigma
    return found.imprint if switched else (math.nan, math.nan)


def _energy_spectrum(measurement: Measurement) -> tuple[Array, Array]:
    """Return energy (eV) and the spectrum summed over channels and all other axes, shape (energy,)."""
    energy = np.asarray(measurement.coords["energy"], float)
    axis = list(measurement.dims).index("energy")
    return energy, np.moveaxis(measurement.data, axis, -1).reshape(-1, len(energy)).sum(axis=0)


def _poisson_quality(counts: float) -> float:
    """Return 1 minus the relative error of a number of counts."""
    return 1 - 1 / math.sqrt(1 + counts)


def _counts_of(measurement: Measurement, spectrum: Array) -> bool:
    """Return whether a spectrum holds counts.

    Raises
    ------
    DataError
        When it says so, but one is negative.
    """
    if measurement.unit != "counts":
        return False
    if spectrum.min() < 0:
        raise DataError(f"a spectrum in counts holds {spectrum.min():g}; counts cannot be negative")
    return True


def _window_sum(measurement: Measurement, options: SumOptions) -> Scalar:
    energy, spectrum = _energy_spectrum(measurement)
    counting = _counts_of(measurement, spectrum)
    value, sigma = window_sum(
        energy, spectrum, options.low_eV, options.high_eV, counting=counting, background=options.background
    )
    if not spectrum.any():
        return _no_signal(value, sigma)
    quality = _poisson_quality(float(spectrum.sum())) if counting else value**2 / (value**2 + sigma**2 or 1.0)
    return Scalar(value, sigma, quality, "ok", "")


def _peak_position(measurement: Measurement, options: PeakOptions) -> Scalar:
    energy, spectrum = _energy_spectrum(measurement)
    counting = _counts_of(measurement, spectrum)
    find: Callable[..., PeakEstimate] = gaussian_peak if options.method == "gaussian" else centroid
    peak = find(energy, spectrum, options.low_eV, options.high_eV, counting=counting)
    if not math.isfinite(peak.position):
        return _no_signal()
    return Scalar(peak.position, peak.sigma, peak.quality, "ok", "")


def _channel_mean(measurement: Measurement, options: ChannelOptions) -> Scalar:
    if obstacle := _channel_obstacle({"channels": measurement.channels}, options):
        raise SpecError(obstacle)
    data = measurement.data[list(measurement.channels).index(options.channel)].ravel()
    sigma = float(data.std(ddof=1)) / math.sqrt(data.size) if data.size > 1 else math.nan
    return Scalar(float(data.mean()), sigma, 1.0, "ok", "")


def _known(spectrum: Mapping[str, Any], axis: str) -> list[Any]:
    """Return the values along ``axis``, empty when they are not known yet."""
    return list((spectrum.get("coords") or {}).get(axis, []))


def _loop_obstacle(spectrum: Mapping[str, Any], options: LoopOptions) -> str:
    channels, dims = spectrum["channels"], spectrum["dims"]
    if "response" not in channels and not {"x", "y"} <= set(channels):
        return f"a loop needs a channel response, or x and y; this one has {', '.join(channels)}"
    if other := [dim for dim in dims if dim not in ("channel", "cycle", "field", "bias")]:
        return f"a loop has the axes cycle, field and bias; this one has {', '.join(other)} as well"
    fields = _known(spectrum, "field") if "field" in dims else ["off"]
    if fields and options.field not in fields:
        return f"field = {options.field!r} was asked for; it holds {', '.join(map(str, fields))}"
    return ""


def _window_obstacle(spectrum: Mapping[str, Any], options: WindowOptions) -> str:
    """Return what a spectrum of zeros over the same energies is refused for."""
    energy = np.asarray(_known(spectrum, "energy"), float)
    if not energy.size:
        return ""
    try:
        if isinstance(options, SumOptions):
            window_sum(energy, 0 * energy, options.low_eV, options.high_eV, background=options.background)
        elif isinstance(options, PeakOptions) and options.method == "gaussian":
            gaussian_peak(energy, 0 * energy, options.low_eV, options.high_eV)
        else:
            window_mask(energy, options.low_eV, options.high_eV)
    except DataError as error:
        return str(error)
    return ""


def _channel_obstacle(spectrum: Mapping[str, Any], options: ChannelOptions) -> str:
    channels = spectrum["channels"]
    if options.channel in channels:
        return ""
    return f"the measurement has no channel {options.channel!r}; it has {', '.join(channels)}"


def _times_volt(unit: str) -> str:
    return {"": "V", "V": "V^2"}.get(unit, f"{unit} V")


def _same(unit: str) -> str:
    return unit


loop_area = Scalarizer(
    "loop_area", 1, LoopOptions, ("bias",), _times_volt, 0.5, _from_loop(lambda found: found.area), _loop_obstacle
)
loop_height = Scalarizer(
    "loop_height", 1, LoopOptions, ("bias",), _same, 0.5, _from_loop(lambda found: found.height), _loop_obstacle
)
imprint = Scalarizer("imprint", 1, LoopOptions, ("bias",), lambda _: "V", 0.5, _from_loop(_imprint), _loop_obstacle)
spectral_window_sum = Scalarizer(
    "spectral_window_sum", 1, SumOptions, ("energy",), _same, 0.0, _window_sum, _window_obstacle
)
peak_position = Scalarizer(
    "peak_position", 2, PeakOptions, ("energy",), lambda _: "eV", 0.25, _peak_position, _window_obstacle
)
channel_mean = Scalarizer("channel_mean", 1, ChannelOptions, ("channel",), _same, 0.0, _channel_mean, _channel_obstacle)
