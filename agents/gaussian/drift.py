"""What changes with time whatever is measured: a sensitivity that drifts, a tip that wears."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Drift:
    """A process over time that is added to every outcome.

    Attributes
    ----------
    variance : float
        In units of the outcomes' variance.
    scale : float
        Over which it changes (s).
    """

    variance: float
    scale: float

    def between(self, first: Tensor, second: Tensor) -> Tensor:
        """Return its covariance between some moments and some, shape (first, second)."""
        return drifting(first, second, torch.tensor(self.variance).double(), torch.tensor(self.scale).double())


def drifting(first: Tensor, second: Tensor, variance: Tensor, scale: Tensor) -> Tensor:
    """Return a Matern-3/2 covariance over time, shape (first, second).

    A drift has a rate, but no smooth one: Rasmussen & Williams, Gaussian Processes for Machine Learning (2006),
    equation 4.17, ISBN 0-262-18253-X.
    """
    stretched = (first[:, None] - second[None, :]).abs() * (math.sqrt(3) / scale)
    return variance * (1 + stretched) * (-stretched).exp()


def seconds(time: NDArray[np.float64]) -> Tensor:
    """Return times (s) from the first known one on, shape (time,).

    An unknown time (NaN) is taken to be that of the outcome before, or of the first known one.
    """
    known = np.flatnonzero(np.isfinite(time))
    if not len(known):
        return torch.zeros(len(time), dtype=torch.float64)
    latest = np.searchsorted(known, np.arange(len(time)), side="right") - 1
    return torch.as_tensor(time[known[np.maximum(latest, 0)]] - time[known[0]])


def span_of(time: Tensor) -> float:
    """Return how long (s) outcomes took; 1 where all came at once."""
    return float(time.max() - time.min()) or 1.0


def next_moment(time: Tensor) -> Tensor:
    """Return when the next outcome is to be expected (s), shape (1,): as long after the last as is usual."""
    usual = time.diff().clamp_min(0.0).median() if len(time) > 1 else torch.zeros(()).double()
    return time[-1:] + usual
