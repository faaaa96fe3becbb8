"""A run as labelled arrays, and its decisions as a table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..core.errors import DataError
from .run import Run
from .surveying import survey_image

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


# What every table of decisions has, and its value where a decision has no outcome.
_OUTCOME = {
    "status": None, "reason": None, "objective": math.nan, "sigma": math.nan, "quality": math.nan, "flag": None,
    "measure_s": math.nan, "clock": math.nan, "best": math.nan,
}  # fmt: skip


def as_run(run: Any) -> Run:
    """Return ``run`` as a :class:`Run`; it may also be a run of a Tiled client."""
    if isinstance(run, Run):
        return run
    from .tiled.run import tiled_run

    return tiled_run(run)


def load(run: Any) -> xr.DataTree:
    """Return everything of a run: one group per stream.

    Parameters
    ----------
    run : Run or BlueskyRun
        From a catalogue, or from a Tiled client; both give the same.

    Returns
    -------
    xarray.DataTree
        Group ``/<stream>`` as :meth:`Run.stream` gives it. The survey has ``x`` and ``y`` (nm, sample)
        as coordinates of its pixels, the maps of the posterior those of their candidates. Attributes:
        ``uid``, ``plan_name``, ``exit_status``.

    Raises
    ------
    DataError
        When a frame is missing.
    """
    import xarray as xr

    run = as_run(run)
    groups = {f"/{name}": run.stream(name) for name in run.streams()}
    if "/survey" in groups and "frame" in _keys(run):
        groups["/survey"] = _with_coordinates(run, groups["/survey"])
        if "/posterior" in groups:
            groups["/posterior"] = _with_candidates(run, groups["/posterior"])
    tree = xr.DataTree.from_dict(groups, name=run.uid[:8])
    tree.attrs.update(
        uid=run.uid,
        plan_name=run.start.get("plan_name", ""),
        exit_status=run.stop["exit_status"] if run.stop else "open",
    )
    return tree


def _with_candidates(run: Run, posterior: xr.Dataset) -> xr.Dataset:
    """Return the maps with the place of each candidate: ``x``, ``y`` (nm, sample)."""
    from .replaying import problem_of

    x, y = problem_of(run).points.T
    return posterior.assign_coords(x=("candidate", x, {"units": "nm"}), y=("candidate", y, {"units": "nm"}))


def _keys(run: Run) -> dict[str, str]:
    return (run.start.get("probeline") or {}).get("keys") or {}


def _with_coordinates(run: Run, survey: xr.Dataset) -> xr.Dataset:
    image = survey_image(run)
    dims = survey[_keys(run)["frame"]].dims[-2:]
    return survey.assign_coords(
        x=(dims, image.x, {"units": "nm"}),
        y=(dims, image.y, {"units": "nm"}),
    )


def decisions(run: Any) -> pd.DataFrame:
    """Return one row per decision: why, what was measured, what came of it.

    Parameters
    ----------
    run : Run or BlueskyRun
        A run of :func:`~probeline.plans.explore`.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``decision``. Columns of the streams ``optimization``, ``outcome`` and ``primary``, single values
        only; a column of ``primary`` whose name is taken ends in ``_measured``. What is missing is NaN or None.
        ``attrs["units"]`` maps columns to units.

    Raises
    ------
    DataError
        When the run recorded no decisions.
    """
    run = as_run(run)
    if "optimization" not in run.streams():
        raise DataError(f"run {run.uid[:8]} ({run.start.get('plan_name', '')}) recorded no decisions")
    table, units = _table(run, "optimization")
    for stream in ("outcome", "primary"):
        if stream in run.streams():
            more, more_units = _table(run, stream)
            renamed = {name: f"{name}_measured" for name in more.columns if name in table.columns}
            table = table.join(more.rename(columns=renamed), how="outer")
            units |= {renamed.get(name, name): unit for name, unit in more_units.items()}
    for name, missing in _OUTCOME.items():  # a run that was killed may have none
        if name not in table.columns:
            table[name] = missing
    table.attrs["units"] = units
    return table.sort_index()


def _table(run: Run, stream: str) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the single values of one stream by decision, and their units."""
    import pandas as pd

    documents = run.documents_of(stream)
    keys = {key: info for key, info in documents.data_keys.items() if info["dtype"] != "array"}
    rows = [
        {key: event["data"][key] for key in keys} for event in (documents.events[seq] for seq in documents.seq_nums)
    ]
    table = pd.DataFrame.from_records(rows, columns=list(keys)).set_index("decision")  # pyright: ignore[reportArgumentType]
    units = {key: info["units"] for key, info in keys.items() if info.get("units") and key != "decision"}
    return table.loc[~table.index.duplicated(keep="last")], units
