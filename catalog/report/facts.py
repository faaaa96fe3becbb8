"""What a report needs of a run, read once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...analysis.channels import derive_channels
from ...analysis.measurement import Measurement
from ...core.errors import DataError
from ..measurements import measurement_from
from ..reading import decisions
from ..run import Run
from ..surveying import survey_image

_NUMBERS = ("x", "y", "mean", "std", "acquisition", "objective", "sigma", "quality", "measure_s", "clock")
_TEXTS = {"source": "", "status": "unfinished", "reason": "the run ended first", "flag": ""}
# Raw channel whose unit a derived one has, where it has another name.
_SOURCE = {"height": "height_trace", "response": "x_trace", "amplitude": "x_trace"}


@dataclass(frozen=True)
class Survey:
    """The survey as the agent saw it.

    Attributes
    ----------
    images : ndarray, shape (channel, row, column)
        Derived channels, each in its unit of ``units``.
    channels, units : list of str
        Names and units along the first axis of ``images``.
    x, y : ndarray, shape (row, column)
        Pixel centres (nm), sample frame.
    """

    images: NDArray[np.float64]
    channels: list[str]
    units: list[str]
    x: NDArray[np.float64]
    y: NDArray[np.float64]


class Facts:
    """One run of ``explore``, as its report needs it; everything is read when first asked for.

    Parameters
    ----------
    run : Run
        Complete or not.

    Raises
    ------
    DataError
        When it is not a run of ``explore``.
    """

    def __init__(self, run: Run):
        if "probeline" not in run.start:
            raise DataError(
                f"run {run.uid} ({run.start.get('plan_name', 'no plan name')}) is not a run of explore: its start "
                "document has no block 'probeline'; there is no report of other plans"
            )
        self.run = run
        self.about: dict[str, Any] = run.start["probeline"]

    @property
    def objective(self) -> str:
        """Name of the objective."""
        return self.about["objective"]["name"]

    @property
    def unit(self) -> str:
        """Unit of the objective."""
        return self.about["objective"]["unit"]

    @property
    def minimise(self) -> bool:
        """Whether small values of the objective are wanted."""
        return self.about["agent"].get("direction") == "min"

    def has(self, stream: str) -> bool:
        """Return whether the run holds at least one event of ``stream``."""
        return stream in self.run.streams() and bool(self.run.documents_of(stream).seq_nums)

    @cached_property
    def survey(self) -> Survey | str:
        """The survey, or the reason why there is none to show."""
        if not self.has("survey"):
            return "The run ended before its survey was complete."
        try:
            image = survey_image(self.run, "survey")
        except DataError as error:
            return f"The survey cannot be shown: {error}."
        images, channels = derive_channels(image.images, image.channels)
        raw_units = dict(zip(image.channels, image.units, strict=True))
        units = [raw_units.get(_SOURCE.get(name, name), "") for name in channels]
        return Survey(images, channels, units, image.x, image.y)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per decision, indexed by it, with its outcome.

        Columns as :func:`~probeline.catalog.decisions` gives them, and ``number``, which counts
        measurements from 1 and is NaN where nothing was measured, and ``seconds``, the instrument
        time since the run began. A decision without an outcome has the status ``unfinished``.
        """
        table = decisions(self.run) if self.has("optimization") else pd.DataFrame(index=pd.Index([], name="decision"))
        table = table.reindex(columns=list(dict.fromkeys([*table.columns, *_NUMBERS, *_TEXTS])))
        table = table.astype(dict.fromkeys(_NUMBERS, float)).fillna(_TEXTS)
        measured = table["status"].isin(["ok", "failed"])
        table["number"] = measured.cumsum().where(measured)
        table["seconds"] = table["clock"] - self.began
        return table

    @cached_property
    def began(self) -> float:
        """Instrument clock (s) at the beginning of the run; NaN when it is not known."""
        if self.has("progress") and self.has("outcome"):
            first = self.run.stream("outcome")["clock"].values[0]
            return float(first - self.run.stream("progress")["instrument_s"].values[0])
        if self.has("survey"):
            events = self.run.documents_of("survey").events
            return float(events[max(events)]["data"][self.about["keys"]["clock"]]) if events else math.nan
        return math.nan

    @property
    def ok(self) -> pd.DataFrame:
        """Rows of the table that gave a value."""
        return self.table[self.table["status"] == "ok"]

    @property
    def measured(self) -> pd.DataFrame:
        """Rows of the table where something was measured, good or failed."""
        return self.table[self.table["number"].notna()]

    @property
    def best(self) -> pd.Series | None:
        """The row with the best value; None before the first."""
        values = self.ok["objective"].dropna()
        if values.empty:
            return None
        return self.table.loc[values.idxmin() if self.minimise else values.idxmax()]

    def best_so_far(self) -> pd.Series:
        """Return the best value up to each measurement, one per row of ``measured``."""
        values = self.measured["objective"].ffill()
        return values.cummin() if self.minimise else values.cummax()

    def measurement(self, decision: int) -> Measurement | None:
        """Return what was measured for a decision; None when nothing was."""
        if not self.has("primary"):
            return None
        stream = self.run.documents_of("primary")
        found = [event for event in stream.events.values() if event["data"]["decision"] == decision]
        if not found:
            return None
        descriptor = stream.descriptors[found[-1]["descriptor"]]
        return measurement_from(descriptor, found[-1], self.about["keys"]["spectrum"])
