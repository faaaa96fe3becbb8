"""A polycrystalline film: every grain has its own polar axis, and grain boundaries are grooves.

A geometric surrogate, like ``structure.py``: cells around points that lie at random (a Poisson-Voronoi
tessellation), one polar axis in each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from ...core.rng import generator
from .fields import GRID, PERIOD, STEP, random_field, signed_distance
from .structure import Structure


def draw_grains(seed: int, role: str) -> Structure:
    """Return a polycrystalline structure ``role`` of the world ``seed``.

    Grains are 80 to 250 nm wide on average; 30 to 70 % of them point up. The polar axis of a grain
    leans from the normal of the film by an angle that is uniform up to 20 to 60 degrees; ``a_fraction``
    is what is missing in its projection, ``1 - cos``. ``wall_ac`` holds the distance to the nearest
    grain boundary. Boundaries are grooves of 0.3 to 1.5 nm, and whole grains stand out by some tenths
    of a nm, as after an anneal.

    Parameters
    ----------
    seed : int
        Seed of the world.
    role : str
        Which structure of this world; different roles are independent.
    """
    rng = generator(seed, "grains", role)
    count = max(2, round((PERIOD / rng.uniform(80e-9, 250e-9)) ** 2))
    grain = _cells(rng.uniform(0, PERIOD, (count, 2)))
    up = (rng.random(count) < rng.uniform(0.3, 0.7))[grain]
    lean = rng.uniform(0, np.radians(rng.uniform(20, 60)), count)[grain]
    boundary = signed_distance((grain != np.roll(grain, 1, 0)) | (grain != np.roll(grain, 1, 1)))
    groove = rng.uniform(0.3e-9, 1.5e-9) * np.exp(-np.abs(boundary) / rng.uniform(10e-9, 25e-9))
    stands = rng.uniform(0.1e-9, 0.4e-9) * rng.standard_normal(count)[grain]
    return Structure(
        polarization=np.where(up, 1.0, -1.0),
        a_fraction=1 - np.cos(lean),
        wall_180=signed_distance(up),
        wall_ac=boundary,
        height=rng.uniform(0.05e-9, 0.15e-9) * random_field(rng, 50e-9) + stands - groove,
    )


def _cells(points: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the number of the nearest of ``points`` (m, 0 to PERIOD), periodic, shape (GRID, GRID)."""
    u = STEP * np.arange(GRID)
    nodes = np.stack(np.meshgrid(u, u), axis=-1)
    return np.asarray(KDTree(points, boxsize=PERIOD).query(nodes)[1])
