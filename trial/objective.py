"""The property at each pixel: a number made of its spectrum, or an image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..analysis.measurement import AXIS_UNITS, Measurement
from ..analysis.scalarizers import Scalarizer, get_scalarizer
from ..core.errors import DataError, SpecError
from .content import Axis, Image, Spectra
from .readers.units import angle_rad

Array = NDArray[np.float64]
MEAN = "channel_mean"
# What one unit of a file is in the unit in which scalarizers know an axis.
_BIAS = {"V": 1.0, "mV": 1e-3}
_ENERGY = {"eV": 1.0, "keV": 1e3, "meV": 1e-3}


@dataclass(frozen=True, eq=False)
class PropertyMap:
    """A property at each pixel.

    Attributes
    ----------
    name, unit : str
        What it is, with the options of its scalarizer.
    values, sigma : ndarray, shape (row, column)
        In ``unit``; the value is NaN where the measurement failed or was not made, sigma where unknown.
    measured : ndarray of bool, shape (row, column)
        Where it was measured, failed or not.
    notes : tuple of str
        What to know about it.
    """

    name: str
    unit: str
    values: Array
    sigma: Array
    measured: NDArray[np.bool_]
    notes: tuple[str, ...]


def property_of_image(image: Image) -> PropertyMap:
    """Return an image as a property.

    Raises
    ------
    DataError
        When it is an angle, whose largest value means nothing.
    """
    if angle_rad(image.unit):
        raise DataError(
            f"{image.name!r} is an angle ({image.unit}) and may be wrapped, so it has no best value; choose another "
            "image, or save amplitude times cosine as .npz"
        )
    measured = np.isfinite(image.values)
    sigma = np.full(image.values.shape, np.nan)
    return PropertyMap(image.name, image.unit, image.values, sigma, measured, ())


def property_of_spectra(spectra: Spectra, objective: str | None) -> PropertyMap:
    """Return what a scalarizer makes of each spectrum.

    Parameters
    ----------
    spectra : Spectra
        A pixel whose spectrum holds NaN counts as not measured.
    objective : str, optional
        Scalarizer and its options, ``NAME:KEY=VALUE,KEY=VALUE``. By default the loop area of a
        closed bipolar sweep, the sum over an axis of energy, the mean of anything else.

    Raises
    ------
    UnknownNameError, SpecError, DataError
        When it does not exist or cannot be had from these spectra.
    """
    name, options = _parsed(objective) if objective is not None else _suitable(spectra)
    scalarizer = get_scalarizer(name)
    dims, coords = _axes(spectra.axes)
    channel = "response" if "bias" in scalarizer.axes else spectra.name
    if name == MEAN:
        options = {"channel": channel, **options}
    _check_axes(scalarizer, dims, spectra)
    about = {"dims": ("channel", *dims), "channels": (channel,), "coords": coords}
    scalarizer.check_against(about, options)
    shape = spectra.values.shape[:2]
    measured = np.asarray(np.isfinite(spectra.values).all(axis=tuple(range(2, spectra.values.ndim))))
    if not measured.any():
        raise DataError(
            f"no pixel of {spectra.name!r} has a complete spectrum: all hold NaN; cut the sweep to what was measured"
        )
    values, sigma, flags = np.full(shape, np.nan), np.full(shape, np.nan), Counter[str]()
    for row, column in np.argwhere(measured):
        data = np.asarray(spectra.values[row, column], float)[None]
        scalar = scalarizer(Measurement(data=data, unit=spectra.unit, kind="spectrum", **about), options)
        if scalar.flag == "ok":
            values[row, column] = scalar.value
            sigma[row, column] = np.nan if name == MEAN else scalar.sigma  # a sweep varies for more reasons than noise
        else:
            flags[scalar.flag] += 1
    notes = [f"{count} measurements count as failed ({flag})" for flag, count in flags.items()]
    if channel != spectra.name:
        notes.append(f"{spectra.name!r} is taken as the response of the loop")
    label = name + (f" of {spectra.name}" if name == MEAN else _shown(options))
    return PropertyMap(label, scalarizer.unit_of(spectra.unit), values, sigma, measured, tuple(notes))


def _suitable(spectra: Spectra) -> tuple[str, dict[str, Any]]:
    dims, coords = _axes(spectra.axes)
    if dims == ("bias",) and _bipolar(np.asarray(coords["bias"])):
        return "loop_area", {}
    if dims == ("energy",):
        return "spectral_window_sum", {"low_eV": min(coords["energy"]), "high_eV": max(coords["energy"])}
    return MEAN, {}


def _bipolar(bias: Array) -> bool:
    """Return whether a sweep goes to both signs and comes back to where it began."""
    return bool(bias.min() < 0 < bias.max() and abs(bias[-1] - bias[0]) < 0.2 * np.ptp(bias))


def _parsed(text: str) -> tuple[str, dict[str, Any]]:
    name, _, rest = text.partition(":")
    options: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise SpecError(f"objective {text!r} was refused: write NAME:KEY=VALUE,KEY=VALUE")
        options[key.strip()] = value.strip()
    return name, options


def _axes(axes: tuple[Axis, ...]) -> tuple[tuple[str, ...], dict[str, list[float]]]:
    """Return names and values as scalarizers know them: bias in V, energy in eV, others as they are."""
    dims, coords = [], {}
    for axis in axes:
        name, factor = axis.name, 1.0
        for known, units in (("bias", _BIAS), ("energy", _ENERGY)):
            if axis.unit in units:
                name, factor = known, units[axis.unit]
        dims.append(name)
        coords[name] = (axis.values * factor).tolist()
    return tuple(dims), coords


def _check_axes(scalarizer: Scalarizer, dims: tuple[str, ...], spectra: Spectra) -> None:
    for axis in scalarizer.axes:
        if axis in AXIS_UNITS and axis not in dims:
            have = ", ".join(f"{a.name} ({a.unit or 'no unit'})" for a in spectra.axes)
            raise DataError(
                f"objective {scalarizer.name!r} needs an axis {axis} in {AXIS_UNITS[axis]}; {spectra.name!r} has "
                f"{have}; choose another objective, or save the map as .npz with the unit of its axis"
            )


def _shown(options: Mapping[str, Any]) -> str:
    given = [f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in options.items()]
    return f" ({', '.join(given)})" if given else ""
