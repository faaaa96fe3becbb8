"""The demonstration: the default agent against random, on the same worlds with the same budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ..analysis.statistics import paired_interval
from ..catalog import Run
from ..catalog.report import report
from ..catalog.report.survey import save_survey
from ..core.rng import generator
from .runs import explore_once, summarize
from .session import open_session

INSTRUMENT = "sim-pfm"


def run_demo(catalog: str | Path, *, points: int, pairs: int, console: Console) -> dict[str, Any]:
    """Run ``pairs`` explorations with the default agent and as many with random; compare the best loops found.

    Seed ``i`` of both arms sees the same world and the same seed points.

    Parameters
    ----------
    catalog : str or Path
        Folder where the runs and the report of the first go.
    points : int
        Measurements per run.
    pairs : int
        Paired seeds, at least 2.
    console : Console
        Where progress and the comparison are shown.

    Returns
    -------
    dict
        JSON: best values of both arms, the mean paired difference with its 95 % interval.
    """
    best: dict[str, list[float]] = {"auto": [], "random": []}
    first: Run | None = None
    reference: list[Run] = []
    summary: dict[str, Any] = {}
    picture = ""
    for seed in range(pairs):
        with open_session(INSTRUMENT, catalog, {"seed": seed}) as session:
            for agent, values in best.items():
                run = explore_once(session, seed=seed, console=console, arguments={"agent": agent, "points": points})
                summary = summarize(run, catalog)
                values.append(float(summary["best_value"]))
                if first is None:
                    first = run
                    picture = str(save_survey(run, session.catalog.reports / f"{run.uid}.png"))
                    console.print(f"first image: {picture}", highlight=False)
                if agent == "random":
                    reference.append(run)
            path = session.catalog.reports / f"{first.uid}.html"  # pyright: ignore[reportOptionalMemberAccess]
    report(first, path, reference=reference)  # pyright: ignore
    interval = paired_interval(np.array(best["auto"]), np.array(best["random"]), rng=generator(0, "demo"))
    console.print(
        f"best {summary['objective']} ({summary['unit']}), {pairs} paired seeds, {points} points: default "
        f"{np.mean(best['auto']):.4g}, random {np.mean(best['random']):.4g}, difference "
        f"{interval.mean_difference:.4g} (95 % interval {interval.low:.4g} to {interval.high:.4g})",
        highlight=False,
    )
    return {
        "instrument": INSTRUMENT, "objective": summary["objective"], "unit": summary["unit"], "points": points,
        "pairs": pairs, "best_default": best["auto"], "best_random": best["random"],
        "difference": interval.mean_difference, "interval": [interval.low, interval.high],
        "uid": first.uid if first else None, "picture": picture, "report": str(path), "catalog": str(catalog),
    }  # fmt: skip
