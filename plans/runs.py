"""Run an exploration from outside a prompt, and say in one object what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bluesky.utils import RunEngineInterrupted
from rich.console import Console

from ..catalog import Run, decisions
from ..catalog.report import report
from ..core.errors import InterruptedRun
from ..devices.factory import instrument_spec
from .explore import explore
from .progress import ProgressBar
from .session import Session, open_session


def run_explore(
    instrument: str, catalog: str | Path, *, seed: int, console: Console, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Open a session, explore, write the report and return the summary.

    Parameters
    ----------
    instrument : str
        Registered name or instrument file.
    catalog : str or Path
        Folder of the catalogue.
    seed : int
        Of the agent, and of the world of a physics twin.
    console : Console
        Where progress is shown.
    arguments : mapping
        Further arguments of :func:`~probeline.plans.explore.explore`.

    Raises
    ------
    ProbelineError
        When something is refused or fails; what was measured before is in the catalogue.
    """
    spec = instrument_spec(instrument)
    options = {"seed": seed} if spec.backend.startswith("sim-") else None
    with open_session(instrument, catalog, options) as session:
        run = explore_once(session, seed=seed, console=console, arguments=arguments)
        path = report(run, session.catalog.reports / f"{run.uid}.html")
        session.catalog.flush()
        run = session.catalog[run.uid]  # it says by now whether Tiled has it
    return {**summarize(run, catalog), "report": str(path)}


def explore_once(session: Session, *, seed: int, console: Console, arguments: Mapping[str, Any]) -> Run:
    """Run one exploration in ``session`` with a progress bar and return it.

    Raises
    ------
    InterruptedRun
        After Ctrl-C, when the run has been closed.
    """
    options = {"seed": seed, **(arguments.get("agent_options") or {})}
    plan = explore(session.instrument, **{**arguments, "agent_options": options})
    bar = ProgressBar(console, f"{session.instrument.name} {arguments.get('agent', 'auto')}")
    token = session.RE.subscribe(bar)
    uids: list[str] = []
    start = session.RE.subscribe(lambda _, doc: uids.append(doc["uid"]), "start")
    try:
        session.RE(plan)
    except RunEngineInterrupted as pause:
        if session.RE.state == "paused":
            session.RE.abort(reason="interrupted by the user")
        raise InterruptedRun(f"interrupted: run {uids[0]} is closed, what was measured is kept") from pause
    finally:
        for subscription in (token, start):
            session.RE.unsubscribe(subscription)
        bar.close()
    return session.catalog[uids[0]]


def summarize(run: Run, catalog: str | Path) -> dict[str, Any]:
    """Return what one exploration did; JSON.

    Parameters
    ----------
    run : Run
        Any exploration, complete or not.
    catalog : str or Path
        Where it is, for the reader.
    """
    about = run.start["probeline"]
    table = decisions(run)
    sign = -1 if about["agent"]["direction"] == "min" else 1
    value = table["objective"] * sign
    best = None if value.isna().all() else table.loc[value.idxmax()]
    progress = run.stream("progress") if "progress" in run.streams() else None
    return {
        "uid": run.uid,
        "instrument": about["instrument"]["backend"],
        "goal": about["goal"],
        "agent": about["agent"]["kind"],
        "objective": about["objective"]["name"],
        "unit": about["objective"]["unit"],
        "n_points": int((table["status"].isin(["ok", "failed"])).sum()),
        "n_failed": int((table["status"] == "failed").sum()),
        "best_value": None if best is None else float(best["objective"]),
        "best_x_nm": None if best is None else float(best["x"]),
        "best_y_nm": None if best is None else float(best["y"]),
        "instrument_seconds": None if progress is None else float(progress["instrument_s"].values[-1]),
        "exit_status": (run.stop or {}).get("exit_status", "open"),
        "reason": (run.stop or {}).get("reason", ""),
        "state": run.state,
        "catalog": str(catalog),
    }
