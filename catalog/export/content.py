"""What an export holds: the survey, the measurements at points and the decisions, read once from the record."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...analysis.measurement import AXIS_UNITS
from ...core.errors import DataError, UnknownNameError
from ..documents import Stream
from ..measurements import measurement_from
from ..reading import decisions
from ..run import Run
from ..surveying import frame_settings, survey_image
from .about import about
from .parts import Axis, Frame, Spectra

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("survey", "spectra", "decisions")


class Content:
    """What of a run goes into a file.

    Parameters
    ----------
    run : Run
        Of any plan that writes as docs/reference/record.md says.
    parts : sequence of str
        Which of :data:`PARTS` are wanted.
    strict : bool
        Refuse a run that lacks one of them; else a run that lacks all.

    Attributes
    ----------
    run : Run
        As given.
    frame : Frame or None
        The last frame of the survey.
    spectra : list of Spectra
        Measurements at points, in the order of the record.
    about : dict
        Where it comes from, JSON: see :func:`.about.about`.

    Raises
    ------
    DataError
        When what is wanted is not in the record, or cannot be read.
    """

    def __init__(self, run: Run, parts: tuple[str, ...], *, strict: bool):
        self.run = run
        self.frame = _frame(run) if "survey" in parts else None
        self.spectra = list(_spectra(run)) if "spectra" in parts else []
        self._with_decisions = "decisions" in parts and _has(run, "optimization")
        present = [self.frame is not None, bool(self.spectra), self._with_decisions]
        self.parts = [part for part, there in zip(PARTS, present, strict=True) if there]
        lacking = [part for part in parts if part not in self.parts]
        if (strict and lacking) or not self.parts:
            raise DataError(
                f"run {run.uid[:8]} ({run.start.get('plan_name', 'no plan name')}) holds no {' and no '.join(lacking)} "
                "to export; read it with probeline.catalog.load"
            )
        self.about = about(run)

    @cached_property
    def decisions(self) -> pd.DataFrame | None:
        """The table of :func:`~probeline.catalog.decisions`, units in its ``attrs``; None without decisions."""
        return decisions(self.run) if self._with_decisions else None


def _has(run: Run, stream: str) -> bool:
    return stream in run.streams() and bool(run.documents_of(stream).seq_nums)


def _keys(run: Run) -> dict[str, str]:
    return (run.start.get("probeline") or {}).get("keys") or {}


def _frame(run: Run) -> Frame | None:
    if "frame" not in _keys(run) or not _has(run, "survey"):
        return None
    image = survey_image(run)
    device = run.documents_of("survey").data_keys[_keys(run)["frame"]].get("object_name", "")
    settings = frame_settings(run.configuration("survey"), device)
    return Frame(
        images=image.images,
        channels=image.channels,
        units=image.units,
        center=(settings["center_x"], settings["center_y"]),
        size=(settings["width"], settings["height"]),
        angle_deg=settings["angle"],
        slow=settings["slow"],
        x=image.x,
        y=image.y,
        line_clock=image.line_clock,
    )


def _spectra(run: Run) -> Iterator[Spectra]:
    """Yield the measurements, a new group wherever axes or settings changed."""
    key = _keys(run).get("spectrum")
    if key is None or not _has(run, "primary"):
        return
    stream = run.documents_of("primary")
    if key not in stream.data_keys:
        raise UnknownNameError("data key", key, stream.data_keys)
    groups: dict[str, Spectra] = {}
    for seq in stream.seq_nums:
        _collect(groups, stream, stream.events[seq], key)
    yield from groups.values()


def _collect(groups: dict[str, Spectra], stream: Stream, event: Mapping[str, Any], key: str) -> None:
    """Put one event into the group that has its axes and settings, or into a new one."""
    found = measurement_from(stream.descriptors[event["descriptor"]], event, key)
    dims = list(found.dims)[1:]
    axes = [Axis(dim, list(found.coords[dim]), AXIS_UNITS.get(dim, "")) for dim in dims]
    same = json.dumps([found.data.shape, [axis.values for axis in axes], dict(found.settings)], default=str)
    if same not in groups:
        name = found.kind if not groups else f"{found.kind}_{len(groups) + 1}"
        groups[same] = Spectra(name, found.kind, found.unit, list(found.channels), axes, dict(found.settings))
    group, data = groups[same], event["data"]
    group.decision.append(int(data["decision"]))
    group.x.append(float(data["x"]))
    group.y.append(float(data["y"]))
    group.data.append(found.data)
