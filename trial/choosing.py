"""From what a file holds to one map: the property that is sought, and the image that an agent sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..analysis.levelling import apply_transforms
from ..core.errors import DataError
from .content import ROUNDING, Content, Image, Spectra, edge_nm
from .objective import PropertyMap, property_of_image, property_of_spectra
from .readers.registry import read
from .readers.units import angle_rad, distinct

Array = NDArray[np.float64]
NONE = "none"
WITHIN = "::"  # FILE::NAME is an image of another file
_HEIGHTS = ("height", "zsensor", "topo")


@dataclass(frozen=True, eq=False)
class MeasuredMap:
    """One measured map, ready to be explored.

    Attributes
    ----------
    source : str
        Name of the file.
    sought : PropertyMap
        The property at each pixel.
    channels : tuple of str
        Names of the images.
    images : ndarray, shape (channel, row, column)
        What an agent sees; NaN where not measured.
    pixel_nm : float
        Edge of a pixel.
    notes : tuple of str
        What was done, assumed or left out.
    """

    source: str
    sought: PropertyMap
    channels: tuple[str, ...]
    images: Array
    pixel_nm: float
    notes: tuple[str, ...]


def choose(
    content: Content,
    *,
    objective: str | None = None,
    spectrum: str | None = None,
    images: Sequence[str] = (),
    pixel_nm: float | None = None,
) -> MeasuredMap:
    """Return the map that a trial works on.

    Parameters
    ----------
    content : Content
        Of a file.
    objective : str, optional
        An image of the file, or a scalarizer with its options: ``"loop_area"``,
        ``"spectral_window_sum:low_eV=1690,high_eV=1790"``. By default what suits the spectra.
    spectrum : str, optional
        Which spectra, where the file has several.
    images : sequence of str
        Images that the agent sees: of this file by name, ``FILE`` or ``FILE::NAME`` of another
        one, ``"none"`` for no image. By default the only one there is.
    pixel_nm : float, optional
        Edge of a pixel, where the file does not state it or is wrong.

    Raises
    ------
    UnknownNameError, DataError, SpecError
        When something is not there, ambiguous or does not fit; the message says what to do.
    """
    what = _sought(content, objective, spectrum)
    seen, notes = _seen(content, what, images)
    edge = _edge([what, *seen.values()], pixel_nm)
    if pixel_nm is None:  # else the file is wrong about its pixels
        for image in seen.values():
            _check_pixel(image, what)
    sought = property_of_image(what) if isinstance(what, Image) else property_of_spectra(what, objective)
    layers: dict[str, Array] = {}
    for label, image in seen.items():
        made, said = _layers(image, label, sought.values.shape)
        layers |= made
        notes += said
    stack = np.stack(list(layers.values())) if layers else np.empty((0, *sought.values.shape))
    said = (*content.notes, *sought.notes, *notes)
    return MeasuredMap(content.source, sought, tuple(layers), stack, edge, said)


def _sought(content: Content, objective: str | None, spectrum: str | None) -> Image | Spectra:
    """Return what the property is made of."""
    if spectrum is not None:
        return content.spectrum(spectrum)
    if objective is not None and objective in [image.name for image in content.images]:
        return content.image(objective)
    if len(content.spectra) == 1:
        return content.spectra[0]
    if content.spectra:
        names = ", ".join(repr(spectra.name) for spectra in content.spectra)
        raise DataError(f"{content.source} holds several spectra: choose one with --spectrum: {names}")
    names = ", ".join(repr(image.name) for image in content.images)
    if objective is not None:
        raise DataError(f"{content.source} has no spectra and no image {objective!r}; its images are {names}")
    if len(content.images) == 1:
        raise DataError(
            f"{content.source} holds one image ({names}) and nothing else: a trial needs a property, measured at "
            "pixels of an image"
        )
    raise DataError(f"{content.source} holds images only: say with --objective which one is the property: {names}")


def _seen(content: Content, what: Image | Spectra, wanted: Sequence[str]) -> tuple[dict[str, Image], list[str]]:
    """Return the images that the agent sees by what they are called, and what there is to say about the choice."""
    if NONE in wanted:
        return {}, []
    if wanted:
        asked = list(dict.fromkeys(wanted))
        found = [_named(content, name) for name in asked]
        return dict(zip(distinct([image.name for image in found], asked), found, strict=True)), []
    others = [image for image in content.images if image is not what]
    fitting = [image for image in others if _blocks(image.values.shape, what.values.shape[:2])]
    if len(fitting) > 1:
        names = ", ".join(repr(image.name) for image in fitting)
        raise DataError(f"{content.source} holds several images: say with --image what the agent sees ({names}, none)")
    if fitting:
        return {fitting[0].name: fitting[0]}, []
    said = [f"image {o.name!r} has another frame than the map and is not used" for o in others]
    return {}, said or ["there is no image: agents see coordinates only"]


def _named(content: Content, name: str) -> Image:
    path, _, inner = name.partition(WITHIN)
    if name in [image.name for image in content.images] or not Path(path).is_file():
        return content.image(name)
    other = read(path)
    if inner:
        return other.image(inner)
    if len(other.images) != 1:
        names = ", ".join(repr(image.name) for image in other.images) or "none"
        raise DataError(f"{path} does not hold one image: choose with --image FILE{WITHIN}NAME; it has {names}")
    return other.images[0]


def _edge(parts: Sequence[Image | Spectra], given: float | None) -> float:
    """Return the edge (nm) of a pixel of the map; the first part of its shape that states it."""
    shape = parts[0].values.shape[:2]
    stated = [part for part in parts if part.pixel_nm is not None and part.values.shape[:2] == shape]
    return edge_nm(stated[0] if stated else parts[0], given)


def _blocks(shape: tuple[int, ...], wanted: tuple[int, ...]) -> int:
    """Return how many times finer an image is than the map, 0 where it does not fit."""
    factor = shape[0] // wanted[0]
    return factor if factor and shape == (factor * wanted[0], factor * wanted[1]) else 0


def _check_pixel(image: Image, what: Image | Spectra) -> None:
    """Refuse an image whose pixels are not those of the map, or whole parts of them, where both say."""
    factor = _blocks(image.values.shape, what.values.shape[:2])
    if factor and image.pixel_nm and what.pixel_nm:
        for own, wanted in zip(image.pixel_nm, what.pixel_nm, strict=True):
            if not abs(factor * own - wanted) <= ROUNDING * wanted:
                raise DataError(
                    f"image {image.name!r} has pixels of {own:.4g} nm and covers another frame than the map, with "
                    f"{wanted:.4g} nm: {wanted / factor:.4g} nm would fit; crop and resample it, or give --pixel-nm if "
                    "a file is wrong"
                )


def _layers(image: Image, label: str, shape: tuple[int, ...]) -> tuple[dict[str, Array], list[str]]:
    """Return the image as an agent may see it: on the pixels of the map, level, never a wrapped phase."""
    factor = _blocks(image.values.shape, shape)
    if not factor:
        have, need = (" x ".join(map(str, size)) for size in (image.values.shape, shape))
        raise DataError(
            f"image {image.name!r} has {have} pixels, the map has {need}; crop and resample it to the map's pixels"
        )
    if unit := angle_rad(image.unit):
        angle = image.values * unit
        parts = {f"cos {label}": np.cos(angle), f"sin {label}": np.sin(angle)}
        said = [f"{label!r} is an angle: the agent sees its cosine and sine"]
    elif image.name.lower() == "z" or image.name.lower().startswith(_HEIGHTS):
        parts = {label: apply_transforms(image.values, ("level_plane", "level_lines"))}
        said = [f"{label!r} was levelled by plane and lines"]
    else:
        parts, said = {label: image.values}, []
    if factor > 1:
        said.append(f"{label!r} is {factor} times finer and was averaged in blocks: the same frame is assumed")
    return {name: _averaged(values, factor) for name, values in parts.items()}, said


def _averaged(values: Array, factor: int) -> Array:
    rows, columns = values.shape
    return values.reshape(rows // factor, factor, columns // factor, factor).mean(axis=(1, 3))
