"""Readers of measured maps: the same numbers, axes and units that were written."""

from __future__ import annotations

import sys

import h5py
import numpy as np
import pytest

from probeline.core.errors import DataError, ProbelineError, UnknownNameError
from probeline.trial.readers.registry import read, suffixes
from probeline.trial.readers.units import split_unit, step_nm

from .files import (
    COLUMNS,
    PIXEL_NM,
    ROWS,
    STEPS,
    cube,
    image,
    write_grid,
    write_gwy,
    write_hspy,
    write_nsid,
    write_usid,
    write_wave,
)

EDGE = pytest.approx((PIXEL_NM, PIXEL_NM), rel=1e-5)


def same(got, wanted):
    np.testing.assert_allclose(got, wanted, rtol=1e-6)


def test_nanonis_grid_has_channels_as_spectra_and_notes_as_images(tmp_path):
    write_grid(tmp_path / "a.3ds")
    content = read(tmp_path / "a.3ds")
    assert [(s.name, s.unit, s.pixel_nm) for s in content.spectra] == [
        ("Current", "A", EDGE),
        ("Frequency Shift", "Hz", EDGE),
    ]
    same(content.spectrum("Frequency Shift").values, -cube())
    (axis,) = content.spectra[0].axes
    assert (axis.name, axis.unit) == ("Bias", "V")
    same(axis.values, np.linspace(0.5, -0.5, STEPS))
    (z,) = content.images  # where the tip was in x and y, and the ends of the sweep, are no images
    assert (z.name, z.unit) == ("Z", "m")
    same(z.values, image() * 1e-12)
    assert content.notes == ()


def test_aborted_grid_is_nan_where_the_file_ends(tmp_path):
    write_grid(tmp_path / "a.3ds", stored=3 * COLUMNS + 4)
    content = read(tmp_path / "a.3ds")
    measured = np.isfinite(content.spectra[0].values).all(axis=-1)
    assert measured.sum() == 3 * COLUMNS + 4
    assert not measured[3, 4]
    assert measured[3, 3]
    assert np.isnan(content.images[0].values[~measured]).all()
    assert content.images[0].pixel_nm == EDGE
    assert content.notes == (f"{ROWS * COLUMNS - 3 * COLUMNS - 4} of {ROWS * COLUMNS} pixels were not measured",)


def test_igor_wave_has_a_unit_for_each_layer(tmp_path):
    write_wave(tmp_path / "a.ibw", {"HeightRetrace": image(), "Phase1Retrace": -image()})
    content = read(tmp_path / "a.ibw")
    assert [(i.name, i.unit, i.pixel_nm) for i in content.images] == [
        ("HeightRetrace", "m", EDGE),
        ("Phase1Retrace", "deg", EDGE),
    ]
    same(content.images[0].values, image())
    same(content.images[1].values, -image())


def test_nsid_puts_rows_first(tmp_path):
    write_nsid(tmp_path / "a.h5")
    content = read(tmp_path / "a.h5")
    (height,), (loops,) = content.images, content.spectra
    assert (height.name, height.unit, height.pixel_nm) == ("Height", "m", EDGE)
    assert (loops.name, loops.unit, loops.pixel_nm) == ("Loops", "V", EDGE)
    same(height.values, image())
    same(loops.values, cube())
    assert (loops.axes[0].name, loops.axes[0].unit) == ("Voltage", "V")
    same(loops.axes[0].values, np.linspace(-1, 1, STEPS))


@pytest.mark.parametrize("stored", [ROWS * COLUMNS, ROWS * COLUMNS - 3])
def test_usid_rows_stand_at_their_positions(tmp_path, stored):
    write_usid(tmp_path / "a.h5", stored=stored)
    (spectra,) = read(tmp_path / "a.h5").spectra
    assert (spectra.name, spectra.unit, spectra.pixel_nm) == ("Raw_Data", "counts", EDGE)
    flat = np.asarray(spectra.values).reshape(-1, STEPS)
    same(flat[:stored], cube().reshape(-1, STEPS)[:stored])
    assert np.isnan(flat[stored:]).all()
    assert (spectra.axes[0].name, spectra.axes[0].unit) == ("Loss", "keV")
    same(spectra.axes[0].values, [0.3, 0.4, 0.5, 0.6, 0.7])


