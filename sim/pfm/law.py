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

    ``Vc = coercive * (1 - wall_180 exp(-s180 / length_180) - wall_ac exp(-sac / length_ac) + bond * g)``;
    the branches lie at ``imprint + disorder * f +- Vc``, with ``f`` and ``g`` random fields of
    standard deviation 1 and correlation length 50 nm. That defects and
    walls decide where switching begins is measured (S. Jesse et al., Nature Materials 7, 209
    (2008), doi:10.1038/nmat2114); this functional form is a modelling choice.

    Attributes
    ----------
    coercive : float
        Coercive bias far from walls at 1 Hz (V), 2.5 to 3.5.
    wall_180, length_180 : float
        Easing at 180 degree walls, 0.15 to 0.35, and its decay length (m), 30 to 60 nm.
    wall_ac, length_ac : float
        The same at a/c walls: -0.45 to -0.25 (pinning) or 0.1 to 0.3, 40 to 80 nm.
    imprint : float
        Offset of the loops (V), -0.5 to 0.5.
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
        return cls(
            coercive=rng.uniform(2.5, 3.5),
            wall_180=rng.uniform(0.15, 0.35),
            length_180=rng.uniform(30e-9, 60e-9),
            wall_ac=rng.uniform(-0.45, -0.25) if rng.random() < 0.5 else rng.uniform(0.1, 0.3),
            length_ac=rng.uniform(40e-9, 80e-9),
            imprint=rng.uniform(-0.5, 0.5),
            disorder=rng.uniform(0.2, 0.4),
            bond=rng.uniform(0.02, 0.06),
            onset=rng.uniform(0.7, 0.95),
            completion=rng.uniform(1.0, 1.5),
            d33=rng.uniform(30e-12, 60e-12),
            slope=rng.uniform(0, 0.2e-12),
            trend=np.stack([np.cos(angle), np.sin(angle)], axis=1),
        )

    def coercivity(self, wall_180: NDArray[np.float64], wall_ac: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return coercive bias over its value far from walls, for signed distances (m), without disorder."""
        near_180 = self.wall_180 * np.exp(-np.abs(wall_180) / self.length_180)
        near_ac = self.wall_ac * np.exp(-np.abs(wall_ac) / self.length_ac)
        return 1 - near_180 - near_ac

    def loops(
        self,
        coercivity: NDArray[np.float64],
        a_fraction: NDArray[np.float64],
        offset: NDArray[np.float64],
        frozen: NDArray[np.float64],
        frequency: float,
    ) -> LoopParameters:
        """Return the loops where the local quantities are as given; arrays of shape (point,).

        Parameters
        ----------
        coercivity : ndarray
            As from :meth:`coercivity`.
        a_fraction : ndarray
            Share of a domain under the tip.
        offset : ndarray
            Imprint (V).
        frozen : ndarray
            Polarisation, -1 to 1, of what does not switch.
        frequency : float
            Frequency of the bias cycle (Hz); coercive biases grow 6 % per decade.
        """
        coercive = self.coercive * (1 + _RATE * np.log10(frequency)) * coercivity
        onset = (1 - self.onset) * coercive / _ONSET
        completion = self.completion * onset
        switchable = self.d33 * (1 - (1 - A_SWITCHABLE) * a_fraction)
        stuck = self.d33 * (A_RESPONSE - A_SWITCHABLE) * a_fraction * frozen
        return LoopParameters(
            v_minus=offset - coercive,
            v_plus=offset + coercive,
            low=stuck - switchable,
            switchable=2 * switchable,
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
    return Maps(
        {
            "coercivity": law.coercivity(structure.wall_180, structure.wall_ac) + law.bond * bonds,
            "a_fraction": blur(structure.a_fraction, psf),
            "offset": law.imprint + law.disorder * field,
            "frozen": blur(structure.polarization, psf),
        }
    )


def trend_properties(law: Law, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the properties of :func:`property_maps` as smooth trends, shape (4, point).

    Coercive biases change by up to 30 %, responses by up to 20 %, over about 3 um.
    """
    first = np.tanh((law.trend[0, 0] * x + law.trend[0, 1] * y) / _REACH)
    second = np.tanh((law.trend[1, 0] * x + law.trend[1, 1] * y) / _REACH)
    zero = np.zeros_like(first)
    return np.stack([1 + 0.3 * first, 0.125 * (1 + second), zero + law.imprint, zero])
