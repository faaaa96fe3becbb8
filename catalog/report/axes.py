"""Maps in sample coordinates: pixels where they lie, a scale bar, the measured points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib.patheffects as effects
import numpy as np
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from .numbers import labelled
from .pictures import RED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .facts import Facts

# A few broken pixels must not decide the colours of all others.
CLIP_PERCENT = 0.5
_NUMBERED_UP_TO = 30
_NOTHING = "#e3e5e8"
_OUTLINE = [effects.withStroke(linewidth=1.6, foreground="white")]


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
    label: tuple[str, str],
    *,
    colours: str = "gray",
    symmetric: bool = False,
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
    label : tuple of str
        Name and unit of the quantity.
    colours : str
        Name of the colour map.
    symmetric : bool
        Put zero in the middle of the colours.
    """
    from matplotlib_scalebar.scalebar import ScaleBar

    low, high = colour_range(values, symmetric=symmetric)
    mesh = ax.pcolormesh(
        *place, np.ma.masked_invalid(values), cmap=colours, norm=Normalize(low, high), shading="nearest"
    )
    ax.set(xlabel="x (nm)", ylabel="y (nm)", aspect="equal", facecolor=_NOTHING)
    ax.figure.colorbar(mesh, ax=ax, label=labelled(*label), shrink=0.82, extend=_extend(values, low, high))
    ax.add_artist(
        ScaleBar(
            1, "nm", location="lower right", length_fraction=0.3, box_alpha=0.75, border_pad=0.3, frameon=True,
            font_properties={"size": 8},
        )
    )  # fmt: skip


def _extend(values: NDArray[np.float64], low: float, high: float) -> Any:
    below, above = bool(np.nanmin(values, initial=low) < low), bool(np.nanmax(values, initial=high) > high)
    return {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[below, above]


def draw_points(ax: Axes, facts: Facts, *, ordered: bool) -> None:
    """Mark where was measured: seed points square, the agent's round, failed crossed, best starred.

    Parameters
    ----------
    ax : Axes
        In nm, sample frame.
    facts : Facts
        Of the run.
    ordered : bool
        Colour the points by the order of measurement, and number them where they are few;
        otherwise they are open, so that the map shows through.
    """
    ok, total = facts.ok, len(facts.measured)
    size = 26 if total <= 60 else 16
    for source, marker in (("seed", "s"), ("agent", "o")):
        rows = ok[ok["source"].eq("seed") == (source == "seed")]
        style: dict[str, Any] = {"facecolors": "none", "edgecolors": "white", "linewidths": 1.2}
        if ordered:
            style = {"c": rows["number"], "cmap": "plasma", "vmin": 1, "vmax": max(total, 2), "linewidths": 0.7}
            style["edgecolors"] = "white"
        label = f"{'seed design' if source == 'seed' else 'chosen by agent'} ({len(rows)})"
        if len(rows):
            drawn = ax.scatter(rows["x"], rows["y"], s=size, marker=marker, label=label, zorder=3, **style)
            if not ordered:
                drawn.set_path_effects([effects.withStroke(linewidth=2.2, foreground="black")])
    _draw_special(ax, facts, size)
    if ordered and 0 < total <= _NUMBERED_UP_TO:
        for row in facts.measured.itertuples():
            ax.annotate(
                f"{row.number:.0f}", (row.x, row.y), xytext=(3, 3), textcoords="offset points", fontsize=6.5,
                path_effects=_OUTLINE, zorder=5,
            )  # fmt: skip
    if total:
        ax.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, handletextpad=0.3, columnspacing=1.2,
            labelcolor="black",
        )  # fmt: skip


def _draw_special(ax: Axes, facts: Facts, size: float) -> None:
    failed = facts.table[facts.table["status"] == "failed"]
    if len(failed):
        ax.scatter(
            failed["x"], failed["y"], s=size * 1.3, marker="X", c=RED, edgecolors="white", linewidths=0.7,
            label=f"failed ({len(failed)})", zorder=4,
        )  # fmt: skip
    best = facts.best
    if best is not None:
        ax.scatter(
            [best["x"]], [best["y"]], s=150, marker="*", c="#ffd60a", edgecolors="black", linewidths=0.9,
            label="best", zorder=6,
        )  # fmt: skip
