"""How switching follows from structure: one law per world, its coefficients drawn from the seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.rng import generator
from .fields import Maps, blur, random_field
from .loops import LoopParameters
from .structure import Structure

A_RESPONSE, A_SWITCHABLE = 0.3, 0.2  # of an a domain relative to a c domain
_ONSET = 1.3299  # erfinv(0.94): widths below a transition at which it has begun by 3 %
_RATE = 0.06  # growth of coercive biases per decade of frequency
_CORRELATION = 50e-9  # m, of the random field and the random bonds
_REACH = 1.5e-6  # m over which the smooth trend of a null world saturates


@dataclass(frozen=True)
class Law:
    """Coefficients of the switching law, and the directions of a trend in null worlds.

    With ``e180 = exp(-s180 / length_180)`` and ``eac = exp(-sac / length_ac)`` of the distances to
    the walls, ``Vc = coercive * (1 - wall_180 e180 - wall_ac eac + bond * g)``; the branches lie at
    ``imprint + imprint_180 e180 + imprint_ac eac + disorder * f +- Vc``, with ``f`` and ``g`` random
    fields of standard deviation 1 and correlation length 50 nm; and of the polarisation that could
    switch, ``pinned e180`` stays as it is. That defects and walls decide where switching begins is
    measured (S. Jesse et al., Nature Materials 7, 209 (2008), doi:10.1038/nmat2114); these
    functional forms are a modelling choice.

    Attributes
    ----------
    coercive : float
        Coercive bias far from walls at 1 Hz (V), 2.5 to 3.5.
    wall_180, length_180 : float
        Easing at 180 degree walls, 0.15 to 0.35, and its decay length (m), 30 to 60 nm.
    wall_ac, length_ac : float
        The same at a/c walls: -0.45 to -0.25 (pinning) or 0.1 to 0.3, 40 to 80 nm.
    imprint : float
        Offset of the loops far from walls (V), -0.5 to 0.5.
    imprint_180, imprint_ac : float
        What is added to it at walls (V), each -0.4 to -0.15 or 0.15 to 0.4: charge gathers there.
    pinned : float
        Share that a 180 degree wall keeps from switching, 0.05 to 0.2.
    disorder : float
        Random field (V), 0.2 to 0.4: moves loops along the bias.
    bond : float
        Random bonds, 0.02 to 0.06: widen and narrow loops. No image shows either.
    onset : float
        Nucleation bias over coercive bias, 0.7 to 0.95.
    completion : float
        Width of a transition after the coercive bias over that before it, 1 to 1.5.
    d33 : float
        Effective piezoelectric coefficient of c domains (m/V), 30 to 60 pm/V.
    slope : float
        Linear part of the off-field loop (m/V per V), 0 to 0.2 pm/V per V.
    trend : ndarray, shape (2, 2)
        Two unit vectors: along the first, coercive biases change, along the second, responses.
    """

    coercive: float
    wall_180: float
    length_180: float
    wall_ac: float
    length_ac: float
    imprint: float
    imprint_180: float
    imprint_ac: float
    pinned: float
    disorder: float
    bond: float
    onset: float
    completion: float
    d33: float
    slope: float
    trend: NDArray[np.float64]

    @classmethod
    def draw(cls, seed: int) -> Law:
        """Return the law of the world ``seed``."""
        rng = generator(seed, "law")
        angle = rng.uniform(0, 2 * np.pi, 2)
        walls = generator(seed, "law at walls")
        return cls(
            coercive=rng.uniform(2.5, 3.5),
            wall_180=rng.uniform(0.15, 0.35),
            length_180=rng.uniform(30e-9, 60e-9),
            wall_ac=rng.uniform(-0.45, -0.25) if rng.random() < 0.5 else rng.uniform(0.1, 0.3),
            length_ac=rng.uniform(40e-9, 80e-9),
            imprint=rng.uniform(-0.5, 0.5),
            imprint_180=walls.uniform(0.15, 0.4) * walls.choice([-1, 1]),
            imprint_ac=walls.uniform(0.15, 0.4) * walls.choice([-1, 1]),
            pinned=walls.uniform(0.05, 0.2),
            disorder=rng.uniform(0.2, 0.4),
            bond=rng.uniform(0.02, 0.06),
            onset=rng.uniform(0.7, 0.95),
            completion=rng.uniform(1.0, 1.5),
            d33=rng.uniform(30e-12, 60e-12),
            slope=rng.uniform(0, 0.2e-12),
            trend=np.stack([np.cos(angle), np.sin(angle)], axis=1),
        )

    def near_walls(self, structure: Structure) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return how near the 180 degree and the a/c walls are, each 1 at a wall and 0 far away."""
        near_180 = np.exp(-np.abs(structure.wall_180) / self.length_180)
        return near_180, np.exp(-np.abs(structure.wall_ac) / self.length_ac)

    def switchable(self, structure: Structure) -> NDArray[np.float64]:
        """Return the share of a c domain's response that switches, 0 to 1, without the tip's blur."""
        near_180, _ = self.near_walls(structure)
        return (1 - (1 - A_SWITCHABLE) * structure.a_fraction) * (1 - self.pinned * near_180)

    def loops(
        self,
        coercivity: NDArray[np.float64],
        switchable: NDArray[np.float64],
        offset: NDArray[np.float64],
        stuck: NDArray[np.float64],
        frequency: float,
    ) -> LoopParameters:
        """Return the loops where the local quantities are as given; arrays of shape (point,).

        Parameters
        ----------
        coercivity : ndarray
            Coercive bias over its value far from walls.
        switchable : ndarray
            Response that switches, over ``d33``.
        offset : ndarray
            Imprint (V).
        stuck : ndarray
            Response that does not switch, over ``d33``, with its sign.
        frequency : float
            Frequency of the bias cycle (Hz); coercive biases grow 6 % per decade.
        """
        coercive = self.coercive * (1 + _RATE * np.log10(frequency)) * coercivity
        onset = (1 - self.onset) * coercive / _ONSET
        completion = self.completion * onset
        return LoopParameters(
            v_minus=offset - coercive,
            v_plus=offset + coercive,
            low=self.d33 * (stuck - switchable),
            switchable=2 * self.d33 * switchable,
            slope=np.full_like(coercive, self.slope),
            # The descending branch nucleates above its coercive bias, the ascending one below.
            widths=np.stack([completion, onset, onset, completion]),
        )


