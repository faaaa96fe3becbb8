"""The page of a trial as a picture: image, property, and the answer below them."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .run import Trial
from .verdict import headline, sentences


def write_picture(trial: Trial, path: Path) -> None:
    """Write image and property with their units and a scale bar, and the answer in words, as PNG.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    from ..catalog.report.axes import draw_map
    from ..catalog.report.pictures import png, styled
    from ..catalog.writing import write_whole

    chosen = trial.chosen
    maps = [(f"{chosen.channels[0]} (as the agent sees it)", chosen.images[0], "gray")] if chosen.channels else []
    unit = f" ({chosen.sought.unit})" if chosen.sought.unit else ""
    maps.append((f"{chosen.sought.name}{unit}", chosen.sought.values, "viridis"))
    with styled(8.4, 6.6) as figure:
        parts = figure.subfigures(2, 1, height_ratios=(3.6, 3.0), squeeze=False)[:, 0]
        axes = parts[0].subplots(1, len(maps), squeeze=False)[0]
        for ax, (label, values, colours) in zip(axes, maps, strict=True):
            draw_map(ax, _place(values, chosen.pixel_nm), values, textwrap.fill(label, 34), colours=colours)
        words = [chosen.source, headline(trial), *sentences(trial)]
        lines = "\n".join(textwrap.fill(line, 118, subsequent_indent="   ") for line in words)
        parts[1].text(0.02, 0.98, lines, va="top", fontsize=8)
        data = png(figure)
    write_whole(path, data)


def _place(values: NDArray[np.float64], pixel_nm: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return x and y (nm) of the pixels, the first row of the file on top."""
    row, column = (np.asarray(index, float) for index in np.indices(values.shape))
    return pixel_nm * column, pixel_nm * (len(values) - 1 - row)
