"""One run from its journal into Tiled: cast, written, written again where a rewind repeated events."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import CatalogError
from .documents import Document, unpacked, without_repeats
from .journal import JournalTail, read_journal
from .listing import write_state

_log = logging.getLogger(__name__)
# Rows per write. One by one, Tiled takes forty times as long.
BATCH = 100


class Caster:
    """Makes documents fit what Tiled and the schema accept; journals keep them as they were.

    A column's type is fixed by its first batch, so that an integer or None in a column of
    real numbers would make later rows unwritable.
    """

    def __init__(self) -> None:
        self._keys: dict[str, dict[str, Any]] = {}

    def __call__(self, name: str, doc: dict[str, Any]) -> dict[str, Any]:
        """Return the document to write."""
        if name == "descriptor":
            self._keys[doc["uid"]] = doc["data_keys"]
        if name == "event":
            keys = self._keys[doc["descriptor"]]
            data = {key: cast(value, keys[key]) for key, value in doc["data"].items()}
            return {**doc, "data": data}
        return doc


def cast(value: Any, info: dict[str, Any]) -> Any:
    """Return ``value`` in the type that its data key declares."""
    match info["dtype"]:
        case "number":
            return np.nan if value is None else float(value)
        case "integer":
            return None if value is None else int(value)
        case "boolean":
            return None if value is None else bool(value)
        case "string":
            return "" if value is None else str(value)
        case "array" if "external" not in info:
            declared = info.get("dtype_numpy") or None
            return np.asarray(value, dtype=declared if isinstance(declared, str) else None)
        case _:
            return value


def upload(client: Any, documents: Iterable[Document]) -> None:
    """Write a whole run into Tiled, in place of what may be there of it."""
    flat = list(without_repeats(documents))
    uid = flat[0][1]["uid"]
    if uid in client:
        client[uid].delete(recursive=True, external_only=False)
    write, caster = tiled_writer(client), Caster()
    for name, doc in flat:
        write(name, caster(name, doc))


def tiled_writer(client: Any) -> Callable[[str, dict[str, Any]], None]:
    """Return the writer of one run."""
    from bluesky_tiled_plugins import TiledWriter

    # Arrays go to files whatever their size: in the tables, short ones fail or come back as text.
    return TiledWriter(client, max_array_size=0, batch_size=BATCH)


class RunUpload:
    """Follows the journal of one run and writes it into Tiled.

    Parameters
    ----------
    path : Path
        The journal.
    client : callable
        Returns the Tiled client; may take long, may fail.
    """

    def __init__(self, path: Path, client: Callable[[], Any]):
        self._path = path
        self._client = client
        self._tail = JournalTail(path)
        self._caster = Caster()
        self._write: Callable[[str, dict[str, Any]], None] | None = None
        self._last: dict[str, int] = {}
        self._stream_of: dict[str, str] = {}
        self._again = False
        self._failure: str | None = None

    def advance(self) -> bool:
        """Write what was journalled since the last call; return whether the run is over.

        Never raises: what goes wrong is the run's state afterwards.
        """
        try:
            for name, doc in unpacked(_until_ending(self._tail.read())):
                self._again = self._again or self._repeats(name, doc)
                if self._failure is None:
                    self._forward(name, doc)
                if name == "stop":
                    self._finish()
                    return True
        except Exception as error:  # whatever Tiled, its server or the disk comes up with
            self._reject(error)
            return True
        return False

    def _forward(self, name: str, doc: dict[str, Any]) -> None:
        try:
            if self._write is None:
                client = self._client()
                if doc["uid"] in client:  # an earlier attempt; what it left is replaced at the end
                    self._failure = "it was begun before"
                    return
                self._write = tiled_writer(client)
            self._write(name, self._caster(name, doc))
        except Exception as error:  # tried once more as a whole at the end of the run
            if _is_ending():
                raise
            self._failure = _reason(error)
            _log.warning("run %s is not in Tiled yet: %s", self._path.stem, self._failure)

    def _repeats(self, name: str, doc: dict[str, Any]) -> bool:
        """Return whether this event was written before, which a rewind does."""
        if name == "descriptor":
            self._stream_of[doc["uid"]] = doc["name"]
        if name != "event":
            return False
        stream = self._stream_of[doc["descriptor"]]
        last = self._last.get(stream, 0)
        self._last[stream] = max(last, doc["seq_num"])
        return doc["seq_num"] <= last

    def _finish(self) -> None:
        if self._again or self._failure is not None:
            upload(self._client(), _until_ending(read_journal(self._path)))
        write_state(self._path, "stored")

    def _reject(self, error: Exception) -> None:
        if _is_ending():
            _log.info("run %s goes to Tiled at the next opening: the process ends", self._path.stem)
            return
        reason = _reason(error)
        _log.warning("run %s is in the journal only: %s", self._path.stem, reason)
        try:
            write_state(self._path, f"rejected: {reason}")
        except OSError as trouble:  # the disk is full: then the state stays "pending"
            _log.warning("the state of %s cannot be written: %s", self._path.stem, trouble)


def _until_ending(documents: Iterable[Document]) -> Iterator[Document]:
    for document in documents:
        if _is_ending():
            raise CatalogError("the process ends")
        yield document


def _is_ending() -> bool:
    """Return whether the interpreter is ending, which ends Tiled and takes threads and pools away."""
    return threading._SHUTTING_DOWN  # pyright: ignore[reportAttributeAccessIssue]


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".split("\n")[0][:500]
