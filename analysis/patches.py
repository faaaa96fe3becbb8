"""Image patches around pixels, and their scaling."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray


def robust_scale(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``image`` with median 0 and interquartile range 1, cut at +-5, NaN as 0.

    Robust, because one bad line or failed fit must not flatten every other pixel.

    Parameters
    ----------
    image : ndarray, shape (row, column)
        Any unit; NaN where not measured. A constant image becomes zeros.
    """
    finite = image[np.isfinite(image)]
    if not finite.size:
        return np.zeros_like(image)
    low, middle, high = np.percentile(finite, [25, 50, 75])
    spread = high - low
    if spread <= 1e-12 * finite.std():  # nearly all pixels are equal: what differs between them is rounding
        spread = finite.std() or 1.0
    return np.nan_to_num(np.clip((image - middle) / spread, -5, 5), nan=0.0)


def extract_patches(stack: NDArray[np.float64], pixel: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """Return the patch of every channel around every pixel.

    Parameters
    ----------
    stack : ndarray, shape (channel, row, column)
        Images; every patch must lie inside.
    pixel : ndarray of int, shape (candidate, 2)
        Row and column of the centres.
    size : int
        Edge of the patch in pixels, odd.

    Returns
    -------
    ndarray, shape (candidate, channel, size, size)
    """
    windows = sliding_window_view(stack, (size, size), axis=(1, 2))
    half = size // 2
    picked = windows[:, pixel[:, 0] - half, pixel[:, 1] - half]
    return np.ascontiguousarray(np.moveaxis(picked, 0, 1))
