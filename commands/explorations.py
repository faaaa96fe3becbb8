"""Commands that measure."""

from __future__ import annotations

from typing import Annotated

import typer

from .shared import (
    DEFAULT_CATALOG,
    CatalogOption,
    InstrumentOption,
    JsonOption,
    SeedOption,
    UidArgument,
    answer,
    console,
    named,
)


def explore(
    instrument: InstrumentOption = "sim-pfm",
    goal: Annotated[str, typer.Option(help="optimum, map, all_above or diverse.")] = "optimum",
    agent: Annotated[str, typer.Option(help="Registered agent, or auto.")] = "auto",
    objective: Annotated[str | None, typer.Option(help="Scalarizer; the instrument's own by default.")] = None,
    points: Annotated[int, typer.Option(help="Measurements to make.")] = 50,
    seed: SeedOption = None,
    seconds: Annotated[float | None, typer.Option(help="Instrument time (s) to spend at most.")] = None,
    batch: Annotated[int, typer.Option(help="Points to decide for at once, measured along a short path.")] = 1,
    reference_every: Annotated[
        int, typer.Option(help="Measurements after which a control site is measured again; 0 for never.")
    ] = 0,
    agent_option: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE, as audit=0.2, travel=0.1 or on_miscalibrated=space_filling. Repeat for more."),
    ] = None,
    stop: Annotated[
        list[str] | None,
        typer.Option(help="End early below this, as improvement=0.01 or variance=0.1. Repeat for more."),
    ] = None,
    catalog: CatalogOption = DEFAULT_CATALOG,
    as_json: JsonOption = False,
) -> None:
    """Survey, then let an agent choose where to measure; writes a report."""
    from ..plans.runs import run_explore

    arguments = {
        "goal": goal, "agent": agent, "agent_options": named("--agent-option", agent_option), "objective": objective,
        "points": points, "seconds": seconds, "batch": batch, "reference_every": reference_every,
        "stop": named("--stop", stop),
    }  # fmt: skip
    summary = run_explore(instrument, catalog, seed=seed, console=console, arguments=arguments)
    answer(as_json, summary, "exploration")


def demo(
    catalog: CatalogOption = "demo-catalog",
    points: Annotated[int, typer.Option(min=1, help="Measurements per run.")] = 40,
    pairs: Annotated[int, typer.Option(min=2, help="Paired seeds.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """The default agent against random on the PFM twin: same budget, paired seeds."""
    from ..plans.demo import run_demo

    answer(as_json, run_demo(catalog, points=points, pairs=pairs, console=console), "demo")


def resume(
    uid: UidArgument,
    instrument: Annotated[
        str | None, typer.Option(help="Instrument file, as it is now; a twin is opened as the run left it.")
    ] = None,
    catalog: CatalogOption = DEFAULT_CATALOG,
    as_json: JsonOption = False,
) -> None:
    """Go on with an exploration that was killed, aborted or failed, in a new run linked to it."""
    from ..plans.runs import run_resume

    summary = run_resume(-1 if uid == "last" else uid, catalog, instrument=instrument, console=console)
    answer(as_json, summary, "exploration, resumed")
