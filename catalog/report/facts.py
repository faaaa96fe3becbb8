"""What a report needs of a run, read once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...analysis.calibration import Calibration
from ...analysis.channels import derive_channels
from ...analysis.measurement import Measurement
from ...core.errors import DataError
from ..calibrating import calibration_of
from ..measurements import measurement_from
from ..player import rows_of
from ..reading import decisions
from ..run import Run
from ..surveying import survey_image

# Raw channel whose unit a derived one has, where it has another name.
_SOURCE = {"height": "height_trace", "response": "x_trace", "amplitude": "x_trace"}


@dataclass(frozen=True)
class Decision:
    """One decision and what came of it; a number that was not recorded is NaN.

    Attributes
    ----------
    index : int
        Number of the decision, from 0.
    number : int
        Number of the measurement, from 1; 0 where nothing was measured.
    x, y : float
        nm, sample frame.
    source : str
        ``"seed"``, ``"agent"``, ``"audit"``, ...: docs/reference/record.md.
    mean, std : float
        Prediction, in the unit of the objective.
    status, reason, flag : str
        As recorded; status ``"unfinished"`` when the run ended first.
    objective, sigma : float
        Outcome, in the unit of the objective.
    quality : float
        From 0 to 1.
    measure_s, seconds : float
        Instrument time (s) that the measurement took, and since the run began.
    """

    index: int
    number: int
    x: float
    y: float
    source: str
    mean: float
    std: float
    status: str
    reason: str
    flag: str
    objective: float
    sigma: float
    quality: float
    measure_s: float
    seconds: float


def column(rows: Sequence[Decision], name: str) -> NDArray[np.float64]:
    """Return one number of every row, shape ``(row,)``."""
    return np.array([getattr(row, name) for row in rows], dtype=float)


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
        if "candidates" not in (run.start.get("probeline") or {}):
            raise DataError(
                f"run {run.uid} ({run.start.get('plan_name', 'no plan name')}) is not a run of explore: its start "
                "document does not say how candidates were found; there is no report of other plans"
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
    def decisions(self) -> list[Decision]:
        """All decisions, in order."""
        if not self.has("optimization"):
            return []
        records = decisions(self.run).reset_index().to_dict("records")
        numbers, found = self._numbers, []
        for row in records:
            values: dict[str, Any] = {name: _real(row.get(name)) for name in _NUMBERS}
            values |= {name: row[name] if isinstance(row.get(name), str) else text for name, text in _TEXTS.items()}
            found.append(
                Decision(
                    index=int(row["decision"]),
                    number=numbers.get(row["decision"], 0),
                    seconds=_real(row.get("clock")) - self.began,
                    **values,
                )
            )
        return found

    @property
    def _numbers(self) -> dict[int, int]:
        """Number of each measurement by its decision; those of a batch are measured in another order."""
        rows = [row["decision"] for row in rows_of(self.run, "outcome") if row["status"] in ("ok", "failed")]
        return {decision: number for number, decision in enumerate(rows, 1)}

    @cached_property
    def began(self) -> float:
        """Instrument clock (s) at the beginning of the experiment; NaN when it is not known."""
        if "clock" in self.about:  # not in runs made before there was a resume
            return float(self.about["clock"])
        if self.has("survey"):
            events = self.run.documents_of("survey").events
            return float(events[max(events)]["data"][self.about["keys"]["clock"]]) if events else math.nan
        return math.nan

    @property
    def ok(self) -> list[Decision]:
        """Decisions that gave a value."""
        return [row for row in self.decisions if row.status == "ok" and math.isfinite(row.objective)]

    def by_source(self) -> list[tuple[list[Decision], str, str]]:
        """Return the good decisions by who chose them, each with a marker and a name; none is empty."""
        groups: dict[str, list[Decision]] = {"seed": [], "audit": [], "agent": []}
        for row in self.ok:
            groups.get(row.source, groups["agent"]).append(row)
        shown = zip(groups.values(), "sDo", ("seed design", "audits", "chosen by agent"), strict=True)
        return [(rows, marker, name) for rows, marker, name in shown if rows]

    @cached_property
    def calibration(self) -> Calibration:
        """The last verdict on the agent's predictions."""
        return calibration_of(self.run)

    @property
    def failed(self) -> list[Decision]:
        """Decisions whose measurement gave no value."""
        return [row for row in self.decisions if row.status == "failed"]

    @property
    def measured(self) -> list[Decision]:
        """Decisions that led to a measurement, good or failed, in the order in which they were measured."""
        return sorted((row for row in self.decisions if row.number), key=lambda row: row.number)

    @property
    def best(self) -> Decision | None:
        """The decision with the best value; None before the first."""
        sign = -1 if self.minimise else 1
        return max(self.ok, key=lambda row: sign * row.objective, default=None)

    def best_so_far(self) -> NDArray[np.float64]:
        """Return the best value up to each of ``measured``, NaN before the first, shape ``(measurement,)``."""
        values = column(self.measured, "objective")
        return (np.fmin if self.minimise else np.fmax).accumulate(values)

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


_NUMBERS = ("x", "y", "mean", "std", "objective", "sigma", "quality", "measure_s")
_TEXTS = {"source": "", "status": "unfinished", "reason": "the run ended first", "flag": ""}


def _real(value: Any) -> float:
    return math.nan if value is None else float(value)
