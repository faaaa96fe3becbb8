"""Domain structure of a tetragonal ferroelectric film, drawn geometrically.

c domains point up or down and meet in 180 degree walls; a domains lie in the film plane and
appear as narrow stripes along [100] or [010]. Where an a domain meets a c domain the surface
kinks by ``90 deg - 2 atan(a/c)``. A geometric surrogate: no energy is minimised.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.rng import generator
from .fields import FAR, GRID, PERIOD, STEP, axis, labyrinth_field, random_field, signed_distance

AXIS_RATIO = 1.064  # c/a of PbTiO3 at room temperature; G. Shirane et al., Acta Cryst. 9, 131 (1956)
KINK = np.pi / 2 - 2 * np.arctan(1 / AXIS_RATIO)  # rad, 3.55 deg
_BLEND = 40e-9  # m over which stripes of one variant fade into the other's region


@dataclass(frozen=True)
class Stripes:
    """Parallel a domains across one period, and how far they bend the film.

    Attributes
    ----------
    center, width : ndarray, shape (stripe,)
        Position and full width of each stripe (m), across the stripes.
    relaxation : float
        Length (m) over which the clamped film returns to level beside a kink.
    """

    center: NDArray[np.float64]
    width: NDArray[np.float64]
    relaxation: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Stripes:
        """Draw widths of 10 to 60 nm, mean spacing 0.15 to 0.6 um, relaxation 80 to 200 nm."""
        spacing = rng.uniform(0.15e-6, 0.6e-6)
        count = max(2, round(PERIOD / spacing))
        jitter = rng.uniform(-0.3, 0.3, count)
        center = (np.arange(count) + 0.5 + jitter) * PERIOD / count - PERIOD / 2
        return cls(center, rng.uniform(10e-9, 60e-9, count), rng.uniform(80e-9, 200e-9))

    def distance(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the distance (m) to the nearest stripe border at ``u`` (m), positive inside."""
        return np.max(0.5 * self.width - np.abs(_wrap(u[:, None] - self.center)), axis=1)

    def height(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the surface height (m) at ``u`` (m), shape of ``u``.

        The slope jumps by ``tan(KINK)`` up at one border of a stripe and down at the other,
        and relaxes between: the Green function of a film on an elastic foundation,
        ``h'' - h / L**2 = kinks`` (S. Timoshenko, *Strength of Materials*).
        """
        length = self.relaxation
        up = np.abs(_wrap(u[:, None] - (self.center - 0.5 * self.width)))
        down = np.abs(_wrap(u[:, None] - (self.center + 0.5 * self.width)))
        bend = np.exp(-down / length) - np.exp(-up / length)
        return 0.5 * np.tan(KINK) * length * bend.sum(axis=1)


@dataclass(frozen=True)
class Structure:
    """Maps of one domain structure, each of shape (GRID, GRID), row is y.

    Attributes
    ----------
    polarization : ndarray
        +1 where the nearest c domain points up, -1 where it points down.
    a_fraction : ndarray
        Share of a domain in each cell, 0 to 1; of in-plane polarisation where axes lean.
    wall_180 : ndarray
        Signed distance (m) to the nearest 180 degree wall, positive in c+.
    wall_ac : ndarray
        Signed distance (m) to the nearest a/c wall, positive inside the a domain; of a polycrystal
        to the nearest grain boundary, of needles to the nearest tip: the same law holds there.
    height : ndarray
        Surface (m) with the ridges of the a/c walls and a little roughness.
    """

    polarization: NDArray[np.float64]
    a_fraction: NDArray[np.float64]
    wall_180: NDArray[np.float64]
    wall_ac: NDArray[np.float64]
    height: NDArray[np.float64]


def draw_structure(seed: int, role: str, *, walls: bool, stripes: bool) -> Structure:
    """Return the domain structure ``role`` of the world ``seed``.

    Parameters
    ----------
    seed : int
        Seed of the world.
    role : str
        Which structure of this world; different roles are independent.
    walls : bool
        c+ and c- domains (width 80 to 300 nm) with 180 degree walls; else one c domain.
    stripes : bool
        a domains.
    """
    rng = generator(seed, "structure", role)
    if walls:
        up = labyrinth_field(rng, rng.uniform(80e-9, 300e-9)) > rng.uniform(-0.4, 0.4)
    else:
        up = np.full((GRID, GRID), bool(rng.integers(2)))
    height = rng.uniform(0.05e-9, 0.15e-9) * random_field(rng, 50e-9)
    wall_ac = np.full((GRID, GRID), -FAR)
    if stripes:
        wall_ac, ridges = _draw_stripes(rng)
        height += ridges
    return Structure(
        polarization=np.where(up, 1.0, -1.0),
        a_fraction=np.clip(0.5 + wall_ac / STEP, 0, 1),
        wall_180=signed_distance(up),
        wall_ac=wall_ac,
        height=height,
    )


def _draw_stripes(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return signed distance to a/c walls and ridge height (m), each of shape (GRID, GRID)."""
    along_x, along_y = Stripes.draw(rng), Stripes.draw(rng)
    u = axis()
    region = signed_distance(random_field(rng, 400e-9) > rng.uniform(-0.5, 0.5))
    # Distances of unions and intersections: max is "or", min is "and".
    first = np.minimum(along_x.distance(u)[:, None], region)
    second = np.minimum(along_y.distance(u)[None, :], -region)
    share = 0.5 * (1 + np.tanh(region / _BLEND))
    ridges = share * along_x.height(u)[:, None] + (1 - share) * along_y.height(u)[None, :]
    return np.maximum(first, second), ridges


def _wrap(u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``u`` (m) moved by whole periods to the nearest 0."""
    return u - PERIOD * np.round(u / PERIOD)
