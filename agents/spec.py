"""What an agent is made from: a JSON specification that names no device, unit or bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..core.errors import SpecError, UnknownNameError
from ..core.registry import AGENTS
from .problem import Problem
from .protocols import Agent

AUTO = "patch_gp"  # the kind that development evidence supports
GOALS = {"optimum": "log_ei", "map": "integrated_variance", "all_above": "straddle", "diverse": "novelty"}
ACQUISITIONS = ("log_ei", "ucb", "max_variance", "integrated_variance", "thompson", "straddle", "novelty")
_PER_COST = ("log_ei", "max_variance", "integrated_variance", "novelty", "information")  # as travel asks for
_COMMON = ("seed", "seed_points", "acquisition", "direction", "audit", "on_miscalibrated", "travel")


class AgentSpec(BaseModel):
    """Everything, besides the problem and the outcomes, that decides what an agent suggests.

    Attributes
    ----------
    version : int
        Version of this schema and of the meaning of its values.
    kind : str
        Registered name of the agent, for example ``"patch_gp"``.
    seed : int
        Seed of the seed design and of every draw.
    seed_points : int
        Suggestions that follow the seed design before the agent decides itself.
    acquisition : str or None
        One of ``ACQUISITIONS``, or of what this kind of agent names itself; None for agents without a model.
    direction : str
        ``"max"`` when large outcomes are wanted, ``"min"`` when small ones are.
    audit : float
        Share of the decisions after the seed design, 0.5 at most, that measure a random candidate to judge the
        predictions; 0 for agents without a model.
    on_miscalibrated : str
        ``"warn"``, or ``"space_filling"``: fill space while audits say that the predictions cannot be relied on.
    travel : float
        What it costs to move by one step, in measurements; what counts is then the acquisition per cost. 0 where
        moving is free. Only acquisitions that are never negative can be shared out so, and ``log_ei``.
    options : dict
        Settings of this kind of agent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    kind: str
    seed: int = Field(default=0, ge=0)
    seed_points: int = Field(default=10, ge=1)
    acquisition: str | None = None
    direction: Literal["max", "min"] = "max"
    audit: float = Field(default=0.0, ge=0, le=0.5)  # 0 in runs that were recorded before there were audits
    on_miscalibrated: Literal["warn", "space_filling"] = "warn"
    travel: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    options: dict[str, Any] = Field(default_factory=dict)


class NoOptions(BaseModel):
    """Options of an agent that has none."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def parse_spec(data: AgentSpec | Mapping[str, Any]) -> AgentSpec:
    """Return ``data``, for example from a stored run, as a checked specification.

    Raises
    ------
    SpecError
        When a field is missing, unknown or out of range.
    """
    if isinstance(data, AgentSpec):
        return data
    try:
        return AgentSpec.model_validate(dict(data))
    except ValidationError as error:
        raise SpecError(f"agent specification: {_reasons(error)}") from error


def spec_for(
    agent: str, goal: str, options: Mapping[str, Any] | None = None, *, seed: int = 0, audit: float = 0.0
) -> AgentSpec:
    """Return the complete specification of an agent for a goal.

    Parameters
    ----------
    agent : str
        Registered name, or ``"auto"`` for the kind that development evidence supports.
    goal : str
        ``"optimum"``, ``"map"``, ``"all_above"`` or ``"diverse"``; decides the acquisition.
    options : mapping, optional
        ``seed``, ``seed_points``, ``acquisition``, ``direction``, ``audit``, ``on_miscalibrated`` and ``travel``
        set the fields of :class:`AgentSpec`; the rest are options of the agent's kind.
    seed : int
        Seed, unless ``options`` has one.
    audit : float
        Share of audits of an agent with a model, unless ``options`` has one.

    Raises
    ------
    UnknownNameError
        When no such agent, goal or acquisition exists.
    SpecError
        When an option is unknown or out of range.
    """
    kind = AUTO if agent == "auto" else agent
    if kind not in AGENTS.names():
        raise UnknownNameError("agent", agent, ["auto", *AGENTS.names()])
    if goal not in GOALS:
        raise UnknownNameError("goal", goal, GOALS)
    given = dict(options or {})
    made = AGENTS.load(kind)
    common = {name: given.pop(name) for name in _COMMON if name in given}
    if getattr(made, "needs_acquisition", False):
        common = {"acquisition": getattr(made, "goals", GOALS)[goal], "audit": audit, **common}
    spec = parse_spec({"kind": kind, "seed": seed, **common, "options": given})
    _check_model(spec, made)
    return spec.model_copy(update={"options": parse_options(spec, made).model_dump(mode="json")})


def make_agent(spec: AgentSpec | Mapping[str, Any], problem: Problem) -> Agent:
    """Return the agent that ``spec`` describes, at work on ``problem``.

    Equal arguments and equal calls afterwards give equal suggestions, in any process. Agents
    with a model set torch to one thread for the whole process: their matrices are too small to
    gain from more, and sums must not depend on how many there are.

    Raises
    ------
    UnknownNameError
        When no such agent or acquisition exists.
    SpecError
        When the specification is malformed or does not suit the problem.
    """
    checked = parse_spec(spec)
    made = AGENTS.load(checked.kind)
    _check_model(checked, made)
    return made(checked, problem)


def on_this_machine(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a specification with the processor in place of a device that is not at hand, to decide again what was."""
    options = dict(spec.get("options") or {})
    if options.get("device") == "cuda":
        from torch.cuda import is_available  # here, because most agents do without it

        options["device"] = "cuda" if is_available() else "cpu"
    return {**spec, "options": options}


