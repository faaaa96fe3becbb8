"""TiledWriter in batches that end when we say so: docs/explanation/decisions/0005-micro-batches.md."""

from __future__ import annotations

from typing import Any

# Rows per write. One by one, Tiled takes forty times as long.
BATCH = 100


class _Rows(int):
    """A batch size that says itself when it is reached.

    ``TiledWriter`` asks ``rows held back >= batch_size``; Python lets the batch size answer.
    """

    due = False

    def __le__(self, held: int) -> bool:
        return self.due


class MicroBatches:
    """Writes the documents of one run into Tiled; rows wait for :meth:`flush` or until there are a hundred.

    Parameters
    ----------
    client : CatalogOfBlueskyRuns
        Where to.

    Raises
    ------
    httpx.HTTPError
        When it does not answer.
    """

    def __init__(self, client: Any):
        from bluesky_tiled_plugins import TiledWriter

        # Asked once by hand: Tiled's own requests are repeated for 45 s, which hides that nobody is there.
        client.context.http_client.get(client.context.api_uri).raise_for_status()
        self._size = _Rows(BATCH)
        # Arrays go to files whatever their size: in the tables, short ones fail or come back as text.
        self._write = TiledWriter(client, max_array_size=0, batch_size=self._size)
        self._stream: dict[str, str] = {}
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._frames: dict[str, list[Any]] = {}

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        """Take one document; whatever Tiled, its server or its disk comes up with is raised."""
        match name:
            case "event":
                rows = self._rows.setdefault(self._stream[doc["descriptor"]], [])
                rows.append(doc)
                if len(rows) >= BATCH:
                    self._flush_rows(rows)
            case "stream_datum":
                self._frames.setdefault(doc["stream_resource"], []).append(doc)
            case "stop":
                self.flush()
                self._write(name, doc)
            case _:
                if name == "descriptor":
                    self._stream[doc["uid"]] = doc["name"]
                self._write(name, doc)

    def flush(self) -> None:
        """Write what waits."""
        from bluesky_tiled_plugins.writing.tiled_writer import concatenate_stream_datums

        for rows in self._rows.values():
            self._flush_rows(rows)
        self._size.due = True
        for frames in self._frames.values():
            try:
                together = [concatenate_stream_datums(*frames)] if frames else []
            except ValueError:  # not one after the other
                together = frames
            for doc in together:
                self._write("stream_datum", doc)
            frames.clear()

    def _flush_rows(self, rows: list[dict[str, Any]]) -> None:
        for number, doc in enumerate(rows, 1):
            self._size.due = number == len(rows)
            self._write("event", doc)
        rows.clear()
