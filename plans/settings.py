"""What an exploration was asked to do, checked and complete before anything moves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..agents.problem import CandidateSpec
from ..agents.spec import GOALS, AgentSpec, spec_for
from ..agents.stopping import TOLERANCES
from ..analysis.channels import derived_names
from ..core.envelope import Envelope
from ..core.errors import LimitError, SpecError, UnknownNameError

AUDIT = 0.1  # of the decisions after the seed design, of an agent with a model
MIN_PIXELS = 8  # per line: with fewer, no landmark can be found again


class SurveySettings(BaseModel):
    """The overview frame, in the scanner frame of the moment it is taken."""

    model_config = ConfigDict(frozen=True)

    size_nm: float
    pixels: int
    center_x_nm: float
    center_y_nm: float
    angle_deg: float = 0.0


class ExploreSettings(BaseModel):
    """Everything that decides an exploration; JSON, recorded in the start document.

    Attributes
    ----------
    goal : str
        ``"optimum"``, ``"map"``, ``"all_above"`` or ``"diverse"``.
    objective, objective_options
        Scalarizer by name, and its options.
    agent : AgentSpec
        Complete specification of the agent.
    points : int
        Measurements to make.
    seconds : float or None
        Instrument time (s) to spend at most.
    survey : SurveySettings
        The overview frame.
    candidates : CandidateSpec
        How candidates follow from the survey.
    lookahead : int
        0, or 1 to suggest while the instrument measures.
    batch : int
        Points that are decided for at once.
    reference_every : int
        Measurements after which the control site is measured again; 0 for never.
    register_every : int
        Measurements between two registrations to the survey; 0 for none.
    stop : dict of str to float
        Criteria that end the run before its budget is spent, each with the value below which it does.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    goal: str
    objective: str
    objective_options: dict[str, Any]
    agent: AgentSpec
    points: int
    seconds: float | None
    survey: SurveySettings
    candidates: CandidateSpec
    lookahead: int
    register_every: int
    batch: int = 1
    reference_every: int = 0
    stop: dict[str, float] = Field(default_factory=dict)


def _positive(name: str, value: Any, unit: str = "") -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LimitError(name, value, f"a number {unit}".rstrip(), unit, f"give a number for {name}")
    if not (math.isfinite(value) and value > 0):
        raise LimitError(name, value, f"more than 0 {unit}".rstrip(), unit, f"give a positive {name}")


