"""One measured data set: images and spectra on one square grid, in one frame of reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...core.rng import generator
from ...devices.drivers import ChannelInfo


@dataclass(frozen=True)
class Timing:
    """What each operation costs, in seconds of instrument time.

    Attributes
    ----------
    spectrum_s : float
        One measurement at a point.
    line_s : float
        One image line, whatever its number of pixels.
    pixel_s : float
        Added to ``line_s`` for each pixel of a line.
    settle_s : float
        After each move of the probe.
    shortest_move_s : float
        What the smallest move takes.
    speed : float
        Of a move, m/s.
    approach_s, withdraw_s : float
        Bringing the tip to the surface and lifting it; 0 for a beam.
    assumed : tuple of str
        Names of those above that the data set does not state: they are typical values.
    """

    spectrum_s: float
    line_s: float
    pixel_s: float = 0.0
    settle_s: float = 0.0
    shortest_move_s: float = 0.0
    speed: float = np.inf
    approach_s: float = 0.0
    withdraw_s: float = 0.0
    assumed: tuple[str, ...] = ()

    def move_s(self, distance: float) -> float:
        """Return how long a move over ``distance`` (m) takes, with settling."""
        return max(self.shortest_move_s, distance / self.speed) + self.settle_s

    def frame_line_s(self, pixels: int) -> float:
        """Return how long a line of ``pixels`` takes, trace and retrace."""
        return self.line_s + pixels * self.pixel_s


@dataclass(frozen=True)
class SpectrumAxes:
    """What the measurement at a point is.

    Attributes
    ----------
    kind : str
        ``"eds"``, ``"switching_loop"``, ``"scalar"``.
    dims : tuple of str
        Axis names of one measurement, the first is ``"channel"``.
    channels : tuple of str
        Names along the first axis.
    coords : dict
        Axis name -> values (SI; energies in eV), for every axis but ``"channel"``.
    unit : str
        Unit of the data.
    """

    kind: str
    dims: tuple[str, ...]
    channels: tuple[str, ...]
    coords: dict[str, list[Any]]
    unit: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one measurement."""
        return tuple(len(self.channels) if dim == "channel" else len(self.coords[dim]) for dim in self.dims)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Measured images and spectra on one grid of square pixels.

    The frame of reference is that of drivers: x to the right along columns, y up along rows,
    origin in the centre of the grid. Row 0 is the *lowest* y; loaders turn files that store
    the top line first upside down and say so in ``top_line_first``.

    Attributes
    ----------
    name : str
        Name of the data set and of its folder.
    kind : {"spm", "stem"}
        What it was measured with.
    mode : str
        As in ``Description``: ``"contact_pfm"``, ``"stem"``.
    images : ndarray, shape (channel, row, column)
        Raw images, SI; NaN where not measured.
    channels : tuple of ChannelInfo
        Name and unit of each image.
    pixel_size : float
        Edge of a pixel (m).
    top_line_first : bool
        Whether the file stores the line of highest y first.
    spectra : ndarray, shape (row, column) + ``axes.shape``
        Raw spectra in the smallest type that holds them.
    valid : ndarray of bool, shape (row, column)
        Where a spectrum was measured.
    axes : SpectrumAxes
        What one spectrum is.
    timing : Timing
        What operations cost.
    metadata : dict
        JSON: sample, probe or column, source, licence, citation, and what was assumed.
    """

    name: str
    kind: Literal["spm", "stem"]
    mode: str
    images: NDArray[np.float64]
    channels: tuple[ChannelInfo, ...]
    pixel_size: float
    top_line_first: bool
    spectra: NDArray[Any]
    valid: NDArray[np.bool_]
    axes: SpectrumAxes
    timing: Timing
    metadata: dict[str, Any]

    def __post_init__(self) -> None:
        # What is not a number was not measured, whatever the file says.
        finite = np.isfinite(self.spectra).all(axis=tuple(range(2, self.spectra.ndim)))
        if finite.shape == self.valid.shape:
            object.__setattr__(self, "valid", self.valid & finite)
        grid = self.valid.shape
        wanted = {
            "images": (self.images.shape, (len(self.channels), *grid)),
            "spectra": (self.spectra.shape, (*grid, *self.axes.shape)),
        }
        for what, (shape, expected) in wanted.items():
            if shape != expected:
                raise DataError(f"data set {self.name}: {what} have shape {shape}, expected {expected}")
        if not (np.isfinite(self.pixel_size) and self.pixel_size > 0):
            raise DataError(f"data set {self.name}: a pixel size of {self.pixel_size} m makes no sense")

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Return x_min, x_max, y_min, y_max (m) of the outer edges of the grid."""
        rows, columns = self.valid.shape
        x, y = columns * self.pixel_size / 2, rows * self.pixel_size / 2
        return -x, x, -y, y

    def index(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Return the fractional row and column of the point (x, y) (m), inside or not.

        Whole numbers are pixel centres. Within a millionth of a pixel of one counts as on it,
        because positions have gone through other units.
        """
        rows, columns = self.valid.shape
        row = _snap(np.asarray(y) / self.pixel_size + (rows - 1) / 2)
        column = _snap(np.asarray(x) / self.pixel_size + (columns - 1) / 2)
        return row, column

    def position(self, row: Any, column: Any) -> tuple[Any, Any]:
        """Return x and y (m) of a row and column, fractional or not."""
        rows, columns = self.valid.shape
        return (column - (columns - 1) / 2) * self.pixel_size, (row - (rows - 1) / 2) * self.pixel_size

    def file_row(self, row: int) -> int:
        """Return the row of the file that became ``row`` here."""
        return len(self.valid) - 1 - row if self.top_line_first else row


def thin_counts(counts: NDArray[Any], fraction: float, seed: int, row: int, column: int) -> NDArray[Any]:
    """Return the counts that a measurement of ``fraction`` of the dose would have given.

    Each count is kept independently with probability ``fraction``, so thinned Poisson counts
    are Poisson, and what is left out is an independent measurement of the same spectrum
    (J. F. C. Kingman, Poisson Processes, 1993, section 5.1).

    Parameters
    ----------
    counts : ndarray of int
        All counts that were measured at the pixel.
    fraction : float
        From 0 to 1.
    seed : int
        Which thinning.
    row, column : int
        The pixel; with ``seed`` they determine every bit of the result.
    """
    if fraction == 1:
        return counts
    return generator(seed, "thin", row, column).binomial(counts, fraction)


def _snap(index: NDArray[np.float64]) -> NDArray[np.float64]:
    whole = np.round(index)
    return np.where(np.abs(index - whole) < 1e-6, whole, index)
