"""What the record costs, each figure as a ratio in one run. Run: ``python -m benchmarks.record_figures``.

Prints the table and writes ``docs/reference/record-figures.md``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything numerical is imported

from rich.console import Console

from . import record_drain, record_engine, record_journal, record_readers, record_search
from .tables import Table

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "record-figures.md"
INTRODUCTION = """\
# What the record costs

Written by `python -m benchmarks.record_figures`; do not edit. Each row was measured in one process beside what
it is compared with; the figure is the median of several repeats taken in turns, and its range."""


@dataclass(frozen=True)
class Figure:
    """One row: what was measured, the goal, what came out, and whether it is reached."""

    what: str
    goal: str
    found: str
    reached: bool

    @property
    def row(self) -> tuple[str, ...]:
        """Cells of the table."""
        return (self.what, self.goal, self.found, "yes" if self.reached else "**no**")


def figures(folder: Path) -> list[Figure]:
    """Measure everything in ``folder``, which is on the disk that a catalogue would be on."""
    found: list[tuple[str, str, str, bool]] = []
    for part in (record_engine, record_journal, record_drain, record_readers, record_search):
        found += part.measure(folder)
    return [Figure(*row) for row in found]


def main() -> None:
    with TemporaryDirectory(prefix="probeline-bench-") as folder:
        rows = figures(Path(folder))
    table = Table("Figures", ("what", "goal", "measured", "reached"), tuple(figure.row for figure in rows))
    PAGE.write_text(f"{INTRODUCTION}\n\n{table.markdown()}")
    table.show(Console(width=160))


if __name__ == "__main__":
    main()
