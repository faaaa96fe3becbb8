"""How the search went: best value so far, and predictions against measurements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ...core.errors import SpecError
from ..calibrating import calibration_in_words
from ..run import Run
from .facts import Decision, Facts, column
from .numbers import labelled
from .pictures import BLUE, GREY, ORANGE, RED, Picture, Section, styled, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_AXES = {"number": "measurements made", "seconds": "instrument time (s)"}


@dataclass(frozen=True)
class Band:
    """Best value so far of the reference runs: lowest, median and highest at each place of ``at``."""

    at: NDArray[np.float64]
    low: NDArray[np.float64]
    median: NDArray[np.float64]
    high: NDArray[np.float64]


def check_reference(facts: Facts, reference: Sequence[Run]) -> list[Facts]:
    """Return the reference runs, if they can be compared with the run.

    Raises
    ------
    SpecError
        When one of them chose otherwise than at random, on another back-end or for another
        objective, or when the instrument is live: its sample cannot be measured twice.
    """
    others = [Facts(run) for run in reference]
    if others and not facts.about["driver"].get("virtual_clock"):
        raise SpecError(
            f"run {facts.run.uid}: a live instrument has no counterfactual, so runs of another time are no reference; "
            "leave reference out"
        )
    for other in others:
        wanted = ("random", facts.about["instrument"]["backend"], facts.objective, facts.unit)
        found = (other.about["agent"]["kind"], other.about["instrument"]["backend"], other.objective, other.unit)
        if found != wanted:
            raise SpecError(
                f"run {other.run.uid} is no reference: its agent, instrument, objective and unit are {found}, "
                f"they should be {wanted}; leave it out"
            )
    return [other for other in others if other.best is not None]


def history_section(facts: Facts, reference: Sequence[Facts]) -> Section:
    """Return the part of the page with the best value so far."""
    title = "Best value so far"
    if facts.best is None:
        return Section(title, ["No measurement gave a value."])
    text = [_compared(facts, reference), "Instrument time includes everything since the run began, the survey too."]
    if facts.about["goal"] != "optimum":
        text.append(f"The goal was {facts.about['goal']}, not the optimum: the best value is only a by-product.")
    return Section(title, text, [_best(facts, reference, axis) for axis in _AXES])


def _compared(facts: Facts, reference: Sequence[Facts]) -> str:
    if reference:
        runs = ", ".join(
            f"{other.run.uid[:8]} (agent seed {other.about['agent'].get('seed')}, {len(other.measured)} points)"
            for other in reference
        )
        if len(reference) == 1:
            text = f"Orange: a run that chose at random on the same instrument: {runs}."
        else:
            text = (
                f"Orange: {len(reference)} runs that chose at random on the same instrument, from the lowest to the "
                f"highest, with their median: {runs}."
            )
        options = [run.about["instrument"].get("options") for run in (facts, *reference)]
        if any(other != options[0] for other in options):
            text += " The options of the instrument differ between these runs, so they saw different samples."
        return text
    if facts.about["driver"].get("virtual_clock"):
        return "No runs that chose at random were given to compare with."
    return "There is no comparison with random choice: a live instrument has no counterfactual."


def random_band(reference: Sequence[Facts], axis: str) -> Band:
    """Return the best value so far of the reference runs, as far as the shortest of them went.

    Parameters
    ----------
    reference : sequence of Facts
        At least one run with a value.
    axis : {"number", "seconds"}
        Against the number of measurements made or the instrument time (s).
    """
    tracks = [(column(other.measured, axis), other.best_so_far()) for other in reference]
    end = min(at[-1] for at, _ in tracks)
    at = np.unique(np.concatenate([at for at, _ in tracks]))
    # Before all of them have a value there is nothing to compare.
    start = max(at[np.isfinite(best)][0] for at, best in tracks)
    at = at[(at >= start) & (at <= end)]
    held = np.stack([best[np.searchsorted(own, at, side="right") - 1] for own, best in tracks])
    return Band(at, held.min(axis=0), np.median(held, axis=0), held.max(axis=0))


def _best(facts: Facts, reference: Sequence[Facts], axis: str) -> Picture:
    with styled(4.4, 3.2) as figure:
        ax = figure.subplots()
        if reference:
            band = random_band(reference, axis)
            label = f"random, {len(reference)} runs"
            ax.fill_between(band.at, band.low, band.high, step="post", color=ORANGE, alpha=0.25, lw=0, label=label)
            ax.step(band.at, band.median, where="post", color=ORANGE, lw=1.2)
        for rows, marker, name in facts.by_source():
            fill = "none" if marker == "o" else GREY
            ax.plot(column(rows, axis), column(rows, "objective"), marker, ms=3.5, color=GREY, mfc=fill, label=name)
        at = column(facts.measured, axis)
        ax.step(at, facts.best_so_far(), where="post", color=BLUE, lw=1.8, label="best so far")
        _failures(ax, facts, axis)
        ax.set(xlabel=_AXES[axis], ylabel=labelled(facts.objective, facts.unit), xlim=(0, None))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(loc="outside upper left", ncols=3, handlelength=1.4, columnspacing=1.2)
        return Picture(svg(figure), "svg+xml", f"Best {facts.objective} so far against {_AXES[axis]}")


def _failures(ax: Axes, facts: Facts, axis: str) -> None:
    failed = facts.failed
    if failed:
        ax.plot(
            column(failed, axis), np.full(len(failed), 0.02), "x", ms=5, color=RED, transform=ax.get_xaxis_transform(),
            label=f"failed ({len(failed)})", clip_on=False,
        )  # fmt: skip


def prediction_section(facts: Facts) -> Section:
    """Return the part of the page that compares predictions with what was then measured."""
    title = "Predicted and measured"
    rows = [row for row in facts.ok if math.isfinite(row.mean) and math.isfinite(row.std)]
    if not rows:
        return Section(
            title, ["No prediction preceded a measurement: seed points and agents without a model have none."]
        )
    seeds = sum(row.source == "seed" for row in rows)
    audits = [row for row in rows if row.source == "audit"]
    total = np.hypot(column(rows, "std"), np.nan_to_num(column(rows, "sigma")))
    error = np.abs(column(rows, "objective") - column(rows, "mean"))
    within = [int((error <= factor * total).sum()) for factor in (1, 2)]
    text = [
        f"Every prediction was recorded before its measurement. Of {len(rows)} ({seeds} of the seed design), "
        f"{within[0]} lie within one and {within[1]} within two standard deviations (prediction and measurement "
        f"together); 68 % and 95 % would be {0.6827 * len(rows):.0f} and {0.9545 * len(rows):.0f}.",
        "The agent chose these points, for example because it expected much there; they are not audit points drawn "
        "at random, so this is no test of its calibration.",
    ]
    if audits:
        text[1] = (
            f"The agent chose most of these points, for example because it expected much there; only the {len(audits)} "
            f"audits (diamonds) were drawn at random, and they say: {calibration_in_words(facts.calibration)}."
        )
    return Section(title, text, [_predictions(facts, rows, audits)])


def _predictions(facts: Facts, rows: Sequence[Decision], audits: Sequence[Decision]) -> Picture:
    predicted, found = column(rows, "mean"), column(rows, "objective")
    std, sigma = column(rows, "std"), np.nan_to_num(column(rows, "sigma"))
    with styled(4.7, 4.0, fixed=True) as figure:  # a layout that finds its place itself forgets the square's labels
        ax = figure.add_axes((0.18, 0.135, 3.1 / 4.7, 3.1 / 4.0))
        ax.errorbar(predicted, found, xerr=std, yerr=sigma, fmt="none", ecolor=GREY, elinewidth=0.7, zorder=1)
        drawn = ax.scatter(predicted, found, c=column(rows, "index"), cmap="plasma", s=18, zorder=2)
        ax.plot(column(audits, "mean"), column(audits, "objective"), "D", ms=7, mec=RED, mfc="none", mew=1.1, zorder=3)
        ax.axline((predicted[0], predicted[0]), slope=1, ls="--", color=BLUE, lw=1, zorder=0)
        low = min((predicted - std).min(), (found - sigma).min())
        high = max((predicted + std).max(), (found + sigma).max())
        span = low - 0.04 * (high - low), high + 0.04 * (high - low)
        ax.set(xlim=span, ylim=span)
        decisions = figure.colorbar(drawn, cax=ax.inset_axes((1.03, 0.0, 0.045, 1.0)), label="decision")
        decisions.locator = MaxNLocator(integer=True)
        label = labelled(facts.objective, facts.unit)
        ax.set(xlabel=f"predicted {label}", ylabel=f"measured {label}")
        return Picture(svg(figure), "svg+xml", f"Measured against predicted {facts.objective}")
