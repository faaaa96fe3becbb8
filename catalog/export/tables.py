"""Tables: one row per decision, pixel or point of a spectrum; units in the names of the columns or beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .about import as_json
from .content import Content
from .parts import Frame, Spectra

if TYPE_CHECKING:
    import pandas as pd

_ROWS = 100_000  # of one block, so that a large survey is never a table as a whole


def write_csv(content: Content, path: Path) -> None:
    """Write one table as CSV, UTF-8: ``# <JSON>`` with the metadata, then columns named ``name (unit)``.

    ``pandas.read_csv(path, comment="#")`` reads it; numbers have all their digits.
    """
    import csv

    units = units_of(content)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# {as_json({**content.about, 'units': units})}\n")
        for index, block in enumerate(blocks(content)):
            named = block.rename(columns={name: f"{name} ({unit})" for name, unit in units.items()})
            named.to_csv(file, index=False, header=index == 0, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")


def write_parquet(content: Content, path: Path) -> None:
    """Write one table as Parquet; the unit of a column stands in its field's metadata, the rest in the schema's."""
    import pyarrow as pa
    from pyarrow import parquet

    units, parts = units_of(content), blocks(content)
    first = pa.Table.from_pandas(next(parts), preserve_index=False)
    fields = [field.with_metadata({"units": units.get(field.name, "")}) for field in first.schema]
    schema = pa.schema(fields, metadata={"probeline": as_json({**content.about, "units": units})})
    with parquet.ParquetWriter(path, schema) as writer:
        writer.write_table(first.cast(schema))
        for block in parts:
            writer.write_table(pa.Table.from_pandas(block, schema, preserve_index=False))


def units_of(content: Content) -> dict[str, str]:
    """Return the units of the columns that have one."""
    if content.decisions is not None:
        return dict(content.decisions.attrs["units"])
    frame = content.frame
    if frame is not None:
        channels = zip(frame.channels, frame.units, strict=True)
        return {"x": "nm", "y": "nm", "line_clock": "s"} | {name: unit for name, unit in channels if unit}
    units = {"x": "nm", "y": "nm"}
    for spectra in content.spectra:
        units |= {axis.name: axis.unit for axis in spectra.axes if axis.unit}
        units |= {_free(name, spectra): spectra.unit for name in spectra.channels if spectra.unit}
    return units


def blocks(content: Content) -> Iterator[pd.DataFrame]:
    """Yield the table in blocks of rows."""
    if content.decisions is not None:
        yield content.decisions.reset_index()
    elif content.frame is not None:
        yield from _pixels(content.frame)
    else:
        for spectra in content.spectra:
            yield from _curves(spectra)


def _pixels(frame: Frame) -> Iterator[pd.DataFrame]:
    """Yield the pixels in the order of the scan: line 0 was scanned first."""
    import pandas as pd

    lines, pixels = frame.images.shape[1:]
    step = max(1, _ROWS // pixels)
    for first in range(0, lines, step):
        part = slice(first, first + step)
        rows = np.arange(lines)[part]
        values: dict[str, Any] = {
            "line": np.repeat(rows, pixels),
            "pixel": np.tile(np.arange(pixels), len(rows)),
            "x": frame.x[part].ravel(),
            "y": frame.y[part].ravel(),
            "line_clock": np.repeat(frame.line_clock[part], pixels),
        }
        channels = {name: frame.images[index, part].ravel() for index, name in enumerate(frame.channels)}
        yield pd.DataFrame(values | channels)


def _curves(spectra: Spectra) -> Iterator[pd.DataFrame]:
    """Yield one row per point and place along the axes."""
    import pandas as pd

    grids = np.meshgrid(*(np.arange(len(axis.values)) for axis in spectra.axes), indexing="ij")
    places = [grid.ravel() for grid in grids]
    size = int(np.prod(spectra.shape[1:]))
    along = {axis.name: np.asarray(axis.values)[place] for axis, place in zip(spectra.axes, places, strict=True)}
    step = max(1, _ROWS // size)
    for first in range(0, len(spectra.data), step):
        part = slice(first, first + step)
        data = spectra.data[part]
        values: dict[str, Any] = {
            "decision": np.repeat(spectra.decision[part], size),
            "kind": spectra.name,
            "x": np.repeat(spectra.x[part], size),
            "y": np.repeat(spectra.y[part], size),
            **{name: np.tile(column, len(data)) for name, column in along.items()},
        }
        for index, name in enumerate(spectra.channels):
            values[_free(name, spectra)] = np.concatenate([item[index].ravel() for item in data])
        yield pd.DataFrame(values)


def _free(name: str, spectra: Spectra) -> str:
    """Return the column of a channel: lock-in ``x`` and ``y`` must not be taken for the place."""
    taken = {"decision", "kind", "x", "y", *(axis.name for axis in spectra.axes)}
    return f"{name}_signal" if name in taken else name
