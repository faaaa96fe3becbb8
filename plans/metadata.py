"""The start document of an exploration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..catalog.provenance import code_version
from .settings import ExploreSettings

SCHEMA = 1


def start_metadata(
    instrument: Any, settings: ExploreSettings, objective: Mapping[str, Any], plan_args: Mapping[str, Any]
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
            "parent": None,
        },
    }
