"""What a plan may know about its own run: only what was recorded."""

from __future__ import annotations

from typing import Any

FRAMES = ("survey", "resurvey", "reference")


class RunTap:
    """A document callback that follows one run and remembers its last events.

    Where a pause rewound the plan, an event is emitted twice with the same ``seq_num``; the
    last one counts, here as for every later reader.
    """

    def __init__(self) -> None:
        self.uid: str | None = None
        self.documents: list[tuple[str, dict[str, Any]]] = []
        self._streams: dict[str, str] = {}
        self._descriptors: dict[str, dict[str, Any]] = {}
        self._events: dict[str, dict[str, Any]] = {}

    def follow(self, uid: str) -> None:
        """Take documents of run ``uid`` from now on, and those of its start seen already."""
        self.uid = uid
        self.documents = [(name, doc) for name, doc in self.documents if doc["uid"] == uid]

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        """Take one document from the RunEngine."""
        if name == "start" and self.uid is None:
            self.documents.append((name, doc))
        elif name == "descriptor" and doc["run_start"] == self.uid:
            self._streams[doc["uid"]] = doc["name"]
            self._descriptors[doc["name"]] = doc
            self.documents.append((name, doc))
        elif name == "event" and doc["descriptor"] in self._streams:
            stream = self._streams[doc["descriptor"]]
            self._events[stream] = doc
            if stream in FRAMES:
                self.documents.append((name, doc))
        elif name in ("stream_resource", "stream_datum"):
            self.documents.append((name, doc))

    def announced(self, resource: str) -> int:
        """Return how many entries of the stream resource with this uid were announced."""
        return sum(doc["stream_resource"] == resource for name, doc in self.documents if name == "stream_datum")

    def last(self, stream: str, key: str) -> Any:
        """Return ``key`` of the last event of ``stream``, None before the first."""
        return self._events[stream]["data"][key] if stream in self._events else None

    def event(self, stream: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return descriptor and last event of ``stream``."""
        return self._descriptors[stream], self._events[stream]
