"""CPU-seconds that the PFM twin costs. Run: ``python benchmarks/twin_speed.py``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from probeline.sim.pfm.backend import open_driver, open_world
from probeline.sim.pfm.loops import run_cycles, sweep

FRAME = {"center_x": 0.0, "center_y": 0.0, "width": 1e-6, "height": 1e-6, "pixels": 256, "lines": 256}
WRITTEN = 200


def seconds(work: Callable[[], Any], repeats: int = 3) -> float:
    """Return the CPU-seconds of the quickest of ``repeats`` calls."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    rng = np.random.default_rng(0)
    world = open_world({"seed": 0})
    driver = open_driver("", {"seed": 0, "drift": 0.0})
    driver.approach()
    points = rng.uniform(-2e-6, 2e-6, (2, 5000))
    bias = sweep(8.0, 64)

    def frame() -> None:
        driver.start_scan({**FRAME, "angle": 0.0, "slow": "up"}).result()

    def measured() -> None:
        driver.start_spectrum("switching_loop", {}).result()

    def computed() -> None:
        loops, up = world.loops(points[0], points[1], 2.0)
        loops.response(bias, run_cycles(bias, loops, up, 1))

    def write_many() -> None:
        for x, y in rng.uniform(-0.5e-6, 0.5e-6, (WRITTEN, 2)):
            driver.move(float(x), float(y))
            measured()

    rows = [
        ("open a world, family mixed", 1, seconds(lambda: open_world({"seed": 1}))),
        ("frame 256 x 256, 12 channels", 1, seconds(frame)),
        ("5000 loops of 64 points, no noise", 5000, seconds(computed)),
        ("200 moves and loops through the driver", WRITTEN, seconds(write_many, 1)),
        (f"frame over {WRITTEN} written domains", 1, seconds(frame)),
        (f"loop after {WRITTEN} written domains", 1, seconds(measured)),
    ]
    table = Table("work", "CPU s", "per CPU s")
    for name, count, spent in rows:
        table.add_row(name, f"{spent:.4f}", f"{count / spent:.4g}")
    Console().print(table)


if __name__ == "__main__":
    main()
