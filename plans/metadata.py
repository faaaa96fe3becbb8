"""What our runs say of themselves in their start documents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..catalog.journal.codec import encode
from ..catalog.provenance import code_version, providers
from ..core.errors import CatalogError, SpecError
from ..core.registry import AGENTS, BACKENDS, SCALARIZERS
from .settings import ExploreSettings
from .start_document import SCHEMA, Column, Environment, Probe, Sample, check_start

# What is said of an experiment, and what each part has to say.
PARTS = {"sample": Sample, "probe": Probe, "column": Column, "environment": Environment}
# What the engine itself writes into a start document, and what decides the run.
_RESERVED = ("uid", "time", "scan_id", "plan_name", "probeline")


def checked_md(md: Any) -> dict[str, Any]:
    """Return the metadata of a caller; what it says of sample, probe, column or environment has all their keys.

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
    return {name: _complete(PARTS.get(name), value) for name, value in found.items()}


def bind_metadata(engine: Any, instrument: Any) -> None:
    """Make every run of a RunEngine say what was measured, with what, by whom; one that does not is refused.

    Plans of bluesky get it all from ``engine.md``; an exploration says more, and says it itself.

    Parameters
    ----------
    engine : RunEngine
        Gets metadata, and :func:`~probeline.plans.start_document.check_start` as its validator.
    instrument : SPM or STEM
        The one that its plans work with.
    """
    engine.md.update({**instrument_metadata(instrument), "probeline": _block(instrument)})
    engine.md_validator = check_start


def instrument_metadata(instrument: Any) -> dict[str, Any]:
    """Return sample, probe or column, bias convention and environment of an instrument, JSON; null is unknown.

    What the instrument file says of one of them replaces what the driver says of it.
    """
    found = {**instrument.description["metadata"], **instrument.spec.model_dump(mode="json")["metadata"]}
    absent = "column" if instrument.spec.kind == "spm" else "probe"
    stated = {name: _complete(model, found.get(name) or {}) for name, model in PARTS.items()}
    return {"bias_convention": None, **found, **stated, absent: None}


def _complete(model: Any, given: Any) -> Any:
    """Return the dictionary ``given`` with null for every key of ``model`` that it lacks; all else as it is."""
    if model is None or not isinstance(given, Mapping):
        return given
    return {**dict.fromkeys(model.model_fields), **given}


def _block(instrument: Any, *names: tuple[Any, str]) -> dict[str, Any]:
    """Return what ``probeline`` holds of every plan; ``names`` are what the plan loaded from registries."""
    backend = (BACKENDS, instrument.spec.backend.partition(":")[0])
    code = code_version()
    return {
        "schema": SCHEMA,
        **code,
        "packages": {**code["packages"], **providers(backend, *names)},
        "instrument": instrument.spec.model_dump(mode="json"),
        "driver": instrument.description,
    }


def start_metadata(
    instrument: Any,
    settings: ExploreSettings,
    objective: Mapping[str, Any],
    plan_args: Mapping[str, Any],
    parent: str | None = None,
) -> dict[str, Any]:
    """Return the metadata of ``open_run`` of an exploration, as docs/reference/record.md lists it.

    Sample, probe or column and environment stand at the top, where a search finds them. The clock is not known yet.

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
        **instrument_metadata(instrument),
        "plan_name": "explore",
        "plan_args": dict(plan_args),
        "detectors": [instrument.scan.name, instrument.spectrometer.name],
        "motors": [instrument.probe.name],
        "num_points": settings.points,
        "hints": {"dimensions": dimensions},
        "probeline": {
            **_block(instrument, (AGENTS, settings.agent.kind), (SCALARIZERS, settings.objective)),
            "goal": settings.goal,
            "objective": dict(objective),
            "agent": settings.agent.model_dump(mode="json"),
            "candidates": settings.candidates.model_dump(mode="json"),
            "budget": {"points": settings.points, "seconds": settings.seconds},
            "stop": dict(settings.stop),
            "seeds": {"agent": settings.agent.seed, "world": json.loads(instrument.state.get()).get("seed")},
            "lookahead": settings.lookahead,
            "batch": settings.batch,
            "survey": settings.survey.model_dump(mode="json"),
            "tracking": {
                "register_every": settings.register_every,
                "reference_every": settings.reference_every,
            },
            "keys": dict(keys),
            "parent": parent,
        },
    }
