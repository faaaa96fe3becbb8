"""Finding runs among 10,000: seconds of :meth:`Catalog.search` with an index that is up to date, and without one.

Runs without events, as `explore` starts them; goals and agents alternate. Run: ``python -m benchmarks.record_search``.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import uuid
from pathlib import Path

from probeline import catalog as catalogs
from probeline.catalog.appending import JournalWriter
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


def seconds(store: catalogs.Catalog, **wanted: object) -> float:
    began = time.perf_counter()
    store.search(**wanted)
    return time.perf_counter() - began


def main(runs: int = RUNS) -> dict[str, float]:
    """Return seconds by what was asked."""
    with tempfile.TemporaryDirectory() as folder, catalogs.open(Path(folder) / "c") as store:
        fill(store.root / "journal", runs)
        found = {"first, index made": seconds(store)}
        asked = {
            "by goal": {"goal": "map"},
            "by uid prefix": {"uid": store.runs()[7].uid[:8]},
            "by scan_id": {"scan_id": 42},
            "by date": {"since": 60.0 * (runs - 10)},
            "all runs": {},
        }
        for name, wanted in asked.items():
            found[name] = sorted(seconds(store, **wanted) for _ in range(REPEATS))[REPEATS // 2]
    return {name: round(value, 4) for name, value in found.items()}


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS), indent=1))
