"""The two parts of an experiment as labelled arrays: the image, and what was measured at points of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis.measurement import AXIS_UNITS, Measurement
from ..core.errors import DataError
from .measurements import measurement_from
from .reading import as_run
from .run import Run
from .surveying import survey_image

if TYPE_CHECKING:
    import xarray as xr


def survey(run: Any, stream: str = "survey") -> xr.Dataset:
    """Return the last image of a run, raw.

    Parameters
    ----------
    run : Run or BlueskyRun
        Of a plan that says which of its data keys is the image, as ``explore`` does.
    stream : str
        ``"survey"``, or another stream of images: ``"reference"``, ``"resurvey"``.

    Returns
    -------
    xarray.Dataset
        One variable per channel, shape (line, pixel), its unit in ``attrs["units"]``; line 0 was scanned first.
        Coordinates ``x`` and ``y`` (nm, sample, y up) of the pixel centres, ``line_clock`` (s, instrument time at
        the end of each line).

    Raises
    ------
    UnknownNameError
        When the run has no such stream.
    DataError
        When the run names no image, or it cannot be read.
    """
    import xarray as xr

    run = as_run(run)
    image = survey_image(run, stream)
    pixels = ("line", "pixel")
    return xr.Dataset(
        {
            name: (pixels, data, {"units": unit})
            for name, data, unit in zip(image.channels, image.images, image.units, strict=True)
        },
        coords={
            "x": (pixels, image.x, {"units": "nm"}),
            "y": (pixels, image.y, {"units": "nm"}),
            "line_clock": ("line", image.line_clock, {"units": "s"}),
        },
        attrs={"run": run.uid, "stream": stream},
    )


def spectra(run: Any) -> xr.Dataset:
    """Return what was measured at points, in the order of the record.

    Parameters
    ----------
    run : Run or BlueskyRun
        A run of :func:`~probeline.plans.explore`.

    Returns
    -------
    xarray.Dataset
        One variable, named by the kind of measurement (``switching_loop``, ``eds``, ...), shape
        (point, channel, *axes), NaN where nothing was measured; its unit in ``attrs["units"]``, the settings
        that it was taken with in ``attrs``. Coordinates ``decision``, ``x``, ``y`` (nm, sample) and ``seq_num``
        along ``point``, and the values of every axis with their units.

    Raises
    ------
    DataError
        When nothing was measured at a point, or with other axes or settings from some point on:
        :func:`~probeline.catalog.load` gives that as it is.
    """
    import xarray as xr

    run = as_run(run)
    rows, found = _measured(run)
    first = found[0]
    axes = list(first.dims)[1:]
    coords: dict[str, Any] = {"channel": list(first.channels)}
    coords |= {axis: (axis, list(first.coords[axis]), _unit(AXIS_UNITS.get(axis, ""))) for axis in axes}
    for key, unit in (("decision", ""), ("x", "nm"), ("y", "nm")):
        coords[key] = ("point", [row["data"][key] for row in rows], _unit(unit))
    coords["seq_num"] = ("point", [row["seq_num"] for row in rows])
    data = np.stack([measurement.data for measurement in found])
    attrs = {**_unit(first.unit), **first.settings}
    return xr.Dataset({first.kind: (("point", *first.dims), data, attrs)}, coords=coords, attrs={"run": run.uid})


def _unit(unit: str) -> dict[str, str]:
    return {"units": unit} if unit else {}


def _measured(run: Run) -> tuple[Sequence[Any], Sequence[Measurement]]:
    """Return the events of ``primary`` and their measurements, which are all of one kind."""
    key: str = ((run.start.get("probeline") or {}).get("keys") or {}).get("spectrum", "")
    if not key or "primary" not in run.streams():
        raise DataError(f"run {run.uid[:8]} ({run.start.get('plan_name', 'no plan name')}) measured nothing at a point")
    stream = run.documents_of("primary")
    rows = [stream.events[seq] for seq in stream.seq_nums]
    found = [measurement_from(stream.descriptors[row["descriptor"]], row, key) for row in rows]
    for row, measurement in zip(rows, found, strict=True):
        if not _alike(measurement, found[0]):
            raise DataError(
                f"run {run.uid[:8]} measured with other axes or settings from decision {row['data']['decision']} on, "
                "which is no single array; read it with probeline.catalog.load"
            )
    return rows, found


def _alike(one: Measurement, other: Measurement) -> bool:
    def layout(found: Measurement) -> tuple[Any, ...]:
        axes = {axis: list(values) for axis, values in found.coords.items()}
        return found.kind, found.unit, found.data.shape, list(found.channels), axes, dict(found.settings)

    return layout(one) == layout(other)
