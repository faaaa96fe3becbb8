"""Progress of an exploration on a terminal, read from its documents like any other consumer."""

from __future__ import annotations

import math
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"


class ProgressBar:
    """A document callback that shows points done, best so far and the time left.

    Times are of the instrument's clock, which on a twin is not the one on the wall.

    Parameters
    ----------
    console : rich.console.Console
        Where to draw.
    label : str
        What is being done.
    """

    def __init__(self, console: Console, label: str):
        columns = (
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f} points"),
            TextColumn("{task.fields[note]}"),
        )  # fmt: skip
        self._bar = Progress(*columns, console=console)
        self._label = label
        self._task: TaskID | None = None
        self._units: dict[str, str] = {}

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        """Take one document."""
        if name == "start":
            self._bar.start()
            self._task = self._bar.add_task(self._label, total=doc.get("num_points"), note="survey")
        elif name == "descriptor" and doc["name"] == "progress":
            self._units[doc["uid"]] = doc["data_keys"]["best"]["units"]
        elif name == "event" and doc["descriptor"] in self._units and self._task is not None:
            self._show(self._task, doc["data"], self._units[doc["descriptor"]])

    def close(self) -> None:
        """Take the bar off the screen."""
        self._bar.stop()

    def _show(self, task: TaskID, data: dict[str, Any], unit: str) -> None:
        best = "none yet" if math.isnan(data["best"]) else f"{data['best']:.4g} {unit}".rstrip()
        left = data["total"] - data["done"]
        note = f"best {best}, {left} left, ETA {_clock(data['eta_s'])} of instrument time"
        self._bar.update(task, completed=data["done"], note=note)
