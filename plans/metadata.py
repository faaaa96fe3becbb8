"""The start document of an exploration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..catalog.codec import encode
from ..catalog.provenance import code_version
from ..core.errors import CatalogError, SpecError
from .settings import ExploreSettings

SCHEMA = 1
# What the engine itself writes into a start document, and what decides the run.
_RESERVED = ("uid", "time", "scan_id", "probeline")


def checked_md(md: Any) -> dict[str, Any]:
    """Return the metadata of a caller.

    Raises
    ------
    SpecError
        When it is no dictionary, holds a reserved key, or something that cannot be written down.
    """
    if md is not None and not isinstance(md, Mapping):
        raise SpecError(f"md = {md!r} is not a dictionary")
    found = dict(md or {})
    for key in _RESERVED:
        if key in found:
            raise SpecError(f"md may not hold the key {key!r}: it is written by the run itself; use another key")
    try:
        encode(found)
    except CatalogError as error:
        raise SpecError(f"md cannot be recorded: {error}") from error
    return found


def start_metadata(
    instrument: Any,
    settings: ExploreSettings,
    objective: Mapping[str, Any],
    plan_args: Mapping[str, Any],
    parent: str | None = None,
) -> dict[str, Any]:
    """Return the metadata of ``open_run``, as docs/reference/record.md lists it.

    Sample, probe or column and environment stand at the top, where a search finds them; what the
    instrument file says wins over what the driver says.

    Parameters
    ----------
    instrument : SPM or STEM
        Says what it is and under which keys it writes.
    settings : ExploreSettings
        What decides the run.
    objective : mapping
        ``name``, ``version``, ``options`` and ``unit`` of the scalarizer.
    plan_args : mapping
        Arguments of the plan, JSON.
    parent : str, optional
        Uid of the run that this one goes on from.
    """
    keys = instrument.keys
    dimensions = [([keys["x"], keys["y"]], "primary")]
    return {
        **{**instrument.description["metadata"], **instrument.spec.metadata},
        "plan_name": "explore",
        "plan_args": dict(plan_args),
        "detectors": [instrument.scan.name, instrument.spectrometer.name],
        "motors": [instrument.probe.name],
        "num_points": settings.points,
        "hints": {"dimensions": dimensions},
        "probeline": {
            "schema": SCHEMA,
            **code_version(),
            "instrument": instrument.spec.model_dump(mode="json"),
            "driver": instrument.description,
            "goal": settings.goal,
            "objective": dict(objective),
            "agent": settings.agent.model_dump(mode="json"),
            "candidates": settings.candidates.model_dump(mode="json"),
            "budget": {"points": settings.points, "seconds": settings.seconds},
            "lookahead": settings.lookahead,
            "survey": settings.survey.model_dump(mode="json"),
            "tracking": {"register_every": settings.register_every},
            "keys": dict(keys),
            "parent": parent,
        },
    }
