"""How far features have moved between two images, and how far to trust the answer.

All shifts are those *of the features*, from the first image to the second: positive ``dx``
to the right along columns, positive ``dy`` towards higher rows. Row 0 has the lowest y, so
with unrotated frames these are the x and y of the sample frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import SpecError
from .levelling import level_plane

Image = NDArray[np.float64]

_LEAST_OVERLAP = 0.25  # of the area; below it agreement is chance
_MOST_STEPS = 32  # a climb that takes more started nowhere near a maximum


@dataclass(frozen=True)
class Shift:
    """How far features have moved.

    Attributes
    ----------
    dx_nm, dy_nm : float
        Movement from the reference to the moving image (nm).
    confidence : float
        From 0 to 1: correlation coefficient of the two images where they overlap after the
        movement is undone; 0 where the answer cannot be right.
    """

    dx_nm: float
    dy_nm: float
    confidence: float


def register(reference: Image, moving: Image, pixel_nm: float) -> Shift:
    """Return how far features have moved from ``reference`` to ``moving``.

    A plane is removed from both, because a common tilt is no feature. The peak of their
    windowed cross-correlation is looked for once with and once without whitening: whitening
    finds sharp features before slow backgrounds and fails in noise. From both places the
    correlation coefficient of the overlap is climbed to its maximum, and a paraboloid through
    the maximum and its neighbours gives the fraction of a pixel. The higher maximum counts.
    Unlike an upsampled peak (doi:10.1364/OL.33.000156), no window pulls it towards zero.

    Parameters
    ----------
    reference, moving : ndarray, shape (row, column)
        Two frames of the same size and place, levelled by line if they need it; any unit.
        NaN counts as background.
    pixel_nm : float
        Distance of pixels (nm).

    Raises
    ------
    SpecError
        When the shapes differ or the images have fewer than 8 pixels along an edge.
    """
    if reference.shape != moving.shape or min(reference.shape) < 8:
        raise SpecError(
            f"cannot register images of shape {reference.shape} and {moving.shape}: "
            "they must be equal and have at least 8 pixels along each edge"
        )
    first, second = level_plane(reference), level_plane(moving)
    if _flat(reference) or _flat(moving):
        return Shift(0.0, 0.0, 0.0)
    trials = [_climbed(first, second, _peak(first, second, norm)) for norm in (None, "phase")]
    confidence, (rows, columns) = max(trials, key=lambda trial: trial[0])
    return Shift(columns * pixel_nm, rows * pixel_nm, _unit(confidence))


def register_multi(references: Sequence[Image], movings: Sequence[Image], pixel_nm: float) -> Shift:
    """Return the shift of the channel that gives the most confident one.

    Parameters
    ----------
    references, movings : sequence of ndarray, or ndarray, shape (channel, row, column)
        The same channels of two frames.
    pixel_nm : float
        Distance of pixels (nm).

    Raises
    ------
    SpecError
        When there is no channel, or the images do not fit each other.
    """
    if not len(references) or len(references) != len(movings):
        raise SpecError(f"cannot register {len(references)} with {len(movings)} channels; give the same, at least one")
    shifts = [register(*pair, pixel_nm) for pair in zip(references, movings, strict=True)]
    return max(shifts, key=lambda shift: shift.confidence)


def locate(
    survey: Image, small: Image, pixel_nm: float, expected_row: float, expected_col: float, search_px: int
) -> Shift:
    """Return how far features have moved from ``survey`` to the smaller, later scan ``small``.

    Normalised cross-correlation (Lewis, Vision Interface (1995) 120) at every place in the
    search window, then a paraboloid through the peak and its
    neighbours.

    Parameters
    ----------
    survey : ndarray, shape (row, column)
        The overview; any unit, NaN counts as background.
    small : ndarray, shape (row, column)
        A scan with the pixel size and angle of the survey.
    pixel_nm : float
        Distance of pixels (nm) of both.
    expected_row, expected_col : float
        Where the centre of ``small`` lies in the survey if nothing has moved; whole numbers
        are centres of survey pixels.
    search_px : int
        Largest movement (pixels) that is looked for, along each axis.

    Returns
    -------
    Shift
        Confidence 0 when the best place lies on the border of the search window, because the
        truth is then likely outside, and when there is no feature at all.

    Raises
    ------
    SpecError
        When the small scan does not fit into the survey with a pixel to spare.
    """
    from skimage.feature import match_template

    rows, cols = small.shape
    start_row, start_col = expected_row - (rows - 1) / 2, expected_col - (cols - 1) / 2
    first_row, first_col = max(round(start_row) - search_px, 0), max(round(start_col) - search_px, 0)
    last_row, last_col = round(start_row) + search_px + rows, round(start_col) + search_px + cols
    window = survey[first_row : max(last_row, 0), first_col : max(last_col, 0)]
    if min(np.subtract(window.shape, small.shape)) < 2 or min(small.shape) < 4:
        raise SpecError(
            f"a scan of {small.shape} pixels at row {expected_row:g}, column {expected_col:g} cannot be "
            f"looked for in a survey of {survey.shape}; scan a smaller area inside it"
        )
    plane = window - level_plane(window)
    slope_row, slope_col = plane[1, 0] - plane[0, 0], plane[0, 1] - plane[0, 0]
    along_rows, along_cols = np.indices(small.shape)
    template = small - slope_row * along_rows - slope_col * along_cols
    score = match_template(_filled(level_plane(window)), _filled(template - np.nanmean(template)))
    row, column = (int(i) for i in np.unravel_index(int(np.argmax(score)), score.shape))
    border = row in (0, score.shape[0] - 1) or column in (0, score.shape[1] - 1)
    trusted = not (border or _flat(small) or _flat(window))
    found_row, found_col = float(row), float(column)
    if not border:
        top_row, top_col = _top(score[row - 1 : row + 2, column - 1 : column + 2])
        found_row, found_col = row + top_row, column + top_col
    return Shift(
        dx_nm=(start_col - first_col - found_col) * pixel_nm,
        dy_nm=(start_row - first_row - found_row) * pixel_nm,
        confidence=_unit(float(score[row, column])) if trusted else 0.0,
    )


def _peak(first: Image, second: Image, normalization: str | None) -> tuple[float, float]:
    """Return the movement (rows, columns) at the peak of the windowed cross-correlation."""
    from skimage.filters import window
    from skimage.registration import phase_cross_correlation

    hann = window("hann", first.shape)
    a, b = _filled(first) * hann, _filled(second) * hann
    if not (a.any() and b.any()):
        return 0.0, 0.0
    back, *_ = phase_cross_correlation(a, b, normalization=normalization)  # pyright: ignore[reportArgumentType]  # None is allowed
    return -float(back[0]), -float(back[1])


def _climbed(first: Image, second: Image, start: tuple[float, float]) -> tuple[float, tuple[float, float]]:
    """Return agreement and movement (rows, columns) at the local maximum of the agreement next to ``start``."""
    at = (round(start[0]), round(start[1]))
    known: dict[tuple[int, int], float] = {}
    for _ in range(_MOST_STEPS):
        around = [(at[0] + row, at[1] + column) for row in (-1, 0, 1) for column in (-1, 0, 1)]
        for place in around:
            if place not in known:
                known[place] = _agreement(first, second, place)
        best = max(around, key=lambda place: known[place])
        if known[best] <= known[at]:
            top_row, top_col = _top(np.array([known[place] for place in around]).reshape(3, 3))
            return known[at], (at[0] + top_row, at[1] + top_col)
        at = best
    return 0.0, (float(at[0]), float(at[1]))


def _agreement(first: Image, second: Image, shift: tuple[int, int]) -> float:
    """Return the correlation coefficient of the overlap after ``shift`` (pixels) is undone."""
    a, b = _overlap(first, second, shift)
    shared = np.isfinite(a) & np.isfinite(b)
    if shared.sum() < _LEAST_OVERLAP * first.size:
        return 0.0
    a, b = a[shared] - a[shared].mean(), b[shared] - b[shared].mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale else 0.0


def _overlap(first: Image, second: Image, shift: tuple[int, int]) -> tuple[Image, Image]:
    """Return the parts of both images that show the same place after a movement by ``shift``."""
    cut_first, cut_second = [], []
    for move, size in zip(shift, first.shape, strict=True):
        cut_first.append(slice(max(0, -move), max(0, size - max(0, move))))
        cut_second.append(slice(max(0, move), max(0, size - max(0, -move))))
    return first[tuple(cut_first)], second[tuple(cut_second)]


def _flat(image: Image) -> bool:
    """Return whether nothing but rounding is left of ``image`` without its plane."""
    good = image[np.isfinite(image)]
    return not good.size or float(np.nanstd(level_plane(image))) <= 1e-12 * float(np.abs(good).max())


def _filled(image: Image) -> Image:
    return np.nan_to_num(image, nan=0.0)


def _top(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return where the paraboloid through a 3 x 3 maximum has its top, from the middle (rows, columns).

    Least squares of the six terms of a quadratic over the nine values; (0, 0) where it has no top
    within a pixel.
    """
    row, column = (axis.ravel() - 1.0 for axis in np.indices((3, 3)))
    terms = np.column_stack([np.ones(9), row, column, row**2, column**2, row * column])
    _, g_row, g_col, h_row, h_col, h_mixed = np.linalg.lstsq(terms, values.ravel(), rcond=None)[0]
    hessian = np.array([[2 * h_row, h_mixed], [h_mixed, 2 * h_col]])
    if h_row >= 0 or np.linalg.det(hessian) <= 0:
        return 0.0, 0.0
    top = np.linalg.solve(hessian, [-g_row, -g_col])
    return (float(top[0]), float(top[1])) if np.abs(top).max() <= 1 else (0.0, 0.0)


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)
