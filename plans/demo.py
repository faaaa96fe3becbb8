"""The demonstration: the default agent against random, on the same worlds with the same budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ..analysis.statistics import paired_interval
from ..catalog import Run
from ..catalog import open as open_catalog
from ..catalog.report.survey import save_survey
from ..catalog.store import shown
from ..core.rng import generator
from .runs import explore_once, stored, summarize, written_report
from .session import session_on

INSTRUMENT = "sim-pfm"


def run_demo(catalog: str | Path, *, points: int, pairs: int, console: Console) -> dict[str, Any]:
    """Run ``pairs`` explorations with the default agent and as many with random; compare the best loops found.

    Seed ``i`` of both arms sees the same world and the same seed points.

    Parameters
    ----------
    catalog : str or Path
        Folder, or address of a Tiled server, where the runs and the report of the first go.
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
    arms: dict[str, list[Run]] = {"auto": [], "random": []}
    with open_catalog(catalog) as store:
        store.client  # noqa: B018  # opens Tiled before a thread does
        for seed in range(pairs):
            for agent, arm in arms.items():
                # Each arm has its own copy of the world: what one writes, the other must not find.
                with session_on(store, INSTRUMENT, {"seed": seed}) as session:
                    arguments = {"agent": agent, "points": points}
                    arm.append(explore_once(session, seed=seed, console=console, arguments=arguments))
                if seed == 0 and agent == "auto":
                    picture = save_survey(arm[0], store.reports / f"{arm[0].uid}.png")
                    console.print(f"first image: {picture}", highlight=False)
        first = stored(store, arms["auto"][0], console)
        page = written_report(store, first, console, reference=arms["random"][:1])
    found = {agent: [summarize(run, catalog)["best_value"] for run in arm] for agent, arm in arms.items()}
    interval = paired_interval(found["auto"], found["random"], rng=generator(0, "demo"))
    about = first.start["probeline"]["objective"]
    console.print(
        f"best {about['name']} ({about['unit']}), {pairs} paired seeds, {points} points: default "
        f"{np.mean(found['auto']):.4g}, random {np.mean(found['random']):.4g}, difference "
        f"{interval.mean_difference:.4g} (95 % interval {interval.low:.4g} to {interval.high:.4g})",
        highlight=False,
        soft_wrap=True,
    )
    return {
        "uid": first.uid,
        "instrument": INSTRUMENT,
        "objective": about["name"],
        "unit": about["unit"],
        "points": points,
        "pairs": pairs,
        "best_default": found["auto"],
        "best_random": found["random"],
        "difference": interval.mean_difference,
        "interval": [interval.low, interval.high],
        "report": page and str(page),
        "catalog": shown(catalog),
    }
