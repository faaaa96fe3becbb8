"""What a start document must say, as a JSON schema that every run is held against before it begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Literal

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import best_match
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import GenerateJsonSchema

from ..agents.problem import CandidateSpec
from ..agents.spec import AgentSpec
from ..core.errors import SpecError
from ..devices.instrument_file import InstrumentSpec
from .settings import SurveySettings

SCHEMA = 1
_SHOWN = 60  # characters of a wrong value that a message repeats
_EITHER: Any = [{"properties": {part: {"type": "object"}}} for part in ("probe", "column")]


class Stated(BaseModel):
    """Keys that have to be there, null where nobody knows; more are welcome."""

    model_config = ConfigDict(extra="allow")


class Sample(Stated):
    """What was measured."""

    id: str | None
    material: str | None
    mount: str | None


class Probe(Stated):
    """The sharp tip."""

    id: str | None
    model: str | None
    k_N_per_m: float | None
    f0_Hz: float | None
    Q: float | None
    invols_nm_per_V: float | None
    invols_date: str | None


class Column(Stated):
    """The electron probe."""

    model: str | None
    high_tension_V: float | None
    beam_current_A: float | None
    beam_current_date: str | None
    convergence_mrad: float | None
    collection_mrad: float | None
    camera_length_mm: float | None
    dispersion_eV: float | None


class Environment(Stated):
    """What surrounds the sample."""

    gas: str | None
    temperature_K: float | None


class Git(BaseModel):
    """The source tree that runs."""

    hash: str
    dirty: bool


class Machine(BaseModel):
    """The computer."""

    host: str
    platform: str
    python: str


class Block(Stated):
    """``probeline`` of every plan: which code, which instrument, whose hands."""

    schema_version: Literal[1] = Field(alias="schema")
    version: str
    git: Git | None
    packages: dict[str, str]
    machine: Machine
    operator: str | None
    instrument: InstrumentSpec
    driver: dict[str, Any]


class Objective(BaseModel):
    """The scalarizer."""

    name: str
    version: int
    options: dict[str, Any]
    unit: str


class Budget(BaseModel):
    """What may be spent: measurements, instrument time (s)."""

    points: int
    seconds: float | None


class Seeds(BaseModel):
    """Of everything random: the agent's draws, the hidden world of a twin."""

    agent: int
    world: int | None


class Tracking(BaseModel):
    """Measurements between two registrations, and between two measurements of the control site."""

    register_every: int
    reference_every: int


class ExplorationBlock(Block):
    """``probeline`` of an exploration: all that decides it."""

    goal: str
    objective: Objective
    agent: AgentSpec
    candidates: CandidateSpec
    budget: Budget
    stop: dict[str, float]
    seeds: Seeds
    lookahead: Literal[0, 1]
    batch: int
    survey: SurveySettings
    tracking: Tracking
    keys: dict[str, str]
    clock: float
    parent: str | None


class StartDocument(Stated):
    """Start document of any plan; of ``probe`` and ``column``, the one that the instrument has not is null."""

    model_config = ConfigDict(json_schema_extra={"anyOf": _EITHER})

    sample: dict[str, Any] | str
    probe: dict[str, Any] | None
    column: dict[str, Any] | None
    bias_convention: Literal["tip", "sample"] | None
    environment: dict[str, Any] | None
    probeline: Block


class ExplorationStart(Stated):
    """Start document of an exploration."""

    model_config = ConfigDict(json_schema_extra={"anyOf": _EITHER})

    plan_name: Literal["explore"]
    plan_args: dict[str, Any]
    sample: Sample
    probe: Probe | None
    column: Column | None
    bias_convention: Literal["tip", "sample"] | None
    environment: Environment
    probeline: ExplorationBlock


class _NothingLeftOut(GenerateJsonSchema):
    """A record leaves nothing to a default, which another version may change."""

    def field_is_required(self, field: Any, total: bool) -> bool:
        """Return True."""
        return True


@cache
def schema_of(plan_name: str) -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of the start documents of a plan.

    Parameters
    ----------
    plan_name : str
        ``"explore"`` has to say more than every other.
    """
    model = ExplorationStart if plan_name == "explore" else StartDocument
    schema = model.model_json_schema(schema_generator=_NothingLeftOut)
    return {"$schema": Draft202012Validator.META_SCHEMA["$id"], **schema}


@cache
def _errors_of(plan_name: str) -> Callable[[Any], Iterator[ValidationError]]:
    return Draft202012Validator(schema_of(plan_name)).iter_errors


def check_start(md: Mapping[str, Any]) -> None:
    """Raise unless a run that begins with ``md`` says all that it has to; made for ``RunEngine.md_validator``.

    Parameters
    ----------
    md : mapping
        What the start document will hold.

    Raises
    ------
    SpecError
        Naming the key, its value and what is wanted.
    """
    plan_name = str(md.get("plan_name") or "")
    error = best_match(_errors_of("explore" if plan_name == "explore" else "")(dict(md)))
    if error is not None:
        raise SpecError(f"the run was refused for what its start document says: {_problem(error)}")


def _problem(error: ValidationError) -> str:
    place = ".".join(map(str, error.absolute_path))
    if error.validator == "required":
        missing = error.message.partition(" is a required")[0].strip("'")
        remedy = "bind_metadata gives it to an engine" if place == "probeline" else "where nobody knows it, write null"
        return f"{place}.{missing}".lstrip(".") + f" is missing; {remedy}"
    value = repr(error.instance)
    shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."
    return f"{place or 'it'}: {error.message.replace(value, shown, 1)}"
