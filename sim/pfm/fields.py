"""Fields on a periodic square grid: random ones, distances, blurring, sampling anywhere."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import distance_transform_edt

GRID = 1024  # nodes per edge; a power of two, so that wrapping is a bit mask
STEP = 5e-9  # m between nodes; half the narrowest domain
PERIOD = GRID * STEP  # m
FAR = 1e-5  # m, a distance at which no wall matters
_PAD = 96  # nodes; distances are exact up to 0.48 um, far beyond any influence of a wall


def axis() -> NDArray[np.float64]:
    """Return the coordinates of the nodes along one edge (m), shape (GRID,); 0 is in the middle."""
    return STEP * np.arange(-GRID // 2, GRID // 2, dtype=np.float64)


def _wavenumber() -> NDArray[np.float64]:
    """Return ``|k|`` (rad/m) of the half spectrum, shape (GRID, GRID // 2 + 1)."""
    return 2 * np.pi * np.hypot(np.fft.fftfreq(GRID, STEP)[:, None], np.fft.rfftfreq(GRID, STEP))


def _filtered(rng: np.random.Generator, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    weight[0, 0] = 0
    noise = rng.standard_normal((GRID, GRID), dtype=np.float32)
    field = np.fft.irfft2(np.fft.rfft2(noise) * weight.astype(np.float32), s=(GRID, GRID))
    return field / field.std()


def random_field(rng: np.random.Generator, length: float) -> NDArray[np.float64]:
    """Return a Gaussian random field, shape (GRID, GRID), mean 0, standard deviation 1.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the randomness comes from.
    length : float
        Correlation length (m): the autocovariance is ``exp(-r**2 / (2 length**2))``.
    """
    return _filtered(rng, np.exp(-0.25 * (_wavenumber() * length) ** 2))


def labyrinth_field(rng: np.random.Generator, width: float) -> NDArray[np.float64]:
    """Return a Gaussian random field, shape (GRID, GRID), whose sign is a labyrinth.

    Its spectrum is a ring, so that the regions of equal sign have a typical ``width`` (m).
    J. W. Cahn, J. Chem. Phys. 42, 93 (1965), doi:10.1063/1.1695731.
    """
    ring = np.pi / width
    return _filtered(rng, np.exp(-0.5 * ((_wavenumber() - ring) / (0.3 * ring)) ** 2))


def signed_distance(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the distance (m) to the border of ``inside``, positive inside, periodic.

    Parameters
    ----------
    inside : ndarray of bool, shape (GRID, GRID)
        Without any border the distance is :data:`FAR` everywhere.
    """
    if inside.all() or not inside.any():
        return np.where(inside, FAR, -FAR)
    padded = np.pad(inside, _PAD, mode="wrap")
    # Half a step: the border runs between two nodes.
    both = np.asarray(distance_transform_edt(padded)) - np.asarray(distance_transform_edt(~padded))
    both -= np.copysign(0.5, both)
    return STEP * both[_PAD:-_PAD, _PAD:-_PAD]


def blur(field: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Return ``field`` convolved with a Gaussian of standard deviation ``sigma`` (m), periodic."""
    weight = np.exp(-0.5 * (_wavenumber() * sigma) ** 2)
    return np.fft.irfft2(np.fft.rfft2(field) * weight, s=(GRID, GRID))


class Maps:
    """Named maps that can be read at any coordinates, bilinear between nodes.

    Parameters
    ----------
    maps : mapping of str to ndarray, shape (GRID, GRID)
        Row is y, column is x. Single precision is kept: it is finer than bilinear is.

    Attributes
    ----------
    names : tuple of str
        Of the maps, in their order.
    """

    def __init__(self, maps: Mapping[str, NDArray[np.float64]]):
        self.names = tuple(maps)
        self._row = {name: number for number, name in enumerate(maps)}
        self._stack = np.stack([field.astype(np.float32).ravel() for field in maps.values()])

    def at(self, x: ArrayLike, y: ArrayLike, *names: str) -> NDArray[np.float64]:
        """Return the maps ``names`` at ``x, y`` (m), shape ``(name, *x.shape)``."""
        u = np.asarray(x, float) / STEP + GRID // 2
        v = np.asarray(y, float) / STEP + GRID // 2
        column, row = np.floor(u), np.floor(v)
        u, v = u - column, v - row
        left, low = column.astype(np.int64) & (GRID - 1), (row.astype(np.int64) & (GRID - 1)) * GRID
        right, high = (left + 1) & (GRID - 1), (low + GRID) & (GRID * GRID - 1)
        out = np.empty((len(names), *u.shape))
        for number, name in enumerate(names):
            field = self._stack[self._row[name]]
            below = field[low + left] * (1 - u) + field[low + right] * u
            above = field[high + left] * (1 - u) + field[high + right] * u
            out[number] = below + v * (above - below)
        return out
