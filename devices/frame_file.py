"""The HDF5 file that frames stream into, readable while it grows."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .external import create_file, require_room

DATASET = "/entry/data/data"
LINE_CLOCK = "/entry/data/line_clock"
_FLUSH_S = 0.25  # wall seconds after which readers see new lines


class FrameFile:
    """Frames of one geometry in one file, single writer, many readers (SWMR).

    ``/entry/data/data`` has axes (frame, channel, line, pixel); ``/entry/data/line_clock``
    (frame, line) has the instrument time (s) at the end of each line. Both are NaN where
    nothing was measured.

    Parameters
    ----------
    folder : Path
        Where the file is made, named by a uuid.
    channels, units : sequence of str
        Name and unit of each channel.
    geometry : mapping
        Parameters of the frames, kept as attributes; ``lines`` and ``pixels`` give the shape.

    Raises
    ------
    DataError
        When the file cannot be made, or the disk has no room for a frame.
    """

    def __init__(self, folder: Path, channels: Sequence[str], units: Sequence[str], geometry: Mapping[str, Any]):
        self.uid = str(uuid.uuid4())
        self.path = folder / f"{self.uid}.h5"
        self.geometry = dict(geometry)
        self.shape = (len(channels), int(geometry["lines"]), int(geometry["pixels"]))
        depth, lines, pixels = self.shape
        self._frame = f"a frame of {depth} channels x {lines} lines x {pixels} pixels", 8 * depth * lines * pixels
        self._file = create_file(self.path, *self._frame)
        self.chunks = (1, depth, 1, pixels)
        self._data = self._file.create_dataset(
            DATASET, (0, *self.shape), "<f8", maxshape=(None, *self.shape), chunks=self.chunks,
            fillvalue=np.nan,
        )  # fmt: skip
        self._clock = self._file.create_dataset(
            LINE_CLOCK, (0, lines), "<f8", maxshape=(None, lines), chunks=(1, lines), fillvalue=np.nan
        )
        self._data.parent.attrs.update({**geometry, "channels": list(channels), "channel_units": list(units)})
        self._file.swmr_mode = True
        self._lines, self._times = np.empty(self.shape), np.empty(lines)
        self._first, self._end, self._flushed = lines, 0, 0.0

    def begin(self, index: int) -> None:
        """Make room for frame ``index``, empty, and take it up on the disk at once.

        Raises
        ------
        DataError
            When the disk has no room for it.
        """
        if index == len(self._data):  # else it was taken before but never announced: stopped, or not read
            require_room(self.path.parent, *self._frame)
            self._data.resize(index + 1, axis=0)
            self._clock.resize(index + 1, axis=0)
        self._lines[:], self._times[:] = np.nan, np.nan
        self._first, self._end = 0, self.shape[1]
        self._flush(index)

    def write(self, index: int, first: int, block: NDArray[np.float64], clock: float) -> None:
        """Take lines ``first ...`` of frame ``index``; they can be read from the file within a quarter of a second.

        Parameters
        ----------
        index : int
            Frame.
        first : int
            First line of the block.
        block : ndarray, shape (channel, line, pixel)
            In the units of the file.
        clock : float
            Instrument time (s) at the end of the block.
        """
        end = first + block.shape[1]
        self._lines[:, first:end] = block
        self._times[first:end] = clock
        self._first, self._end = min(self._first, first), max(self._end, end)
        if time.monotonic() - self._flushed > _FLUSH_S:
            self._flush(index)

    def finish(self, index: int, line_clock: NDArray[np.float64]) -> None:
        """Write what is left of frame ``index`` and the instrument time (s) at the end of each line, shape (line,)."""
        self._times[:] = line_clock
        self._flush(index)

    def _flush(self, index: int) -> None:
        """Write the lines that came since the last time: one by one they would cost several times as much."""
        if self._first < self._end:
            lines = slice(self._first, self._end)
            self._data[index, :, lines] = self._lines[:, lines]
        self._clock[index] = self._times
        self._data.flush()
        self._clock.flush()
        self._first, self._end, self._flushed = self.shape[1], 0, time.monotonic()

    def close(self) -> None:
        """Close the file; idempotent."""
        self._file.close()
