"""Three measurements at points, as examples: the best, the median, and one that failed or came nearest to it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from ...analysis.loops import fit_loop, select_loop
from ...analysis.measurement import Measurement
from ...core.errors import DataError
from .facts import Decision, Facts, column
from .numbers import labelled, measured, number, position
from .pictures import BLUE, ORANGE, Picture, Section, Table, styled, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TITLE = "Example measurements"


def spectra_section(facts: Facts) -> Section:
    """Return the part of the page with up to three measurements."""
    examples = {
        name: (row, found)
        for name, row in choose_examples(facts).items()
        if (found := facts.measurement(row.index)) is not None
    }
    if not examples:
        return Section(_TITLE, ["Nothing was measured at a point."])
    if all(found.data.size == len(found.channels) for _, found in examples.values()):
        return Section(_TITLE, ["Each measurement is one number per channel."], tables=[_numbers(facts, examples)])
    return Section(_TITLE, pictures=[_picture(facts, name, row, found) for name, (row, found) in examples.items()])


def choose_examples(facts: Facts) -> dict[str, Decision]:
    """Return rows of the table by what they are an example of.

    The best value, the value nearest to the median, and the first failed measurement, or where none
    failed the one of lowest quality, or of the worst value when all are of one quality.
    """
    chosen: dict[str, Decision] = {}
    best, ok, failed = facts.best, facts.ok, facts.failed
    if best is not None:
        chosen["best"] = best
        middle = float(np.median([row.objective for row in ok]))
        others = [row for row in ok if row is not best]
        if others:
            chosen["median"] = min(others, key=lambda row: abs(row.objective - middle))
    rest = [row for row in ok if row not in chosen.values() and math.isfinite(row.quality)]
    if failed:
        chosen["failed"] = failed[0]
    elif rest and np.ptp(column(rest, "quality")) > 0:
        chosen["lowest quality"] = min(rest, key=lambda row: row.quality)
    elif rest:  # of equal quality, as numbers without a curve are
        chosen["worst"] = min(rest, key=lambda row: -row.objective if facts.minimise else row.objective)
    return chosen


def _numbers(facts: Facts, examples: dict[str, tuple[Decision, Measurement]]) -> Table:
    rows = [
        [name, str(row.index), position(row.x, row.y), channel, number(value, found.unit)]
        for name, (row, found) in examples.items()
        for channel, value in zip(found.channels, found.data.ravel(), strict=True)
    ]
    return Table(("example", "decision", "position", "channel", "value"), rows)


def _picture(facts: Facts, name: str, row: Decision, found: Measurement) -> Picture:
    options = facts.about["objective"].get("options") or {}
    with styled(4.3, 3.3) as figure:
        ax = figure.subplots()
        if found.kind == "switching_loop" and "bias" in found.dims:
            note = _draw_loop(ax, found, options.get("field", "off"))
        elif "energy" in found.dims:
            note = _draw_energies(ax, found, options)
        else:
            note = _draw_lines(ax, found)
        ax.set_title(f"{name}: decision {row.index}, {position(row.x, row.y)}")
        _legend(figure, ax)
        return Picture(svg(figure), "svg+xml", f"Measurement that is the {name} example", _caption(facts, row, note))


def _legend(figure: Figure, ax: Axes) -> None:
    if ax.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower left", ncols=3, handlelength=1.6, columnspacing=1.2)


def _caption(facts: Facts, row: Decision, note: str) -> str:
    if row.status == "ok":
        result = f"{facts.objective.replace('_', ' ')} {measured(row.objective, row.sigma, facts.unit)}"
    else:
        result = f"failed: {row.reason}"
    return f"{result}; quality {number(row.quality, digits=2)}. {note}".strip()


def _draw_loop(ax: Axes, found: Measurement, field: str) -> str:
    """Draw the loop that was evaluated and its fit; return what to say of the fit."""
    ax.set(xlabel="bias (V)", ylabel=labelled("piezoresponse", found.unit))
    ax.axhline(0, color="#c9ccd1", lw=0.6, zorder=0)
    ax.axvline(0, color="#c9ccd1", lw=0.6, zorder=0)
    try:
        bias, response = select_loop(found, field)
    except DataError as error:
        ax.text(0.5, 0.5, "not a loop", transform=ax.transAxes, ha="center")
        return f"It cannot be drawn: {error}."
    ax.plot(bias, response, "o", ms=3, color=BLUE, mfc="none", label=f"{field}-field, last cycle")
    if not np.isfinite(response).all():
        return "No fit: some points are missing."
    try:
        fit = fit_loop(bias, response)
    except DataError as error:
        return f"No fit: {error}."
    ax.plot(np.append(bias, bias[0]), np.append(fit.curve, fit.curve[0]), "-", color=ORANGE, lw=1.4, label="fit")
    return f"Fit of nine parameters, R² = {fit.r2:.3f}."


def _draw_energies(ax: Axes, found: Measurement, options: dict[str, Any]) -> str:
    """Draw a spectrum over the energy, all other axes summed, with the window that was evaluated."""
    energy = np.asarray(found.coords["energy"], float)
    spectrum = np.moveaxis(found.data, list(found.dims).index("energy"), -1).reshape(-1, len(energy)).sum(axis=0)
    scale, unit = (1e-3, "keV") if np.ptp(energy) > 2000 else (1.0, "eV")
    ax.step(energy * scale, spectrum, where="mid", color=BLUE, lw=0.8)
    ax.set(xlabel=f"energy ({unit})", ylabel=found.unit or "intensity (no unit)", ylim=(0, None))
    if found.unit == "counts":
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlim(*_filled_span(energy, spectrum, scale))
    if {"low_eV", "high_eV"} <= options.keys():
        low, high = options["low_eV"], options["high_eV"]
        ax.axvspan(low * scale, high * scale, color=ORANGE, alpha=0.3, lw=0, label=f"window {low:g} to {high:g} eV")
    return ""


def _filled_span(energy: np.ndarray, spectrum: np.ndarray, scale: float) -> tuple[float, float]:
    """Return the part of the axis that holds 99.5 % of the intensity, with a margin."""
    total = np.cumsum(np.abs(np.nan_to_num(spectrum)))
    last = int(np.searchsorted(total, 0.995 * total[-1])) if total[-1] > 0 else len(energy) - 1
    end = min(float(energy[-1]), float(energy[last] + 0.1 * np.ptp(energy)))
    return float(energy[0]) * scale, end * scale


def _draw_lines(ax: Axes, found: Measurement) -> str:
    """Draw every channel over the last axis, all axes between averaged."""
    name = found.dims[-1]
    at = np.asarray(found.coords.get(name, np.arange(found.data.shape[-1])))
    lines = found.data.reshape(len(found.channels), -1, found.data.shape[-1]).mean(axis=1)
    for channel, line in zip(found.channels, lines, strict=True):
        ax.plot(at, line, lw=1.0, label=str(channel))
    ax.set(xlabel=name, ylabel=labelled(found.kind, found.unit))
    return ""
