"""A RunEngine, an instrument and a catalogue, opened together and closed together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bluesky import RunEngine

from ..catalog import Catalog
from ..catalog import open as open_catalog
from ..devices.factory import open_instrument


@dataclass(frozen=True)
class Session:
    """What a prompt, a command or a benchmark works with.

    Attributes
    ----------
    RE : RunEngine
        Every document goes to the journal before anything else sees it.
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
    """Open instrument and catalogue around a new RunEngine; make safe and close at the end.

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
    with contextlib.ExitStack() as stack:
        store = open_catalog(catalog)
        stack.callback(store.close)
        device = open_instrument(instrument, data_root=store.data_root, options=options)
        stack.callback(device.close)
        engine = RunEngine({})
        engine.subscribe(store.writer())
        stack.callback(_abort_paused, engine)
        yield Session(engine, device, store)


def _abort_paused(engine: RunEngine) -> None:
    """Close the run of a paused plan: a session must not end with a run left open."""
    if engine.state == "paused":
        engine.abort(reason="session closed")