def rebuild_agent(spec: AgentSpec | Mapping[str, Any], problem: Problem, log: Sequence[Mapping[str, Any]]) -> Agent:
    """Return the agent as it was after the calls of ``log``.

    Parameters
    ----------
    spec, problem
        As for :func:`make_agent`.
    log : sequence of mapping
        ``{"call": method name, "argument": what it was called with}``, in order, as an agent's
        ``log`` attribute has it.
    """
    agent = make_agent(spec, problem)
    for entry in log:
        getattr(agent, entry["call"])(entry["argument"])
    return agent


def parse_options(spec: AgentSpec, made: Any) -> BaseModel:
    """Return the options of ``spec`` as the model that the class ``made`` declares.

    Raises
    ------
    SpecError
        When one is unknown or out of range.
    """
    try:
        return getattr(made, "Options", NoOptions).model_validate(spec.options)
    except ValidationError as error:
        raise SpecError(f"options of agent {spec.kind!r}: {_reasons(error)}") from error


def _check_model(spec: AgentSpec, made: Any) -> None:
    known = getattr(made, "acquisitions", ACQUISITIONS)
    if spec.acquisition is not None and spec.acquisition not in known:
        raise UnknownNameError("acquisition", spec.acquisition, known)
    needed = getattr(made, "needs_acquisition", False)
    if needed and spec.acquisition is None:
        raise SpecError(f"agent {spec.kind!r} needs an acquisition, one of {', '.join(known)}")
    if not needed and spec.acquisition is not None:
        raise SpecError(
            f"agent {spec.kind!r} has no model, so acquisition {spec.acquisition!r} cannot guide it; leave it out"
        )
    if spec.travel and spec.acquisition not in _PER_COST:
        raise SpecError(
            f"travel = {spec.travel:g} was refused: a cost can be weighed against {', '.join(_PER_COST)}, not against "
            f"{spec.acquisition}; set travel to 0, or choose one of these acquisitions"
        )
    if not needed and spec.audit:
        raise SpecError(
            f"agent {spec.kind!r} has no model, so audit = {spec.audit:g} would judge nothing; leave it out"
        )
    if spec.on_miscalibrated != "warn" and not spec.audit:
        raise SpecError(
            f"on_miscalibrated = {spec.on_miscalibrated!r} needs audits, and there are none; set audit, for example 0.1"
        )


def _reasons(error: ValidationError) -> str:
    found = (f"{'.'.join(map(str, e['loc'])) or 'it'} = {e['input']!r}: {e['msg']}" for e in error.errors())
    return "; ".join(found)
