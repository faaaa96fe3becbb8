"""What a file of a measured map holds, before anything is chosen from it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, UnknownNameError

Array = NDArray[np.float64]
Pixel = tuple[float, float] | None
ROUNDING = 0.01  # part by which edges of pixels may differ: what files round


@dataclass(frozen=True, eq=False)
class Image:
    """One number per pixel.

    Attributes
    ----------
    name, unit : str
        As stored; the unit is empty where the file gives none.
    values : ndarray, shape (row, column)
        NaN where not measured; rows in the order of the file.
    pixel_nm : tuple of float or None
        Distance (nm) of neighbouring rows and columns; None where the file does not state it.
    """

    name: str
    values: Array
    unit: str
    pixel_nm: Pixel


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis of a spectrum: name, unit (empty where not stated) and values, shape (value,)."""

    name: str
    unit: str
    values: Array


@dataclass(frozen=True, eq=False)
class Spectra:
    """One spectrum per pixel.

    Attributes
    ----------
    name, unit : str
        Of what was recorded; the unit is empty where the file gives none.
    values : ndarray, shape (row, column) + one per axis
        In the smallest type that holds them; NaN where not measured.
    axes : tuple of Axis
        Of one spectrum, at least one.
    pixel_nm : tuple of float or None
        As for :class:`Image`.
    """

    name: str
    values: NDArray[np.number]
    unit: str
    axes: tuple[Axis, ...]
    pixel_nm: Pixel

    def __post_init__(self) -> None:
        lengths = tuple(len(axis.values) for axis in self.axes)
        if self.values.shape[2:] != lengths or not lengths:
            raise DataError(
                f"spectra {self.name!r} have shape {self.values.shape}, but axes of {lengths} values; "
                "the file contradicts itself"
            )


@dataclass(frozen=True)
class Content:
    """Everything in a file that a trial can use.

    Attributes
    ----------
    source : str
        Name of the file.
    images : tuple of Image
    spectra : tuple of Spectra
    notes : tuple of str
        What to know about them, such as pixels that were never measured.
    """

    source: str
    images: tuple[Image, ...] = ()
    spectra: tuple[Spectra, ...] = ()
    notes: tuple[str, ...] = ()

    def image(self, name: str) -> Image:
        """Return the image ``name``; of several by that name the first.

        Raises
        ------
        UnknownNameError
            When there is none.
        """
        for image in self.images:
            if image.name == name:
                return image
        raise UnknownNameError(f"image of {self.source}", name, [image.name for image in self.images])

    def spectrum(self, name: str) -> Spectra:
        """Return the spectra ``name``.

        Raises
        ------
        UnknownNameError
            When there are none.
        """
        for spectra in self.spectra:
            if spectra.name == name:
                return spectra
        raise UnknownNameError(f"spectra of {self.source}", name, [spectra.name for spectra in self.spectra])

    def table(self) -> list[tuple[str, str, str, str, str]]:
        """Return rows of text: what, name with its unit, shape, axes of a spectrum, pixel."""
        rows = []
        for image in self.images:
            rows.append(("image", _labelled(image.name, image.unit), _by(image.values.shape), "", _pixel(image)))
        for spectra in self.spectra:
            name, shape = _labelled(spectra.name, spectra.unit), _by(spectra.values.shape[:2])
            rows.append(("spectra", name, shape, ", ".join(map(_described, spectra.axes)), _pixel(spectra)))
        return rows


def edge_nm(what: Image | Spectra, given: float | None) -> float:
    """Return the edge (nm) of a square pixel of ``what``.

    Parameters
    ----------
    what : Image or Spectra
        May state its pixel.
    given : float or None
        What the user says; it wins over the file.

    Raises
    ------
    DataError
        When neither states it, it is no length, or the pixels are not square.
    """
    edges = what.pixel_nm if given is None else (given, given)
    if edges is None:
        raise DataError(f"{what.name!r} has no pixel size; say it with --pixel-nm")
    row, column = edges
    if not 0 < min(row, column) <= max(row, column) < math.inf:
        raise DataError(
            f"pixels of {what.name!r} measure {row:.4g} x {column:.4g} nm (row x column), which is no size; "
            "say it with --pixel-nm"
        )
    if abs(row - column) > ROUNDING * max(row, column):
        raise DataError(
            f"pixels of {what.name!r} measure {row:.4g} x {column:.4g} nm (row x column); they must be square: "
            "resample the map, or give --pixel-nm if the file is wrong"
        )
    return (row + column) / 2


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _labelled(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else f"{name} (no unit)"


def _described(axis: Axis) -> str:
    first, last = axis.values[0], axis.values[-1]
    return f"{axis.name}: {len(axis.values)} from {first:.4g} to {last:.4g} {axis.unit or '(no unit)'}"


def _pixel(what: Image | Spectra) -> str:
    return "not stated" if what.pixel_nm is None else f"{what.pixel_nm[0]:.4g} x {what.pixel_nm[1]:.4g} nm"
