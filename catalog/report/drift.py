"""How far the sample moved under the probe, and what was done about it."""

from __future__ import annotations

from .facts import Facts
from .numbers import position
from .pictures import BLUE, GREY, ORANGE, RED, Picture, Section, styled, svg


def drift_section(facts: Facts) -> Section:
    """Return the part of the page with the registrations to the survey."""
    every = (facts.about.get("tracking") or {}).get("register_every") or 0
    if not every:
        return Section("Drift", ["Tracking was off: positions were not corrected for drift."])
    if not facts.has("drift"):
        return Section("Drift", [f"Tracking was on, every {every} measurements, but the run ended before the first."])
    data = facts.run.stream("drift")
    applied = data["applied"].values.astype(bool)
    last = data.isel(event=-1)
    offset = [float(last[key].values) for key in ("offset_x", "offset_y")]
    text = [
        f"{applied.size} registrations, one every {every} measurements; {_ignored(int((~applied).sum()))}. Shift: how "
        "far a landmark of the survey was found away from where the survey had it. Offset: the correction in force "
        f"after the registration. The last one was {position(*offset)}."
    ]
    return Section("Drift", text, [_picture(facts)])


def _ignored(count: int) -> str:
    return f"{count} had too little confidence and were not applied" if count else "all were applied"


def _picture(facts: Facts) -> Picture:
    data = facts.run.stream("drift")
    seconds = data["clock"].values - facts.began
    ignored = ~data["applied"].values.astype(bool)
    with styled(4.6, 3.9) as figure:
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        for axis, colour in (("x", BLUE), ("y", ORANGE)):
            shift = data[f"shift_{axis}"].values
            top.plot(seconds, shift, "o", ms=4.5, color=colour, label=f"shift {axis}")
            top.plot(seconds, data[f"offset_{axis}"].values, "-", lw=1.3, color=colour, label=f"offset {axis}")
            if ignored.any():
                label = "not applied" if axis == "x" else None
                top.plot(seconds[ignored], shift[ignored], "x", ms=7, color=RED, label=label)
        top.axhline(0, color="#c9ccd1", lw=0.6, zorder=0)
        top.set(ylabel="shift, offset (nm)")
        bottom.plot(seconds, data["confidence"].values, "o-", ms=3.5, lw=1, color=GREY)
        bottom.set(ylabel="confidence", xlabel="instrument time (s)", ylim=(0, 1.05))
        figure.legend(*top.get_legend_handles_labels(), loc="outside upper left", ncols=2, columnspacing=1.2)
        return Picture(svg(figure), "svg+xml", "Measured shift, applied offset and confidence against instrument time")
