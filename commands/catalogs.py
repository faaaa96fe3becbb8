"""Commands for a catalogue as a whole: put right, served, moved."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ..core.errors import RefusedError
from .shared import DEFAULT_CATALOG, DIFFERENT, FAILED, CatalogOption, JsonOption, answer, complain

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        help="postgresql://user@host/name that keeps catalogue and tables; with a password: in PROBELINE_DATABASE."
    ),
]


def recover(catalog: CatalogOption = DEFAULT_CATALOG, as_json: JsonOption = False) -> None:
    """Close runs of dead processes, give Tiled what it lacks, rewrite frame files that were left open.

    Safe beside a session that records, and a second time. Exit code 3 when somebody has to look at something that
    could not be put right, 1 when Tiled could not be reached.
    """
    from ..catalog import open as open_catalog

    with open_catalog(catalog, create=False) as store:
        done = store.recover()
    if as_json:
        print(json.dumps(dataclasses.asdict(done), default=str))
    else:
        _show_recovery(done)
    if done.trouble:
        complain(f"{done.trouble}; the journals hold what Tiled lacks, recover again later")
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
    from ..catalog.tiled.server import serve as serve_catalog

    say = functools.partial(print, flush=True)
    serve_catalog(catalog, host, port, public=public, database=_database(database), readable=readable or (), say=say)


def relocate(
    folder: Annotated[Path, typer.Argument(help="Folder of the catalogue, where it is now.")] = Path(DEFAULT_CATALOG),
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a catalogue whose folder was moved readable through Tiled again."""
    from ..catalog.tiled.relocating import relocate as relocate_catalog

    moved = relocate_catalog(folder, _database(database))
    answer(as_json, {"catalog": str(folder.expanduser().resolve()), **dataclasses.asdict(moved)}, "files")


def _database(option: str | None) -> str | None:
    """Return the address of the database; one with a password only comes from the environment."""
    from ..catalog.tiled.database import checked, password_of

    if option is not None and password_of(checked(option)) is not None:
        raise RefusedError(
            "a password on the command line can be read by everybody on this computer; put the whole address into "
            "PROBELINE_DATABASE, or the password into PGPASSWORD or ~/.pgpass"
        )
    return option or os.environ.get("PROBELINE_DATABASE") or None
