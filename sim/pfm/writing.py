"""Domains that a biased tip writes, and where they are felt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc

# Field under a charged tip of depth DEPTH: E = V / DEPTH * (1 + rho^2 / DEPTH^2)^(-3/2).
_DEPTH = 30e-9  # m
_ACTIVATION = 1.2e9  # V/m
_SPEED = 50.0  # m/s
_KEYS = ("x", "y", "radius", "polarization", "imprint")
_NEAR = 60e-9  # m beyond a written domain where the tip still feels it


@lru_cache(maxsize=256)  # loops of one experiment share their settings
def domain_radius(bias: float, seconds: float) -> float:
    """Return the radius (m) of the domain that ``bias`` (V) grows in ``seconds``.

    Wall creep ``dr/dt = v0 exp(-Ea / E(r))`` in the field under the tip, T. Tybell et al.,
    Phys. Rev. Lett. 89, 097601 (2002), doi:10.1103/PhysRevLett.89.097601: nearly linear in
    the bias and in the logarithm of time.
    """
    radius = np.linspace(0, 200e-9, 2001)
    field = abs(bias) / _DEPTH * (1 + (radius / _DEPTH) ** 2) ** -1.5
    # Time to reach each radius; the exponent is cut where it exceeds any experiment.
    pace = np.exp(np.minimum(_ACTIVATION / np.maximum(field, 1e3), 600)) / _SPEED
    time = np.concatenate([[0], np.cumsum(0.5 * (pace[1:] + pace[:-1]) * np.diff(radius))])
    return float(np.interp(seconds, time, radius))


class Written:
    """The domains written so far, fast to look up.

    Parameters
    ----------
    acts : sequence of mapping
        Acts of kind ``"domain"`` in the order they were done: ``x``, ``y``, ``radius`` (m),
        ``polarization`` (-1 to 1), ``imprint`` (V), the shift that it leaves.
    psf : float
        Standard deviation (m) of the tip's point spread function.
    """

    def __init__(self, acts: Sequence[Mapping[str, Any]], psf: float):
        self._acts: list[Mapping[str, Any]] = []
        self._rows = np.empty((64, len(_KEYS)))
        self._psf = psf
        self.follow(acts)

    def follow(self, acts: Sequence[Mapping[str, Any]]) -> None:
        """Take over ``acts``, which may differ at their end from those of before; costs what differs."""
        kept = min(len(acts), len(self._acts))
        while kept and acts[kept - 1] is not self._acts[kept - 1]:
            kept -= 1
        self._acts[kept:] = acts[kept:]
        while len(self._rows) < len(acts):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
        for number in range(kept, len(acts)):
            self._rows[number] = [acts[number][key] for key in _KEYS]

    @property
    def _table(self) -> NDArray[np.float64]:
        return self._rows[: len(self._acts)]

    def near(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rows of the acts that may be felt at any of ``x, y`` (m), oldest first."""
        reach = self._table[:, 2] + _NEAR
        keep = (self._table[:, 0] > x.min() - reach) & (self._table[:, 0] < x.max() + reach)
        keep &= (self._table[:, 1] > y.min() - reach) & (self._table[:, 1] < y.max() + reach)
        return self._table[keep]

    def felt(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return what writing changed at ``x, y`` (m); three arrays of their shape.

        Returns
        -------
        kept : ndarray
            Weight of the original polarisation, 1 where nothing was written.
        polarization : ndarray
            Written polarisation times its weight; the sum with ``kept`` times the original
            one is the polarisation that the tip feels.
        imprint : ndarray
            Shift of the loops along the bias (V).
        """
        kept, polarization, imprint = np.ones_like(x), np.zeros_like(x), np.zeros_like(x)
        for center_x, center_y, radius, value, shift in self.near(x, y):
            reach = radius + _NEAR
            inside = (np.abs(x - center_x) < reach) & (np.abs(y - center_y) < reach)
            if not inside.any():
                continue
            distance = np.hypot(x[inside] - center_x, y[inside] - center_y)
            weight = 0.5 * erfc((distance - radius) / (np.sqrt(2) * self._psf))
            kept[inside] *= 1 - weight
            polarization[inside] = polarization[inside] * (1 - weight) + weight * value
            imprint[inside] += weight * shift
        return kept, polarization, imprint
