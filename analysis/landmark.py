"""A part of an image that can be found again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from skimage.feature import structure_tensor, structure_tensor_eigenvalues

from .patches import robust_scale


def best_landmark(images: NDArray[np.float64], size: int) -> tuple[int, int]:
    """Return row and column of the centre of the window with the most two-dimensional texture.

    The smaller eigenvalue of the structure tensor says how well a window can be located
    along its *worse* direction (Shi and Tomasi, 1994, doi:10.1109/CVPR.1994.323794).

    Parameters
    ----------
    images : ndarray, shape (channel, row, column)
        Images of the same area; each is scaled before they are added up.
    size : int
        Edge of the window (pixels), at most that of the image.
    """
    strength = np.zeros(images.shape[1:])
    for image in images:
        tensor = structure_tensor(robust_scale(image), sigma=max(1, size // 6), mode="reflect")
        strength += structure_tensor_eigenvalues(tensor)[1]
    strength = uniform_filter(strength, size)
    half = size // 2
    rows, columns = images.shape[1:]
    inner = strength[half : rows - half, half : columns - half]
    row, column = divmod(int(np.argmax(inner)), inner.shape[1])
    return row + half, column + half
