"""Thermal drift as a function of time alone, whatever was asked before."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.rng import generator

_KNOT = 1.0  # s; drift changes by less than a picometre beyond a cubic within this time


class Drift:
    """Displacement of the sample under the probe, zero at time 0.

    The velocity is an Ornstein-Uhlenbeck process [1]_ with standard deviation ``velocity``
    and correlation time ``correlation_time``, made of cosines with random phases whose
    frequencies are drawn, one per stratum, from its Lorentzian spectrum [2]_; over seeds its
    autocovariance is exact for any number of components. Its integral is analytic, which
    makes the path random-access. Added is the settling after loading a sample,
    ``settling * exp(-t / settling_time)``, in a seeded direction.

    The sum is evaluated at whole seconds and joined by cubics with its exact velocity.

    Parameters
    ----------
    seed : int
        Seed of the world.
    name : str
        Which drift of this world.
    axes : int
        Number of independent axes.
    velocity : float
        Standard deviation of the velocity of each axis (m/s).
    correlation_time : float
        Correlation time of the velocity (s).
    settling : float
        Initial speed of the settling (m/s).
    settling_time : float
        Its decay time (s).
    scale : float
        Severity: multiplies the whole displacement; 0 is a perfect instrument.
    components : int
        Number of cosines per axis.

    References
    ----------
    .. [1] G. E. Uhlenbeck and L. S. Ornstein, Phys. Rev. 36, 823 (1930),
       doi:10.1103/PhysRev.36.823
    .. [2] M. Shinozuka and G. Deodatis, Appl. Mech. Rev. 44, 191 (1991),
       doi:10.1115/1.3119501
    """

    def __init__(
        self,
        seed: int,
        name: str = "drift",
        *,
        axes: int = 2,
        velocity: float = 0.02e-9,
        correlation_time: float = 600.0,
        settling: float = 0.2e-9,
        settling_time: float = 1800.0,
        scale: float = 1.0,
        components: int = 48,
    ):
        rng = generator(seed, name)
        strata = (np.arange(components) + rng.random((axes, components))) / components
        self._omega = np.tan(0.5 * np.pi * strata) / correlation_time
        self._phase = rng.uniform(0, 2 * np.pi, (axes, components))
        self._amplitude = scale * velocity * np.sqrt(2 / components)
        direction = rng.standard_normal(axes)
        self._settling = scale * settling * direction / np.linalg.norm(direction)
        self._settling_time = settling_time

    def __call__(self, t: ArrayLike) -> NDArray[np.float64]:
        """Return the displacement (m), shape ``(axes, *t.shape)``, at times ``t`` (s, >= 0)."""
        time = np.asarray(t, float)
        knots, where = np.unique(np.floor(time.ravel() / _KNOT), return_inverse=True)
        place, velocity = self._exact(np.concatenate([knots, knots + 1]) * _KNOT)
        (start, end), (start_velocity, end_velocity) = np.split(place, 2, axis=1), np.split(velocity, 2, axis=1)
        # Cubic Hermite in the form of its power coefficients, one set per interval.
        rise = end - start
        slope, final = start_velocity * _KNOT, end_velocity * _KNOT
        square = 3 * rise - 2 * slope - final
        cube = slope + final - 2 * rise
        u = time.ravel() / _KNOT - knots[where]
        path = start[:, where] + u * (slope[:, where] + u * (square[:, where] + u * cube[:, where]))
        return path.reshape(-1, *time.shape)

    def _exact(self, t: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return displacement (m) and velocity (m/s) at ``t``, each of shape (axes, time)."""
        half = 0.5 * self._omega[:, None, :] * t[:, None]
        middle = half + self._phase[:, None, :]
        # The integral of cos(w t + p) from 0 is t sinc(w t / 2) cos(w t / 2 + p), stable at w -> 0.
        walk = t * np.sum(np.sinc(half / np.pi) * np.cos(middle), axis=-1) * self._amplitude
        velocity = np.sum(np.cos(half + middle), axis=-1) * self._amplitude
        decay = np.exp(-t / self._settling_time)
        settled = self._settling[:, None] * self._settling_time * (1 - decay)
        return walk + settled, velocity + self._settling[:, None] * decay
