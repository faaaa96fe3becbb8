"""What another run recorded, as readables: announced again, without measuring it again."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import bluesky.plan_stubs as bps

from ..catalog.run import Run
from ..devices.external import stream_datum
from .stubs import Plan

_OURS = ("object_name",)  # what the engine itself writes into a data key


class RecordedReading:
    """One device of a recorded event: same name, same keys, same values, same file.

    Parameters
    ----------
    name : str
        Name of the device in the record.
    descriptor, event : mapping
        Documents that it was recorded in.
    assets : list of (name, document)
        Stream resources and data of its external arrays, as the engine expects them from a device.
    """

    parent = None

    def __init__(
        self, name: str, descriptor: Mapping[str, Any], event: Mapping[str, Any], assets: list[tuple[str, Any]]
    ):
        self.name = name
        self.hints = descriptor.get("hints", {}).get(name, {})
        self._keys = {key: descriptor["data_keys"][key] for key in descriptor["object_keys"][name]}
        self._event, self._assets = event, assets
        self._configuration = descriptor.get("configuration", {}).get(name) or {
            "data": {},
            "timestamps": {},
            "data_keys": {},
        }

    def describe(self) -> dict[str, Any]:
        """Return the data keys as they were."""
        return {
            key: {name: value for name, value in info.items() if name not in _OURS} for key, info in self._keys.items()
        }

    def read(self) -> dict[str, Any]:
        """Return the values as they were."""
        data, moments = self._event["data"], self._event["timestamps"]
        return {key: {"value": data[key], "timestamp": moments[key]} for key in self._keys if key in data}

    def describe_configuration(self) -> dict[str, Any]:
        """Return the keys of the settings as they were."""
        return dict(self._configuration["data_keys"])

    def read_configuration(self) -> dict[str, Any]:
        """Return the settings as they were."""
        moments = self._configuration["timestamps"]
        return {key: {"value": value, "timestamp": moments[key]} for key, value in self._configuration["data"].items()}

    def collect_asset_docs(self, index: int | None = None) -> Iterator[tuple[str, Any]]:
        """Yield what announces the external arrays."""
        assets, self._assets = self._assets, []
        yield from assets

    def get_index(self) -> int:
        """Return the number of frames: the one of the event."""
        return 1


def announce(run: Run, stream: str) -> Plan:
    """Plan stub: write the last event of ``stream`` of ``run`` into the open run, its file included."""
    documents = run.documents_of(stream)
    seq = documents.seq_nums[-1]
    event = documents.events[seq]
    descriptor = documents.descriptors[event["descriptor"]]
    resources = {doc["uid"]: doc for name, doc in run.documents() if name == "stream_resource"}
    places = {key: (resources[rows[seq][0]], rows[seq][1]) for key, rows in documents.frames.items() if seq in rows}
    yield from bps.create(name=stream)
    for name, keys in descriptor["object_keys"].items():
        assets = [asset for key in keys if key in places for asset in _assets(*places[key])]
        yield from bps.read(RecordedReading(name, descriptor, event, assets))  # pyright: ignore[reportArgumentType]
    yield from bps.save()


def _assets(resource: Mapping[str, Any], index: int) -> list[tuple[str, Any]]:
    """Return the documents of one frame in a file of another run."""
    uid = str(uuid.uuid4())
    return [("stream_resource", {**resource, "uid": uid, "run_start": ""}), stream_datum(uid, index)]
