"""The closed loop: survey, then decide, measure, learn, until the budget is spent."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp

from ..agents.problem import Problem
from ..agents.spec import make_agent
from ..analysis.scalarizers import get_scalarizer
from .closed_loop import ClosedLoop
from .ending import end_badly
from .metadata import checked_md, start_metadata
from .prior import Prior
from .settings import ExploreSettings, resolve
from .stubs import Plan, park
from .tap import RunTap

AgentFactory = Callable[[Problem], Any]


def explore(
    instrument: Any,
    goal: str = "optimum",
    objective: str | None = None,
    objective_options: dict | None = None,
    agent: str = "auto",
    agent_options: dict | None = None,
    points: int = 50,
    size_nm: float | None = None,
    pixels: int | None = None,
    patch_nm: float | None = None,
    seed_points: int = 10,
    seconds: float | None = None,
    roi: list | None = None,
    exclude: list | None = None,
    lookahead: int = 0,
    register_every: int | None = None,
    batch: int = 1,
    reference_every: int = 0,
    stop: dict | None = None,
    md: dict | None = None,
) -> Plan:
    """Image once, then let an agent choose where to measure.

    Scans the survey frame, then repeats: decide (recorded before anything moves), check, track
    drift, measure, learn. One run with the streams of docs/reference/record.md. Afterwards
    the probe is parked; after an error or an abort the instrument is made safe.

    Parameters
    ----------
    instrument : SPM or STEM
        The assembled instrument.
    goal : {"optimum", "map", "all_above", "diverse"}
        What to look for.
    objective : str, optional
        Scalarizer that makes a number of each measurement; the instrument's own by default.
    objective_options : dict, optional
        Its options.
    agent : str
        Registered agent, or ``"auto"``.
    agent_options : dict, optional
        Fields of its spec, among them ``seed`` (int), ``audit`` (share of the decisions after the seed design that
        measure a random candidate, to judge the predictions: 0.1 unless it has no model) and ``on_miscalibrated``
        (``"warn"``, or ``"space_filling"`` while audits say that the predictions cannot be relied on).
    points : int
        Measurements to make, at least 1 and at most the number of candidates.
    size_nm, pixels : float, int, optional
        Edge of the survey (nm) and its pixels per line.
    patch_nm : float, optional
        Edge (nm) of the image patch that describes a candidate.
    seed_points : int
        Measurements of the seeded design that every agent starts with.
    seconds : float, optional
        Instrument time (s) for the whole run. No measurement is begun that would, at the cost of the
        one before, exceed it; the survey is taken in any case.
    roi, exclude : list of polygons, optional
        ``[[[x, y], ...], ...]`` in nm: measure only inside, never inside.
    lookahead : {0, 1}
        1 lets the agent think while the instrument measures: one outcome behind, or one batch.
    register_every : int, optional
        Measurements between two drift registrations, 0 for none; the instrument's own by default.
    batch : int
        Points that the agent decides for at once, each pending for the next. They are measured along a short path.
    reference_every : int
        Measurements after which the first point that gave a value is measured again, so that the agent and the record
        know what changes with time; beyond ``points``, where no decision is open, 0 for never. Refused where
        measurements change the sample.
    stop : dict, optional
        End before the budget is spent, as soon as any of these holds when maps are recorded:
        ``{"improvement": 0.01}``, the best open candidate promises less than that (standard deviations of the
        outcomes); ``{"variance": 0.1}``, less than that of their variance is left open. What is not named advises.
    md : dict, optional
        Metadata for the start document.

    Yields
    ------
    Msg

    Returns
    -------
    str
        Uid of the run.

    Raises
    ------
    RefusedError
        Before anything moves, when an argument is out of range or unknown; during the run, when
        five batches in a row were refused as a whole.
    """
    arguments = {key: value for key, value in locals().items() if key not in ("instrument", "md")}
    settings = resolve(instrument.spec, instrument.description, **arguments)
    arguments = {"instrument": instrument.name, **arguments}
    spec = settings.agent

    def factory(problem: Problem) -> Any:
        return make_agent(spec, problem)

    return (yield from explore_with(instrument, settings, factory, plan_args=arguments, md=md))


def explore_with(
    instrument: Any,
    settings: ExploreSettings,
    factory: AgentFactory,
    *,
    plan_args: Mapping[str, Any] | None = None,
    prior: Prior | None = None,
    md: Mapping[str, Any] | None = None,
) -> Plan:
    """The loop of :func:`explore` with checked settings and any agent.

    Parameters
    ----------
    instrument : SPM or STEM
        The assembled instrument.
    settings : ExploreSettings
        From :func:`~probeline.plans.settings.resolve`.
    factory : callable
        ``factory(problem) -> Agent``; runs on the agent's thread. Without it being recorded as
        ``settings.agent``, the run can be read but its decisions cannot be replayed.
    plan_args : mapping, optional
        For the start document.
    prior : Prior, optional
        What is taken over from an earlier run.
    md : mapping, optional
        For the start document.

    Raises
    ------
    RefusedError
        As :func:`explore`.
    """
    scalarizer = get_scalarizer(settings.objective)
    options = scalarizer.check_options(settings.objective_options)
    scalarizer.check_against(instrument.description["spectra"][instrument.spectrometer.measures], options)
    spectrum = instrument.spectrometer.describe()[instrument.keys["spectrum"]]
    unit = scalarizer.unit({"dims": spectrum["dims"], "unit": spectrum["units"]}, options)
    objective = {"name": scalarizer.name, "version": scalarizer.version, "options": options, "unit": unit}
    parent = prior.run.uid if prior else None
    metadata = {**start_metadata(instrument, settings, objective, plan_args or {}, parent), **checked_md(md)}
    tap = RunTap()
    loop = ClosedLoop(instrument, settings, scalarizer, options, unit, factory, tap, prior)
    yield from loop.check_budget()

    def body() -> Plan:
        metadata["probeline"]["clock"] = yield from loop.begin()
        tap.follow((yield from bps.open_run(metadata)))
        yield from loop.run()
        yield from park(instrument)
        yield from bps.close_run(exit_status="success", reason=loop.reason)

    @bpp.set_run_key_decorator(f"explore-{uuid.uuid4()}")
    @bpp.subs_decorator(tap)
    @bpp.stage_decorator([instrument.scan, instrument.spectrometer])
    def whole() -> Plan:
        fail = partial(end_badly, instrument, loop, tap)
        yield from bpp.contingency_wrapper(body(), except_plan=fail, final_plan=loop.close)
        return tap.uid

    return (yield from whole())
