"""What it costs to read a run again, and to decide again."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from event_model import compose_run

from probeline.agents.spec import make_agent
from probeline.catalog import load, replay
from probeline.catalog import open as open_catalog
from probeline.catalog.replaying import problem_of
from probeline.plans.explore import explore
from probeline.plans.session import open_session

SIDE, STEPS = 75, 64
POINTS, REPEATS = 60, 7


def measure(folder: Path) -> list[tuple[str, str, str, bool]]:
    """Return the rows of this part."""
    wall = load_seconds(folder / "map")
    opening, cpu = open_seconds(folder / "map")
    ratios = replay_ratio(folder / "replay")
    ratio = float(np.median(ratios))
    return [
        (
            "opening an embedded catalogue after imports, wall",
            "<= 2 s",
            f"{opening:.2f} s ({cpu:.2f} CPU)",
            opening <= 2,
        ),
        (f"load of {SIDE} x {SIDE} points with {STEPS}-point spectra, wall", "<= 0.3 s", f"{wall:.2f} s", wall <= 0.3),
        (
            "replay over the agent's own time (CPU)",
            "<= 1.10x",
            f"{ratio:.2f}x ({min(ratios):.2f} to {max(ratios):.2f})",
            ratio <= 1.10,
        ),
    ]


def load_seconds(folder: Path) -> float:
    """Return the wall seconds of opening and loading a finished map, the best of three."""
    run = compose_run()
    key = {"source": "benchmark", "dtype": "number", "shape": []}
    spectrum = {
        "source": "benchmark", "dtype": "array", "dtype_numpy": "<f8", "shape": [1, STEPS], "dims": ["channel", "bias"],
    }  # fmt: skip
    stream = run.compose_descriptor(name="primary", data_keys={"x": key, "y": key, "spectrum": spectrum})
    rng = np.random.default_rng(0)
    with open_catalog(folder) as catalog:
        write = catalog.writer()
        write("start", dict(run.start_doc))
        write("descriptor", dict(stream.descriptor_doc))
        for number in range(SIDE**2):
            y, x = divmod(number, SIDE)
            data = {"x": float(x), "y": float(y), "spectrum": rng.standard_normal((1, STEPS))}
            write("event", dict(stream.compose_event(data=data, timestamps=dict.fromkeys(data, 0.0), validate=False)))
        write("stop", dict(run.compose_stop()))
        catalog.flush(timeout=600)
        times = []
        for _ in range(3):
            began = time.perf_counter()
            tree = load(catalog[-1])
            assert tree["primary"]["spectrum"].shape == (SIDE**2, 1, STEPS)
            times.append(time.perf_counter() - began)
    return min(times)


# Imports first: what opening costs comes after them.
_OPEN = """
import sys, time
import bluesky_tiled_plugins, bluesky_tiled_plugins.exporters, tiled.catalog.adapter, tiled.client, tiled.server.app
from probeline.catalog import open as open_catalog
from probeline.catalog.tiled import serving
serving._context_class()
wall, cpu = time.perf_counter(), time.process_time()
with open_catalog(sys.argv[1]) as catalog:
    assert len(catalog.client) > 0
    print(time.perf_counter() - wall, time.process_time() - cpu)
"""


def open_seconds(folder: Path) -> tuple[float, float]:
    """Return wall and CPU seconds of opening an existing catalogue and its Tiled in a new process; best of three."""
    command = [sys.executable, "-c", _OPEN, str(folder)]
    done = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() for _ in range(3)]
    return min((float(wall), float(cpu)) for wall, cpu in done)


def replay_ratio(folder: Path) -> list[float]:
    """Return the CPU-seconds of ``replay`` over those of the agent alone with the same outcomes, per repeat."""
    with open_session("sim-pfm", folder, {"seed": 0}) as session:
        (uid,) = session.RE(explore(session.instrument, points=POINTS))
        run = session.catalog[uid]
    ratios = []
    for _ in range(REPEATS):
        began = time.process_time()
        answer = replay(run)
        whole = time.process_time() - began
        assert answer.exact
        ratios.append(whole / _alone(run, problem_of(run)))  # a new one, which has cut no patches yet either
    return ratios


def _alone(run, problem) -> float:
    """Return the CPU-seconds of making the agent, suggesting, explaining and ingesting, without any record."""
    stream = run.documents_of("outcome")
    rows = [stream.events[seq]["data"] for seq in stream.seq_nums]
    name = problem.objective
    began = time.process_time()
    agent = make_agent(run.start["probeline"]["agent"], problem)
    for row in rows:
        (point,) = agent.suggest(1)
        agent.explain(point)
        agent.ingest([{**point, name: row["objective"], f"{name}_sigma": row["sigma"]}])
    return time.process_time() - began
