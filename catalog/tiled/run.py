"""A run as Tiled holds it, back into documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..documents import Document
from ..frames.reading import ServedFrames
from ..run import Run
from .json_metadata import from_json


def tiled_run(node: Any) -> Run:
    """Return the run that the Tiled container ``node`` holds, read through Tiled alone.

    Parameters
    ----------
    node : BlueskyRun
        From a client of a ``CatalogOfBlueskyRuns``, for example ``catalog.client[uid]``.
    """
    node = node.v3  # as opposed to the forms that databroker asks for
    streams = {name: node[name].base for name in node}
    return Run(tiled_documents(node, streams), ServedFrames(streams), state="stored")


def tiled_documents(node: Any, streams: dict[str, Any]) -> Iterator[Document]:
    """Yield the documents of a run in Tiled, arrays as numpy arrays.

    Uids of events are made up, because Tiled does not keep them.
    """
    metadata = from_json(node.item["attributes"]["metadata"])
    yield "start", metadata["start"]
    for name in sorted(streams, key=lambda name: streams[name].item["attributes"]["metadata"]["time"]):
        yield from _stream_documents(name, streams[name], metadata["start"]["uid"])
    if metadata.get("stop"):
        yield "stop", metadata["stop"]


def _stream_documents(name: str, node: Any, run: str) -> Iterator[Document]:
    from bluesky_tiled_plugins.exporters import build_descriptor_docs

    descriptors = build_descriptor_docs(dict(node.item["attributes"]["metadata"]), name, run_start_uid=run)
    for descriptor in descriptors:
        yield "descriptor", from_json(descriptor)
    parts = set(node)
    keys = descriptors[0]["data_keys"]
    external = [key for key, info in keys.items() if info.get("external", "") == "STREAM:" and key in parts]
    for event in _events(node, parts - set(external), keys):
        current = [doc["uid"] for doc in descriptors if doc is descriptors[0] or doc["time"] <= event["time"]][-1]
        yield "event", {**event, "descriptor": current, "uid": f"{current}-{event['seq_num']}"}
    for key in external:
        yield from _frame_documents(key, keys[key], node[key], descriptors[0]["uid"])


def _events(node: Any, parts: set[str], keys: dict[str, Any]) -> Iterator[dict[str, Any]]:
    columns: dict[str, Any] = {}
    for part in parts - set(keys):  # one table, or several where there are more than a thousand columns
        table = node[part].read()
        columns |= {key: table[key].tolist() for key in table.columns}
    if not columns:
        return
    arrays = {key: np.asarray(node[key].read()) for key in parts if key in keys}
    names = [key for key in keys if key in columns or key in arrays]
    for row, (seq_num, moment) in enumerate(zip(columns["seq_num"], columns["time"], strict=True)):
        yield {
            "seq_num": seq_num,
            "time": moment,
            "data": {key: arrays[key][row] if key in arrays else columns[key][row] for key in names},
            "timestamps": {key: columns[f"ts_{key}"][row] for key in names},
        }


def _frame_documents(key: str, info: dict[str, Any], node: Any, descriptor: str) -> Iterator[Document]:
    source = node.data_sources()[0]
    uid = f"{descriptor}-{key}"
    uris = [asset.data_uri for asset in sorted(source.assets, key=lambda asset: asset.num or 0)]
    yield "stream_resource", {
        "uid": uid, "data_key": key, "mimetype": source.mimetype, "uri": uris[0], "parameters": dict(source.parameters),
    }  # fmt: skip
    stacked = len(node.shape) > len(info["shape"])
    count = node.shape[0] if stacked else node.shape[0] // info["shape"][0]
    for seq, row in enumerate(info.get("rows", range(count)), 1):
        yield "stream_datum", {
            "uid": f"{uid}/{seq}", "stream_resource": uid, "descriptor": descriptor,
            "indices": {"start": row, "stop": row + 1}, "seq_nums": {"start": seq, "stop": seq + 1},
        }  # fmt: skip
