"""Figures without pyplot: drawn on a canvas of their own, kept as text that a page can hold."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import matplotlib
from matplotlib.figure import Figure

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.limits": (-2, 5),
    "legend.frameon": False,
    "legend.fontsize": 8,
    "image.interpolation": "none",
    "svg.hashsalt": "probeline",
    "savefig.facecolor": "white",
}
DPI = 130
BLUE, ORANGE, GREY, RED = "#1f5fa8", "#d9822b", "#8a8f98", "#c0392b"


@dataclass(frozen=True)
class Picture:
    """An image for the page.

    Attributes
    ----------
    data : bytes
        The image file.
    kind : str
        ``"png"`` or ``"svg+xml"``.
    alt : str
        What it shows, for those who cannot see it.
    caption : str
        What to know when looking at it.
    """

    data: bytes
    kind: str
    alt: str
    caption: str = ""

    @property
    def uri(self) -> str:
        """The image as a ``data:`` address."""
        return f"data:image/{self.kind};base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True)
class Table:
    """Rows of text under a header; the header may be empty."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    collapsed: bool = False


@dataclass(frozen=True)
class Section:
    """One part of the page, in the order: text, pictures, tables."""

    title: str
    text: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = field(default=())


@contextmanager
def styled(width: float, height: float, *, fixed: bool = False) -> Iterator[Figure]:
    """Give an empty figure (inches) and hold the style while it is drawn and saved.

    Its axes find their place themselves, unless it is ``fixed``, as where several must align.
    """
    with matplotlib.rc_context(STYLE):
        yield Figure(figsize=(width, height), layout=None if fixed else "constrained")


def png(figure: Figure) -> bytes:
    """Return the figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def svg(figure: Figure) -> bytes:
    """Return the figure as an SVG file, the same bytes for the same content."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
