"""Runs that only a Tiled server holds: found there, read from there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..listing import RunInfo, info_of
from ..run import Run
from ..search import Criteria
from .run import tiled_run

# Criteria of which Tiled can ask the start document, and where they stand there.
_EXACT = {"plan": "plan_name", "scan_id": "scan_id", "goal": "probeline.goal"}


class ServedRuns:
    """The runs of a server, whoever recorded them.

    Parameters
    ----------
    client : callable
        Returns the Tiled client, a ``CatalogOfBlueskyRuns``; may take long, may fail.
    """

    def __init__(self, client: Callable[[], Any]):
        self._client = client

    def uids(self) -> list[str]:
        """Return the uids of all of them."""
        return list(self._client())

    def search(self, wanted: Criteria) -> list[RunInfo]:
        """Return the runs that meet the criteria, newest first."""
        found = self._client()
        for query in _queries(wanted):
            found = found.search(query)
        lines = [_info(node.metadata) for node in found.values()]
        return sorted(filter(wanted.meets, lines), key=lambda info: info.time, reverse=True)

    def beginning(self, uid: str) -> list[str]:
        """Return the uids that begin so."""
        return [info.uid for info in self.search(Criteria(uid=uid))]

    def __getitem__(self, uid: str) -> Run:
        """Return a run by its whole uid."""
        return tiled_run(self._client()[uid])


def _queries(wanted: Criteria) -> Iterator[Any]:
    """Yield what the server can sort out itself; the rest is sorted out here."""
    from tiled.queries import Comparison, Eq, Like

    for name, key in _EXACT.items():
        if (value := getattr(wanted, name)) is not None:
            yield Eq(f"start.{key}", value)
    if wanted.since is not None:
        yield Comparison("ge", "start.time", wanted.since)
    if wanted.until is not None:
        yield Comparison("lt", "start.time", wanted.until)
    if wanted.uid:
        yield Like("start.uid", f"{wanted.uid}%")


def _info(metadata: Any) -> RunInfo:
    stop = metadata.get("stop")
    points = ((stop or {}).get("num_events") or {}).get("primary", 0)
    return info_of(metadata["start"], "stored" if stop else "pending", stop, points)
