"""Needle domains: wedges of one polarity in a matrix of the other, all along one direction.

A geometric surrogate, like ``structure.py``: straight wedges with lengths from a power law.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...core.rng import generator
from .fields import FAR, GRID, PERIOD, STEP, random_field, signed_distance
from .structure import Structure

_SHORTEST, _LONGEST = 0.15e-6, 1.2e-6  # m
_EXPONENT = 2.0  # of the density of lengths: as many decades of short needles as of long ones cover the film


def draw_needles(seed: int, role: str) -> Structure:
    """Return a structure of needle domains, ``role`` of the world ``seed``.

    Needles are 0.15 to 1.2 um long, with a density of lengths that falls as the square; 6 to 12 times
    as long as wide; both senses of one direction; as many as would cover 15 to 40 % of the film if they
    did not overlap. ``wall_ac`` holds the distance to the nearest free needle tip, where walls are
    inclined and charge gathers. The film is flat but for its roughness.

    Parameters
    ----------
    seed : int
        Seed of the world.
    role : str
        Which structure of this world; different roles are independent.
    """
    rng = generator(seed, "needles", role)
    direction, aspect = rng.uniform(0, np.pi), rng.uniform(6, 12)
    inside, tips = _draw(rng, direction, aspect, rng.uniform(0.15, 0.4))
    up = inside ^ bool(rng.integers(2))
    return Structure(
        polarization=np.where(up, 1.0, -1.0),
        a_fraction=np.zeros((GRID, GRID)),
        wall_180=signed_distance(up),
        wall_ac=signed_distance(tips) if tips.any() else np.full((GRID, GRID), -FAR),
        height=rng.uniform(0.05e-9, 0.15e-9) * random_field(rng, 50e-9),
    )


def _draw(
    rng: np.random.Generator, direction: float, aspect: float, share: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return where needles are, and the nodes just before their tips, each of shape (GRID, GRID)."""
    inside, tips = np.zeros((2, GRID, GRID), bool)
    covered = 0.0
    while covered < share * PERIOD**2:
        length = _length(rng.random())
        covered += 0.5 * length**2 / aspect
        angle = direction + np.pi * rng.integers(2)
        along = np.array([np.sin(angle), np.cos(angle)])  # row, column
        base = rng.uniform(0, GRID, 2)
        _wedge(inside, base, along, length / STEP, length / aspect / STEP)
        row, column = np.round(base + along * (length / STEP + 1.5)).astype(int) % GRID
        tips[row, column] = True
    return inside, tips & ~inside


def _length(quantile: float) -> float:
    """Return the length (m) of a needle at ``quantile`` (0 to 1) of a truncated power law."""
    power = 1 - _EXPONENT
    low, high = _SHORTEST**power, _LONGEST**power
    return (low + quantile * (high - low)) ** (1 / power)


def _wedge(
    inside: NDArray[np.bool_], base: NDArray[np.float64], along: NDArray[np.float64], length: float, width: float
) -> None:
    """Mark a wedge; ``base`` is the middle of its wide end, lengths are in nodes."""
    reach = int(length + width) + 1
    offsets = np.arange(-reach, reach + 1)
    middle = np.floor(base).astype(int)
    row = (offsets + middle[0] - base[0])[:, None]
    column = (offsets + middle[1] - base[1])[None, :]
    far = row * along[0] + column * along[1]
    aside = np.abs(row * along[1] - column * along[0])
    half = np.maximum(0.5 * width * (1 - far / length), 0.5)  # one node at least, so that it does not end in dots
    here = (far >= 0) & (far <= length) & (aside <= half)
    inside[np.ix_((offsets + middle[0]) % GRID, (offsets + middle[1]) % GRID)] |= here
