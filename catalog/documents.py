"""What follows from the documents of one run alone: streams, last events, rows of frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Document = tuple[str, dict[str, Any]]


@dataclass
class Stream:
    """One stream of a run, repeated events resolved.

    Attributes
    ----------
    name : str
        Name of the stream.
    descriptors : dict
        Uid -> descriptor, in the order in which they came.
    events : dict
        Sequence number -> event; the last one where a rewind wrote it twice.
    frames : dict
        Data key -> sequence number -> ``(uid of the stream resource, index in it)``.
    rows : dict
        Data key -> sequence number -> how many frames of that key came before.
    """

    name: str
    descriptors: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: dict[int, dict[str, Any]] = field(default_factory=dict)
    frames: dict[str, dict[int, tuple[str, int]]] = field(default_factory=dict)
    rows: dict[str, dict[int, int]] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)

    @property
    def data_keys(self) -> dict[str, dict[str, Any]]:
        """Data keys of the first descriptor; they are the same in all of a stream."""
        return next(iter(self.descriptors.values()))["data_keys"]

    @property
    def seq_nums(self) -> list[int]:
        """Sequence numbers, ascending; those of the frames where there are no events."""
        if self.events:
            return sorted(self.events)
        return sorted({seq for index in self.frames.values() for seq in index})

    @property
    def descriptor(self) -> dict[str, Any]:
        """The descriptor of the last event; a later one, of a device configured since, says nothing of any event."""
        if not self.events:
            return list(self.descriptors.values())[-1]
        return self.descriptors[self.events[max(self.events)]["descriptor"]]

    @property
    def configuration(self) -> dict[str, Any]:
        """Settings of all devices as they were at the last event."""
        devices = self.descriptor.get("configuration", {}).values()
        return {key: value for device in devices for key, value in device.get("data", {}).items()}

    def add_datum(self, key: str, doc: Mapping[str, Any]) -> None:
        """Take one stream datum of the data key ``key``."""
        indices, seq_nums = doc["indices"], doc["seq_nums"]
        frames, rows = self.frames.setdefault(key, {}), self.rows.setdefault(key, {})
        first = self._counts.get(key, 0)
        pairs = zip(range(seq_nums["start"], seq_nums["stop"]), range(indices["start"], indices["stop"]), strict=False)
        for row, (seq, index) in enumerate(pairs, first):
            frames[seq] = (doc["stream_resource"], index)
            rows[seq] = row
        self._counts[key] = first + indices["stop"] - indices["start"]


def index_streams(documents: Iterable[Document]) -> dict[str, Stream]:
    """Return the streams of a run by name, in the order in which they were declared.

    Within a stream the last event of a sequence number wins: an immediate pause makes the
    RunEngine rewind to its checkpoint and write what followed again. A descriptor may change
    in between, when a device was configured.
    """
    streams: dict[str, Stream] = {}
    names: dict[str, str] = {}
    resources: dict[str, str] = {}
    for name, doc in unpacked(documents):
        if name == "descriptor":
            names[doc["uid"]] = doc["name"]
            streams.setdefault(doc["name"], Stream(doc["name"])).descriptors[doc["uid"]] = doc
        elif name == "event":
            streams[names[doc["descriptor"]]].events[doc["seq_num"]] = doc
        elif name == "stream_resource":
            resources[doc["uid"]] = doc["data_key"]
        elif name == "stream_datum" and doc["descriptor"] in names:
            streams[names[doc["descriptor"]]].add_datum(resources[doc["stream_resource"]], doc)
    return streams


def unpacked(documents: Iterable[Document]) -> Iterator[Document]:
    """Yield the documents with event pages as single events."""
    for name, doc in documents:
        if name == "event_page":
            from event_model import unpack_event_page

            for event in unpack_event_page(doc):  # pyright: ignore[reportArgumentType]
                yield "event", dict(event)
        else:
            yield name, doc


def without_repeats(read: Callable[[], Iterable[Document]]) -> Iterator[Document]:
    """Yield the documents of a run with only the last event of each sequence number.

    Frames cannot be left out, because they stand in their file one after the other; where that
    makes frames outnumber events, the data key says in ``rows`` which frame belongs to
    which event.

    Parameters
    ----------
    read : callable
        Returns the documents; called twice, so that not all of them have to be in memory.
    """
    streams = index_streams(_placed(read()))
    stream_of = {uid: stream for stream in streams.values() for uid in stream.descriptors}
    for place, (name, doc) in enumerate(unpacked(read())):
        if name == "event":
            if stream_of[doc["descriptor"]].events[doc["seq_num"]]["place"] == place:
                yield name, doc
        elif name == "descriptor":
            yield name, _with_rows(doc, streams[doc["name"]])
        else:
            yield name, doc


def _placed(documents: Iterable[Document]) -> Iterator[Document]:
    """Yield the documents with events that say where they stand instead of what was measured."""
    for place, (name, doc) in enumerate(unpacked(documents)):
        yield name, {**{key: doc[key] for key in ("descriptor", "seq_num")}, "place": place} if name == "event" else doc


def _with_rows(descriptor: dict[str, Any], stream: Stream) -> dict[str, Any]:
    keys = dict(descriptor["data_keys"])
    for key, rows in stream.rows.items():
        wanted = [rows[seq] for seq in stream.seq_nums if seq in rows]
        if wanted != list(range(len(wanted))):
            keys[key] = {**keys[key], "rows": wanted}
    return {**descriptor, "data_keys": keys}
