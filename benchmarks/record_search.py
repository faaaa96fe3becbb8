"""Finding runs among 10,000: seconds of :meth:`Catalog.search` with an index that is up to date, and without one.

Runs without events, as ``explore`` starts them; the goals take turns.
"""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

from probeline import catalog as catalogs
from probeline.catalog.journal.appending import JournalWriter
from probeline.catalog.listing import journal_path, write_state
from probeline.core.rng import generator

RUNS = 10_000
REPEATS = 5
GOALS = ("optimum", "map", "all_above", "diverse")


def fill(folder: Path, runs: int) -> None:
    """Write the journals and states of ``runs`` runs, one a minute."""
    rng = generator(0, "record_search")
    for number in range(runs):
        uid = str(uuid.UUID(bytes=rng.bytes(16)))
        block = {
            "goal": GOALS[number % 4], "agent": {"kind": "patch_gp"}, "objective": {"name": "loop_area"},
            "instrument": {"backend": "sim-pfm"},
        }  # fmt: skip
        start = {"uid": uid, "time": 60.0 * number, "scan_id": number, "plan_name": "explore", "probeline": block}
        path = journal_path(folder, start)
        journal = JournalWriter(path)
        journal.write("start", start)
        journal.write("stop", {"uid": f"{number}", "run_start": uid, "time": 60.0 * number, "exit_status": "success"})
        journal.close()
        write_state(path, "stored")


def seconds(store: catalogs.Catalog, **wanted: Any) -> float:
    began = time.perf_counter()
    store.search(**wanted)
    return time.perf_counter() - began


def measure(folder: Path) -> list[tuple[str, str, str, bool]]:
    """Return the rows of this part."""
    with catalogs.open(folder / "many") as store:
        fill(store.root / "journal", RUNS)
        made = seconds(store)
        asked = {
            "goal": {"goal": "map"},
            "uid prefix": {"uid": store.runs()[7].uid[:8]},
            "scan_id": {"scan_id": 42},
            "date": {"since": 60.0 * (RUNS - 10)},
        }
        worst = {name: max(seconds(store, **wanted) for _ in range(REPEATS)) for name, wanted in asked.items()}
        everything = max(seconds(store) for _ in range(REPEATS))
    return [
        *(
            (f"search among {RUNS:,} runs by {name}, wall", "< 0.5 s", f"{spent:.2f} s", spent < 0.5)
            for name, spent in worst.items()
        ),
        (f"list of {RUNS:,} runs, wall", "< 0.5 s", f"{everything:.2f} s", everything < 0.5),
        (f"the first search, which makes the index of {RUNS:,} runs, wall", "none", f"{made:.2f} s", True),
    ]
