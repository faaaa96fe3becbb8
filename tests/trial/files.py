"""Writes small measured maps in the formats of instruments."""

from __future__ import annotations

import struct
from pathlib import Path

import h5py
import numpy as np

ROWS, COLUMNS, STEPS = 9, 12, 5
PIXEL_NM = 4.0


def image() -> np.ndarray:
    """An image whose numbers tell its place, shape (ROWS, COLUMNS)."""
    row, column = np.indices((ROWS, COLUMNS))
    return 10.0 * row + column


def cube() -> np.ndarray:
    """Spectra whose numbers tell their place, shape (ROWS, COLUMNS, STEPS)."""
    return 100.0 * image()[..., None] + np.arange(STEPS)


def write_grid(path: Path, *, stored: int = ROWS * COLUMNS) -> None:
    """Write a Nanonis grid: a bias sweep of current and frequency shift; ``stored`` pixels of it."""
    size = np.array([COLUMNS - 1, ROWS - 1]) * PIXEL_NM * 1e-9
    header = [
        f'Grid dim="{COLUMNS} x {ROWS}"',
        f"Grid settings=0;0;{size[0]};{size[1]};0",
        "Filetype=Linear",
        'Sweep Signal="Bias (V)"',
        'Fixed parameters="Sweep Start;Sweep End"',
        'Experiment parameters="X (m);Y (m);Z (m)"',
        "# Parameters (4 byte)=5",
        f"Experiment size (bytes)={2 * STEPS * 4}",
        f"Points={STEPS}",
        'Channels="Current (A);Frequency Shift (Hz)"',
        "Delay before measuring (s)=0",
        'Experiment="Grid Spectroscopy"',
        'Start time="01.01.2026 00:00:00"',
        'End time="01.01.2026 01:00:00"',
        'User=""',
        'Comment=""',
        ":HEADER_END:",
    ]
    row, column = np.indices((ROWS, COLUMNS))
    place = [column * PIXEL_NM * 1e-9, row * PIXEL_NM * 1e-9, image() * 1e-12]
    noted = np.stack([np.full((ROWS, COLUMNS), 0.5), np.full((ROWS, COLUMNS), -0.5), *place], axis=-1)
    pixels = np.concatenate([noted, cube(), -cube()], axis=-1).reshape(ROWS * COLUMNS, -1)
    path.write_bytes("\r\n".join(header).encode() + b"\r\n" + pixels[:stored].astype(">f4").tobytes())


def write_wave(path: Path, layers: dict[str, np.ndarray]) -> None:
    """Write an Igor binary wave of version 5 as Asylum does: x, y, layer, with names of layers."""
    data = np.stack([layer.T for layer in layers.values()], axis=-1).astype("<f4")
    labels = b"".join(name.encode().ljust(32, b"\0") for name in ("", *layers))
    step = PIXEL_NM * 1e-9
    head = struct.pack("<3Iihh6sh", 0, 0, 0, data.size, 2, 0, b"", 1)
    head += b"wave".ljust(32, b"\0") + bytes(8)
    head += struct.pack("<4i8d", *data.shape, 0, step, step, 1, 1, 0, 0, 0, 0)
    head += (b"m" + bytes(3)) * 3
    head = head.ljust(320, b"\0")
    # Sizes of data, formula, note, units, then names by dimension: the third one has some.
    sizes = [len(head) + data.nbytes, 0, 0, 0, 0, 0, 0, 0, 0, 0, len(labels), 0, 0, 0, 0]
    words = np.frombuffer(struct.pack("<hh15i", 5, 0, *sizes) + head, "<i2")
    checksum = int(np.uint16(-words.astype(np.int64).sum() & 0xFFFF).astype(np.int16))
    path.write_bytes(struct.pack("<hh15i", 5, checksum, *sizes) + head + data.tobytes(order="F") + labels)


def write_nsid(path: Path) -> None:
    """Write an image and spectra with scales as NSID has them, x first."""
    x, y = np.arange(COLUMNS) * PIXEL_NM * 1e-9, np.arange(ROWS) * PIXEL_NM * 1e-9
    with h5py.File(path, "w") as file:
        for name, data, unit in (("Height", image(), "m"), ("Loops", cube(), "V")):
            group = file.create_group(f"Measurement_000/{name}")
            main = group.create_dataset("data", data=np.swapaxes(data, 0, 1))
            main.attrs.update({"quantity": name, "units": unit, "data_type": "IMAGE"})
            axes = [("x", x, "m", "SPATIAL"), ("y", y, "m", "SPATIAL")]
            axes += [("Voltage", np.linspace(-1, 1, STEPS), "V", "SPECTRAL")] if data.ndim == 3 else []
            for number, (label, values, unit_of_axis, kind) in enumerate(axes):
                scale = group.create_dataset(label, data=values)
                scale.make_scale(label)
                scale.attrs.update({"units": unit_of_axis, "dimension_type": kind, "quantity": label})
                main.dims[number].attach_scale(scale)
                main.dims[number].label = label


