"""What an agent works on: candidates and features, derived from a survey by a pure function."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field

from ..analysis.channels import derive_channels
from ..analysis.patches import extract_patches, robust_scale
from ..core.blas import one_thread
from ..core.digest import digest
from ..core.errors import SpecError

PROBLEM_VERSION = 2


class CandidateSpec(BaseModel):
    """How candidates follow from a survey.

    Attributes
    ----------
    channels : tuple of str
        Channels that features are made of, by the names that
        :func:`~probeline.analysis.channels.derive_channels` gives; empty for coordinates only.
    patch_pixels : int
        Edge of the square patch around a candidate, odd, so that it has a centre.
    stride : int
        Every how many pixels a candidate lies, along both axes.
    roi, exclude : tuple of polygons
        Polygons ``((x, y), ...)`` in nm, sample frame. Candidates lie inside one of ``roi``
        (when given) and inside none of ``exclude``.
    separation_nm : float
        Smallest distance (nm) of two measured points, because a measurement leaves a
        footprint: a candidate nearer to an earlier suggestion is not admissible any more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: tuple[str, ...] = ()
    patch_pixels: int = Field(ge=1)
    stride: int = Field(default=1, ge=1)
    roi: tuple[tuple[tuple[float, float], ...], ...] = ()
    exclude: tuple[tuple[tuple[float, float], ...], ...] = ()
    separation_nm: float = Field(default=0.0, ge=0)


