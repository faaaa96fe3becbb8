"""What the agent believes about all candidates, as a readable whose maps go to a file."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
from bluesky.protocols import StreamAsset

from ..devices.external import create_file, require_room, stream_datum, stream_resource
from .records import COUNT, Field, Record
from .tap import RunTap

_GROUP = "/entry/data"


class PosteriorRecord(Record):
    """The record of the ``posterior`` stream: maps over all candidates, external, in one file per run.

    ``/entry/data/mean``, ``std`` and ``acquisition`` have axes (event, candidate). Maps are in the file before they are
    announced. Where a rewinding engine reads them again, they become a further row if they were announced already, and
    take the same row if they were not.

    Parameters
    ----------
    objective_unit : str
        Unit of ``mean`` and ``std``.
    candidates : int
        Values per map.
    folder : Path
        Where the file is made when the first maps come, named by a uuid.
    tap : RunTap
        Knows what was announced.
    """

    def __init__(self, objective_unit: str, candidates: int, folder: Path, tap: RunTap):
        value = Field("<f8", objective_unit, (candidates,), ("candidate",), external=True)
        self._maps = {"mean": value, "std": value, "acquisition": replace(value, units="")}
        super().__init__("posterior", {"decision": COUNT, "pending": COUNT, **self._maps})
        self._candidates, self._folder, self._tap = candidates, folder, tap
        self._path = folder / f"{uuid.uuid4()}.h5"
        self._uids = {key: str(uuid.uuid4()) for key in self._maps}
        self._file: h5py.File | None = None
        self._data: dict[str, h5py.Dataset] = {}

    def read(self) -> dict[str, Any]:
        """Write the maps that were put last into the file, and return what else was put.

        Raises
        ------
        DataError
            When the file cannot be made, or the disk has no room for them.
        """
        reading = super().read()
        what, size = f"a posterior of {self._candidates} candidates", 8 * len(self._maps) * self._candidates
        if self._file is None:
            self._file = create_file(self._path, what, size)
            self._data = {key: self._dataset(self._file, key) for key in self._maps}
            self._file.swmr_mode = True
        require_room(self._folder, what, size)
        row = self.get_index()
        for key in self._maps:
            self._data[key].resize(row + 1, axis=0)
            self._data[key][row] = reading.pop(key)["value"]
            self._data[key].flush()
        return reading

    def _dataset(self, file: h5py.File, key: str) -> h5py.Dataset:
        field, count = self._maps[key], self._candidates
        data = file.create_dataset(f"{_GROUP}/{key}", (0, count), field.kind, maxshape=(None, count), chunks=(1, count))
        data.attrs["units"] = field.units
        return data

    def get_index(self) -> int:
        """Return how many rows of the file were announced."""
        return self._tap.announced(self._uids["mean"])

    def collect_asset_docs(self, index: int | None = None) -> Iterator[StreamAsset]:
        """Yield the resources of a file that is new to the run, and the data of the maps just read."""
        row = self.get_index()
        if not row:
            for key, uid in self._uids.items():
                yield stream_resource(uid, key, self._path, self._folder, f"{_GROUP}/{key}", (1, self._candidates))
        for uid in self._uids.values():
            yield stream_datum(uid, row)

    def close(self) -> None:
        """Close the file, without maps that were never announced: Tiled takes the whole of it. Idempotent."""
        if self._file:
            for data in self._data.values():
                data.resize(self.get_index(), axis=0)
            self._file.close()
