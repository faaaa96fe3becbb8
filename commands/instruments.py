"""Commands about instruments."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from .shared import InstrumentOption, JsonOption


def instruments(as_json: JsonOption = False) -> None:
    """List the instruments that can be opened by name."""
    from ..core.registry import BACKENDS

    names = [
        f"{name}:{argument}" if argument else name
        for name in BACKENDS.names()
        for argument in BACKENDS.load(name).arguments()
    ]
    if as_json:
        print(json.dumps({"instruments": names}))
    else:
        Console().print("\n".join(names), highlight=False)


def describe(instrument: InstrumentOption = "sim-pfm", as_json: JsonOption = False) -> None:
    """Say what an instrument is, what it can do and what it may do."""
    import tempfile

    from ..devices.factory import open_instrument

    with tempfile.TemporaryDirectory() as folder:
        device = open_instrument(instrument, data_root=Path(folder))
        try:
            values = {"spec": device.spec.model_dump(mode="json"), "driver": device.description}
        finally:
            device.close()
    if as_json:
        print(json.dumps(values))
    else:
        Console().print_json(data=values)
