"""Export of runs into the files of other software, from the record alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from ...core.errors import RefusedError, UnknownNameError
from ..reading import as_run
from .content import PARTS, Content


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes
    ----------
    module, function : str
        What writes it: ``function(content, path)`` of this module.
    title : str
        Its name.
    holds : tuple of str
        Which parts of a run it can hold.
    together : bool
        Whether it can hold them all at once; else it holds the decisions unless another is asked for.
    """

    module: str
    function: str
    title: str
    holds: tuple[str, ...] = PARTS
    together: bool = True


FORMATS: dict[str, Format] = {
    ".csv": Format("tables", "write_csv", "CSV", together=False),
    ".gwy": Format("gwy", "write", "Gwyddion", holds=("survey", "decisions")),
    ".h5": Format("nsid", "write", "NSID HDF5"),
    ".hspy": Format("hspy", "write", "HyperSpy"),
    ".nxs": Format("nexus", "write", "NeXus"),
    ".parquet": Format("tables", "write_parquet", "Parquet", together=False),
}


def export(run: Any, path: str | Path, *, what: str | None = None, force: bool = False) -> Path:
    """Write a run into a file of the format that the suffix of its name says.

    Parameters
    ----------
    run : Run or BlueskyRun
        From a catalogue, or from a Tiled client; finished or not.
    path : str or Path
        The file; its folder is made. Suffixes: ``.csv``, ``.gwy``, ``.h5`` (NSID), ``.hspy``, ``.nxs``, ``.parquet``.
    what : str, optional
        ``"survey"``, ``"spectra"``, ``"decisions"`` or ``"all"`` that the run has and the format can hold, which
        is the default; that of a table is ``"decisions"``.
    force : bool
        Replace a file that exists.

    Returns
    -------
    Path
        The file, whole.

    Raises
    ------
    RefusedError
        Before anything is written: an unknown suffix, a file that exists, a part that the format cannot hold.
    DataError
        When the run does not have what is wanted, or it cannot be read.
    """
    target = Path(path)
    kind = _format(target)
    parts = _parts(target, kind, what)
    if target.exists() and not force:
        raise RefusedError(f"{target} exists and was not replaced; choose another name, or replace it with --force")
    content = Content(as_run(run), parts, strict=len(parts) == 1)
    module = import_module(f".{kind.module}", __name__)
    target.parent.mkdir(parents=True, exist_ok=True)
    _write_whole(getattr(module, kind.function), content, target)
    return target


def _format(target: Path) -> Format:
    suffix = target.suffix.lower()
    if suffix not in FORMATS:
        raise UnknownNameError("export format", suffix or target.name, FORMATS, "It is taken from the file's suffix.")
    return FORMATS[suffix]


def _parts(target: Path, kind: Format, what: str | None) -> tuple[str, ...]:
    if what is None:
        return kind.holds if kind.together else ("decisions",)
    if what not in (*PARTS, "all"):
        raise UnknownNameError("part of a run", what, [*PARTS, "all"])
    if what == "all":
        if not kind.together:
            raise RefusedError(f"{target.name}: a {kind.title} file holds one table; ask for one of {', '.join(PARTS)}")
        return kind.holds
    if what not in kind.holds:
        able = ", ".join(suffix for suffix, other in FORMATS.items() if what in other.holds)
        raise RefusedError(f"{target.name}: a {kind.title} file holds no {what}; these do: {able}")
    return (what,)


def _write_whole(write: Callable[[Content, Path], None], content: Content, target: Path) -> None:
    """Write beside the target and put it there in one step: no reader sees half a file, no failure leaves one."""
    draft = target.with_name(f"{target.name}.draft")
    try:
        write(content, draft)
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
