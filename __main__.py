"""The command line: ``probeline demo | explore | runs | show | replay | report | export | serve | instruments ...``."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from .core.errors import InterruptedRun, ProbelineError, RefusedError
from .core.interruption import interrupt_once

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
catalogs = typer.Typer(no_args_is_help=True, help="What concerns a catalogue as a whole.")
app.add_typer(catalogs, name="catalog")
console = Console(stderr=True)

# Exit codes: 0 done, 1 it went wrong, 2 the request was refused (typer's own too), 3 it ran and something differs.
FAILED, REFUSED, DIFFERENT, INTERRUPTED = 1, 2, 3, 130

CatalogOption = Annotated[
    str, typer.Option("--catalog", help="Folder of the catalogue, or address of a Tiled server (http, https).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object as the last line of stdout.")]
InstrumentOption = Annotated[str, typer.Option("--instrument", help="sim-pfm, replay:DATA or an instrument file.")]
SeedOption = Annotated[
    int | None,
    typer.Option(
        "--seed",
        min=0,
        help="Seed of the agent and of the world of a twin, over that of an instrument file. Without it the file's "
        "own stays for the world, and whatever has none gets 0.",
    ),
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        help="postgresql://user@host/name that keeps catalogue and tables; with a password: in PROBELINE_DATABASE."
    ),
]
UidArgument = Annotated[str, typer.Argument(help="Uid of the run or how it begins; `last` is the newest.")]

DEFAULT_CATALOG = "probeline-catalog"


def _answer(as_json: bool, values: dict[str, Any], title: str) -> None:
    """Print ``values`` as one JSON line or as a table for people."""
    if as_json:
        print(json.dumps(values, default=str))
        return
    table = Table(title=title, show_header=False)
    for key, value in values.items():
        table.add_row(key, f"{value:.6g}" if isinstance(value, float) else str(value))
    Console().print(table)


@contextlib.contextmanager
def _existing(catalog: str) -> Iterator[Any]:
    from .catalog import open as open_catalog
    from .catalog.store import is_address

    store = open_catalog(catalog, create=False)
    try:
        if is_address(catalog):
            store.client  # noqa: B018  # a server that is not there is a mistake, not an empty catalogue
        yield store
    finally:
        store.close()


def _find(store: Any, uid: str) -> Any:
    return store[-1] if uid == "last" else store[uid]


@app.command()
def explore(
    instrument: InstrumentOption = "sim-pfm",
    goal: Annotated[str, typer.Option(help="optimum, map, all_above or diverse.")] = "optimum",
    agent: Annotated[str, typer.Option(help="Registered agent, or auto.")] = "auto",
    objective: Annotated[str | None, typer.Option(help="Scalarizer; the instrument's own by default.")] = None,
    points: Annotated[int, typer.Option(help="Measurements to make.")] = 50,
    seed: SeedOption = None,
    seconds: Annotated[float | None, typer.Option(help="Instrument time (s) to spend at most.")] = None,
    catalog: CatalogOption = DEFAULT_CATALOG,
    as_json: JsonOption = False,
) -> None:
    """Survey, then let an agent choose where to measure; writes a report."""
    from .plans.runs import run_explore

    arguments = {"goal": goal, "agent": agent, "objective": objective, "points": points, "seconds": seconds}
    summary = run_explore(instrument, catalog, seed=seed, console=console, arguments=arguments)
    _answer(as_json, summary, "exploration")


@app.command()
def demo(
    catalog: CatalogOption = "demo-catalog",
    points: Annotated[int, typer.Option(min=1, help="Measurements per run.")] = 40,
    pairs: Annotated[int, typer.Option(min=2, help="Paired seeds.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """The default agent against random on the PFM twin: same budget, paired seeds."""
    from .plans.demo import run_demo

    _answer(as_json, run_demo(catalog, points=points, pairs=pairs, console=console), "demo")


@app.command()
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
    from .catalog.store import shown as printable

    wanted = _wanted(where or ())
    with _existing(catalog) as store:
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


@app.command()
def recover(catalog: CatalogOption = DEFAULT_CATALOG, as_json: JsonOption = False) -> None:
    """Close runs of dead processes, give Tiled what it lacks, rewrite frame files that were left open.

    Safe beside a session that records, and a second time. Exit code 3 when somebody has to look at something that
    could not be put right, 1 when Tiled could not be reached.
    """
    from .catalog import open as open_catalog

    with open_catalog(catalog, create=False) as store:
        done = store.recover()
    if as_json:
        print(json.dumps(dataclasses.asdict(done), default=str))
    else:
        _show_recovery(done)
    if done.trouble:
        _complain(f"{done.trouble}; the journals hold what Tiled lacks, recover again later")
        raise typer.Exit(FAILED)
    if not done.is_clean:
        raise typer.Exit(DIFFERENT)


def _show_recovery(done: Any) -> None:
    rows = [(run.uid[:8], ", ".join(run.did) or "nothing", run.state) for run in done.runs]
    rows += [(file.file.name, "nothing" if file.reason else "rewritten", file.reason) for file in done.files]
    rows += [(uid[:8], "left alone", "goes on") for uid in done.live]
    table = Table("run or file", "done", title="recovered" if done.runs or done.files else "nothing to do")
    table.add_column("state", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(markup=False, highlight=False).print(table if rows else "nothing to do")


@app.command()
def show(uid: UidArgument, catalog: CatalogOption = DEFAULT_CATALOG, as_json: JsonOption = False) -> None:
    """Say what one run did."""
    from .plans.runs import summarize

    with _existing(catalog) as store:
        _answer(as_json, summarize(_find(store, uid), catalog), f"run {uid}")


@app.command()
def replay(
    uid: UidArgument,
    catalog: CatalogOption = DEFAULT_CATALOG,
    agent: Annotated[str | None, typer.Option(help="Ask this agent instead, at every decision.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Repeat every decision of a run from its record alone; exit code 3 when one differs.

    With --agent, another agent is asked what it would have done, knowing what was known: it is not followed.
    """
    from .catalog import replay as replay_run

    with _existing(catalog) as store:
        run = _find(store, uid)
        outcome: Any = replay_run(run) if agent is None else replay_run(run, agent)
    values = dataclasses.asdict(outcome)
    if agent is not None:
        _answer(as_json, {**values, "agreement": outcome.agreement}, f"{agent} at the decisions of {uid}")
        return
    _answer(as_json, values, f"replay of {uid}")
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