def property_maps(law: Law, structure: Structure, seed: int, psf: float) -> Maps:
    """Return what loops depend on, as the tip feels it, where structure decides.

    Parameters
    ----------
    law : Law
        The law of this world.
    structure : Structure
        The one that decides: the imaged one, or a hidden one in null worlds.
    seed : int
        Seed of the world, for the random fields.
    psf : float
        Standard deviation (m) of the tip's point spread function.
    """
    field = random_field(generator(seed, "random field"), _CORRELATION)
    bonds = random_field(generator(seed, "random bonds"), _CORRELATION)
    near_180, near_ac = law.near_walls(structure)
    switchable = law.switchable(structure)
    return Maps(
        {
            "coercivity": 1 - law.wall_180 * near_180 - law.wall_ac * near_ac + law.bond * bonds,
            "switchable": blur(switchable, psf),
            "offset": law.imprint + law.imprint_180 * near_180 + law.imprint_ac * near_ac + law.disorder * field,
            "stuck": blur(pristine_response(structure) - structure.polarization * switchable, psf),
        }
    )


def pristine_response(structure: Structure) -> NDArray[np.float64]:
    """Return the response over ``d33`` before anything was switched, with its sign, without the tip's blur."""
    return structure.polarization * (1 - (1 - A_RESPONSE) * structure.a_fraction)


def trend_properties(law: Law, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the properties of :func:`property_maps` as smooth trends, shape (4, point).

    Coercive biases change by up to 30 %, responses by up to 20 %, over about 3 um.
    """
    first = np.tanh((law.trend[0, 0] * x + law.trend[0, 1] * y) / _REACH)
    second = np.tanh((law.trend[1, 0] * x + law.trend[1, 1] * y) / _REACH)
    zero = np.zeros_like(first)
    return np.stack([1 + 0.3 * first, 0.9 - 0.1 * second, zero + law.imprint, zero])