def write_usid(path: Path, *, stored: int = ROWS * COLUMNS) -> None:
    """Write spectra as USID has them, one row per position, x fast; ``stored`` positions of them."""
    index = np.column_stack([np.tile(np.arange(COLUMNS), ROWS), np.repeat(np.arange(ROWS), COLUMNS)])[:stored]
    energy = np.array([[0.3, 0.4, 0.5, 0.6, 0.7]])
    with h5py.File(path, "w") as file:
        main = file.create_dataset("Channel_000/Raw_Data", data=cube().reshape(-1, STEPS)[:stored])
        main.attrs.update({"quantity": "counts", "units": "counts"})
        tables = {
            "Position_Indices": (index, ["X", "Y"], ["um", "um"]),
            "Position_Values": (index * PIXEL_NM * 1e-3, ["X", "Y"], ["um", "um"]),
            "Spectroscopic_Indices": (np.arange(STEPS)[None], ["Loss"], ["keV"]),
            "Spectroscopic_Values": (energy, ["Loss"], ["keV"]),
        }
        for name, (values, labels, units) in tables.items():
            table = file.create_dataset(f"Channel_000/{name}", data=values)
            table.attrs.update({"labels": np.bytes_(labels), "units": np.bytes_(units)})
            main.attrs[name] = table.ref


def write_hspy(path: Path) -> None:
    """Write X-ray spectra with RosettaSciIO."""
    from rsciio.hspy import file_writer

    axes = [
        {"name": name, "size": size, "scale": scale, "offset": 0.0, "units": unit, "navigate": navigate}
        for name, size, scale, unit, navigate in (
            ("y", ROWS, PIXEL_NM, "nm", True),
            ("x", COLUMNS, PIXEL_NM, "nm", True),
            ("Energy", STEPS, 0.01, "keV", False),
        )
    ]
    about = {"General": {"title": "EDS"}, "Signal": {"signal_type": "EDS_TEM"}}
    signal = {
        "data": cube().astype(np.uint16),
        "axes": [{"_type": "UniformDataAxis", "is_binned": False, **axis} for axis in axes],
        "metadata": about,
        "original_metadata": {},
        "learning_results": {},
        "package_info": {"package": "probeline", "package_version": "0"},
        "attributes": {"_lazy": False, "ragged": False},
        "models": {},
        "tmp_parameters": {},
    }
    file_writer(str(path), signal)


def write_gwy(path: Path) -> None:
    """Write a data field and a brick with gwyfile."""
    import gwyfile
    from gwyfile.objects import GwyContainer, GwyDataField, GwyObject, GwySIUnit

    field = GwyDataField(
        image() * 1e-9, xreal=COLUMNS * PIXEL_NM * 1e-9, yreal=ROWS * PIXEL_NM * 1e-9,
        si_unit_xy=GwySIUnit(unitstr="m"), si_unit_z=GwySIUnit(unitstr="m"),
    )  # fmt: skip
    brick = GwyObject("GwyBrick")
    brick.update(
        {
            "xres": COLUMNS, "yres": ROWS, "zres": STEPS, "xreal": COLUMNS * PIXEL_NM * 1e-9,
            "yreal": ROWS * PIXEL_NM * 1e-9, "zreal": 2.5, "zoff": -1.0,
            "data": np.moveaxis(cube(), -1, 0).ravel(), "si_unit_x": GwySIUnit(unitstr="m"),
            "si_unit_y": GwySIUnit(unitstr="m"), "si_unit_z": GwySIUnit(unitstr="V"),
            "si_unit_w": GwySIUnit(unitstr="A"),
        }
    )  # fmt: skip
    container = GwyContainer()
    container["/0/data/title"], container["/0/data"] = "Topography", field
    container["/brick/0/title"], container["/brick/0"] = "IV", brick
    container.tofile(str(path))
    assert gwyfile.load(str(path))
