"""External frames: from a stream resource to an array, wherever the files lie now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import h5py
import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from .documents import Document, Stream


class FrameSource(Protocol):
    """Gives the frames of one data key."""

    def __call__(self, stream: Stream, key: str, seq_nums: Sequence[int]) -> NDArray[Any]:
        """Return the frames of these events, shape ``(event, *shape of the data key)``.

        Raises
        ------
        DataError
            When they cannot be found or read.
        """
        ...


class FileFrames:
    """Reads frames from the HDF5 files that the documents announce.

    Parameters
    ----------
    documents : iterable of (name, document)
        Documents of one run.
    data_root : Path, optional
        Where to look for a file that is no longer where it was written, as when a catalogue
        was moved or copied: under the longest end of its path that exists there.
    """

    def __init__(self, documents: Iterable[Document], data_root: Path | None = None):
        self._resources = {doc["uid"]: doc for name, doc in documents if name == "stream_resource"}
        self._data_root = data_root

    def __call__(self, stream: Stream, key: str, seq_nums: Sequence[int]) -> NDArray[Any]:
        """Return the frames of ``key``; see :class:`FrameSource`."""
        index = stream.frames.get(key, {})
        missing = [seq for seq in seq_nums if seq not in index]
        if missing:
            raise DataError(
                f"stream {stream.name}: no frame of {key} was announced for event {missing[0]}; "
                "the run ended before it was written"
            )
        shape = stream.data_keys[key]["shape"]
        groups = groupby((index[seq] for seq in seq_nums), key=itemgetter(0))
        parts = [self._read(uid, [place for _, place in places], shape) for uid, places in groups]
        return np.concatenate(parts) if parts else np.empty((0, *shape))

    def _read(self, uid: str, indices: Sequence[int], shape: Sequence[int]) -> NDArray[Any]:
        resource = self._resources.get(uid)
        if resource is None:
            raise DataError(f"the stream resource {uid} was never announced")
        path = locate(resource["uri"], self._data_root)
        dataset = resource["parameters"]["dataset"]
        try:
            with open_hdf5(path) as file:
                data = file[dataset]
                if not isinstance(data, h5py.Dataset):
                    raise DataError(f"{path} holds no array at {dataset}")
                if data.ndim > len(shape):  # one entry per frame
                    return np.stack([data[index] for index in indices])
                rows = shape[0]  # frames laid end to end along the first axis
                return np.stack([data[index * rows : (index + 1) * rows] for index in indices])
        except (OSError, KeyError, IndexError, ValueError) as error:
            raise DataError(f"the frames in {path} ({dataset}) cannot be read: {error}") from error


def open_hdf5(path: Path) -> h5py.File:
    """Return the file, open for reading even while another process is still writing it."""
    try:
        return h5py.File(path, "r", libver="latest", swmr=True)
    except (OSError, ValueError):  # not written for concurrent reading
        return h5py.File(path, "r")


def locate(uri: str, data_root: Path | None) -> Path:
    """Return the file that ``uri`` means, looking under ``data_root`` when it has moved.

    Raises
    ------
    DataError
        When it is in neither place.
    """
    parts = urlsplit(uri)
    if parts.scheme != "file":
        raise DataError(f"frames at {uri} are not files of this computer; read the run through its server")
    path = Path(unquote(parts.path))
    if path.exists():
        return path
    if data_root is not None:
        for start in range(1, len(path.parts)):
            moved = data_root.joinpath(*path.parts[start:])
            if moved.exists():
                return moved
    looked = f" or under {data_root}" if data_root else ""
    raise DataError(f"the data file {path} does not exist there{looked}; restore it next to its catalogue")


class ServedFrames:
    """Reads frames through a Tiled server, for files that this computer cannot see.

    Parameters
    ----------
    streams : mapping
        Stream name -> Tiled container of that stream.
    """

    def __init__(self, streams: Mapping[str, Any]):
        self._streams = streams

    def __call__(self, stream: Stream, key: str, seq_nums: Sequence[int]) -> NDArray[Any]:
        """Return the frames of ``key``; see :class:`FrameSource`."""
        data = np.asarray(self._streams[stream.name][key].read())
        shape = tuple(stream.data_keys[key]["shape"])
        if data.ndim == len(shape):  # laid end to end along the first axis
            data = data.reshape(-1, *shape)
        index = stream.frames[key]
        return data[[index[seq][1] for seq in seq_nums]]
