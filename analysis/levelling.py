"""Levelling of scanned images: pure functions with a name and a version."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UnknownNameError

Image = NDArray[np.float64]


@dataclass(frozen=True)
class Transform:
    """A levelling step.

    Attributes
    ----------
    version : int
        Raised whenever the numbers change.
    apply : callable
        ``apply(image) -> image``, both of shape (row, column); the argument is not changed.
    """

    version: int
    apply: Callable[[Image], Image]


def level_plane(image: Image) -> Image:
    """Return ``image`` without its least-squares plane; mean 0, NaN stays NaN.

    Parameters
    ----------
    image : ndarray, shape (row, column)
        Any unit.
    """
    rows, columns = np.indices(image.shape)
    good = np.isfinite(image)
    if not good.any():
        return image.copy()
    # Centred coordinates keep the three terms nearly orthogonal.
    terms = np.stack([np.ones(image.shape), rows - rows.mean(), columns - columns.mean()], axis=-1)
    plane, *_ = np.linalg.lstsq(terms[good], image[good], rcond=None)
    return image - terms @ plane


def level_lines(image: Image) -> Image:
    """Return ``image`` with the offsets between successive lines removed; its mean is kept.

    The offset of a line is the median of its difference to the line before it, so features
    that cover less than half of a line do not count. Lines without a value are passed over.

    Parameters
    ----------
    image : ndarray, shape (row, column)
        Lines along the first axis, in the order in which they were scanned; any unit.
    """
    offsets = np.zeros(len(image))
    last: int | None = None
    for line in range(len(image)):
        difference = image[line] - image[line if last is None else last]
        difference = difference[np.isfinite(difference)]
        if difference.size:
            offsets[line] = np.median(difference) + (0.0 if last is None else offsets[last])
            last = line
    used = np.isfinite(image).sum(axis=1)
    if used.any():
        offsets -= np.average(offsets, weights=used)
    return image - offsets[:, None]


TRANSFORMS: dict[str, Transform] = {
    "level_plane": Transform(1, level_plane),
    "level_lines": Transform(1, level_lines),
}


def apply_transforms(image: Image, names: Sequence[str]) -> Image:
    """Return ``image`` after the transforms ``names``, one after the other.

    Parameters
    ----------
    image : ndarray, shape (row, column)
        Raw image; it is not changed.
    names : sequence of str
        Keys of :data:`TRANSFORMS`.

    Raises
    ------
    UnknownNameError
        When there is no such transform.
    """
    for name in names:
        if name not in TRANSFORMS:
            raise UnknownNameError("transform", name, TRANSFORMS)
        image = TRANSFORMS[name].apply(image)
    return image
