"""Commands that read runs from a catalogue."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ..core.errors import RefusedError
from .shared import DEFAULT_CATALOG, DIFFERENT, CatalogOption, JsonOption, UidArgument, answer, existing, find


def runs(
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Only these: plan, goal, agent, objective, instrument, sample, since, until, uid or scan_id. "
            "Repeat for more.",
        ),
    ] = None,
    catalog: CatalogOption = DEFAULT_CATALOG,
    as_json: JsonOption = False,
) -> None:
    """List the runs of a catalogue, newest first."""
    from ..catalog.store import shown as printable

    wanted = _wanted(where or ())
    with existing(catalog) as store:
        rows = [dataclasses.asdict(info) for info in store.search(**wanted)]
    if as_json:
        print(json.dumps({"runs": rows}, default=str))
        return
    columns = ("uid", "time", "instrument", "goal", "agent", "objective", "n_points", "exit_status", "state")
    table = Table(*columns, title=f"{len(rows)} runs in {printable(catalog)}")
    for row in rows:
        when = datetime.datetime.fromtimestamp(row["time"]).isoformat(" ", "seconds")
        shown = {**row, "uid": row["uid"][:8], "time": when, "state": row["state"].partition(":")[0]}
        table.add_row(*(str(shown[column]) for column in columns))
    Console().print(table)
    for row in rows:
        if ":" in row["state"]:  # with its reason, for which the table has no room
            Console().print(f"{row['uid'][:8]} {row['state']}", highlight=False, markup=False, soft_wrap=True)


def _wanted(where: Sequence[str]) -> dict[str, Any]:
    """Return criteria given as ``KEY=VALUE``."""
    wanted: dict[str, Any] = {}
    for text in where:
        key, given, value = text.partition("=")
        if not given or (key == "scan_id" and not value.isdecimal()):
            raise RefusedError(f"--where {text} was refused: write KEY=VALUE, as goal=map or since=2026-11-25")
        wanted[key] = int(value) if key == "scan_id" else value
    return wanted


def show(uid: UidArgument, catalog: CatalogOption = DEFAULT_CATALOG, as_json: JsonOption = False) -> None:
    """Say what one run did."""
    from ..plans.runs import summarize

    with existing(catalog) as store:
        answer(as_json, summarize(find(store, uid), catalog), f"run {uid}")


def replay(
    uid: UidArgument,
    catalog: CatalogOption = DEFAULT_CATALOG,
    agent: Annotated[str | None, typer.Option(help="Ask this agent instead, at every decision.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Repeat every decision of a run from its record alone; exit code 3 when one differs.

    With --agent, another agent is asked what it would have done, knowing what was known: it is not followed.
    """
    from ..catalog import replay as replay_run

    with existing(catalog) as store:
        run = find(store, uid)
        outcome: Any = replay_run(run) if agent is None else replay_run(run, agent)
    values = dataclasses.asdict(outcome)
    if agent is not None:
        answer(as_json, {**values, "agreement": outcome.agreement}, f"{agent} at the decisions of {uid}")
        return
    answer(as_json, values, f"replay of {uid}")
    if not as_json:
        Console().print(_verdict(outcome), highlight=False, markup=False, soft_wrap=True)
    if outcome.identical < outcome.decisions:
        raise typer.Exit(DIFFERENT)


def _verdict(outcome: Any) -> str:
    """Return what came of a replay, in words."""
    if outcome.exact:
        return "same points, and the same bits"
    if outcome.identical == outcome.decisions:
        return "same points; model state differs in the last bits: another processor, or other versions"
    return f"decision {outcome.first_difference['decision']} differs; those before it suggest the same points"


def why(
    uid: UidArgument,
    point: Annotated[int, typer.Argument(min=0, help="Number of the decision.")],
    catalog: CatalogOption = DEFAULT_CATALOG,
    output: Annotated[Path | None, typer.Option(help="PNG file; by default in the catalogue's reports/.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say why a point was measured, in words and a picture, from the record alone."""
    from ..catalog.why import why as reason_of
    from ..catalog.writing import write_whole

    with existing(catalog) as store:
        run = find(store, uid)
        reason = reason_of(run, point)
        path = output or store.reports / f"{run.uid}-why-{point}.png"
    write_whole(path, reason.png)
    if as_json:
        answer(True, {**reason.facts, "text": reason.text, "picture": str(path)}, "why")
        return
    Console().print(f"{reason.text}\npicture: {path}", highlight=False, markup=False, soft_wrap=True)


def report(
    uid: UidArgument,
    catalog: CatalogOption = DEFAULT_CATALOG,
    output: Annotated[Path | None, typer.Option(help="HTML file; by default in the catalogue's reports/.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the report of a run: one self-contained HTML file."""
    from ..catalog.report import report as write_report

    with existing(catalog) as store:
        run = find(store, uid)
        path = write_report(run, output or store.reports / f"{run.uid}.html")
    answer(as_json, {"uid": run.uid, "report": str(path)}, "report")


def export(
    uid: UidArgument,
    path: Annotated[Path, typer.Argument(help="File to write: .csv, .gwy, .h5 (NSID), .hspy, .nxs or .parquet.")],
    catalog: CatalogOption = DEFAULT_CATALOG,
    what: Annotated[
        str | None,
        typer.Option(help="survey, spectra, decisions or all; by default all that the file can hold."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a run into a file of other software, from its record alone."""
    from ..catalog.export import export as export_run

    with existing(catalog) as store:
        run = find(store, uid)
        written = export_run(run, path, what=what, force=force)
    answer(as_json, {"uid": run.uid, "file": str(written), "bytes": written.stat().st_size}, "export")
