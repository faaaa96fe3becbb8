"""Work that is spread over processes, and kept as it comes."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

from probeline.core.errors import SpecError


@dataclass(frozen=True)
class Part:
    """One kind of work of a benchmark.

    Attributes
    ----------
    name : str
        Under which results are kept.
    pieces : sequence
        What is to be done, each by one call.
    run : callable
        Piece -> result, which is JSON; a function of a module, so that other processes find it.
    """

    name: str
    pieces: Sequence[Any]
    run: Callable[[Any], Any]


@dataclass(frozen=True)
class Done:
    """The result of one piece, and the CPU-seconds that it took."""

    part: str
    place: int
    cpu_s: float
    result: Any


def do_all(parts: Sequence[Part], processes: int, kept: Path | None = None, about: str = "") -> Iterator[Done]:
    """Do all pieces and yield their results as they come.

    Parameters
    ----------
    parts : sequence of Part
        In the order in which they are begun.
    processes : int
        How many; one does everything here.
    kept : Path, optional
        Results are added to this file as they come, and those that it holds already are not done again.
    about : str
        What the results depend on beside the pieces; a file about something else is refused.

    Raises
    ------
    SpecError
        When ``kept`` is about something else.
    """
    before = _read(kept, about) if kept else []
    yield from before
    known = {(done.part, done.place) for done in before}
    left = [
        (part.name, place, part.run, piece)
        for part in parts
        for place, piece in enumerate(part.pieces)
        if (part.name, place) not in known
    ]
    for done in _spread(left, processes):
        if kept:
            with kept.open("a") as file:
                file.write(json.dumps(vars(done)) + "\n")
        yield done


def results(done: Sequence[Done], part: str) -> list[Any]:
    """Return the results of a part in the order of its pieces, whoever was first."""
    return [one.result for one in sorted(done, key=lambda one: one.place) if one.part == part]


def _read(kept: Path, about: str) -> list[Done]:
    if not kept.exists():
        kept.write_text(json.dumps({"about": about}) + "\n")
    head, *lines = kept.read_text().splitlines()
    if json.loads(head) != {"about": about}:
        raise SpecError(f"{kept} holds results of {head}, not of {about!r}; name another file or take it away")
    return [Done(**json.loads(line)) for line in lines]


def _spread(left: Sequence[tuple[Any, ...]], processes: int) -> Iterator[Done]:
    if processes == 1:
        yield from map(_do, left)
        return
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in as_completed([pool.submit(_do, piece) for piece in left]):
            yield future.result()


def _do(work: tuple[str, int, Callable[[Any], Any], Any]) -> Done:
    part, place, run, piece = work
    began = process_time()
    result = run(piece)
    return Done(part, place, process_time() - began, result)
