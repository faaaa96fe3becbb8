"""The measured data sets themselves; figures from the READMEs that came with them."""

import json

import h5py
import numpy as np
import pytest

from probeline.core.errors import DataError, NotMeasured, SpecError, UnknownNameError
from probeline.core.paths import data_folder
from probeline.devices.instrument_file import parse_instrument
from probeline.sim.replay import backend
from probeline.sim.replay.loaders import load_dataset
from probeline.sim.replay.truth import open_truth

NAMES = ["beacon-dkl", "stem-eds-particles", "beps-pto-50x50"]


def folder(name):
    try:
        return data_folder(name)
    except DataError as error:
        pytest.skip(str(error))


def ready(name, options):
    driver = backend.open_driver(name, options)
    if "feedback" in driver.describe()["capabilities"]:
        driver.approach()
    return driver


def full_frame(spec):
    size = spec.survey.size_nm * 1e-9
    return {
        "center_x": 0.0, "center_y": 0.0, "width": size, "height": size, "angle": 0.0, "slow": "up",
        "pixels": spec.survey.pixels, "lines": spec.survey.pixels,
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_default_instrument_surveys_the_stored_pixels(name):
    folder(name)
    spec = parse_instrument(backend.default_instrument(name, {}), name)
    driver = ready(name, spec.options)
    description = json.loads(json.dumps(driver.describe()))
    assert spec.backend == f"replay:{name}"
    assert spec.name == spec.kind
    assert spec.spectrum in description["spectra"]
    assert spec.idle_after_s == (0.0 if spec.kind == "stem" else 5.0)
    low, high, *_ = description["scan_range"]
    spec.envelope.check("x", low)
    spec.envelope.check("y", high)
    patch = spec.survey.patch_nm / spec.survey.size_nm * spec.survey.pixels
    assert round(patch) % 2 == 1
    assert patch == pytest.approx(round(patch))
    before = driver.clock()
    data = driver.start_scan(full_frame(spec)).result()["data"]
    np.testing.assert_array_equal(data, load_dataset(name).images)
    assert driver.clock() - before == pytest.approx(
        spec.survey.pixels * load_dataset(name).timing.frame_line_s(spec.survey.pixels)
    )


@pytest.mark.parametrize("change", [{"seed": 4}, {"dataset": "other"}, {"time": -1.0}, {"visited": "all"}, {"more": 1}])
def test_a_state_of_something_else_is_refused(change):
    folder("beacon-dkl")
    state = backend.open_driver("beacon-dkl", {"seed": 3}).state()
    assert backend.open_driver("beacon-dkl", {"seed": 3, "state": state}).state() == state
    with pytest.raises(SpecError):
        backend.open_driver("beacon-dkl", {"seed": 3, "state": {**state, **change}})


def test_beacon_answers_in_its_window_only():
    path = folder("beacon-dkl") / "beacon_dkl.h5"
    truth = open_truth("beacon-dkl", {})
    with h5py.File(path) as file:
        height = np.asarray(file["pfm/true_scalarizer"])
    assert truth.valid.sum() == 1225
    rows, columns = np.nonzero(truth.valid)
    assert {int(rows.min()), int(columns.min())} == {8}
    assert {int(rows.max()), int(columns.max())} == {42}
    driver = ready("beacon-dkl", {})
    for row, column in [(8, 8), (42, 42), (20, 31)]:
        driver.move(*truth.xy[row, column])
        result = driver.start_spectrum("scalar", {}).result()
        assert result["data"].tolist() == [height[row, column]]
        assert result["channels"] == ["loop_height"]
    for row, column in [(7, 20), (43, 20), (0, 0)]:
        driver.move(*truth.xy[row, column])
        with pytest.raises(NotMeasured):
            driver.start_spectrum("scalar", {})


def test_eds_counts_and_registration():
    name = "stem-eds-particles"
    path = folder(name) / "SiO2_EDS_Spectrum_Image.hspy"
    data = load_dataset(name)
    energy = np.array(data.axes.coords["energy"])
    window = (energy >= 1690) & (energy <= 1790)
    assert int(data.spectra.sum()) == 823_049
    si = data.spectra[:, :, 0, window].sum(axis=-1)
    assert int(si.sum()) == 198_784
    assert np.corrcoef(data.images[0].ravel(), si.ravel())[0, 1] == pytest.approx(0.948, abs=5e-4)
    assert data.pixel_size == pytest.approx(8.55e-9, rel=1e-3)
    driver = backend.open_driver(name, {})
    driver.move(*data.position(100, 30))
    result = driver.start_spectrum("eds", {}).result()
    with h5py.File(path) as file:
        stored = file["Experiments/EDS Spectrum Image/data"][result["provenance"]["file_row"], 30]
    np.testing.assert_array_equal(result["data"][0], stored)
    assert driver.clock() == pytest.approx(1612 / 16384)  # what the whole pass took, per pixel


def test_thinned_and_held_out_counts_are_all_counts():
    name, options = "stem-eds-particles", {"thin": 0.25, "seed": 11}
    folder(name)
    truth = open_truth(name, options)
    driver = backend.open_driver(name, options)
    for row, column in [(64, 64), (0, 127)]:
        driver.move(*truth.xy[row, column])
        served = driver.start_spectrum("eds", {}).result()["data"]
        np.testing.assert_array_equal(served, truth.served(row, column))
        np.testing.assert_array_equal(served + truth.held_out(row, column), truth.full(row, column))
    assert open_truth(name, {}).held_out(64, 64).sum() == 0


def test_beps_loops_are_raw_and_the_image_is_their_first_point():
    path = folder("beps-pto-50x50") / "BEPS_PTO_50x50.h5"
    data = load_dataset("beps-pto-50x50")
    with h5py.File(path) as file:
        stored = np.asarray(file["Channel_000/generic/generic"])
    np.testing.assert_array_equal(data.spectra[31, 12, 0, 0, 0], stored[12, 31])  # stored as x, y
    np.testing.assert_array_equal(data.images[0], data.spectra[:, :, 0, 0, 0, 0])
    bias = np.array(data.axes.coords["bias"])
    assert (bias[0], bias.max(), bias.min(), len(bias)) == (0.0, 8.5, -8.5, 64)
    failed = (np.abs(data.spectra) > 5e-3).any(axis=(2, 3, 4, 5))
    assert int(failed.sum()) == 520
    assert data.valid.all()  # a failed fit was measured too
    np.testing.assert_allclose(data.extent[1] - data.extent[0], 2e-6 + data.pixel_size)


def test_arguments_and_options_are_checked():
    assert backend.arguments() == NAMES
    for function in (backend.open_driver, backend.default_instrument, open_truth):
        with pytest.raises(UnknownNameError, match="beacon-dkl"):
            function("beacon", {})
    folder("beacon-dkl")
    for options in ({"speed": 2}, {"noise": -1}, {"thin": 0.5}, {"thin": 0}, {"seed": "a"}):
        with pytest.raises(SpecError):
            backend.open_driver("beacon-dkl", options)
    folder("stem-eds-particles")
    with pytest.raises(SpecError, match="thin"):
        backend.open_driver("stem-eds-particles", {"noise": 0.1})


@pytest.mark.parametrize("content", [None, b"not HDF5", "empty"])
def test_missing_and_damaged_files_say_so(tmp_path, monkeypatch, content):
    monkeypatch.setenv("PROBELINE_DATA", str(tmp_path))
    (tmp_path / "beacon-dkl").mkdir()
    path = tmp_path / "beacon-dkl" / "beacon_dkl.h5"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        h5py.File(path, "w").close()
    with pytest.raises(DataError, match=r"beacon_dkl\.h5"):
        backend.open_driver("beacon-dkl", {})
