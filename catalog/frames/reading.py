"""External frames: from a stream resource to an array, wherever the files lie now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ..documents import Document, Stream
from ..paths import is_inside, locate


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

    def dtype(self, stream: Stream, key: str, seq_nums: Sequence[int]) -> np.dtype[Any]:
        """Return the type of the numbers in these frames, without reading one.

        Raises
        ------
        DataError
            When they cannot be found.
        """
        ...


class FileFrames:
    """Reads frames from the HDF5 files that the documents announce.

    Parameters
    ----------
    documents : iterable of (name, document)
        Documents of one run.
    roots : sequence of Path, optional
        Folders that may be read, and where to look for a file that was moved or copied with its catalogue.
        Without, files are read wherever the documents say: for those of this process only.
    """

    def __init__(self, documents: Iterable[Document], roots: Sequence[Path] | None = None):
        self._resources = {doc["uid"]: doc for name, doc in documents if name == "stream_resource"}
        self._roots = roots

    def __call__(self, stream: Stream, key: str, seq_nums: Sequence[int]) -> NDArray[Any]:
        """Return the frames of ``key``; see :class:`FrameSource`."""
        shape = stream.data_keys[key]["shape"]
        groups = groupby(_places(stream, key, seq_nums), key=itemgetter(0))
        parts = [self._read(uid, [place for _, place in places], shape) for uid, places in groups]
        return np.concatenate(parts) if parts else np.empty((0, *shape))

    def dtype(self, stream: Stream, key: str, seq_nums: Sequence[int]) -> np.dtype[Any]:
        """Return the type of ``key``; see :class:`FrameSource`. Every file has to be there."""
        uids = dict.fromkeys(uid for uid, _ in _places(stream, key, seq_nums))
        found = [self._with_data(uid, lambda data: data.dtype) for uid in uids]
        return np.result_type(*found) if found else np.dtype(stream.data_keys[key].get("dtype_numpy") or "f8")

    def _read(self, uid: str, indices: Sequence[int], shape: Sequence[int]) -> NDArray[Any]:
        def read(data: h5py.Dataset) -> NDArray[Any]:
            if data.ndim > len(shape):  # one entry per frame
                return np.stack([data[index] for index in indices])
            rows = shape[0]  # frames laid end to end along the first axis
            return np.stack([data[index * rows : (index + 1) * rows] for index in indices])

        return self._with_data(uid, read)

    def _with_data(self, uid: str, act: Any) -> Any:
        """Return what ``act`` makes of the array of one stream resource, its file being open."""
        resource = self._resources.get(uid)
        if resource is None:
            raise DataError(f"the stream resource {uid} was never announced")
        path = locate(resource["uri"], self._roots, resource.get("relative_path"))
        dataset = (resource.get("parameters") or {}).get("dataset", "")
        try:
            with open_hdf5(path) as file:
                data = file[dataset]
                if not isinstance(data, h5py.Dataset):
                    raise DataError(f"{path} holds no array at {dataset}")
                self._require_own(path, file, data)
                return act(data)
        except (OSError, KeyError, IndexError, ValueError, TypeError) as error:
            raise DataError(f"the frames in {path} ({dataset}) cannot be read: {error}") from error

    def _require_own(self, path: Path, file: h5py.File, data: h5py.Dataset) -> None:
        """Raise when the numbers lie in another file that may not be read: HDF5 can point anywhere."""
        if self._roots is None:
            return
        for name in other_files(file, data):
            if not is_inside(path.parent / name, self._roots):
                raise DataError(f"the frames in {path} were refused: they lie in {name}, outside of what may be read")


def other_files(file: h5py.File, data: h5py.Dataset) -> list[str]:
    """Return the names of other files in which the numbers of an array lie, relative to the folder of its own."""
    others = [data.file.filename] if data.file.filename != file.filename else []
    others += [name for name, *_ in data.external or ()]
    others += [source.file_name for source in data.virtual_sources()] if data.is_virtual else []
    return [name for name in others if name != "."]


def _places(stream: Stream, key: str, seq_nums: Sequence[int]) -> list[tuple[str, int]]:
    """Return stream resource and index of the frame of each event."""
    index = stream.frames.get(key, {})
    missing = [seq for seq in seq_nums if seq not in index]
    if missing:
        raise DataError(
            f"stream {stream.name}: no frame of {key} was announced for event {missing[0]}; "
            "the run ended before it was written"
        )
    return [index[seq] for seq in seq_nums]


def open_hdf5(path: Path) -> h5py.File:
    """Return the file, open for reading even while another process is still writing it."""
    try:
        return h5py.File(path, "r", libver="latest", swmr=True)
    except (OSError, ValueError):  # not written for concurrent reading
        return h5py.File(path, "r")


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
        """Return the frames of ``key``; see :class:`FrameSource`. Only these are asked of the server."""
        shape = tuple(stream.data_keys[key]["shape"])
        indices = [index for _, index in _places(stream, key, seq_nums)]
        if not indices:
            return np.empty((0, *shape))
        node, first, last = self._streams[stream.name][key], min(indices), max(indices) + 1
        if len(node.shape) == len(shape):  # laid end to end along the first axis
            rows = shape[0]
            data = np.asarray(node[first * rows : last * rows]).reshape(-1, *shape)
        else:
            data = np.asarray(node[first:last])
        return data[[index - first for index in indices]]

    def dtype(self, stream: Stream, key: str, seq_nums: Sequence[int]) -> np.dtype[Any]:
        """Return the type of ``key``; see :class:`FrameSource`."""
        _places(stream, key, seq_nums)
        return np.dtype(self._streams[stream.name][key].dtype)
