"""Maps in sample coordinates: pixels where they lie, a scale bar, the measured points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.patheffects as effects
import numpy as np
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from .facts import Decision, column
from .pictures import RED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

    from .facts import Facts

# A few broken pixels must not decide the colours of all others.
CLIP_PERCENT = 0.5
MAP_SIZE = (4.2, 3.75)  # inches
_NUMBERED_UP_TO = 30
_NUMBER_SIZE = 6.5  # points
_NOTHING = "#e3e5e8"
# Bright and dark points alike must stand out from bright and dark pixels.
_RIM = [effects.withStroke(linewidth=1.6, foreground="black")]
_OUTLINE = [effects.withStroke(linewidth=1.6, foreground="white")]


def map_axes(figure: FigureBase) -> Axes:
    """Return axes for a map, at the same place in every figure of ``MAP_SIZE``, so that maps side by side align."""
    return figure.add_axes((0.175, 0.215, 0.62, 0.62 * MAP_SIZE[0] / MAP_SIZE[1]))


def colour_range(values: NDArray[np.float64], *, symmetric: bool = False) -> tuple[float, float]:
    """Return the limits of the colours: all but the outermost ``CLIP_PERCENT`` at either end."""
    good = values[np.isfinite(values)]
    if not good.size:
        return 0.0, 1.0
    low, high = np.percentile(good, [CLIP_PERCENT, 100 - CLIP_PERCENT])
    if symmetric:
        high = max(abs(low), abs(high))
        low = -high
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def draw_map(
    ax: Axes,
    place: tuple[NDArray[np.float64], NDArray[np.float64]],
    values: NDArray[np.float64],
    label: str,
    *,
    colours: str = "gray",
    symmetric: bool = False,
    avoid: Sequence[Decision] = (),
) -> None:
    """Draw a map with equal axes in nm, y up, a scale bar and a colour bar.

    Parameters
    ----------
    ax : Axes
        Empty.
    place : tuple of ndarray, each of shape (row, column)
        x and y (nm) of the pixel centres; the map may be turned.
    values : ndarray, shape (row, column)
        NaN where there is nothing.
    label : str
        Name and unit of the quantity.
    colours : str
        Name of the colour map.
    symmetric : bool
        Put zero in the middle of the colours.
    avoid : sequence of Decision
        Points that the scale bar should leave free; it takes the corner that holds the fewest.
    """
    from matplotlib_scalebar.scalebar import ScaleBar

    low, high = colour_range(values, symmetric=symmetric)
    mesh = ax.pcolormesh(
        *place, np.ma.masked_invalid(values), cmap=colours, norm=Normalize(low, high), shading="nearest"
    )
    ax.set(xlabel="x (nm)", ylabel="y (nm)", aspect="equal", facecolor=_NOTHING)
    # Beside the axes and exactly as high as they are, whatever the layout makes of them.
    beside = ax.inset_axes((1.03, 0.0, 0.045, 1.0))
    ax.figure.colorbar(mesh, cax=beside, label=label, extend=_extend(values, low, high), extendfrac=0.03)
    bar = ScaleBar(
        1, "nm", location=_free_corner(place, avoid), length_fraction=0.3, box_alpha=0.75, border_pad=0.3,
        font_properties={"size": 8},
    )  # fmt: skip
    bar.set_zorder(2.5)  # below the points: none may be hidden
    ax.add_artist(bar)


def _free_corner(place: tuple[NDArray[np.float64], NDArray[np.float64]], points: Sequence[Decision]) -> Any:
    """Return the corner where a scale bar hides the fewest points; lower right where it is all the same."""
    share = [
        (column(points, name) - values.min()) / max(float(np.ptp(values)), 1e-12)
        for name, values in zip(("x", "y"), place, strict=True)
    ]
    near = {"left": share[0] < 0.36, "right": share[0] > 0.64, "lower": share[1] < 0.16, "upper": share[1] > 0.84}
    corners = ("lower right", "lower left", "upper right", "upper left")
    return min(corners, key=lambda corner: int((near[corner.split()[0]] & near[corner.split()[1]]).sum()))


def _extend(values: NDArray[np.float64], low: float, high: float) -> Any:
    below, above = bool(np.nanmin(values, initial=low) < low), bool(np.nanmax(values, initial=high) > high)
    return {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[below, above]


def draw_points(ax: Axes, facts: Facts, *, ordered: bool) -> None:
    """Mark where was measured: seed points square, audits diamonds, the agent's round, failed crossed, best starred.

    Parameters
    ----------
    ax : Axes
        In nm, sample frame.
    facts : Facts
        Of the run.
    ordered : bool
        Colour the points by the order of measurement and number them by decision, where they are few
        and have room, the best always; otherwise they are white.
    """
    total = len(facts.measured)
    size = 26 if total <= 60 else 16
    style: dict[str, Any] = {"c": "white", "edgecolors": "black", "linewidths": 0.9}
    for rows, marker, name in facts.by_source():
        if ordered:
            last = max(row.index for row in facts.measured)
            style = {"c": column(rows, "index"), "cmap": "plasma", "vmin": 0, "vmax": max(last, 1)}
            style |= {"edgecolors": "white", "linewidths": 0.7, "path_effects": _RIM}
        place = column(rows, "x"), column(rows, "y")
        ax.scatter(*place, s=size, marker=marker, label=f"{name} ({len(rows)})", zorder=3, **style)
    _draw_special(ax, facts, size)
    if ordered:
        _draw_numbers(ax, facts)
    if total:
        ax.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2, handletextpad=0.3, columnspacing=1.2,
            labelcolor="black",
        )  # fmt: skip


def _draw_special(ax: Axes, facts: Facts, size: float) -> None:
    failed, best = facts.failed, facts.best
    if failed:
        ax.scatter(
            column(failed, "x"), column(failed, "y"), s=size * 1.3, marker="X", c=RED, edgecolors="white",
            linewidths=0.7, label=f"failed ({len(failed)})", zorder=4,
        )  # fmt: skip
    if best is not None:
        ax.scatter(
            [best.x], [best.y], s=130, marker="*", c="#ffd60a", edgecolors="black", linewidths=0.9, label="best",
            zorder=6,
        )  # fmt: skip


def _draw_numbers(ax: Axes, facts: Facts) -> None:
    """Write the number of its decision beside each point that has room for it; the best comes first."""
    best = facts.best
    few = len(facts.measured) <= _NUMBERED_UP_TO
    rows = ([best] if best else []) + [row for row in facts.measured if few and row is not best]
    ax.apply_aspect()  # else the points are not yet where they will be
    scale = 72 / ax.figure.dpi
    written: list[tuple[float, float, float]] = []
    for row in rows:
        shift = (6, 4) if row is best else (3, 3)  # beside the star, which is larger
        x, y = ax.transData.transform((row.x, row.y)) * scale + shift
        width = 0.66 * _NUMBER_SIZE * len(str(row.index))
        if any(-width < x - left < wide and abs(y - low) < _NUMBER_SIZE for left, low, wide in written):
            continue
        written.append((x, y, width))
        ax.annotate(
            str(row.index), (row.x, row.y), xytext=shift, textcoords="offset points", fontsize=_NUMBER_SIZE,
            path_effects=_OUTLINE, zorder=7,
        )  # fmt: skip
