"""Ours beside AtomAI, gpax and BoTorch: docs/reference/peers.md and peers.json.

Run from the root of the repository: ``make bench-peers``, which makes the environments of the peers first.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from time import perf_counter
from typing import Any

from rich.console import Console

# Before anything numerical is imported, here and in the processes that are started.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import probeline
from benchmarks.loops import benchmark_spec, spec_digest

from .page import Results, make_tables
from .quality import DEVELOPMENT, FIELDS, OURS, Field, Score, compare
from .speed import Cost, costs
from .text import render

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
PAGE, RECORDS = REFERENCE / "peers.md", REFERENCE / "peers.json"


def measure(fields: Sequence[Field]) -> Iterator[Results]:
    """Run everything, one process at a time; yield all that is known after the costs and after every film."""
    versions = [f"probeline {probeline.__version__}", f"Python {python_version()}"]
    versions += [f"{name} {version(name)}" for name in ("numpy", "scipy", "torch")]
    specs = {kind: spec_digest(benchmark_spec(kind, "optimum", 0)) for kind in OURS}
    results = Results(datetime.now(UTC).date().isoformat(), versions, specs, [], [])
    for cost, used in costs():
        results.costs.append(cost)
        versions += [one for one in used if one not in versions]
    yield results
    for field in fields:
        for found, used in compare(field):
            results.scores.extend(found)
            versions += [one for one in used if one not in versions]
        yield results


def save(path: Path, results: Results) -> None:
    """Write results, numbers with six digits, one record a line."""
    content = _rounded(asdict(results))
    parts = [f"{json.dumps(name)}: {_lines(value)}" for name, value in content.items()]
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n")


def load(path: Path) -> Results:
    """Read what :func:`save` wrote."""
    content = json.loads(path.read_text())
    content["costs"] = [Cost(**cost) for cost in content["costs"]]
    content["scores"] = [Score(**score) for score in content["scores"]]
    return Results(**content)


def _lines(value: Any) -> str:
    if isinstance(value, list):
        return "[\n" + ",\n".join(json.dumps(item) for item in value) + "\n]"
    return json.dumps(value)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description="Our agents beside AtomAI, gpax and BoTorch.")
    parser.add_argument("--development", type=int, metavar="N", help="N films of pfm-mixed; nothing is written")
    parser.add_argument("--page", action="store_true", help="write the page again from the records of the last run")
    arguments = parser.parse_args()
    console = Console(width=200)
    if arguments.development:
        *_, results = measure(DEVELOPMENT[: arguments.development])
        for table in make_tables(results):
            table.show(console)
        return
    if not arguments.page:
        began = perf_counter()
        for done, results in enumerate(measure(FIELDS)):
            save(RECORDS, results)
            console.print(f"{done} of {len(FIELDS)} films, {perf_counter() - began:.0f} s", highlight=False)
    PAGE.write_text(render(load(RECORDS)))
    console.print(f"written: {PAGE} and {RECORDS}")


if __name__ == "__main__":
    main()
