"""What an agent works on: candidates and features, derived from a survey by a pure function."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ..analysis.channels import derive_channels
from ..analysis.patches import extract_patches, robust_scale
from ..core.blas import one_thread
from ..core.digest import digest
from ..core.errors import SpecError

PROBLEM_VERSION = 1


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
        Names of the two degrees of freedom in suggestions, for example ``("x", "y")``.
    objective : str
        Name of the outcome, for example ``"loop_area"``.
    xy : ndarray, shape (candidate, 2)
        Position (nm), sample frame.
    pixel : ndarray of int, shape (candidate, 2)
        Row and column of each candidate in the survey.
    patches : ndarray, shape (candidate, channel, patch, patch)
        Scaled image patch around each candidate, no unit, finite; ``channel`` may be 0.
    spacing_nm : float
        Distance of neighbouring candidates (nm).
    separation_nm : float
        Agents suggest no candidate nearer than this (nm) to one suggested before.
    """

    dofs: tuple[str, str]
    objective: str
    xy: NDArray[np.float64]
    pixel: NDArray[np.int64]
    patches: NDArray[np.float64]
    spacing_nm: float
    separation_nm: float = 0.0

    def __len__(self) -> int:
        return len(self.xy)

    @cached_property
    def digest(self) -> str:
        """Fingerprint of everything the agent can see."""
        names = [PROBLEM_VERSION, list(self.dofs), self.objective, self.spacing_nm, self.separation_nm]
        return digest(names, self.xy, self.pixel, self.patches)

    def nearest(self, x: float, y: float) -> tuple[int, float]:
        """Return the index of the candidate nearest to (x, y) and its distance (nm)."""
        distance = np.hypot(self.xy[:, 0] - x, self.xy[:, 1] - y)
        index = int(np.argmin(distance))
        return index, float(distance[index])


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
    return Problem(
        dofs=dofs,
        objective=objective,
        xy=points.reshape(rows, columns, 2)[pixel[:, 0], pixel[:, 1]],
        pixel=pixel,
        patches=extract_patches(stack, pixel, spec.patch_pixels),
        spacing_nm=spacing,
        separation_nm=spec.separation_nm,
    )


def _inside_any(points: NDArray[np.float64], polygons: tuple) -> NDArray[np.bool_]:
    """Return for each point (x, y) whether any polygon contains it or has it on its border."""
    from skimage.measure import points_in_poly

    inside = np.zeros(len(points), bool)
    for polygon in polygons:
        inside |= points_in_poly(points, np.asarray(polygon, float))
    return inside
