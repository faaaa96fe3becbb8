"""Whether the journal stays as fast and as small as it began."""

from __future__ import annotations

import itertools
import resource
import time
import uuid
from pathlib import Path

import bluesky.plans as bp
import numpy as np
from event_model import compose_run
from ophyd.sim import SynSignal

from probeline.catalog.journal.sink import JournalSink
from probeline.plans.session import run_engine

DOCUMENTS, BLOCKS = 1_000_000, 10
ENGINE_EVENTS = 10_000


def measure(folder: Path) -> list[tuple[str, str, str, bool]]:
    """Return the rows of this part."""
    costs, grown = documents(folder / "documents")
    engine = through_engine(folder / "engine")
    rows = []
    for what, spent in (("10^6 events as documents", costs), ("10^4 events through the RunEngine", engine)):
        trend = _trend(spent)
        shown = f"{trend:+.1%} from first to last, {np.median(spent) * 1e6:.0f} us per event"
        rows.append((f"{what}: cost per event, CPU", "flat within 5 %", shown, abs(trend) <= 0.05))
    rows.append(("10^6 events as documents: memory", "flat", f"{grown:+.1f} MB", grown < 10))
    return rows


def _trend(spent: list[float]) -> float:
    """Return how much the cost changes over all blocks, by a straight line through it, relative to its median."""
    slope = np.polyfit(np.arange(len(spent)), spent, 1)[0]
    return float(slope * (len(spent) - 1) / np.median(spent))


def documents(folder: Path) -> tuple[list[float], float]:
    """Return CPU-seconds per event of each tenth, and how much memory (MB) came on top after the first."""
    folder.mkdir(parents=True)
    run = compose_run()
    key = {"source": "benchmark", "dtype": "number", "shape": []}
    stream = run.compose_descriptor(name="primary", data_keys={"a": key, "b": key})
    spent, memory = [], []
    sink = JournalSink(folder, lambda _: None)
    sink("start", dict(run.start_doc))
    sink("descriptor", dict(stream.descriptor_doc))
    seq, descriptor = itertools.count(1), stream.descriptor_doc["uid"]
    for _ in range(BLOCKS):
        began = time.process_time()
        for _ in range(DOCUMENTS // BLOCKS):
            now = time.time()
            sink(
                "event",
                {
                    "uid": str(uuid.uuid4()), "descriptor": descriptor, "seq_num": next(seq), "time": now,
                    "data": {"a": 1.0, "b": now}, "timestamps": {"a": now, "b": now}, "filled": {},
                },
            )  # fmt: skip
        spent.append((time.process_time() - began) / (DOCUMENTS // BLOCKS))
        memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    sink.close()
    return spent, memory[-1] - memory[0]


def through_engine(folder: Path) -> list[float]:
    """Return CPU-seconds per event of each tenth of a long ``count``."""
    folder.mkdir(parents=True)
    detector = SynSignal(func=itertools.count().__next__, name="value")
    sink, marks = JournalSink(folder, lambda _: None), []

    def mark(name: str, doc: dict) -> None:
        if name == "event" and (doc["seq_num"] - 1) % (ENGINE_EVENTS // BLOCKS) == 0:
            marks.append(time.process_time())

    with run_engine(context_managers=[]) as engine:
        engine.subscribe(sink)
        engine.subscribe(mark)
        engine(bp.count([detector], num=ENGINE_EVENTS + 1))
    sink.close()
    return (np.diff(marks) / (ENGINE_EVENTS // BLOCKS)).tolist()