def _whole(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise LimitError(name, value, f"a whole number, at least {least}", remedy=f"give a whole number for {name}")


def _odd_pixels(patch_nm: float, step_nm: float) -> int:
    """Return the odd number of pixels nearest to ``patch_nm``."""
    return max(1, 2 * round((patch_nm / step_nm - 1) / 2) + 1)


def _polygons(name: str, polygons: Any) -> list[Any]:
    try:
        found = [[tuple(map(float, point)) for point in polygon] for polygon in polygons or []]
    except (TypeError, ValueError) as error:
        raise SpecError(
            f"{name} = {polygons!r} is no list of polygons; give [[[x, y], [x, y], [x, y]], ...] in nm"
        ) from error
    for points in found:
        if len(points) < 3 or not all(len(p) == 2 and all(map(math.isfinite, p)) for p in points):
            raise SpecError(f"{name}: a polygon needs at least 3 finite points (x, y) in nm, got {points}")
    return found


def _texts(**names: Any) -> None:
    for name, value in names.items():
        if not isinstance(value, str):
            raise SpecError(f"{name} = {value!r} is not a name")


def _mappings(**options: Any) -> None:
    for name, value in options.items():
        if value is not None and not isinstance(value, Mapping):
            raise SpecError(f"{name} = {value!r} is not a dictionary of options")


def resolve(
    spec: Any,
    description: Mapping[str, Any],
    *,
    goal: str,
    objective: str | None,
    objective_options: Mapping[str, Any] | None,
    agent: str,
    agent_options: Mapping[str, Any] | None,
    points: int,
    size_nm: float | None,
    pixels: int | None,
    patch_nm: float | None,
    seed_points: int,
    seconds: float | None,
    roi: Sequence[Any] | None,
    exclude: Sequence[Any] | None,
    lookahead: int,
    register_every: int | None,
    batch: int = 1,
    reference_every: int = 0,
    stop: Mapping[str, Any] | None = None,
) -> ExploreSettings:
    """Return complete settings from the arguments of ``explore`` and the instrument's defaults.

    Parameters
    ----------
    spec : InstrumentSpec
        The instrument file.
    description : mapping
        What its driver says of itself.

    Raises
    ------
    RefusedError
        Naming the argument, its value, the limit and what to do.
    """
    _texts(goal=goal, agent=agent, objective=objective or spec.objective)
    _mappings(objective_options=objective_options, agent_options=agent_options, stop=stop)
    if goal not in GOALS:
        raise UnknownNameError("goal", goal, GOALS)
    _whole("points", points, 1)
    _whole("seed_points", seed_points, 1)
    _whole("batch", batch, 1)
    _whole("reference_every", reference_every, 0)
    if reference_every and description["spectra"][spec.spectrum]["destructive"]:
        raise SpecError(
            f"reference_every = {reference_every} was refused: {spec.spectrum} changes the sample where it measures, "
            "and a control site would show its own damage, not what changes with time; leave it out"
        )
    for name, value, least in (("pixels", pixels, MIN_PIXELS), ("register_every", register_every, 0)):
        if value is not None:
            _whole(name, value, least)
    for name, value in (("size_nm", size_nm), ("patch_nm", patch_nm)):
        _positive(name, value, "nm")
    _positive("seconds", seconds, "s")
    if lookahead not in (0, 1):
        raise LimitError("lookahead", lookahead, "0 or 1", remedy="0 waits for every outcome, 1 thinks while measuring")
    survey = _survey(spec, description, size_nm, pixels)
    step = survey.size_nm / survey.pixels
    candidates = _candidates(spec, description, step, patch_nm, roi, exclude)
    objective = str(objective or spec.objective)
    defaults = spec.objective_options if objective == spec.objective else {}
    agent_options = {"seed_points": min(seed_points, points), **(agent_options or {})}
    made = spec_for(agent, goal, agent_options, audit=AUDIT)
    return ExploreSettings(
        goal=goal,
        objective=objective,
        objective_options={**defaults, **(objective_options or {})},
        agent=made,
        points=points,
        seconds=seconds,
        survey=survey,
        candidates=candidates,
        lookahead=lookahead,
        register_every=spec.register_every if register_every is None else register_every,
        batch=batch,
        reference_every=reference_every,
        stop=_stop(stop or {}, made),
    )


def _stop(stop: Mapping[str, Any], agent: AgentSpec) -> dict[str, float]:
    """Return the criteria that end the run, checked."""
    for name, value in stop.items():
        if name not in TOLERANCES:
            raise UnknownNameError("stopping criterion", name, TOLERANCES)
        _positive(f"stop[{name!r}]", value)
    if stop and agent.acquisition is None:
        raise SpecError(f"agent {agent.kind!r} has no model that could tell when to stop; leave stop out")
    return {name: float(value) for name, value in stop.items()}


def _survey(spec: Any, description: Mapping[str, Any], size_nm: float | None, pixels: int | None) -> SurveySettings:
    x_min, x_max, y_min, y_max = description["scan_range"]
    survey = SurveySettings(
        size_nm=size_nm or spec.survey.size_nm,
        pixels=pixels or spec.survey.pixels,
        center_x_nm=(x_min + x_max) / 2 * 1e9,
        center_y_nm=(y_min + y_max) / 2 * 1e9,
    )
    half = survey.size_nm / 2
    reachable = Envelope(limits={"size": (0, round(min(x_max - x_min, y_max - y_min) * 1e9, 6))})
    reachable.check("size", survey.size_nm, "nm")
    for axis, center in (("x", survey.center_x_nm), ("y", survey.center_y_nm)):
        for edge in (center - half, center + half):
            spec.envelope.check(axis, round(edge * 1e-9, 15), "m")
    return survey


def _candidates(
    spec: Any,
    description: Mapping[str, Any],
    step: float,
    patch_nm: float | None,
    roi: Sequence[Any] | None,
    exclude: Sequence[Any] | None,
) -> CandidateSpec:
    spectrum = description["spectra"][spec.spectrum]
    separation = 2 * spectrum["footprint"] * 1e9 if spectrum["destructive"] else 0.0
    try:
        return CandidateSpec(
            channels=tuple(derived_names([channel["name"] for channel in description["channels"]])),
            patch_pixels=_odd_pixels(patch_nm or spec.survey.patch_nm, step),
            roi=_polygons("roi", spec.survey.roi if roi is None else roi),  # pyright: ignore[reportArgumentType]  # pydantic makes tuples of it
            exclude=_polygons("exclude", exclude),  # pyright: ignore[reportArgumentType]
            separation_nm=separation,
        )
    except ValidationError as error:
        raise SpecError(f"candidates: {error}") from error
