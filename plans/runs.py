"""Run an exploration from outside a prompt, and say in one object what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bluesky.utils import RunEngineInterrupted
from rich.console import Console

from ..catalog import Catalog, Run, decisions
from ..catalog import open as open_catalog
from ..catalog.calibrating import calibration_of
from ..catalog.report import report
from ..catalog.store import shown
from ..core.errors import CatalogError, DataError, InterruptedRun, ProbelineError, RefusedError
from ..core.interruption import ignore_interrupts
from ..devices.factory import instrument_spec
from ..devices.instrument_file import InstrumentSpec
from .explore import explore
from .progress import ProgressBar
from .resume import instrument_of, resumable, resume
from .session import Session, open_session, session_on


def run_explore(
    instrument: str, catalog: str | Path, *, seed: int | None, console: Console, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Open a session, explore, write the report and return the summary.

    Once the run has been closed nothing takes its summary away: what fails then is a warning.

    Parameters
    ----------
    instrument : str
        Registered name or instrument file.
    catalog : str or Path
        Folder of the catalogue, or address of a Tiled server.
    seed : int or None
        Of the agent, and of the world of a physics twin. None leaves the world the seed of its instrument
        file and gives 0 to whatever has none.
    console : Console
        Where progress and warnings are shown.
    arguments : mapping
        Further arguments of :func:`~probeline.plans.explore.explore`.

    Raises
    ------
    ProbelineError
        When something is refused or fails; what was measured before is in the catalogue.
    """
    spec = instrument_spec(instrument)
    options = None
    if spec.backend.startswith("sim-"):
        options = {"seed": spec.options.get("seed", 0) if seed is None else seed}
    with open_session(instrument, catalog, options) as session:
        run = explore_once(session, seed=seed or 0, console=console, arguments=arguments)
        run = stored(session.catalog, run, console)
        path = written_report(session.catalog, run, console)
    return {**summarize(run, catalog), "report": path and str(path)}


def stored(store: Catalog, run: Run, console: Console) -> Run:
    """Wait until Tiled has all of a run that ended, and return it as the catalogue knows it then."""
    try:
        store.flush()
    except CatalogError as error:
        warn(console, str(error))
    return store[run.uid]


def written_report(store: Catalog, run: Run, console: Console, reference: Sequence[Run] = ()) -> Path | None:
    """Write the report of a run into its catalogue and return its path; warn and return None where that fails."""
    path = store.reports / f"{run.uid}.html"
    try:
        return report(run, path, reference=reference)
    except (OSError, ProbelineError) as error:
        warn(console, f"the run is recorded, but its report {path} cannot be written: {error}; see `probeline report`")
        return None


def warn(console: Console, message: str) -> None:
    """Show a warning in one line, whatever the width of the terminal."""
    console.print(f"warning: {message}", style="yellow", highlight=False, markup=False, soft_wrap=True)


def explore_once(session: Session, *, seed: int, console: Console, arguments: Mapping[str, Any]) -> Run:
    """Run one exploration in ``session`` with a progress bar and return it.

    Raises
    ------
    InterruptedRun
        After Ctrl-C, when the run has been closed.
    """
    options = {"seed": seed, **(arguments.get("agent_options") or {})}
    plan = explore(session.instrument, **{**arguments, "agent_options": options})
    return _watched(session, plan, f"{session.instrument.name} {arguments.get('agent', 'auto')}", console)


def run_resume(uid: str | int, catalog: str | Path, *, instrument: str | None, console: Console) -> dict[str, Any]:
    """Go on with an exploration that did not end well; write the report and return the summary of the new run.

    Parameters
    ----------
    uid : str or int
        The run, as a catalogue finds it.
    catalog : str or Path
        Folder of the catalogue, or address of a Tiled server.
    instrument : str or None
        Registered name or instrument file. None for a twin, which is opened from the record, at the state of its last
        recorded event.
    console : Console
        Where progress and warnings are shown.

    Raises
    ------
    ProbelineError
        When something is refused or fails; what was measured before is in the catalogue.
    """
    with open_catalog(catalog, create=False) as store:
        store.client  # noqa: B018  # opens Tiled before a thread does
        store.writer()  # closes what a dead process left open
        earlier = resumable(store[uid], store)
        with session_on(store, instrument or _recorded_twin(earlier)) as session:
            label = f"{session.instrument.name} resumed"
            run = _watched(session, resume(session.instrument, earlier, store), label, console)
        run = stored(store, run, console)
        path = written_report(store, run, console)
    return {**summarize(run, catalog), "parent": earlier.uid, "report": path and str(path)}