@dataclass(frozen=True)
class Problem:
    """Candidates with their features, and the names that suggestions use.

    Attributes
    ----------
    dofs : tuple of str
        Names of the degrees of freedom in suggestions, for example ``("x", "y")``.
    units : tuple of str
        Unit of each.
    objective : str
        Name of the outcome, for example ``"loop_area"``.
    points : ndarray, shape (candidate, dof)
        Each in its unit; positions are in the sample frame.
    steps : ndarray, shape (dof,) or (candidate, dof)
        Distance of neighbouring candidates along each degree of freedom, in its unit.
    coordinates : ndarray, shape (candidate, dof)
        The points without unit, from 0 to 1 along the longest axis; distances are comparable in
        all directions.
    pixel : ndarray of int, shape (candidate, dof)
        Row and column of each candidate in the survey, or its place along each axis of a grid.
    patches : ndarray, shape (candidate, channel, patch, patch)
        Scaled image patch around each candidate, no unit, finite; ``channel`` may be 0.
    separation_nm : float
        Agents suggest no candidate nearer than this (nm) to one suggested before.
    """

    dofs: tuple[str, ...]
    units: tuple[str, ...]
    objective: str
    points: NDArray[np.float64]
    steps: NDArray[np.float64]
    coordinates: NDArray[np.float64]
    pixel: NDArray[np.int64]
    patches: NDArray[np.float64]
    separation_nm: float = 0.0

    def __len__(self) -> int:
        return len(self.points)

    @cached_property
    def digest(self) -> str:
        """Fingerprint of everything the agent can see."""
        names = [PROBLEM_VERSION, list(self.dofs), list(self.units), self.objective, self.separation_nm]
        return digest(names, self.points, self.steps, self.coordinates, self.pixel, self.patches)

    def distance(self, values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how many steps each candidate lies from ``values``, shape (candidate,)."""
        return np.linalg.norm((self.points - np.asarray(values)) / self.steps, axis=1)

    def covered(self, candidate: int) -> NDArray[np.bool_]:
        """Return which candidates must not be measured after ``candidate`` was, shape (candidate,).

        Itself, and every one nearer to it than the separation.
        """
        found = np.arange(len(self)) == candidate
        if self.separation_nm:
            away = np.linalg.norm(self.points - self.points[candidate], axis=1)
            # A hair less, so that rounding of coordinates does not block exact multiples.
            found |= away < self.separation_nm * (1 - 1e-9)
        return found

    @property
    def reach(self) -> float:
        """How many steps from a candidate a point still means it: half a diagonal step."""
        return math.sqrt(len(self.dofs)) / 2 * (1 + 1e-9)

    def nearest(self, *values: float) -> int:
        """Return the candidate nearest to ``values``, one per degree of freedom."""
        return int(np.argmin(self.distance(values)))


@one_thread
def build_problem(
    images: NDArray[np.float64],
    channels: list[str],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    spec: CandidateSpec,
    *,
    objective: str,
    dofs: tuple[str, str] = ("x", "y"),
    admissible: NDArray[np.bool_] | None = None,
) -> Problem:
    """Derive candidates and features from a survey.

    Parameters
    ----------
    images : ndarray, shape (channel, row, column)
        The survey, raw; channels are derived and scaled (median, interquartile range) here.
    channels : list of str
        Names along the first axis.
    x, y : ndarray, shape (row, column)
        Sample coordinates of the pixel centres (nm).
    spec : CandidateSpec
        What to make of it.
    objective : str
        Name of the outcome.
    dofs : tuple of str
        Names used in suggestions.
    admissible : ndarray of bool, shape (row, column), optional
        Pixels that may be measured at all (for example: inside the envelope).

    Raises
    ------
    SpecError
        When a channel is missing, a patch does not fit, or no candidate is left.
    """
    images, channels = derive_channels(images, channels)
    missing = [name for name in spec.channels if name not in channels]
    if missing:
        raise SpecError(f"the survey has no channel {', '.join(missing)}; it has {', '.join(channels)}")
    if spec.patch_pixels % 2 == 0:
        raise SpecError(f"patch_pixels = {spec.patch_pixels} is even; a patch needs a centre, choose an odd number")
    half = spec.patch_pixels // 2
    rows, columns = x.shape
    if min(rows, columns) <= max(1, 2 * half):
        raise SpecError(f"a patch of {spec.patch_pixels} pixels does not fit into a survey of {rows} x {columns}")
    keep = np.zeros((rows, columns), bool)
    keep[half : rows - half : spec.stride, half : columns - half : spec.stride] = True
    if admissible is not None:
        keep &= admissible
    points = np.column_stack([x.ravel(), y.ravel()])
    if spec.roi:
        keep &= _inside_any(points, spec.roi).reshape(keep.shape)
    keep &= ~_inside_any(points, spec.exclude).reshape(keep.shape)
    pixel = np.argwhere(keep)
    if not len(pixel):
        raise SpecError("no candidate is left: roi, exclude and the envelope together leave no pixel to measure")
    scaled = [robust_scale(images[channels.index(name)]) for name in spec.channels]
    stack = np.stack(scaled) if scaled else np.empty((0, rows, columns))
    spacing = float(np.hypot(x[0, 1] - x[0, 0], y[0, 1] - y[0, 0])) * spec.stride
    places = points.reshape(rows, columns, 2)[pixel[:, 0], pixel[:, 1]]
    offset = places - places.min(axis=0)
    return Problem(
        dofs=dofs,
        units=("nm", "nm"),
        objective=objective,
        points=places,
        steps=np.full(2, spacing),
        coordinates=offset / (float(offset.max()) or 1.0),
        pixel=pixel,
        patches=extract_patches(stack, pixel, spec.patch_pixels),
        separation_nm=spec.separation_nm,
    )


def grid_problem(axes: Mapping[str, ArrayLike], units: Mapping[str, str], *, objective: str) -> Problem:
    """Return all combinations of some settings as candidates, such as pulse voltage and duration.

    Parameters
    ----------
    axes : mapping of str to array_like, shape (value,)
        Values of each setting, in rising order; they may be spaced unevenly.
    units : mapping of str to str
        Unit of each setting.
    objective : str
        Name of the outcome.

    Raises
    ------
    SpecError
        When an axis is empty, has values that are not finite or do not rise, or has no unit.
    """
    values = {name: _rising(name, axis) for name, axis in axes.items()}
    missing = [name for name in values if name not in units]
    if missing or not values:
        raise SpecError(f"axes without a unit: {', '.join(missing) or 'there is no axis'}; give each its unit")
    pixel = np.stack(np.meshgrid(*(np.arange(len(a)) for a in values.values()), indexing="ij"), -1)
    pixel = pixel.reshape(-1, len(values))
    steps = [np.gradient(axis) if len(axis) > 1 else np.ones(1) for axis in values.values()]
    return Problem(
        dofs=tuple(values),
        units=tuple(units[name] for name in values),
        objective=objective,
        points=np.column_stack([axis[place] for axis, place in zip(values.values(), pixel.T, strict=True)]),
        steps=np.column_stack([step[place] for step, place in zip(steps, pixel.T, strict=True)]),
        coordinates=pixel / np.maximum(pixel.max(axis=0), 1),
        pixel=pixel,
        patches=np.empty((len(pixel), 0, 1, 1)),
    )


def _rising(name: str, axis: ArrayLike) -> NDArray[np.float64]:
    """Return the values of an axis after a check."""
    values = np.atleast_1d(np.asarray(axis, float))
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all() or (np.diff(values) <= 0).any():
        raise SpecError(f"axis {name!r} was refused: its values must be finite and rise; sort them, each once")
    return values


def _inside_any(points: NDArray[np.float64], polygons: tuple) -> NDArray[np.bool_]:
    """Return for each point (x, y) whether any polygon contains it or has it on its border."""
    from skimage.measure import points_in_poly

    inside = np.zeros(len(points), bool)
    for polygon in polygons:
        inside |= points_in_poly(points, np.asarray(polygon, float))
    return inside
