"""The command that asks whether an agent would have helped, on data of the user's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from .shared import JsonOption, console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..trial.choosing import MeasuredMap
    from ..trial.content import Content
    from ..trial.run import Trial


def trial(
    file: Annotated[Path, typer.Argument(help="A measured map: .3ds, .ibw, .h5 (NSID, USID), .hspy, .gwy, .npz, ...")],
    objective: Annotated[
        str | None,
        typer.Option(help="An image of the file, or a scalarizer, as spectral_window_sum:low_eV=1690,high_eV=1790."),
    ] = None,
    spectrum: Annotated[str | None, typer.Option(help="Which spectra, where the file holds several.")] = None,
    image: Annotated[
        list[str] | None,
        typer.Option(help="Image that the agent sees: NAME, FILE, FILE::NAME or none. Repeat for more."),
    ] = None,
    pixel_nm: Annotated[
        float | None, typer.Option("--pixel-nm", min=1e-6, help="Edge of a pixel (nm), where the file does not say.")
    ] = None,
    agent: Annotated[
        list[str] | None, typer.Option(help="Agent to try beside gp and patch_gp, as dkl. Repeat for more.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=10, help="Loops of each agent.")] = 20,
    output: Annotated[Path | None, typer.Option(help="PNG file: image, property and the answer.")] = None,
    contents: Annotated[bool, typer.Option("--list", help="Only say what the file holds.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Would an agent have saved time on this map, which one, how sure is that, and does the image tell anything?"""
    from ..trial.choosing import choose
    from ..trial.readers.registry import read

    content = read(file)
    if contents:
        _show_content(content, as_json)
        return
    chosen = choose(content, objective=objective, spectrum=spectrum, images=image or (), pixel_nm=pixel_nm)
    done = _run(chosen, seeds, agent or ())
    if output is not None:
        from ..trial.picture import write_picture

        write_picture(done, output)
    _show(done, as_json)


def _run(chosen: MeasuredMap, seeds: int, further: Sequence[str]) -> Trial:
    """Run the trial with a progress bar on stderr."""
    from ..trial.run import run_trial

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        shown: dict[str, TaskID] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in shown:
                for finished in shown.values():
                    bar.update(finished, total=1, completed=1)
                shown[what] = bar.add_task(what, total=total)
            bar.update(shown[what], completed=done)

        return run_trial(chosen, seeds=seeds, further=further, progress=progress)


def _show(done: Trial, as_json: bool) -> None:
    from ..trial import verdict

    if as_json:
        print(json.dumps(verdict.as_json(done)))
        return
    out = Console(markup=False, highlight=False)
    out.print(f"{done.chosen.source}: {done.chosen.sought.name}")
    for answer in done.answers:
        title, columns, rows = verdict.table(answer)
        table = Table(*columns, title=title)
        for row in rows:
            table.add_row(*row)
        out.print(table)
    out.print(verdict.headline(done), style="bold")
    for line in verdict.sentences(done):
        out.print(f"- {line}")


def _show_content(content: Content, as_json: bool) -> None:
    columns = ("kind", "name", "shape", "axes", "pixel")
    rows = content.table()
    if as_json:
        held = [dict(zip(columns, row, strict=True)) for row in rows]
        print(json.dumps({"file": content.source, "holds": held, "notes": list(content.notes)}))
        return
    table = Table(*columns, title=content.source)
    for row in rows:
        table.add_row(*row)
    out = Console(markup=False, highlight=False)
    out.print(table)
    for note in content.notes:
        out.print(f"- {note}")
