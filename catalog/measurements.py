"""From a recorded event back to the measurement that a scalarizer sees."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..analysis.measurement import Measurement
from ..core.units import from_si


def measurement_from(descriptor: Mapping[str, Any], event: Mapping[str, Any], key: str) -> Measurement:
    """Return the measurement that ``event`` holds under ``key``.

    Parameters
    ----------
    descriptor : mapping
        Its event descriptor; the data key declares ``kind``, ``dims``, ``channels``, ``coords`` and
        ``units``.
    event : mapping
        The event document.
    key : str
        Data key of the spectrum (``keys["spectrum"]`` of the start document).
    """
    info = descriptor["data_keys"][key]
    owner = info["object_name"]
    configured = descriptor.get("configuration", {}).get(owner, {}).get("data", {})
    settings = {name.removeprefix(f"{owner}_"): value for name, value in configured.items()}
    provenance = json.loads(event["data"].get(f"{owner}_provenance", "{}"))
    if "phase_offset" in provenance:
        settings["phase_offset_deg"] = from_si(provenance["phase_offset"], "deg")
    return Measurement(
        kind=info["kind"],
        data=np.asarray(event["data"][key], dtype=float),
        dims=info["dims"],
        channels=info["channels"],
        coords=provenance.get("coords") or info["coords"],
        unit=info["units"],
        settings=settings,
    )
