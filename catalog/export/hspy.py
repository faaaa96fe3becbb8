"""HyperSpy files (``.hspy``), written with h5py after HyperSpy's documented layout, version 3.3.

One signal per channel, each an experiment of its own; units as in the record. The survey lies as HyperSpy shows it:
top line first, so that the step of ``y`` is negative. An axis of HyperSpy must rise or fall; where the bias goes to
and fro, the axis counts its steps. HyperSpy plots no axis of one value, so such an axis is left out. The values of all
axes stand in the metadata.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from .content import Content
from .hdf5 import columns_of, put_attributes, put_channel
from .parts import Axis, Spectra

FORMAT_VERSION = "3.3"
_UNKNOWN = "_None_"  # how HyperSpy writes None


def write(content: Content, path: Path) -> None:
    """Write every channel as a signal, and decisions as a signal of the objective with all columns beside it."""
    with h5py.File(path, "w") as file:
        file.attrs.update(file_format="HyperSpy", file_format_version=FORMAT_VERSION)
        root = file.create_group("Experiments")
        if content.frame is not None:
            _survey(root, content)
        for spectra in content.spectra:
            for index in range(len(spectra.channels)):
                _spectra(root, content, spectra, index)
        if content.decisions is not None:
            _decisions(root, content)


def _survey(root: h5py.Group, content: Content) -> None:
    frame = content.frame
    assert frame is not None  # asked before
    step_x, step_y = frame.pixel
    axes = [
        _uniform("y", "nm", frame.lines[0], -step_y, len(frame.lines)),
        _uniform("x", "nm", frame.columns[0], step_x, len(frame.columns)),
    ]
    for index, (name, unit) in enumerate(zip(frame.channels, frame.units, strict=True)):
        signal = _signal(root, content, f"survey {name}", _quantity(name, unit))
        signal.create_dataset("data", data=frame.images[index, frame.downward])
        _put_axes(signal, axes)
        put_attributes(signal.require_group("original_metadata").require_group("frame"), frame.settings())


def _spectra(root: h5py.Group, content: Content, spectra: Spectra, index: int) -> None:
    name = spectra.channels[index]
    signal = _signal(root, content, f"{spectra.name} {name}", _quantity(name, spectra.unit))
    long = [axis for axis in spectra.axes if len(axis.values) > 1]
    put_channel(signal, "data", spectra, index, shape=tuple(len(axis.values) for axis in long))
    axes = [_uniform("point", "", 0.0, 1.0, len(spectra.data)), *(_axis(axis) for axis in long)]
    for axis in axes[:-1]:
        axis["navigate"] = True
    _put_axes(signal, axes)
    group = signal.require_group("original_metadata").require_group("points")
    for key, values in (("decision", spectra.decision), ("x_nm", spectra.x), ("y_nm", spectra.y)):
        group.create_dataset(key, data=np.asarray(values))
    put_attributes(signal.require_group("original_metadata").require_group("spectrometer"), spectra.settings)
    for axis in spectra.axes:
        described = signal.require_group("original_metadata").require_group("axes").require_group(axis.name)
        put_attributes(described, {"unit": axis.unit, "quantity": axis.quantity})
        _put_column(described, "values", np.array(axis.values, object if axis.is_text else None))


def _decisions(root: h5py.Group, content: Content) -> None:
    table = content.decisions
    assert table is not None  # asked before
    unit = table.attrs["units"].get("objective", "")
    signal = _signal(root, content, "decisions", _quantity("objective", unit))
    signal.create_dataset("data", data=table["objective"].to_numpy(float))
    _put_axes(signal, [_axis(Axis("decision", table.index.to_list(), ""))])
    group = signal.require_group("original_metadata").require_group("decisions")
    for name, values in columns_of(table).items():
        _put_column(group, name, values)
    put_attributes(group.require_group("units"), table.attrs["units"])


def _put_column(group: h5py.Group, name: str, values: NDArray[Any]) -> None:
    """Write numbers or text; HyperSpy takes text only as a list."""
    if values.dtype == object:
        group.create_dataset(f"_list_{name}", data=values, dtype=h5py.string_dtype())
    else:
        group.create_dataset(name, data=values)


def _signal(root: h5py.Group, content: Content, title: str, quantity: str) -> h5py.Group:
    """Return the group of a new signal with its metadata."""
    group = root.create_group(title)
    group.attrs.update(package="", package_version="")  # of the class of the signal: HyperSpy's own
    for empty in ("learning_results", "original_metadata"):
        group.create_group(empty)
    put_attributes(group.create_group("attributes"), {"_lazy": False, "ragged": False})
    began = content.about["run"]["began"]
    general = {"title": title, "date": began[:10], "time": began[11:19], "time_zone": "UTC"}
    metadata = {"General": general, "Signal": {"signal_type": "", "quantity": quantity}}
    put_attributes(group.create_group("metadata"), metadata)
    put_attributes(group.require_group("original_metadata"), content.about)
    return group


def _quantity(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def _uniform(name: str, unit: str, offset: float, scale: float, size: int) -> dict[str, Any]:
    return {
        "_type": "UniformDataAxis", "name": name, "units": unit or _UNKNOWN, "offset": float(offset),
        "scale": float(scale), "size": size, "navigate": False, "is_binned": False,
    }  # fmt: skip


def _axis(axis: Axis) -> dict[str, Any]:
    """Return an axis of a measurement: with even steps, else rising values, else steps that are counted."""
    values = axis.numbers
    steps = np.diff(values)
    if len(steps) == 0 or np.allclose(steps, steps[0], rtol=1e-9, atol=0.0):
        return _uniform(axis.name, axis.unit, values[0], steps[0] if len(steps) else 1.0, len(values))
    if (steps > 0).all() or (steps < 0).all():
        axes = {"_type": "DataAxis", "name": axis.name, "units": axis.unit or _UNKNOWN}
        return {**axes, "navigate": False, "is_binned": False, "axis": values}
    return _uniform(f"{axis.name} step", "", 0.0, 1.0, len(values))


def _put_axes(signal: h5py.Group, axes: list[dict[str, Any]]) -> None:
    for index, axis in enumerate(axes):
        group = signal.create_group(f"axis-{index}")
        for key, value in axis.items():
            if key == "axis":
                group.create_dataset(key, data=value)
            else:
                group.attrs[key] = value
