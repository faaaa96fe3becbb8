"""What all commands share: options, exit codes, and how they answer."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

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
UidArgument = Annotated[str, typer.Argument(help="Uid of the run or how it begins; `last` is the newest.")]

DEFAULT_CATALOG = "probeline-catalog"
_EXAMPLES = {"--agent-option": "audit=0.2", "--stop": "improvement=0.01"}


def named(option: str, given: list[str] | None) -> dict[str, Any]:
    """Return what was given as NAME=VALUE; a value that is no JSON is a text.

    Raises
    ------
    SpecError
        When there is no ``=``, or a name occurs twice.
    """
    from ..core.errors import SpecError

    found: dict[str, Any] = {}
    for text in given or []:
        name, sign, value = text.partition("=")
        if not (name and sign and value):
            raise SpecError(f"{option} {text!r} was refused: give NAME=VALUE, as {option} {_EXAMPLES[option]}")
        if name in found:
            raise SpecError(f"{option} {text!r} was refused: {name} was given before; give it once")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def answer(as_json: bool, values: dict[str, Any], title: str) -> None:
    """Print ``values`` as one JSON line or as a table for people."""
    if as_json:
        print(json.dumps(values, default=str))
        return
    table = Table(title=title, show_header=False)
    for key, value in values.items():
        table.add_row(key, f"{value:.6g}" if isinstance(value, float) else str(value))
    Console().print(table)


@contextlib.contextmanager
def existing(catalog: str) -> Iterator[Any]:
    """Give an open catalogue that has to be there, and close it."""
    from ..catalog import open as open_catalog
    from ..catalog.store import is_address

    store = open_catalog(catalog, create=False)
    try:
        if is_address(catalog):
            store.client  # noqa: B018  # a server that is not there is a mistake, not an empty catalogue
        yield store
    finally:
        store.close()


def find(store: Any, uid: str) -> Any:
    """Return the run that ``uid`` names, which may be ``last``."""
    return store[-1] if uid == "last" else store[uid]


def complain(message: str) -> None:
    """Say in a line what went wrong."""
    console.print(f"error: {message}", style="red", highlight=False, markup=False, soft_wrap=True)
