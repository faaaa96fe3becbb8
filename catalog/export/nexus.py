"""NeXus files (``.nxs``) in SI units: NXspm for a sharp tip, NXem for a beam, as far as the record fills them.

Data lie in NXdata groups that any NeXus reader plots: ``survey`` (y falls: top line first), one group per kind of
measurement and ``decisions``. Axes of the survey are those before the frame was turned about its centre; ``x_sample``
and ``y_sample`` say where each pixel is. The whole start document stands in ``start_document``.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from .about import as_json, in_si
from .content import Content
from .hdf5 import columns_of, put_channel
from .nexus_entry import put_entry
from .nexus_tree import new_field, new_group
from .parts import Frame, Spectra

# Columns of the table of decisions that go under another name: NeXus knows the uncertainty of a signal by it.
_RENAMED = {"sigma": "objective_errors"}


def write(content: Content, path: Path) -> None:
    """Write one entry with everything that is wanted of the run."""
    with h5py.File(path, "w") as file:
        file.attrs.update(NX_class="NXroot", default="entry")
        entry = new_group(file, "entry", "NXentry")
        put_entry(entry, content)
        if content.frame is not None:
            _survey(entry, content.frame)
        for spectra in content.spectra:
            _spectra(entry, spectra)
        if content.decisions is not None:
            _decisions(entry, content)
        entry.attrs["default"] = {"survey": "survey", "decisions": "decisions"}.get(content.parts[0]) or (
            content.spectra[0].name
        )
        note = new_group(entry, "start_document", "NXnote")
        new_field(note, "type", "application/json")
        new_field(note, "data", as_json(content.run.start))


def _survey(entry: h5py.Group, frame: Frame) -> None:
    data = _data(entry, "survey", frame.channels, ["y", "x"])
    data.attrs["rotation"] = "axes x and y are those before the frame was turned about its centre by scan_angle"
    new_field(data, "x", frame.columns, "nm")
    new_field(data, "y", frame.lines, "nm")
    for name, values in (("x_sample", frame.x), ("y_sample", frame.y)):
        new_field(data, name, values[frame.downward], "nm", long_name=f"{name[0]} of the pixel, sample frame")
    for index, (name, unit) in enumerate(zip(frame.channels, frame.units, strict=True)):
        new_field(data, name, frame.images[index, frame.downward], unit)
    known = frame.line_clock[frame.downward]
    if np.isfinite(known).all():
        new_field(data, "line_clock", known, "s", long_name="instrument time at the end of each line")


def _spectra(entry: h5py.Group, spectra: Spectra) -> None:
    channels = [f"{name}_signal" if name in ("x", "y") else name for name in spectra.channels]
    data = _data(entry, spectra.name, channels, ["point", *(axis.name for axis in spectra.axes)])
    new_field(data, "point", np.arange(len(spectra.data)))
    for axis in spectra.axes:
        values = np.array(axis.values, object) if axis.is_text else axis.numbers
        new_field(data, axis.name, values, axis.unit, long_name=axis.quantity)
    for name, values, unit in (("decision", spectra.decision, ""), ("x", spectra.x, "nm"), ("y", spectra.y, "nm")):
        new_field(data, name, np.asarray(values), unit)
        data.attrs[f"{name}_indices"] = 0
    factor, unit = in_si(spectra.unit)
    for index, name in enumerate(channels):
        field = put_channel(data, name, spectra, index, factor=factor)
        if unit:
            field.attrs["units"] = unit


def _decisions(entry: h5py.Group, content: Content) -> None:
    table = content.decisions
    assert table is not None  # asked before
    data = _data(entry, "decisions", ["objective"], ["decision"])
    for name, values in columns_of(table).items():
        new_field(data, _RENAMED.get(name, name), values, table.attrs["units"].get(name, ""))


def _data(entry: h5py.Group, name: str, signals: list[str], axes: list[str]) -> h5py.Group:
    """Return a new NXdata group."""
    data = new_group(entry, name, "NXdata")
    data.attrs["signal"] = signals[0]
    if signals[1:]:
        data.attrs["auxiliary_signals"] = np.array(signals[1:], object)
    data.attrs["axes"] = np.array(axes, object)
    for place, axis in enumerate(axes):
        data.attrs[f"{axis}_indices"] = place
    return data