@app.command()
def why(
    uid: UidArgument,
    point: Annotated[int, typer.Argument(min=0, help="Number of the decision.")],
    catalog: CatalogOption = DEFAULT_CATALOG,
    output: Annotated[Path | None, typer.Option(help="PNG file; by default in the catalogue's reports/.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say why a point was measured, in words and a picture, from the record alone."""
    from .catalog.why import why as reason_of
    from .catalog.writing import write_whole

    with _existing(catalog) as store:
        run = _find(store, uid)
        reason = reason_of(run, point)
        path = output or store.reports / f"{run.uid}-why-{point}.png"
    write_whole(path, reason.png)
    if as_json:
        _answer(True, {**reason.facts, "text": reason.text, "picture": str(path)}, "why")
        return
    Console().print(f"{reason.text}\npicture: {path}", highlight=False, markup=False, soft_wrap=True)


@app.command()
def resume(
    uid: UidArgument,
    instrument: Annotated[
        str | None, typer.Option(help="Instrument file, as it is now; a twin is opened as the run left it.")
    ] = None,
    catalog: CatalogOption = DEFAULT_CATALOG,
    as_json: JsonOption = False,
) -> None:
    """Go on with an exploration that was killed, aborted or failed, in a new run linked to it."""
    from .plans.runs import run_resume

    summary = run_resume(-1 if uid == "last" else uid, catalog, instrument=instrument, console=console)
    _answer(as_json, summary, "exploration, resumed")


@app.command()
def report(
    uid: UidArgument,
    catalog: CatalogOption = DEFAULT_CATALOG,
    output: Annotated[Path | None, typer.Option(help="HTML file; by default in the catalogue's reports/.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the report of a run: one self-contained HTML file."""
    from .catalog.report import report as write_report

    with _existing(catalog) as store:
        run = _find(store, uid)
        path = write_report(run, output or store.reports / f"{run.uid}.html")
    _answer(as_json, {"uid": run.uid, "report": str(path)}, "report")


@app.command()
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
    from .catalog.export import export as export_run

    with _existing(catalog) as store:
        run = _find(store, uid)
        written = export_run(run, path, what=what, force=force)
    _answer(as_json, {"uid": run.uid, "file": str(written), "bytes": written.stat().st_size}, "export")


@app.command()
def serve(
    catalog: Annotated[Path, typer.Option("--catalog", help="Folder of the catalogue.")] = Path(DEFAULT_CATALOG),
    host: Annotated[str, typer.Option(help="Where to listen; other computers reach 127.0.0.1 by an SSH tunnel.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    public: Annotated[bool, typer.Option("--public", help="Allow a host that others reach, unencrypted.")] = False,
    database: DatabaseOption = None,
    readable: Annotated[
        list[Path] | None, typer.Option(help="Further folder whose frames may be shown; may be repeated.")
    ] = None,
) -> None:
    """Serve a catalogue to other processes and to browsers, with a key for writers and one for readers."""
    from .catalog.tiled.server import serve as serve_catalog

    say = functools.partial(print, flush=True)
    serve_catalog(catalog, host, port, public=public, database=_database(database), readable=readable or (), say=say)


@catalogs.command()
def relocate(
    folder: Annotated[Path, typer.Argument(help="Folder of the catalogue, where it is now.")] = Path(DEFAULT_CATALOG),
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a catalogue whose folder was moved readable through Tiled again."""
    from .catalog.tiled.relocating import relocate as relocate_catalog

    moved = relocate_catalog(folder, _database(database))
    _answer(as_json, {"catalog": str(folder.expanduser().resolve()), **dataclasses.asdict(moved)}, "files")


def _database(option: str | None) -> str | None:
    """Return the address of the database; one with a password only comes from the environment."""
    from .catalog.tiled.database import checked, password_of

    if option is not None and password_of(checked(option)) is not None:
        raise RefusedError(
            "a password on the command line can be read by everybody on this computer; put the whole address into "
            "PROBELINE_DATABASE, or the password into PGPASSWORD or ~/.pgpass"
        )
    return option or os.environ.get("PROBELINE_DATABASE") or None


@app.command()
def instruments(as_json: JsonOption = False) -> None:
    """List the instruments that can be opened by name."""
    from .core.registry import BACKENDS

    names = [
        f"{name}:{argument}" if argument else name
        for name in BACKENDS.names()
        for argument in BACKENDS.load(name).arguments()
    ]
    if as_json:
        print(json.dumps({"instruments": names}))
    else:
        Console().print("\n".join(names), highlight=False)


@app.command()
def describe(instrument: InstrumentOption = "sim-pfm", as_json: JsonOption = False) -> None:
    """Say what an instrument is, what it can do and what it may do."""
    import tempfile

    from .devices.factory import open_instrument

    with tempfile.TemporaryDirectory() as folder:
        device = open_instrument(instrument, data_root=Path(folder))
        try:
            values = {"spec": device.spec.model_dump(mode="json"), "driver": device.description}
        finally:
            device.close()
    if as_json:
        print(json.dumps(values))
    else:
        Console().print_json(data=values)


def main() -> None:
    """Run the command; a user's mistake ends in one line on stderr, never in a traceback."""
    interrupt_once()
    logging.getLogger("bluesky").addHandler(logging.NullHandler())  # it logs a traceback for every refusal
    try:
        app(standalone_mode=True)
    except InterruptedRun as error:
        _end_interrupted(str(error))
    except ProbelineError as error:
        _complain(str(error))
        sys.exit(REFUSED if isinstance(error, RefusedError) else FAILED)
    except KeyboardInterrupt:
        _end_interrupted("interrupted")
    except OSError as error:
        _complain(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "))
        sys.exit(FAILED)


def _end_interrupted(message: str) -> None:
    # Python gives SIGINT its default back when it ends, which would kill it; only what is ignored stays so.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _complain(message)
    sys.exit(INTERRUPTED)


def _complain(message: str) -> None:
    console.print(f"error: {message}", style="red", highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