def _recorded_twin(run: Run) -> InstrumentSpec:
    """Return the twin that ``run`` was made on, as it was left; a record knows no other instrument of today."""
    about = run.start["probeline"]
    if not about["driver"]["virtual_clock"]:
        raise RefusedError(
            f"run {run.uid[:8]} was made on {about['instrument']['backend']}, and only you know which sample and which "
            "probe are there now; name its instrument file with --instrument"
        )
    return instrument_of(run)


def _watched(session: Session, plan: Any, label: str, console: Console) -> Run:
    """Run a plan that opens one run, with a progress bar; return that run."""
    bar = ProgressBar(console, label)
    token = session.RE.subscribe(bar)
    uids: list[str] = []
    start = session.RE.subscribe(lambda _, doc: uids.append(doc["uid"]), "start")
    try:
        session.RE(plan)
    except RunEngineInterrupted as pause:
        ignore_interrupts()
        if session.RE.state == "paused":
            session.RE.abort(reason="interrupted by the user")
        raise InterruptedRun(_interrupted(uids)) from pause
    finally:
        for subscription in (token, start):
            session.RE.unsubscribe(subscription)
        bar.close()
    return session.catalog[uids[0]]


def _interrupted(uids: Sequence[str]) -> str:
    if not uids:
        return "interrupted before the run began: nothing was measured"
    return f"interrupted: run {uids[0]} is closed, what was measured is kept"


def summarize(run: Run, catalog: str | Path) -> dict[str, Any]:
    """Return what one exploration did; JSON.

    Parameters
    ----------
    run : Run
        Any exploration, complete or not, even one that ended before its first decision.
    catalog : str or Path
        Where it is, for the reader; a key in an address is left out.

    Raises
    ------
    DataError
        When it is a run of another plan.
    """
    about = run.start.get("probeline")
    if not isinstance(about, dict) or "objective" not in about:
        raise DataError(
            f"run {run.uid[:8]} ({run.start.get('plan_name', 'no plan name')}) is not a run of explore; "
            "read it with probeline.catalog.load"
        )
    status, best = _outcomes(run, lowest=about["agent"]["direction"] == "min")
    calibration = calibration_of(run)
    return {
        "uid": run.uid,
        "instrument": about["instrument"]["backend"],
        "goal": about["goal"],
        "agent": about["agent"]["kind"],
        "objective": about["objective"]["name"],
        "unit": about["objective"]["unit"],
        "n_points": status.count("ok") + status.count("failed"),
        "n_failed": status.count("failed"),
        "best_value": None if best is None else float(best["objective"]),
        "best_x_nm": None if best is None else float(best["x"]),
        "best_y_nm": None if best is None else float(best["y"]),
        "calibration": calibration.verdict,
        "audits": calibration.n,
        "instrument_seconds": _spent(run),
        "exit_status": (run.stop or {}).get("exit_status", "open"),
        "reason": (run.stop or {}).get("reason", ""),
        "state": run.state,
        "catalog": shown(catalog),
    }


def _spent(run: Run) -> float | None:
    """Return the instrument time (s) until the last decision; None before the first."""
    if "progress" not in run.streams() or not run.documents_of("progress").events:
        return None
    return float(run.last("progress", "instrument_s"))


def _outcomes(run: Run, *, lowest: bool) -> tuple[list[str], Any]:
    """Return the status of every decision and the row of the best one; None where no value was found."""
    if "optimization" not in run.streams():
        return [], None
    table = decisions(run)
    found = (table["objective"].where(table["status"] == "ok") * (-1 if lowest else 1)).dropna()
    return list(table["status"]), None if found.empty else table.loc[found.idxmax()]
