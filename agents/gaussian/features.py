"""Numbers that a surrogate sees of each candidate: what surrounds it, and where it lies."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.blas import one_thread
from ..problem import Problem
from .kernels import Group, Kernel


@dataclass(frozen=True)
class Features:
    """One row per candidate.

    Attributes
    ----------
    table : ndarray, shape (candidate, patch_columns + dof)
        First what the surroundings look like, then where they lie; no unit.
    patch_columns : int
        How many of the columns describe the surroundings; 0 without image channels.
    kernel : Kernel
        Compares rows of the table: a length scale for the surroundings, and one for the place, or
        one for each degree of freedom where their units differ.
    """

    table: NDArray[np.float64]
    patch_columns: int
    kernel: Kernel


def build_features(problem: Problem, components: int) -> Features:
    """Return surroundings as principal components, and coordinates as fractions of the survey.

    The surroundings are seen through concentric windows, each half as wide as the one before,
    down to 3 x 3 pixels: in a patch of hundreds of pixels the few next to the candidate, where
    the property is measured, would hardly count. Every window weighs the same.

    Components are not whitened: their distances are distances of (denoised) windows, and the
    many faint components stay faint. They are divided by one number per window, so that the
    mean squared distance from the mean of all columns together is 1.

    Parameters
    ----------
    problem : Problem
        The candidates.
    components : int
        How many principal components to keep of each window at most; 0 for coordinates only.
    """
    seen = [_principal_components(window, components) for window in _windows(problem)]
    seen = [columns / np.sqrt(len(seen)) for columns in seen]
    table = np.ascontiguousarray(np.hstack([*seen, problem.coordinates]))
    columns = table.shape[1] - len(problem.dofs)
    surroundings = [Group(slice(0, columns), 0, 1.0)] if columns else []
    return Features(table, columns, Kernel((*surroundings, *_place_groups(problem, columns))))


def _place_groups(problem: Problem, start: int) -> list[Group]:
    """Return how coordinates are compared, whose first column is ``start``."""
    count = len(problem.dofs)
    norm = math.sqrt(count / 12)  # of numbers spread uniformly over a unit cube, from its centre
    if len(set(problem.units)) == 1:
        return [Group(slice(start, start + count), 1, norm)]
    return [Group(slice(start + axis, start + axis + 1), 1, norm) for axis in range(count)]


def _windows(problem: Problem) -> list[NDArray[np.float64]]:
    """Return the pixels of each window, widest first, each of shape (candidate, pixel)."""
    middle = problem.patches.shape[-1] // 2
    half, windows = middle, []
    while half or not windows:
        inner = slice(middle - half, middle + half + 1)
        windows.append(problem.patches[:, :, inner, inner].reshape(len(problem), -1))
        half //= 2
    return windows


@one_thread
def _principal_components(rows: NDArray[np.float64], components: int) -> NDArray[np.float64]:
    """Return the leading components with a mean squared norm of 1; no column when nothing varies."""
    count = min(components, rows.shape[1], len(rows) - 1)
    if count < 1 or not np.ptp(rows, axis=0).any():
        return np.empty((len(rows), 0))
    # By hand: importing scikit-learn takes as much memory as everything that the agent keeps.
    centred = rows - rows.mean(axis=0)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, : -count - 1 : -1]
    scores = centred @ (axes * np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0)))
    size = np.sqrt(np.mean(np.sum(scores**2, axis=1)))
    # Components without any variance are rounding errors of the decomposition.
    return scores[:, scores.std(axis=0) > 1e-9 * size] / size
