"""HDF5 (.h5, .hdf5) of the pycroscopy family: NSID and USID, told apart by their attributes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py

from ...core.errors import DataError
from ..content import Content
from . import nsid, usid


def read(path: Path) -> Content:
    """Return what an NSID or USID file holds.

    Raises
    ------
    DataError
        When it is neither: plain HDF5 does not say which axis is which.
    """
    with h5py.File(path) as file:
        datasets: dict[str, h5py.Dataset] = {}

        def note(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and item.dtype.kind in "iuf":
                datasets[name] = item

        file.visititems(note)
        for family in (nsid, usid):
            if any(family.is_main(dataset) for dataset in datasets.values()):
                return family.content(path.name, datasets)
    raise DataError(
        f"{path} is neither NSID nor USID, and plain HDF5 does not say which axis is which; "
        "save image and map as .npz: docs/how-to/try-your-data.md"
    )
