"""Where the sample has moved to since it was imaged, from a few registrations."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sighting:
    """One registration: a place seen in the survey at ``then`` was seen again at ``now``.

    Times in s of the instrument's clock; ``shift`` is by how much it had moved, (x, y) in nm.
    """

    then: float
    now: float
    shift: tuple[float, float]


@dataclass(frozen=True)
class DriftPath:
    """Drift of the sample relative to the scanner, estimated from sightings.

    The path since the first survey line is modelled as a random walk of the velocity
    (a smoothing spline in time) around a constant one: a Gaussian process whose prior is
    wide against thermal drift of any microscope, so that sightings decide.

    Attributes
    ----------
    start : float
        Clock (s) of the first survey line; no time before it may be asked for.
    sightings : tuple of Sighting
        In order of time.
    noise_nm : float
        Standard error of one registration (nm).
    """

    start: float
    sightings: tuple[Sighting, ...] = ()
    noise_nm: float = 1.0

    # Prior of the velocity (nm/s) and of its change over a second (nm/s^1.5): about the
    # settling of an AFM at ambient (0.2 nm/s, over half an hour) with room above.
    _SPEED = 0.5
    _WANDER = 0.005

    def seen(self, sighting: Sighting) -> DriftPath:
        """Return the path that also knows ``sighting``."""
        return replace(self, sightings=(*self.sightings, sighting))

    def moved(self, then: float, now: float) -> tuple[float, float]:
        """Return by how much (x, y) in nm the sample moved from ``then`` to ``now``.

        Zero before the first sighting: without evidence nothing is corrected.
        """
        if not self.sightings:
            return 0.0, 0.0
        weights, shifts = self._solve(then, now)
        dx, dy = weights @ shifts
        return float(dx), float(dy)

    def uncertainty(self, then: float, now: float) -> float:
        """Return the standard error (nm, per axis) of :meth:`moved`."""
        pairs = np.array([[then, now]])
        own = self._cov(pairs, pairs)[0, 0]
        if not self.sightings:
            return float(np.sqrt(own))
        cross = self._cov(pairs, self._pairs())[0]
        weights, _ = self._solve(then, now)
        return float(np.sqrt(max(own - weights @ cross, 0.0)))

    def _pairs(self) -> NDArray[np.float64]:
        return np.array([[s.then, s.now] for s in self.sightings])

    def _solve(self, then: float, now: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        pairs = self._pairs()
        gram = self._cov(pairs, pairs) + self.noise_nm**2 * np.eye(len(pairs))
        cross = self._cov(np.array([[then, now]]), pairs)[0]
        return np.linalg.solve(gram, cross), np.array([s.shift for s in self.sightings])

    def _cov(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the covariance of displacements over the intervals ``a`` and ``b``.

        Integrated Brownian velocity, k(s, t) = w^2 min^2 (3 max - min) / 6 + v^2 s t, taken as
        a difference at both ends; s and t count from ``start``.
        """

        def k(s: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]:
            s, t = s[:, None] - self.start, t[None, :] - self.start
            low, high = np.minimum(s, t), np.maximum(s, t)
            return self._WANDER**2 * low**2 * (3 * high - low) / 6 + self._SPEED**2 * s * t

        return k(a[:, 1], b[:, 1]) - k(a[:, 1], b[:, 0]) - k(a[:, 0], b[:, 1]) + k(a[:, 0], b[:, 0])
