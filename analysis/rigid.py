"""How far a sample has been shifted and turned between two frames of the same place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .levelling import level_plane
from .registration import Image, Shift, register

_ROUNDS = 5  # each halves the step of the angle


@dataclass(frozen=True)
class RigidMotion:
    """A rotation about a point, then a shift.

    Attributes
    ----------
    dx_nm, dy_nm : float
        Shift of the centre (nm), sample coordinates.
    angle_deg : float
        Rotation about the centre (deg), counter-clockwise.
    center_nm : tuple of float
        The centre (nm): that of the frames.
    confidence : float
        From 0 to 1: the correlation coefficient of the two frames where they overlap after the motion is undone.
    """

    dx_nm: float
    dy_nm: float
    angle_deg: float
    center_nm: tuple[float, float]
    confidence: float

    def apply(self, x: float, y: float) -> tuple[float, float]:
        """Return where the feature at (x, y) in nm is after the motion."""
        angle = np.deg2rad(self.angle_deg)
        u, v = x - self.center_nm[0], y - self.center_nm[1]
        return (
            float(self.center_nm[0] + self.dx_nm + u * np.cos(angle) - v * np.sin(angle)),
            float(self.center_nm[1] + self.dy_nm + u * np.sin(angle) + v * np.cos(angle)),
        )


def register_rigid(
    references: Sequence[Image],
    movings: Sequence[Image],
    pixel_nm: float,
    *,
    center_nm: tuple[float, float] = (0.0, 0.0),
    most_deg: float = 10.0,
) -> RigidMotion:
    """Return how features have moved from the references to the moving frames, a small rotation included.

    Each channel is turned back by angles on a grid as fine as a pixel at the edge of the frame and registered
    (:func:`~probeline.analysis.registration.register`); around the best angle the step is halved until a
    thirtieth of a pixel is left. Motion and confidence are those of the channel that agrees best.

    Parameters
    ----------
    references, movings : sequence of ndarray, shape (row, column)
        The same channels of two frames of the same size and scanner coordinates, row 0 with the lowest y.
    pixel_nm : float
        Distance of pixels (nm).
    center_nm : tuple of float
        Sample coordinates (nm) of the centre of the frames.
    most_deg : float
        Largest rotation (deg) that is looked for, either way.

    Raises
    ------
    SpecError
        When the images do not fit each other.
    """
    step = float(np.rad2deg(2 / max(references[0].shape)))
    count = int(np.ceil(most_deg / step))
    tried = {angle: _best(references, movings, pixel_nm, angle) for angle in step * np.arange(-count, count + 1)}
    for _ in range(_ROUNDS):
        step /= 2
        top = max(tried, key=lambda angle: tried[angle].confidence)
        for angle in (top - step, top + step):
            tried[angle] = _best(references, movings, pixel_nm, angle)
    top = max(tried, key=lambda angle: tried[angle].confidence)
    shift, turn = tried[top], np.deg2rad(top)
    # The moving frame was turned back about its centre, and its shift with it.
    dx = shift.dx_nm * np.cos(turn) - shift.dy_nm * np.sin(turn)
    dy = shift.dx_nm * np.sin(turn) + shift.dy_nm * np.cos(turn)
    return RigidMotion(float(dx), float(dy), float(top), center_nm, shift.confidence)


def _best(references: Sequence[Image], movings: Sequence[Image], pixel_nm: float, angle: float) -> Shift:
    pairs = zip(references, movings, strict=True)
    shifts = [register(one, turned(level_plane(other), -angle), pixel_nm) for one, other in pairs]
    return max(shifts, key=lambda shift: shift.confidence)


def turned(image: Image, angle_deg: float) -> NDArray[np.float64]:
    """Return ``image`` turned counter-clockwise (y up, row 0 lowest) about its centre; NaN where nothing came from."""
    from scipy.ndimage import map_coordinates

    rows, columns = image.shape
    angle = np.deg2rad(angle_deg)
    v, u = np.indices(image.shape, dtype=float)
    u, v = u - (columns - 1) / 2, v - (rows - 1) / 2
    source_u, source_v = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
    places = [source_v + (rows - 1) / 2, source_u + (columns - 1) / 2]
    return map_coordinates(image, places, order=1, cval=np.nan)
