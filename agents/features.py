"""Numbers that a surrogate sees of each candidate: what surrounds it, and where it lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .problem import Problem


@dataclass(frozen=True)
class Features:
    """One row per candidate.

    Attributes
    ----------
    table : ndarray, shape (candidate, patch_columns + 2)
        First what the patch looks like, as a whole and in its centre, then where it lies; no unit.
    patch_columns : int
        How many of the columns describe the patch; 0 without image channels.
    """

    table: NDArray[np.float64]
    patch_columns: int


def build_features(problem: Problem, components: int) -> Features:
    """Return patches as principal components, their centres, and coordinates as fractions of the survey.

    Components are not whitened: their distances are distances of (denoised) patches, and the
    many faint components stay faint. They are divided by one number, so that the mean squared
    distance from the mean patch is 1. The centres are the channels at the candidate itself, which
    is one pixel of hundreds in the patch but is where the property is measured; they are scaled
    together in the same way, so that centre and patch weigh the same. Coordinates run from 0 to 1
    along the longer edge.

    Parameters
    ----------
    problem : Problem
        The candidates.
    components : int
        How many principal components to keep at most; 0 for coordinates only.
    """
    origin = problem.xy.min(axis=0)
    extent = float(np.ptp(problem.xy, axis=0).max()) or 1.0
    xy = (problem.xy - origin) / extent
    patch = _principal_components(problem.patches.reshape(len(problem), -1), components)
    middle = problem.patches.shape[-1] // 2
    centre = _unit_spread(problem.patches[:, :, middle, middle]) if patch.shape[1] else patch
    return Features(np.ascontiguousarray(np.hstack([patch, centre, xy])), patch.shape[1] + centre.shape[1])


def _unit_spread(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``rows`` about their mean with a mean squared norm of 1; no column when nothing varies."""
    if not np.ptp(rows, axis=0).any():
        return np.empty((len(rows), 0))
    rows = rows - rows.mean(axis=0)
    return rows / np.sqrt(np.mean(np.sum(rows**2, axis=1)))


def _principal_components(rows: NDArray[np.float64], components: int) -> NDArray[np.float64]:
    """Return the leading components with a mean squared norm of 1; no column when nothing varies."""
    from sklearn.decomposition import PCA

    count = min(components, rows.shape[1], len(rows) - 1)
    if count < 1 or not np.ptp(rows, axis=0).any():
        return np.empty((len(rows), 0))
    scores = PCA(count, svd_solver="covariance_eigh").fit_transform(rows)
    size = np.sqrt(np.mean(np.sum(scores**2, axis=1)))
    # Components without any variance are rounding errors of the decomposition.
    return scores[:, scores.std(axis=0) > 1e-9 * size] / size
