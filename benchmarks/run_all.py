"""All benchmarks: prints the tables and writes docs/reference/benchmarks.md.

Run from the root of the repository: ``python -m benchmarks.run_all``. At most 30 minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from time import perf_counter

from rich.console import Console

# Before anything numerical is imported, here and in the worker processes.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from .loops import Record
from .nulls import RelationCheck
from .page import make_tables, render
from .suite import DEVELOPMENT_SEED, FIRST_SEED, SEEDS, JobResult, jobs, run_jobs

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "benchmarks.md"
PROCESSES = 2


def collect(results: Iterable[JobResult], total: int, console: Console) -> tuple[list[Record], list[RelationCheck]]:
    """Return everything that the jobs found, in an order that does not depend on who was first."""
    records: list[Record] = []
    checks: list[RelationCheck] = []
    began = perf_counter()
    for done, result in enumerate(results, 1):
        records += result.records
        checks += [result.relation] if result.relation else []
        console.print(f"{done} of {total} jobs, {perf_counter() - began:.0f} s", highlight=False)
    records.sort(key=lambda record: (record.task, record.agent, record.goal, record.seed, record.budget))
    return records, sorted(checks, key=lambda check: (check.task, check.seed))


def save(path: Path, records: list[Record], checks: list[RelationCheck]) -> None:
    """Write every record, so that the tables can be made again without running anything."""
    content = {"records": [asdict(r) for r in records], "checks": [asdict(c) for c in checks]}
    path.write_text(json.dumps(content))


def load(path: Path) -> tuple[list[Record], list[RelationCheck]]:
    """Read what :func:`save` wrote."""
    content = json.loads(path.read_text())
    return [Record(**r) for r in content["records"]], [RelationCheck(**c) for c in content["checks"]]


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description="Benchmarks of agents, paired by seed.")
    parser.add_argument("--development", type=int, metavar="N", help="N seeds from 1000 on; the page is not written")
    parser.add_argument("--records", type=Path, help="read the records from this file when it is there, else write it")
    arguments = parser.parse_args()
    console = Console(width=180)
    first, count = (FIRST_SEED, SEEDS) if arguments.development is None else (DEVELOPMENT_SEED, arguments.development)
    if arguments.records and arguments.records.exists():
        records, checks = load(arguments.records)
    else:
        work = jobs(first, count)
        records, checks = collect(run_jobs(work, PROCESSES), len(work), console)
        if arguments.records:
            save(arguments.records, records, checks)
    tables = make_tables(records, checks, first)
    for table in tables:
        table.show(console)
    if arguments.development is None:
        PAGE.write_text(render(tables, (first, first + count - 1)) + "\n")
        console.print(f"written: {PAGE}")


if __name__ == "__main__":
    main()
