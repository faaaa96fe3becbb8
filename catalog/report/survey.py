"""The survey with the points that were measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...core.errors import DataError
from ..run import Run
from .axes import CLIP_PERCENT, MAP_SIZE, draw_map, draw_points, map_axes
from .facts import Facts, Survey
from .numbers import labelled
from .pictures import Picture, Section, png, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def save_survey(run: Run, path: str | Path) -> Path:
    """Write the survey with the points so far as a PNG file, one panel per channel, and return its path.

    Parameters
    ----------
    run : Run
        A run of ``explore``, finished or not.
    path : str or Path
        The file; its folder is made.

    Raises
    ------
    DataError
        When the run has no survey yet, or it cannot be read.
    """
    facts = Facts(run)
    survey = facts.survey
    if isinstance(survey, str):
        raise DataError(f"run {run.uid}: {survey}")
    panels = len(survey.channels)
    with styled(MAP_SIZE[0] * panels, MAP_SIZE[1], fixed=True) as figure:
        for index, part in enumerate(figure.subfigures(1, panels, squeeze=False)[0]):
            _draw(map_axes(part), facts, survey, index)
        content = png(figure)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target


def survey_section(facts: Facts) -> Section:
    """Return the part of the page with one picture per derived channel."""
    survey = facts.survey
    if isinstance(survey, str):
        return Section("Survey", [survey])
    rows, columns = survey.x.shape
    seen = facts.about["candidates"].get("channels") or ()
    text = [
        f"{columns} × {rows} pixels; axes are the sample frame in nm, y up. The colours span all but the outermost "
        f"{CLIP_PERCENT:g} % of the pixels at either end. Points are coloured by the order of "
        "measurement, from dark (first) to bright (last); a number is that of the decision, as in the table.",
        f"The agent saw: {', '.join(seen)}." if seen else "The agent saw coordinates only, no image.",
    ]
    return Section("Survey", text, [_picture(facts, survey, index) for index in range(len(survey.channels))])


def _picture(facts: Facts, survey: Survey, index: int) -> Picture:
    with styled(*MAP_SIZE, fixed=True) as figure:
        _draw(map_axes(figure), facts, survey, index)
        name = survey.channels[index]
        return Picture(png(figure), "png", f"Survey image of {name} with the measured points")


def _draw(ax: Axes, facts: Facts, survey: Survey, index: int) -> None:
    name, unit = survey.channels[index], survey.units[index]
    signed = name.startswith("response")
    draw_map(
        ax, (survey.x, survey.y), survey.images[index], labelled(name, unit),
        colours="PuOr" if signed else "gray", symmetric=signed, avoid=facts.measured,
    )  # fmt: skip
    draw_points(ax, facts, ordered=True)
    ax.set_title(name.replace("_", " "))
