"""Switching loops: the empirical loop function, and what a bias sweep makes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

_SHARPNESS = 1000.0  # 1/V, of the change from one width to the other at the coercive bias
FIRST_CYCLE = 1.08  # coercive biases of the first cycle of a fresh place: a modelling choice


@dataclass(frozen=True)
class LoopParameters:
    """Loops at many points; every array has shape ``(point,)``.

    The function is the nine-parameter one that the package BGlib fits to loops, after
    S. Jesse, H. N. Lee and S. V. Kalinin, Rev. Sci. Instrum. 77, 073702 (2006),
    doi:10.1063/1.2214699.

    Attributes
    ----------
    v_minus, v_plus : ndarray
        Coercive biases of the descending and the ascending branch (V).
    low : ndarray
        Response of the down state (m/V).
    switchable : ndarray
        Response of the up state above that of the down state (m/V).
    slope : ndarray
        Linear part (m/V per V).
    widths : ndarray, shape (4, point)
        Widths of the transitions (V): descending branch below and above ``v_minus``,
        ascending branch below and above ``v_plus``.
    """

    v_minus: NDArray[np.float64]
    v_plus: NDArray[np.float64]
    low: NDArray[np.float64]
    switchable: NDArray[np.float64]
    slope: NDArray[np.float64]
    widths: NDArray[np.float64]

    def stretched(self, factor: float) -> LoopParameters:
        """Return the same loops with coercive biases ``factor`` as far from the imprint."""
        imprint = 0.5 * (self.v_minus + self.v_plus)
        return replace(
            self,
            v_minus=imprint + factor * (self.v_minus - imprint),
            v_plus=imprint + factor * (self.v_plus - imprint),
        )

    def response(self, bias: NDArray[np.float64], share: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the off-field piezoresponse (m/V), shape (point, ..., step), of a share of up polarisation.

        Parameters
        ----------
        bias : ndarray, shape (step,)
            Bias (V).
        share : ndarray, shape (point, ..., step)
            As from :func:`run_cycles`.
        """
        low, switchable, slope = (
            values.reshape(-1, *(1,) * (share.ndim - 1)) for values in (self.low, self.switchable, self.slope)
        )
        return low + slope * bias + switchable * share

    def area(self) -> NDArray[np.float64]:
        """Return the area (m/V x V) that each saturated loop encloses, shape ``(point,)``.

        Integral of the difference of the branches,
        ``switchable * (v_plus - v_minus + (b0 - b1 - b2 + b3) / sqrt(pi))``.
        """
        b0, b1, b2, b3 = self.widths
        return self.switchable * (self.v_plus - self.v_minus + (b0 - b1 - b2 + b3) / np.sqrt(np.pi))


def branches(bias: NDArray[np.float64], loops: LoopParameters) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the share of up polarisation on the descending and the ascending branch.

    Parameters
    ----------
    bias : ndarray, shape (step,)
        Bias (V).
    loops : LoopParameters
        Loops at ``point`` places.

    Returns
    -------
    descending, ascending : ndarray, shape (point, step)
        From 0 at minus infinity to 1 at plus infinity.
    """
    b0, b1, b2, b3 = loops.widths
    return _branch(bias, loops.v_minus, b0, b1), _branch(bias, loops.v_plus, b2, b3)


def _branch(
    bias: NDArray[np.float64], center: NDArray[np.float64], below: NDArray[np.float64], above: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return one branch for widths ``below`` and ``above`` its ``center``, shape (point, step)."""
    below, above = below[:, None], above[:, None]
    distance = bias - center[:, None]
    width = 0.5 * (above - below) * (erf(_SHARPNESS * distance) + 1) + below
    return (width * erf(distance / width) + below) / (below + above)


def sweep(v_max: float, steps: int) -> NDArray[np.float64]:
    """Return the bias (V) of each step of one cycle 0, ``+v_max``, ``-v_max``, back towards 0.

    Parameters
    ----------
    v_max : float
        Largest bias (V).
    steps : int
        Steps of a cycle, a multiple of 4, so that both extremes are reached.
    """
    quarter = steps // 4
    step = np.arange(steps)
    triangle = np.where(step <= quarter, step, np.where(step <= 3 * quarter, 2 * quarter - step, step - steps))
    return v_max * triangle / quarter


def run_cycle(bias: NDArray[np.float64], loops: LoopParameters, up: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of up polarisation after each step of one cycle.

    Rising bias can only switch up, along the ascending branch, and falling bias only down,
    along the descending one. Where the sweep saturates that is the loop function itself,
    rolled to the start of the sweep; where it does not, a minor loop.

    Parameters
    ----------
    bias : ndarray, shape (step,)
        One cycle as made by :func:`sweep`.
    loops : LoopParameters
        Loops at ``point`` places.
    up : ndarray, shape (point,)
        Share before the cycle.

    Returns
    -------
    ndarray, shape (point, step)
    """
    quarter = len(bias) // 4
    descending, ascending = branches(bias, loops)
    share = np.empty_like(ascending)
    share[:, : quarter + 1] = np.maximum(up[:, None], ascending[:, : quarter + 1])
    falling = slice(quarter + 1, 3 * quarter + 1)
    share[:, falling] = np.minimum(share[:, quarter, None], descending[:, falling])
    rising = slice(3 * quarter + 1, None)
    share[:, rising] = np.maximum(share[:, 3 * quarter, None], ascending[:, rising])
    return share


def run_cycles(
    bias: NDArray[np.float64], loops: LoopParameters, up: NDArray[np.float64], cycles: int
) -> NDArray[np.float64]:
    """Return the share of up polarisation, shape (point, cycle, step), after each step of several cycles.

    Parameters
    ----------
    bias : ndarray, shape (step,)
        One cycle as made by :func:`sweep`.
    loops : LoopParameters
        Loops at ``point`` places.
    up : ndarray, shape (point,)
        Share of up polarisation before, 0 to 1.
    cycles : int
        How many; the first one has coercive biases larger by :data:`FIRST_CYCLE`.
    """
    share = np.empty((len(up), cycles, len(bias)))
    for cycle in range(cycles):
        share[:, cycle] = run_cycle(bias, loops.stretched(FIRST_CYCLE) if cycle == 0 else loops, up)
        up = share[:, cycle, -1]
    return share


def polygon_area(bias: NDArray[np.float64], response: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the area enclosed by closed loops (unit of ``response`` x V).

    Parameters
    ----------
    bias : ndarray, shape (step,)
        One cycle.
    response : ndarray, shape (..., step)
        Response at each step.

    Returns
    -------
    ndarray, shape (...)
        Shoelace formula, positive for a loop whose descending branch is the upper one.
    """
    ahead, behind = np.roll(bias, -1), np.roll(bias, 1)
    return 0.5 * np.sum(response * (behind - ahead), axis=-1)
