"""One run, read from its documents: the same from the journal and from Tiled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, UnknownNameError
from .documents import Document, Stream, index_streams
from .frames.reading import FileFrames, FrameSource

if TYPE_CHECKING:
    import xarray as xr

_SCALARS = {"number": "<f8", "integer": "<i8", "boolean": "|b1"}
# What describes the layout of a variable and is in its dimensions already.
_LAYOUT = ("dims", "coords", "channels", "shape", "external", "rows", "dtype")


class Run:
    """One run of the RunEngine.

    Parameters
    ----------
    documents : iterable of (name, document)
        As the RunEngine wrote them; the first one is the start document.
    frames : FrameSource
        Gives external arrays.
    state : str
        ``"stored"``, ``"pending"`` or ``"rejected: <reason>"``; see :class:`RunInfo`.

    Attributes
    ----------
    start : dict
        The start document.
    stop : dict or None
        The stop document; None while the run goes on, or when its process died.
    state : str
        As given.
    """

    def __init__(self, documents: Iterable[Document], frames: FrameSource, *, state: str = "pending"):
        self._documents = list(documents)
        self._frames = frames
        self.state = state
        if not self._documents or self._documents[0][0] != "start":
            raise DataError("the documents of a run begin with its start document; there is none")
        self.start: dict[str, Any] = self._documents[0][1]
        last = self._documents[-1]
        self.stop: dict[str, Any] | None = last[1] if last[0] == "stop" else None

    @classmethod
    def from_documents(
        cls, documents: Iterable[Document], *, roots: Sequence[Path] | None = None, state: str = "pending"
    ) -> Run:
        """Return the run of these documents, with frames read from the files they announce.

        Parameters
        ----------
        documents : iterable of (name, document)
            At least the start document; a run that still goes on is fine.
        roots : sequence of Path, optional
            Folders that may be read, and where data files that were moved are looked for. Without, files are
            read wherever the documents say: for documents of this process only.
        state : str
            Whether the catalogue holds it.

        Raises
        ------
        DataError
            When there is no start document.
        """
        listed = list(documents)
        return cls(listed, FileFrames(listed, roots), state=state)

    @property
    def uid(self) -> str:
        """Unique identifier of the run."""
        return self.start["uid"]

    def __repr__(self) -> str:
        return f"<Run {self.uid[:8]} {self.start.get('plan_name', '')} ({', '.join(self.streams())}) {self.state}>"

    def documents(self) -> Iterator[Document]:
        """Yield ``(name, document)`` as they were written, repeats after a rewind included."""
        yield from self._documents

    @cached_property
    def _streams(self) -> dict[str, Stream]:
        return index_streams(self._documents)

    def streams(self) -> list[str]:
        """Return the names of the streams, in the order in which they were declared."""
        return list(self._streams)

    def documents_of(self, name: str) -> Stream:
        """Return descriptors and events of one stream, repeats resolved.

        Raises
        ------
        UnknownNameError
            When the run has no such stream.
        """
        if name not in self._streams:
            raise UnknownNameError("stream", name, self._streams, f"Run {self.uid[:8]} has no other.")
        return self._streams[name]

    def configuration(self, name: str) -> dict[str, Any]:
        """Return the settings of all devices at the last event of stream ``name``.

        Raises
        ------
        UnknownNameError
            When the run has no such stream.
        """
        return self.documents_of(name).configuration

    def last(self, name: str, key: str) -> Any:
        """Return the value of ``key`` in the last event of stream ``name``, a frame as an array.

        Raises
        ------
        UnknownNameError
            When the run has no such stream, or the stream no such key.
        DataError
            When there is no event yet, or its frame cannot be read.
        """
        stream = self.documents_of(name)
        if key not in stream.data_keys:
            raise UnknownNameError("data key", key, stream.data_keys)
        if not stream.seq_nums:
            raise DataError(f"stream {name} of run {self.uid[:8]} has no event")
        seq = stream.seq_nums[-1]
        if stream.data_keys[key].get("external", "") == "STREAM:":
            return self._frames(stream, key, [seq])[0]
        if seq not in stream.events:
            raise DataError(f"stream {name} of run {self.uid[:8]} has no event, only frames")
        return stream.events[seq]["data"][key]

    def stream(self, name: str) -> xr.Dataset:
        """Return all of one stream; its frames are read when they are used.

        Returns
        -------
        xarray.Dataset
            One variable per data key along ``event`` and the axes that its descriptor declares;
            coordinates ``seq_num`` and ``time`` (s, Unix) along ``event``, ``channel`` and whatever the descriptor
            gives. ``units`` stands in the attributes of each variable.

        Raises
        ------
        UnknownNameError
            When the run has no such stream.
        DataError
            When a frame is missing, or an array has not the declared shape.
        """
        import xarray as xr

        from .frames.lazy import lazy_frames

        stream = self.documents_of(name)
        seq_nums = stream.seq_nums
        events = [stream.events[seq] for seq in seq_nums] if stream.events else []
        coords: dict[str, Any] = {"seq_num": ("event", np.asarray(seq_nums, dtype=np.int64))}
        if events:
            coords["time"] = ("event", np.array([event["time"] for event in events]), {"units": "s"})
        dataset = xr.Dataset(coords=coords, attrs={"stream": name, "run": self.uid})
        for key, info in stream.data_keys.items():
            if info.get("external", "") == "STREAM:":
                values = lazy_frames(self._frames, stream, key, seq_nums)
            else:
                values = _column(name, key, info, [event["data"][key] for event in events])
            dataset = _add(dataset, key, info, values)
        return dataset


def _column(stream: str, key: str, info: dict[str, Any], values: list[Any]) -> NDArray[Any]:
    """Return the values of one data key, shape ``(event, *declared shape)``, in the declared type."""
    dtype = np.dtype(info.get("dtype_numpy") or _SCALARS.get(info["dtype"], "f8"))
    if info["dtype"] == "string":
        column = np.empty(len(values), dtype=object)
        column[:] = values
        return column
    if info["dtype"] == "array":
        shape = tuple(info["shape"])
        arrays = [np.asarray(value) for value in values]
        wrong = [array.shape for array in arrays if array.ndim != len(shape) or not _fits(array.shape, shape)]
        if wrong or len({array.shape for array in arrays}) > 1:
            raise DataError(
                f"stream {stream}: {key} is declared with shape {shape}, but an event has shape "
                f"{(wrong or [arrays[-1].shape])[0]}; documents() gives it as it is"
            )
        kind = dtype if dtype.kind not in "USO" else None
        return np.stack(arrays).astype(kind) if arrays else np.empty((0, *[size or 0 for size in shape]), dtype)
    if any(value is None for value in values):
        return np.array([np.nan if value is None else value for value in values], dtype="f8")
    return np.array(values, dtype=dtype)


def _fits(shape: tuple[int, ...], declared: tuple[int | None, ...]) -> bool:
    return all(want is None or have == want for have, want in zip(shape, declared, strict=True))


def _add(dataset: xr.Dataset, key: str, info: dict[str, Any], values: Any) -> xr.Dataset:
    """Return ``dataset`` with one variable more, its axes named and labelled."""
    import xarray as xr

    axes = values.shape[1:]
    names = info.get("dims") or ()
    if len(names) != len(axes):
        names = [f"{key}_{index}" for index in range(len(axes))]
    labels = dict(info.get("coords") or {})
    if info.get("channels") is not None and "channel" in names:
        labels.setdefault("channel", info["channels"])
    attrs = {name: value for name, value in info.items() if name not in _LAYOUT and value is not None}
    dims, coords = [], {}
    for axis, size in zip(names, axes, strict=True):
        label = xr.DataArray(np.asarray(labels[axis]), dims=axis) if len(labels.get(axis, ())) == size else None
        # Two arrays of one stream may use the same name for axes that differ.
        dim = axis if _agrees(dataset, axis, size, label) else f"{key}_{axis}"
        dims.append(dim)
        if label is not None:
            coords[dim] = (dim, label.values)
    return dataset.assign_coords(coords).assign({key: (["event", *dims], values, attrs)})


def _agrees(dataset: xr.Dataset, axis: str, size: int, label: xr.DataArray | None) -> bool:
    if dataset.sizes.get(axis, size) != size:
        return False
    if axis not in dataset.coords:
        return axis not in dataset.dims or label is None
    return label is not None and np.array_equal(dataset.coords[axis].values, label.values)
