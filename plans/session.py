"""A RunEngine, an instrument and a catalogue, opened together and closed together."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bluesky import RunEngine

from ..catalog import Catalog
from ..catalog import open as open_catalog
from ..devices.factory import open_instrument
from ..devices.instrument_file import InstrumentSpec
from .metadata import bind_metadata


@dataclass(frozen=True)
class Session:
    """What a prompt, a command or a benchmark works with.

    Attributes
    ----------
    RE : RunEngine
        Every document goes to the journal before anything else sees it; every run says what was measured, with what.
    instrument : SPM or STEM
        Connected.
    catalog : Catalog
        Where the runs go.
    """

    RE: RunEngine
    instrument: Any
    catalog: Catalog


@contextlib.contextmanager
def open_session(
    instrument: str | Path, catalog: str | Path, options: dict[str, Any] | None = None
) -> Iterator[Session]:
    """Open catalogue and instrument around a new RunEngine; make safe and close at the end.

    Parameters
    ----------
    instrument : str or Path
        Registered name (``"sim-pfm"``, ``"replay:beacon-dkl"``) or an instrument file.
    catalog : str or Path
        Folder or Tiled URI.
    options : dict, optional
        Options of the back-end.

    Raises
    ------
    ProbelineError
        When one of them cannot be opened; nothing stays open.
    """
    with open_catalog(catalog) as store:
        store.client  # noqa: B018  # opens Tiled now: a fault shows here, and no two threads import it at once
        with session_on(store, instrument, options) as session:
            yield session


@contextlib.contextmanager
def session_on(
    store: Catalog, instrument: str | Path | InstrumentSpec, options: dict[str, Any] | None = None
) -> Iterator[Session]:
    """As :func:`open_session`, on a catalogue that is open and stays so, and of any instrument."""
    with contextlib.ExitStack() as stack:
        engine = stack.enter_context(run_engine())
        device = open_instrument(instrument, data_root=store.data_root, options=options)
        stack.callback(device.close)
        bind_metadata(engine, device)
        engine.subscribe(store.writer())
        stack.callback(_abort_paused, engine)
        stack.enter_context(_orderly_termination(engine))
        yield Session(engine, device, store)


@contextlib.contextmanager
def run_engine(**options: Any) -> Iterator[RunEngine]:
    """Make a RunEngine whose event loop and thread end with it.

    Parameters
    ----------
    **options
        Of ``RunEngine``.
    """
    loop = _Loop()
    engine = RunEngine({}, loop=loop, **options)
    try:
        yield engine
    finally:
        if engine.state == "idle":  # else a plan is stuck in its thread, and waiting for that would never end
            loop.call_soon_threadsafe(loop.stop)
            engine._th.join()
            loop.close()


class _Loop(asyncio.SelectorEventLoop):
    """Once closed, drops what statuses tell it that nobody waits for: an aborted scan ends after its plan."""

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
        try:
            return super().call_soon_threadsafe(callback, *args, context=context)
        except RuntimeError:
            if not self.is_closed():
                raise


def _abort_paused(engine: RunEngine) -> None:
    """Close the run of a paused plan: a session must not end with a run left open."""
    if engine.state == "paused":
        engine.abort(reason="session closed")


@contextlib.contextmanager
def _orderly_termination(engine: RunEngine) -> Iterator[None]:
    """Treat SIGTERM and SIGHUP (a service stopped, a terminal lost) like Ctrl-C: safe first, then the end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: Any) -> None:
        if engine.state == "running":
            engine.request_pause()
        else:
            raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
