"""NSID files (``.h5``), as sidpy, pyNSID and SciFiReaders read them (https://pycroscopy.github.io/pyNSID/nsid.html).

One main dataset per channel, units as in the record. Images have the dimensions ``(x, y)`` that sidpy expects, y
falling: sidpy shows them top line first. Measurements at points are a point cloud: ``(point, *axes)`` with the places
of the points in ``point_cloud``. Axes of text are counted; their values stand in ``metadata``, with all else.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from .about import as_json
from .content import Content
from .hdf5 import columns_of, described, put_attributes, put_channel, put_text
from .parts import Spectra

# The version of the layout; pyNSID takes only datasets that name one.
LAYOUT = "0.0.7.2"
_NO_UNIT = "generic"  # as sidpy says it; it refuses an empty text


@dataclass(frozen=True)
class _Dimension:
    """An axis of a main dataset; ``kind`` is one of sidpy's dimension types."""

    name: str
    values: NDArray[np.float64]
    unit: str
    quantity: str
    kind: str


@dataclass(frozen=True)
class _Kind:
    """What a main dataset holds; ``data_type`` is one of sidpy's."""

    unit: str
    quantity: str
    data_type: str


def write(content: Content, path: Path) -> None:
    """Write every channel of the survey and of the measurements, and the objective with all columns beside it."""
    with h5py.File(path, "w", libver=("v108", "latest")) as file:  # before 1.8 an attribute ends at 64 kB
        root = file.create_group("Measurement_000")
        put_text(root, "start_document", as_json(content.run.start))
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
    dimensions = [
        _Dimension("x", frame.columns, "nm", "distance", "SPATIAL"),
        _Dimension("y", frame.lines, "nm", "distance", "SPATIAL"),
    ]
    for index, (name, unit) in enumerate(zip(frame.channels, frame.units, strict=True)):
        group = _group(root, f"survey_{name}", content)
        put_attributes(group.require_group("metadata").require_group("frame"), frame.settings())
        main = group.create_dataset(f"survey_{name}", data=frame.images[index, frame.downward].T)
        _make_main(group, main, dimensions, _Kind(unit, _quantity(name), "IMAGE"))


def _spectra(root: h5py.Group, content: Content, spectra: Spectra, index: int) -> None:
    channel = spectra.channels[index]
    name = f"{spectra.name}_{channel}"
    group = _group(root, name, content)
    main = put_channel(group, name, spectra, index)
    point = _Dimension("point", np.arange(len(spectra.data), dtype=float), "", "point", "POINT_CLOUD")
    axes = [_Dimension(axis.name, axis.numbers, axis.unit, axis.quantity, "SPECTRAL") for axis in spectra.axes]
    _make_main(group, main, [point, *axes], _Kind(spectra.unit, _quantity(channel), "POINT_CLOUD"))
    put_attributes(group.require_group("metadata"), {"spectrometer": spectra.settings})
    put_attributes(group.require_group("metadata"), {"axes": described(spectra)})
    _place_points(group, spectra.x, spectra.y)
    group.require_group("metadata").attrs["decision"] = np.asarray(spectra.decision)


def _decisions(root: h5py.Group, content: Content) -> None:
    table = content.decisions
    assert table is not None  # asked before
    group = _group(root, "objective", content)
    units = table.attrs["units"]
    for name, values in columns_of(table).items():
        if name not in ("objective", "decision"):
            text = values.dtype == object
            column = group.create_dataset(name, data=values, dtype=h5py.string_dtype() if text else None)
            column.attrs["units"] = units.get(name, "")
    main = group.create_dataset("objective", data=table["objective"].to_numpy(float))
    decision = _Dimension("decision", table.index.to_numpy(float), "", "decision", "POINT_CLOUD")
    _make_main(group, main, [decision], _Kind(units.get("objective", ""), "objective", "POINT_CLOUD"))
    _place_points(group, table["x"], table["y"])


def _place_points(group: h5py.Group, x: Sequence[float] | Any, y: Sequence[float] | Any) -> None:
    cloud = group.create_group("point_cloud")
    cloud.attrs["coordinates"] = np.column_stack([x, y])
    cloud.attrs.update(spatial_units="nm", quantity="distance")


def _group(root: h5py.Group, name: str, content: Content) -> h5py.Group:
    """Return the group of a new main dataset with its metadata and the book keeping that the format asks for."""
    group = root.create_group(f"Channel_{len(root) - 1:03d}").create_group(name)
    run = content.about["run"]
    group.attrs.update(
        pyNSID_version=LAYOUT, machine_id=platform.node(), platform=platform.platform(), timestamp=run["began"]
    )
    put_attributes(group.create_group("metadata"), content.about)
    return group


def _make_main(group: h5py.Group, main: h5py.Dataset, dimensions: list[_Dimension], kind: _Kind) -> None:
    """Give an array of ``group`` its dimensions and what makes it a main dataset."""
    name = str(main.name).rpartition("/")[2]
    main.attrs.update(
        quantity=kind.quantity, units=kind.unit or _NO_UNIT, main_data_name=name, title=name,
        data_type=kind.data_type, modality="scanning probe", source="probeline", pyNSID_version=LAYOUT,
    )  # fmt: skip
    for place, dimension in enumerate(dimensions):
        scale = group.create_dataset(dimension.name, data=dimension.values)
        scale.attrs.update(
            name=dimension.name,
            units=dimension.unit or _NO_UNIT,
            quantity=dimension.quantity,
            dimension_type=dimension.kind,
        )
        scale.make_scale(dimension.name)
        main.dims[place].label = dimension.name
        main.dims[place].attach_scale(scale)


def _quantity(channel: str) -> str:
    return channel.removesuffix("_trace").removesuffix("_retrace").replace("_", " ")
