"""From a measured map to candidates that agents can explore, with what a measurement there gave."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..agents.problem import CandidateSpec, Problem, build_problem
from ..analysis.measurement import Scalar
from ..core.errors import DataError
from .choosing import MeasuredMap

Array = NDArray[np.float64]

LARGEST_PATCH = 15  # pixels
MOST_CANDIDATES = 2500  # with more, a trial takes hours and says the same
FEWEST = 50
BEST_SHARE = 0.01
_BUDGET = 60  # points


@dataclass(frozen=True, eq=False)
class TrialTask:
    """What is explored offline.

    Attributes
    ----------
    problem : Problem
        Candidates: the measured pixels with a whole patch around them.
    values, sigma : ndarray, shape (candidate,)
        What a measurement there gave; the value is NaN where it failed.
    patch_pixels : int
        Edge of the patch that an agent sees.
    stride : int
        Every how many pixels a candidate lies.
    budget : int
        Points of one loop at most.
    """

    problem: Problem
    values: Array
    sigma: Array
    patch_pixels: int
    stride: int
    budget: int

    @property
    def good(self) -> int:
        """How many candidates have a value."""
        return int(np.isfinite(self.values).sum())

    @cached_property
    def tolerance(self) -> float:
        """Least value that counts as found: what the best 1 % of the candidates reach, at least one."""
        ranked = np.sort(self.values[np.isfinite(self.values)])
        return float(ranked[-max(1, round(BEST_SHARE * self.good))])

    @cached_property
    def best(self) -> NDArray[np.int64]:
        """Every candidate that reaches the tolerance: more than 1 % where many are equal."""
        return np.flatnonzero(self.values >= self.tolerance)

    @property
    def has_image(self) -> bool:
        """Whether there is an image to learn from."""
        return self.problem.patches.shape[1] > 0

    def measure(self, candidate: int) -> Scalar:
        """Return the outcome at a candidate."""
        value = float(self.values[candidate])
        flag = "ok" if math.isfinite(value) else "failed"
        return Scalar(value, float(self.sigma[candidate]), 1.0, flag, "")


def make_task(chosen: MeasuredMap) -> TrialTask:
    """Return the candidates of a map.

    Raises
    ------
    DataError
        When too few pixels were measured, or all have one value.
    """
    sought = chosen.sought
    patch = patch_pixels(sought.values.shape) if chosen.channels else 1
    stride = 1
    while _count(sought.measured, patch, stride) > MOST_CANDIDATES:
        stride += 1
    if (count := _count(sought.measured, patch, stride)) < FEWEST:
        raise DataError(
            f"{chosen.source} leaves {count} pixels to choose from, measured and with {patch} x {patch} pixels around "
            f"them; a trial needs {FEWEST}"
        )
    problem = problem_of(chosen, patch, stride, sought.measured)
    at = problem.pixel[:, 0], problem.pixel[:, 1]
    values = sought.values[at]
    good = values[np.isfinite(values)]
    if good.size < FEWEST or np.ptp(good) == 0:
        raise DataError(
            f"{sought.name!r} has {good.size} good values, {len(np.unique(good))} of them different; nothing can be "
            f"sought in it: a trial needs {FEWEST} that differ"
        )
    return TrialTask(problem, values, sought.sigma[at], patch, stride, min(_BUDGET, good.size // 3))


def patch_pixels(shape: tuple[int, ...]) -> int:
    """Return the edge of a patch, odd, at most a third of the map, so that most of it stays a candidate."""
    third = max(3, min(LARGEST_PATCH, min(shape) // 3))
    return third if third % 2 else third - 1


def problem_of(chosen: MeasuredMap, patch: int, stride: int, admissible: NDArray[np.bool_] | None) -> Problem:
    """Return the candidates among the admissible pixels, or among all."""
    rows, columns = chosen.sought.values.shape
    x, y = np.meshgrid(np.arange(columns) * chosen.pixel_nm, np.arange(rows) * chosen.pixel_nm)
    names = [f"image {number}" for number in range(len(chosen.channels))]  # names of files mean nothing to agents
    spec = CandidateSpec(channels=tuple(names), patch_pixels=patch, stride=stride)
    return build_problem(chosen.images, names, x, y, spec, objective="property", admissible=admissible)


def _count(measured: NDArray[np.bool_], patch: int, stride: int) -> int:
    half = patch // 2
    rows, columns = measured.shape
    return int(measured[half : rows - half : stride, half : columns - half : stride].sum())
