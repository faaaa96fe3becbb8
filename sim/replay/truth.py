"""The whole data set, for code that scores; nothing that drives or decides may read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .backend import parse_options
from .dataset import Dataset, thin_counts
from .loaders import load_dataset


@dataclass(frozen=True, eq=False)
class DatasetTruth:
    """Everything that was measured, and how the driver of the same options splits it.

    Pixels are given by row and column of the arrays here: row 0 has the lowest y, as in a
    survey with ``slow = "up"`` and in ``provenance["source_index"]``.

    Attributes
    ----------
    dataset : Dataset
        All of it.
    seed : int
        Of the thinning.
    thin : float
        Part of the counts that the driver serves.
    """

    dataset: Dataset
    seed: int
    thin: float

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Where a spectrum was measured, shape (row, column)."""
        return self.dataset.valid

    @property
    def xy(self) -> NDArray[np.float64]:
        """Pixel centres (m), shape (row, column, 2)."""
        row, column = np.indices(self.dataset.valid.shape)
        return np.stack(self.dataset.position(row, column), axis=-1)

    def full(self, row: int, column: int) -> NDArray[np.float64]:
        """Return the measurement with all its counts, axes as in ``dataset.axes.dims``."""
        return np.asarray(self.dataset.spectra[row, column], float)

    def served(self, row: int, column: int) -> NDArray[np.float64]:
        """Return what the driver serves, before any added noise."""
        counts = self.dataset.spectra[row, column]
        return np.asarray(thin_counts(counts, self.thin, self.seed, row, column), float)

    def held_out(self, row: int, column: int) -> NDArray[np.float64]:
        """Return the counts that the driver withholds: an independent measurement.

        Divided by ``1 - thin`` and multiplied by ``thin`` its expectation is that of
        :meth:`served`. All zeros when nothing is thinned.
        """
        return self.full(row, column) - self.served(row, column)


def open_truth(argument: str, options: Mapping[str, Any]) -> DatasetTruth:
    """Return the truth behind ``open_driver(argument, options)``.

    Raises
    ------
    UnknownNameError, SpecError, DataError
        As ``open_driver``.
    """
    dataset = load_dataset(argument)
    parsed = parse_options(dataset, options)
    return DatasetTruth(dataset, parsed.seed, parsed.thin)
