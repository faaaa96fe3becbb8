"""Tables that go both to the terminal and to the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table as RichTable
from scipy import stats

from probeline.analysis.statistics import Interval


@dataclass(frozen=True)
class Table:
    """A title, column names and rows of text."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Return the table for a page."""
        if not self.rows:
            return f"**{self.title}**\n\nNothing.\n"
        lines = [self.header, tuple("---" for _ in self.header), *self.rows]
        return f"**{self.title}**\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"

    def show(self, console: Console) -> None:
        """Print the table."""
        table = RichTable(*self.header, title=self.title, title_justify="left")
        for row in self.rows:
            table.add_row(*row)
        console.print(table)


def number(value: float, digits: int = 3) -> str:
    """Return ``value`` with so many significant digits, without an exponent where it can be read."""
    if not np.isfinite(value):
        return "-"
    if value and not 1e-4 <= abs(value) < 1e5:
        return f"{value:.{digits - 1}e}"
    decimals = max(0, digits - 1 - int(np.floor(np.log10(abs(value))))) if value else 0
    return f"{value:.{decimals}f}"


def spread(values: Sequence[float]) -> str:
    """Return mean and half the width of its 95 % interval (Student's t)."""
    array = np.asarray(values, float)
    if len(array) < 2:
        return number(float(array.mean())) if len(array) else "-"
    return f"{number(float(array.mean()))} ± {number(half_width(values), 2)}"


def half_width(values: Sequence[float]) -> float:
    """Return half the width of the 95 % interval of the mean (Student's t); at least two values."""
    array = np.asarray(values, float)
    return float(stats.t.ppf(0.975, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array)))


def rate(hits: int, total: int) -> str:
    """Return a share with its exact 95 % interval (Clopper and Pearson)."""
    found = stats.binomtest(hits, total).proportion_ci()
    return f"{100 * hits / total:.1f} % ({100 * found.low:.1f} to {100 * found.high:.1f})"


def interval(found: Interval) -> str:
    """Return a paired difference with its interval."""
    return f"{found.mean_difference:+.3g} [{found.low:+.3g}, {found.high:+.3g}]"
