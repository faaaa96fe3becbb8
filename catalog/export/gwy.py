"""Gwyddion files (``.gwy``): every channel of the survey with the measured points, in SI units.

Gwyddion has no turned images and its y points down. So a frame lies in the file as it was before its turn about its
centre, top line first, at real size, with ``(x, -y)`` of the record as coordinates; the angle is in the metadata of
each channel. Files must hold finite numbers only: where nothing was measured stands the mean of the channel, masked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.units import to_si
from .about import flat, in_si
from .content import Content
from .gwy_format import GwyObject, Rows, write_gwy
from .parts import Frame


def write(content: Content, path: Path) -> None:
    """Write the survey, and the points when decisions are wanted, as a Gwyddion file."""
    frame = content.frame
    parts: dict[str, Any] = {}
    if frame is not None:
        meta = GwyObject("GwyContainer", flat(content.about) | flat(frame.settings(), "frame."))
        for index, (name, unit) in enumerate(zip(frame.channels, frame.units, strict=True)):
            parts |= _channel(frame, index, name, unit)
            parts[f"/{index}/meta"] = meta
    if content.decisions is not None:
        parts |= _points(content)
    write_gwy(path, GwyObject("GwyContainer", parts))


def _channel(frame: Frame, index: int, name: str, unit: str) -> dict[str, Any]:
    factor, si = in_si(unit)
    image = frame.images[index, frame.downward]
    measured = np.isfinite(image)
    fill = float(image.mean(where=measured)) if measured.any() else 0.0
    parts: dict[str, Any] = {
        f"/{index}/data": _field(frame, (np.where(np.isfinite(row), row, fill) * factor for row in image), si),
        f"/{index}/data/title": name,
        f"/{index}/data/visible": index == 0,
    }
    if not measured.all():
        parts[f"/{index}/mask"] = _field(frame, (np.where(np.isfinite(row), 0.0, 1.0) for row in image), "")
    return parts


def _field(frame: Frame, rows: Iterable[NDArray[np.float64]], unit: str) -> GwyObject:
    lines, pixels = frame.images.shape[1:]
    width, height = (to_si(edge, "nm") for edge in frame.size)
    left, top = to_si(frame.center[0], "nm") - width / 2, -to_si(frame.center[1], "nm") - height / 2
    return GwyObject(
        "GwyDataField",
        {
            "xres": pixels, "yres": lines, "xreal": width, "yreal": height, "xoff": left, "yoff": top,
            "si_unit_xy": _unit("m"), "si_unit_z": _unit(unit), "data": Rows(lines * pixels, rows),
        },
    )  # fmt: skip


def _unit(text: str) -> GwyObject:
    return GwyObject("GwySIUnit", {"unitstr": text})


def _points(content: Content) -> dict[str, Any]:
    """Return the measured points: over each image as a selection of points, and their values as XYZ data."""
    table, frame = content.decisions, content.frame
    assert table is not None  # asked before
    found = table.dropna(subset=["objective"])
    x, y = found["x"].to_numpy(float), found["y"].to_numpy(float)
    parts: dict[str, Any] = {}
    if frame is not None:
        x, y = frame.before_turn(x, y)
        left, top = frame.center[0] - frame.size[0] / 2, frame.center[1] + frame.size[1] / 2
        inside = np.column_stack([x - left, top - y])  # a selection counts from the corner of its image
        inside = inside[((inside >= 0) & (inside <= frame.size)).all(axis=1)] * to_si(1.0, "nm")
        for index in range(len(frame.channels) if len(inside) else 0):
            points = {"max": len(inside), "data": Rows(inside.size, inside)}
            parts[f"/{index}/select/point"] = GwyObject("GwySelectionPoint", points)
    if len(found):
        parts |= dict(_cloud(content, x, y))
    return parts


def _cloud(content: Content, x: NDArray[np.float64], y: NDArray[np.float64]) -> Iterator[tuple[str, Any]]:
    """Yield the values of the objective as XYZ data, and all that was recorded of them as its metadata."""
    table = content.decisions
    assert table is not None  # asked before
    values = table["objective"].dropna().to_numpy(float)
    factor, unit = in_si(table.attrs["units"].get("objective", ""))
    metre = to_si(1.0, "nm")
    cloud = np.column_stack([x * metre, -y * metre, values * factor])
    surface = {"si_unit_xy": _unit("m"), "si_unit_z": _unit(unit), "data": Rows(cloud.size, cloud)}
    yield "/xyz/0", GwyObject("GwySurface", surface)
    yield "/xyz/0/title", "objective"
    rows = table[["x", "y", "objective", "sigma", "status"]].iterrows()
    lines = {f"decision {place}": _said(row) for place, row in rows}
    yield "/xyz/0/meta", GwyObject("GwyContainer", {**flat(content.about), **lines})


def _said(row: Any) -> str:
    return "; ".join(f"{key} = {value}" for key, value in row.items())