def test_usid_with_a_position_twice_lacks_another(tmp_path):
    write_usid(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["Channel_000/Position_Indices"][5] = file["Channel_000/Position_Indices"][4]
    (spectra,) = read(tmp_path / "a.h5").spectra
    missing = np.isnan(np.asarray(spectra.values)).all(axis=-1)
    assert np.argwhere(missing).tolist() == [[0, 5]]


def test_hyperspy_file_of_an_x_ray_detector_holds_counts(tmp_path):
    write_hspy(tmp_path / "a.hspy")
    (spectra,) = read(tmp_path / "a.hspy").spectra
    assert (spectra.name, spectra.unit, spectra.pixel_nm) == ("EDS", "counts", EDGE)
    same(spectra.values, cube())
    same(spectra.axes[0].values, 0.01 * np.arange(STEPS))
    assert spectra.axes[0].unit == "keV"


def test_gwyddion_fields_and_bricks(tmp_path):
    write_gwy(tmp_path / "a.gwy")
    content = read(tmp_path / "a.gwy")
    (field,), (brick,) = content.images, content.spectra
    assert (field.name, field.unit, field.pixel_nm) == ("Topography", "m", EDGE)
    same(field.values, image() * 1e-9)
    assert (brick.name, brick.unit, brick.pixel_nm) == ("IV", "A", EDGE)
    same(brick.values, cube())
    assert brick.axes[0].unit == "V"
    same(brick.axes[0].values, -1 + 0.5 * np.arange(STEPS))


def test_numpy_says_what_stands_beside_the_arrays(tmp_path):
    axis = np.linspace(-1, 1, STEPS)
    np.savez(
        tmp_path / "a.npz", height=image(), height_unit="m", loops=cube(), loops_axis=axis, loops_axis_unit="V",
        loops_axis_name="bias", pixel_nm=PIXEL_NM,
    )  # fmt: skip
    content = read(tmp_path / "a.npz")
    assert [(i.name, i.unit, i.pixel_nm) for i in content.images] == [("height", "m", EDGE)]
    assert [(a.name, a.unit) for a in content.spectra[0].axes] == [("bias", "V")]
    same(content.spectra[0].axes[0].values, axis)
    np.save(tmp_path / "b.npy", cube())
    (bare,) = read(tmp_path / "b.npy").spectra
    assert (bare.name, bare.unit, bare.pixel_nm, bare.axes[0].unit) == ("b", "", None, "")
    mixed = np.zeros((ROWS, COLUMNS), [("A", float), ("B", float)])
    np.savez(tmp_path / "c.npz", mat=mixed)
    assert [i.name for i in read(tmp_path / "c.npz").images] == ["mat.A", "mat.B"]


def test_refusals_are_one_line(tmp_path):
    (tmp_path / "a.ibw").write_bytes(b"no wave")
    (tmp_path / "a.txt").write_text("1 2 3")
    np.save(tmp_path / "line.npy", np.arange(5.0))
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file["map"] = image()
    refused = {
        "a.ibw": "cannot read", "a.txt": "unknown suffix", "line.npy": "holds no map", "objects.npy": "pickle",
        "plain.h5": "save image and map as .npz", "absent.npy": "there is no file",
    }  # fmt: skip
    for name, reason in refused.items():
        with pytest.raises(ProbelineError, match=reason) as error:
            read(tmp_path / name)
        assert "\n" not in str(error.value)
    with pytest.raises(UnknownNameError):
        read(tmp_path / "a.txt")


def test_missing_reader_names_the_extra(tmp_path, monkeypatch):
    write_grid(tmp_path / "a.3ds")
    monkeypatch.setitem(sys.modules, "nanonispy2.read", None)
    with pytest.raises(DataError, match=r"needs nanonispy2, which is not installed: pip install 'probeline\[trial\]'"):
        read(tmp_path / "a.3ds")


def test_units_as_files_spell_them():
    assert split_unit("Current (A)") == ("Current", "A")
    assert split_unit("Z-Ctrl hold") == ("Z-Ctrl hold", "")
    assert step_nm(np.array([0.0, 0.5, 1.0]), "µm") == pytest.approx(500)
    assert step_nm(np.array([0.0, 0.5, 1.0]), "deg") is None
    with pytest.raises(DataError, match="not evenly spaced"):
        step_nm(np.array([0.0, 0.5, 1.5]), "nm")
    assert {".3ds", ".ibw", ".h5", ".hspy", ".gwy", ".npz", ".dm3", ".emd"} <= set(suffixes())
