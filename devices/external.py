"""External arrays: a file that has room on the disk, and the documents that announce what is in it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
from bluesky.protocols import StreamAsset

from ..core.errors import DataError

_MARGIN = 2**20  # bytes that journal and catalogue may need meanwhile


def create_file(path: Path, what: str, size: int) -> h5py.File:
    """Return a new HDF5 file in which others may read while it grows, once its ``swmr_mode`` is set.

    Parameters
    ----------
    path : Path
        Its folder is made when there is none.
    what : str
        What comes into it first, for messages.
    size : int
        Bytes of that.

    Raises
    ------
    DataError
        When the file cannot be made, or the disk has no room.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        require_room(path.parent, what, size)
        return h5py.File(path, "w", libver="latest")
    except OSError as error:
        raise DataError(f"cannot write {what} to {path}: {error}; choose another folder") from error


def require_room(folder: Path, what: str, size: int) -> None:
    """Raise unless ``what``, of ``size`` bytes, fits on the disk.

    It has to be known beforehand: HDF5 cannot write into a full disk, and then not even close the file.

    Raises
    ------
    DataError
        When it does not.
    """
    needed, free = size + _MARGIN, shutil.disk_usage(folder).free
    if free < needed:
        raise DataError(
            f"{what} was refused: it needs {needed / 1e6:.1f} MB and {folder} has {free / 1e6:.1f} MB left; "
            "free space, or choose another catalogue"
        )


def stream_resource(uid: str, key: str, path: Path, root: Path, dataset: str, chunks: Sequence[int]) -> StreamAsset:
    """Return the document of one array in a file: one entry per event along its first axis.

    Parameters
    ----------
    uid : str
        Of the resource.
    key : str
        Data key.
    path, root : Path
        The file, and the data folder that it lies in.
    dataset : str
        The array in the file.
    chunks : sequence of int
        Its chunks.
    """
    document: Any = {
        "uid": uid,
        "data_key": key,
        "mimetype": "application/x-hdf5",
        "uri": f"file://localhost{path.as_posix()}",
        "relative_path": path.relative_to(root).as_posix(),  # so that the folder can move
        "parameters": {"dataset": dataset, "chunk_shape": list(chunks), "join_method": "stack"},
        "run_start": "",
    }
    return "stream_resource", document


def stream_datum(resource: str, index: int) -> StreamAsset:
    """Return the document of entry ``index`` of the stream resource with this uid; the engine adds its event."""
    return (
        "stream_datum",
        {
            "uid": f"{resource}/{index}",
            "stream_resource": resource,
            "descriptor": "",
            "indices": {"start": index, "stop": index + 1},
            "seq_nums": {"start": 0, "stop": 0},
        },
    )
