"""From a recorded event back to the measurement that a scalarizer sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..analysis.measurement import Measurement


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
    return Measurement(
        kind=info["kind"],
        data=np.asarray(event["data"][key], dtype=float),
        dims=info["dims"],
        channels=info["channels"],
        coords=info["coords"],
        unit=info["units"],
        settings={name.removeprefix(f"{owner}_"): value for name, value in configured.items()},
    )
