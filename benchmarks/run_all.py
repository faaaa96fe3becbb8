"""All benchmarks: prints the tables and writes docs/reference/benchmarks.md.

Run from the root of the repository: ``python -m benchmarks.run_all``. At most 30 minutes on two idle cores.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from time import perf_counter

from rich.console import Console

# Before anything numerical is imported, here and in the worker processes.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import probeline

from . import functions, spectra, trial_nulls
from .admission import contests
from .law_toy import toy_courses
from .page import make_sections, render
from .suite import DEVELOPMENT_SEED, FIRST_SEED, SEEDS, jobs, run_job
from .work import Done, Part, do_all

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "benchmarks.md"
PROCESSES = 2
ANEW = 110  # beyond the first seed, where the parts begin of which some were shown with seeds up to 199


def make_parts(first: int, seeds: int) -> list[Part]:
    """Return all work: loops and contests with so many seeds from the first on, the other parts in proportion."""
    anew = first + ANEW
    return [
        Part("loops", jobs(first, seeds), run_job),
        Part("functions", functions.pieces(anew, max(2, 2 * seeds // 3)), functions.regrets),
        Part("admission", range(first, first + seeds), contests),
        Part("spectra", spectra.pieces(anew, max(2, 2 * seeds // 3)), spectra.scores),
        Part("laws", range(anew, anew + 10 * seeds // 3), toy_courses),
        Part("nulls", trial_nulls.pieces(anew, 3 * seeds // 2), trial_nulls.reported),
    ]


def run(parts: list[Part], processes: int, kept: Path | None, about: str, console: Console) -> list[Done]:
    """Do everything and say now and then how far it is."""
    total, began = sum(len(part.pieces) for part in parts), perf_counter()
    done: list[Done] = []
    for one in do_all(parts, processes, kept, about):
        done.append(one)
        if len(done) % max(1, total // 50) == 0:
            console.print(f"{len(done)} of {total}, {perf_counter() - began:.0f} s: {one.part}", highlight=False)
    console.print(f"all {total}, {perf_counter() - began:.0f} s", highlight=False)
    return done


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description="Benchmarks of agents, paired by seed.")
    parser.add_argument(
        "--development", type=int, metavar="N", help="N seeds from 1000 on, no locked task; the page is not written"
    )
    parser.add_argument("--kept", type=Path, help="keep results in this file as they come, and go on from what it has")
    parser.add_argument("--processes", type=int, default=PROCESSES)
    given = parser.parse_args()
    console = Console(width=200)
    first, seeds = (FIRST_SEED, SEEDS) if given.development is None else (DEVELOPMENT_SEED, given.development)
    parts = make_parts(first, seeds)
    about = f"seeds {first} to {first + seeds - 1}, probeline {probeline.__version__}"
    sections = make_sections(run(parts, given.processes, given.kept, about, console), parts, first)
    for section in sections:
        console.rule(section.heading)
        console.print(section.text, markup=False)
        for table in section.tables:
            table.show(console)
    if given.development is None:
        anew = f"test functions, spectra, laws and worlds without a relation: from {first + ANEW}"
        PAGE.write_text(render(sections, f"Seeds {first} to {first + seeds - 1} ({anew})"))
        console.print(f"written: {PAGE}")


if __name__ == "__main__":
    main()
