"""Going on with an exploration that a crash, a kill or an abort ended."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps
from pydantic import ValidationError

from ..agents.problem import Problem
from ..agents.spec import make_agent
from ..analysis.scalarizers import get_scalarizer
from ..catalog import Catalog, Run
from ..catalog.measurements import measurement_from
from ..catalog.player import rows_of
from ..core.errors import DataError, RefusedError
from ..devices.factory import open_instrument
from ..devices.instrument_file import InstrumentSpec, parse_instrument
from .clock import Clock
from .explore import explore_with
from .metadata import checked_md
from .prior import can_continue, last_state
from .resurvey import check_identity
from .settings import ExploreSettings
from .settled import take_over
from .stubs import Plan


def resume(
    instrument: Any, run: Run | str, catalog: Catalog | None = None, md: Mapping[str, Any] | None = None
) -> Plan:
    """Go on with an exploration in a new run, linked to it as its ``parent``.

    The agent is rebuilt from the record, the budgets of points and seconds are what is left of them, and no
    point is measured twice. Where the instrument is exactly where the run left it, as a twin from
    :func:`left_instrument`, the survey is taken over and everything goes on as if nothing had happened. Elsewhere a new
    survey is taken first and registered to the one before; the points known are then where the sample has moved them.

    Parameters
    ----------
    instrument : SPM or STEM
        The instrument of the run.
    run : Run or str
        A run of :func:`~probeline.plans.explore`, ended but not by success; or, with ``catalog``, its uid.
    catalog : Catalog, optional
        Where runs are looked up: this one by its uid, and its own parent where it was itself resumed and ended
        before it measured anything.
    md : dict, optional
        Metadata for the start document.

    Yields
    ------
    Msg

    Returns
    -------
    str
        Uid of the new run.

    Raises
    ------
    RefusedError
        Before anything moves: the run was complete or goes on, or sample, probe or instrument are others, or nobody
        knows whether they are. After the new survey: when it cannot be registered to the one before.
    """
    earlier = resumable(run, catalog)
    settings = settings_of(earlier)
    state = json.loads((yield from bps.rd(instrument.state)))
    virtual = instrument.description["virtual_clock"]
    check_identity(earlier.start, instrument, checked_md(md), twin=virtual and bool(state))
    scalarizer = get_scalarizer(settings.objective)
    key = instrument.keys["spectrum"]

    def value_of(descriptor: Mapping[str, Any], event: Mapping[str, Any]) -> Any:
        return scalarizer(measurement_from(descriptor, event, key), **settings.objective_options)

    def factory(problem: Problem) -> Any:
        return make_agent(settings.agent, problem)

    exact = can_continue(earlier, state, virtual=virtual)
    destructive = instrument.spectrometer.destructive
    now = yield from Clock(instrument).now()
    prior = take_over(earlier, value_of, exact=exact, destructive=destructive, now=now)
    yield from _as_before(instrument.spectrometer, _that_measured(earlier, catalog))
    arguments = earlier.start.get("plan_args", {})
    return (yield from explore_with(instrument, settings, factory, plan_args=arguments, prior=prior, md=md))


def resumable(run: Run | str, catalog: Catalog | None = None) -> Run:
    """Return the run that there is to go on from: ``run``, or its parent while nothing has come of it itself.

    Raises
    ------
    RefusedError
        When the run is of another plan, goes on, or was complete; or when a catalogue is needed to find it.
    """
    if isinstance(run, str):
        if catalog is None:
            raise RefusedError(f"run {run!r} is a uid: give the catalogue that holds it, or the run itself")
        run = catalog[run]
    about = run.start.get("probeline")
    if not isinstance(about, dict) or "candidates" not in about or "clock" not in about:
        raise RefusedError(f"run {run.uid[:8]} was not made by explore; only an exploration can be resumed")
    if run.stop is None:
        raise RefusedError(
            f"run {run.uid[:8]} is open: another process may still be writing it; if that process is dead, open its "
            "catalogue for writing once, which closes the run"
        )
    if run.stop["exit_status"] == "success":
        reason = run.stop.get("reason") or "it was stopped, which counts as success"
        raise RefusedError(f"run {run.uid[:8]} is complete ({reason}); begin a new one")
    if about["parent"] and not rows_of(run, "primary") and not _may_have_begun(run):
        return resumable(_parent(run, catalog), catalog)
    return run


def _may_have_begun(run: Run) -> bool:
    """Return whether a resumed run without a measurement may have changed the sample all the same.

    Not on a twin that is opened again as the last measurement left it, and not before everything was taken over.
    """
    driver, spectrum = run.start["probeline"]["driver"], run.start["probeline"]["instrument"]["spectrum"]
    if driver["virtual_clock"] or not driver["spectra"][spectrum]["destructive"] or not rows_of(run, "progress"):
        return False
    flags = {row["decision"]: row["flag"] for row in rows_of(run, "outcome")}
    return any(flags.get(row["decision"], "abandoned") == "abandoned" for row in rows_of(run, "optimization"))


def _parent(run: Run, catalog: Catalog | None) -> Run:
    parent = run.start["probeline"]["parent"]
    if catalog is None:
        raise RefusedError(
            f"run {run.uid[:8]} measured nothing; give the catalogue that holds its parent, run {parent}"
        )
    return catalog[parent]


def _that_measured(run: Run, catalog: Catalog | None) -> Run:
    """Return the last run before that measured anything, else the first one: it knows the settings."""
    if rows_of(run, "primary") or not run.start["probeline"]["parent"]:
        return run
    return _that_measured(_parent(run, catalog), catalog)


def settings_of(run: Run) -> ExploreSettings:
    """Return what ``run`` was asked to do.

    Raises
    ------
    DataError
        When its start document does not say, or says it in another version of the schema.
    """
    about = run.start["probeline"]
    try:
        return ExploreSettings.model_validate(
            {
                "goal": about["goal"],
                "objective": about["objective"]["name"],
                "objective_options": about["objective"]["options"],
                "agent": about["agent"],
                **about["budget"],
                "stop": about.get("stop", {}),  # runs made before there were criteria or batches do not say it
                "survey": about["survey"],
                "candidates": about["candidates"],
                "lookahead": about["lookahead"],
                "batch": about.get("batch", 1),
                **about["tracking"],
            }
        )
    except (KeyError, ValidationError) as error:
        raise DataError(f"run {run.uid[:8]} does not say what it was asked to do: {error}") from error


def instrument_of(run: Run) -> InstrumentSpec:
    """Return the instrument of ``run``; a twin whose clock is virtual, at the state of the last recorded event."""
    about = run.start["probeline"]
    spec = parse_instrument(about["instrument"], f"of run {run.uid[:8]}")
    state = last_state(run) if about["driver"]["virtual_clock"] else None
    return spec.model_copy(update={"options": {**spec.options, "state": state}}) if state else spec


@contextlib.contextmanager
def left_instrument(run: Run, instrument: Any, data_root: str | Path) -> Iterator[Any]:
    """Give the instrument to :func:`resume` on: the one at hand, or a twin as ``run`` left it.

    A twin at hand has gone on since, or is a new one. So another is opened at the state of the last recorded event, and
    closed at the end; the one at hand stays as it is.

    Parameters
    ----------
    run : Run
        From :func:`resumable`.
    instrument : SPM or STEM
        The one at hand.
    data_root : str or Path
        Folder that frames are written to.

    Raises
    ------
    ProbelineError
        As :func:`~probeline.devices.factory.open_instrument`.
    """
    drivers = (instrument.description, run.start["probeline"]["driver"])
    if not all(driver["virtual_clock"] for driver in drivers):
        yield instrument
        return
    with contextlib.closing(open_instrument(instrument_of(run), data_root=data_root)) as twin:
        yield twin


def _as_before(spectrometer: Any, run: Run) -> Plan:
    """Give the spectrometer the settings (units shown) that it had in ``run``."""
    if not rows_of(run, "primary"):
        return
    found = run.configuration("primary")
    keys = {name: f"{spectrometer.name}_{name}" for name in spectrometer.setting_names}
    wanted = {name: found[key] for name, key in keys.items() if key in found}
    if any(getattr(spectrometer, name).get() != value for name, value in wanted.items()):
        yield from bps.configure(spectrometer, wanted)
