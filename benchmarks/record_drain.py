"""What a catalogue that is dead, slow or full costs the RunEngine, and how fast the drain is."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bluesky.plans as bp
import numpy as np
from ophyd.sim import SynSignal

from probeline.catalog import open as open_catalog
from probeline.catalog.tiled.serving import make_app
from probeline.plans.session import run_engine

EVENTS = 2000
SLOW_S = 5.0


def measure(folder: Path) -> list[tuple[str, str, str, bool]]:
    """Return the rows of this part."""
    rows = []
    for fault in ("dead", "slow", "full"):
        stalls = stalls_with(folder / fault, fault)
        worst, usual = max(stalls) * 1e3, float(np.percentile(stalls, 99)) * 1e3
        what = {"dead": "dead", "slow": f"slow ({SLOW_S:g} s per call)", "full": "full (refuses every write)"}[fault]
        shown = f"p99 {usual:.2f} ms, max {worst:.1f} ms"
        rows.append((f"stall of the RunEngine per document, Tiled {what}, wall", "p99 <= 20 ms, max <= 100 ms", shown,
                     usual <= 20 and worst <= 100))  # fmt: skip
    rate = drain_rate(folder / "drain")
    rows.append(("drain of scalar events", ">= 500 per CPU s", f"{rate:.0f} per CPU s", rate >= 500))
    return rows


class _Faulty:
    """A Tiled application that answers late, or refuses to write, once it is told to."""

    def __init__(self, app: Any, fault: str):
        self._app, self._fault = app, fault
        self.on = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if self.on and scope["type"] == "http":
            if self._fault == "slow":
                await asyncio.sleep(SLOW_S)
            elif scope["method"] != "GET":
                await send({"type": "http.response.start", "status": 507, "headers": []})
                await send({"type": "http.response.body", "body": b"no space left"})
                return
        await self._app(scope, receive, send)


@contextlib.contextmanager
def _served(folder: Path, fault: str) -> Iterator[tuple[str, _Faulty]]:
    """Serve a catalogue on loopback from a thread."""
    import uvicorn

    key = secrets.token_hex(16)
    folder.mkdir(parents=True)
    app = _Faulty(make_app(folder, [], key), fault)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}?api_key={key}", app
    finally:
        server.should_exit = server.force_exit = True
        thread.join(30)


def stalls_with(folder: Path, fault: str) -> list[float]:
    """Return the wall seconds that each document took in the catalogue's callback."""
    detector = SynSignal(func=itertools.count().__next__, name="value")
    with contextlib.ExitStack() as stack:
        uri, app = stack.enter_context(_served(folder, fault))
        catalog = open_catalog(uri)
        catalog.client  # noqa: B018  # connected while all was well
        write, stalls = catalog.writer(), []

        def timed(name: str, doc: dict) -> None:
            began = time.perf_counter()
            write(name, doc)
            stalls.append(time.perf_counter() - began)

        if fault == "dead":
            stack.close()
        app.on = True
        with run_engine(context_managers=[]) as engine:
            engine.subscribe(timed)
            engine(bp.count([detector], num=EVENTS))
        catalog.close(timeout=0.1)
    return stalls


def drain_rate(folder: Path) -> float:
    """Return scalar events per CPU-second of uploading a run into the embedded Tiled."""
    detector = SynSignal(func=itertools.count().__next__, name="value")
    with open_catalog(folder) as catalog:
        catalog.client  # noqa: B018  # opens Tiled
        with run_engine(context_managers=[]) as engine:
            token = engine.subscribe(catalog.writer())
            engine(bp.count([detector], num=2))  # imports what an upload needs
            catalog.flush()
            engine.unsubscribe(token)
            documents: list[tuple[str, Any]] = []
            engine.subscribe(lambda name, doc: documents.append((name, doc)))
            engine(bp.count([detector], num=EVENTS))
        write = catalog.writer()
        for name, doc in documents:
            write(name, doc)
        began = time.process_time()
        catalog.flush(timeout=600)
        return EVENTS / (time.process_time() - began)
