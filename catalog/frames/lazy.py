"""Frames that are read when they are used, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from ..documents import Stream
from .reading import FrameSource


class _Frames(BackendArray):
    """The frames of one data key along ``event``, for xarray's own lazy loading.

    xarray keeps what it has read of a variable once all of it was asked for; parts are read anew.
    """

    def __init__(self, frames: FrameSource, stream: Stream, key: str, seq_nums: Sequence[int]):
        self._frames, self._stream, self._key, self._seq_nums = frames, stream, key, list(seq_nums)
        self.shape = (len(self._seq_nums), *stream.data_keys[key]["shape"])
        self.dtype = frames.dtype(stream, key, seq_nums)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        """Return what a basic index selects; only the frames of its events are read."""
        events, *rest = key
        chosen = self._seq_nums[events]
        data = self._frames(self._stream, self._key, chosen if isinstance(chosen, list) else [chosen])
        inner = data[(slice(None), *rest)]
        return np.asarray(inner[0] if not isinstance(chosen, list) else inner).astype(self.dtype, copy=False)


def lazy_frames(frames: FrameSource, stream: Stream, key: str, seq_nums: Sequence[int]) -> Any:
    """Return the frames of ``key`` at these events as an array for xarray that reads a frame when it is used.

    Raises
    ------
    DataError
        When a frame was never announced, or its file is not there.
    """
    lazy = indexing.LazilyIndexedArray(_Frames(frames, stream, key, seq_nums))
    return indexing.MemoryCachedArray(indexing.CopyOnWriteArray(lazy))  # pyright: ignore[reportArgumentType]
