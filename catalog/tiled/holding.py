"""Whether Tiled holds all of a run: it may have lost rows, or got them from a process that died."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..journal.reading import last_record
from ..listing import uid_of


def is_held(client: Any, path: Path) -> bool:
    """Return whether Tiled holds the run of a journal to its end, with as many rows as its stop document says.

    Asks for numbers of rows, not for the rows: a few requests per stream.

    Parameters
    ----------
    client : CatalogOfBlueskyRuns
        Where to look.
    path : Path
        Journal of a run that ended.
    """
    last = last_record(path)
    wanted = (last[1].get("num_events") if last else None) or {}
    try:
        run = client[uid_of(path)].v3
        return bool(run.metadata.get("stop")) and all(
            _has_rows(run[stream].base, count) for stream, count in wanted.items() if count
        )
    except KeyError:  # the run, or a stream of it, is not there
        return False


def _has_rows(stream: Any, count: int) -> bool:
    """Return whether nothing that Tiled wrote is missing or has fewer rows; frames are the business of their files."""
    keys = stream.metadata.get("data_keys") or {}
    parts = dict(stream.items())
    columns = {column for part in parts.values() if _is_table(part) for column in part.columns}
    written = {key for key, info in keys.items() if "external" not in info}
    counts = [_rows(part) for name, part in parts.items() if name in written or name not in keys]
    return written <= parts.keys() | columns and bool(parts) and min(counts, default=count) >= count


def _rows(part: Any) -> int:
    if not _is_table(part):
        return part.shape[0]
    return len(part.read(["seq_num"] if "seq_num" in part.columns else part.columns[:1]))


def _is_table(part: Any) -> bool:
    return part.item["attributes"]["structure_family"] == "table"
