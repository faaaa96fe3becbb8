"""``probeline trial`` as a user types it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from probeline.__main__ import app, main
from probeline.core.errors import DataError
from probeline.core.paths import data_folder
from probeline.trial.choosing import choose
from probeline.trial.readers.registry import read

from .maps import smooth


@pytest.fixture
def file(tmp_path):
    image = smooth(21, pixels=10)
    np.savez(tmp_path / "map.npz", image=image, gain=image + 0.1 * smooth(22, pixels=10), gain_unit="pm", pixel_nm=3.0)
    return tmp_path / "map.npz"


def run(*arguments):
    return CliRunner().invoke(app, [*map(str, ("trial", *arguments))], catch_exceptions=False)


def test_page_picture_and_numbers(file, tmp_path):
    result = run(file, "--objective", "gain", "--seeds", 10, "--output", tmp_path / "page.png", "--json")
    assert result.exit_code == 0
    values = json.loads(result.stdout.splitlines()[-1])
    assert (values["objective"], values["unit"], values["images"], values["seeds"]) == ("gain", "pm", ["image"], 10)
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")


def test_contents_are_listed_without_a_trial(file):
    words = run(file, "--list")
    assert words.exit_code == 0
    assert "gain (pm)" in words.stdout
    held = json.loads(run(file, "--list", "--json").stdout)["holds"]
    assert [(row["kind"], row["name"], row["pixel"]) for row in held] == [
        ("image", "image (no unit)", "3 x 3 nm"),
        ("image", "gain (pm)", "3 x 3 nm"),
    ]


def test_a_mistake_ends_in_one_line(file, capsys, monkeypatch):
    for arguments in (["absent.npz"], [str(file)], [str(file), "--objective", "gian"]):
        monkeypatch.setattr("sys.argv", ["probeline", "trial", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code in (1, 2)
        said = capsys.readouterr().err.strip()
        assert said.startswith("error: ")
        assert "\n" not in said
    assert run(file, "--objective", "gain", "--seeds", 3).exit_code == 2


@pytest.mark.parametrize(
    ("folder", "name", "options", "unit", "pixel_nm", "measured"),
    [
        ("stem-eds-particles", "FePt_core_shell.hspy", {}, "counts", 0.5, 64 * 64),
        ("beps-pto-50x50", "BEPS_PTO_50x50.h5", {}, "a.u. V", 40.816327, 2500),
        ("ncafm-nanonis-grids", "Grid_Spectroscopy002.3ds", {"spectrum": "Frequency Shift", "images": ["none"]}, "Hz",
         0.75, 400),
        ("pfm-images-pzt-pmnpt", "scan_0001.ibw", {"objective": "Amplitude1Retrace", "images": ["HeightRetrace"]}, "m",
         19.607843, 65536),
        ("stem-eels-eds-scifireaders", "EMDReader_SpectrumImage_Si.emd", {}, "counts", 5.302415, 256),
        ("stem-eels-si-cnms2018", "Signal_SI.h5", {"spectrum": "Raw_Data", "images": ["none"], "pixel_nm": 500.0}, "eV",
         500.0, 775),
    ],
)  # fmt: skip
def test_measured_data_of_every_family(folder, name, options, unit, pixel_nm, measured):
    try:
        path = data_folder(folder) / name
    except DataError as error:
        pytest.skip(str(error))
    chosen = choose(read(path), **options)
    assert chosen.sought.unit == unit
    assert chosen.pixel_nm == pytest.approx(pixel_nm, rel=1e-4)
    assert chosen.sought.measured.sum() == measured


def test_measured_particles_are_where_the_image_shows_them():
    try:
        folder = data_folder("stem-eds-particles")
    except DataError as error:
        pytest.skip(str(error))
    chosen = choose(
        read(folder / "SiO2_EDS_Spectrum_Image.hspy"),
        objective="spectral_window_sum:low_eV=1690,high_eV=1790",
        images=[str(folder / "SiO2_HAADF_Image.hspy")],
    )
    assert np.corrcoef(chosen.images[0].ravel(), chosen.sought.values.ravel())[0, 1] == pytest.approx(0.948, abs=0.001)


def test_an_aborted_sweep_is_refused():
    try:
        path = data_folder("ncafm-nanonis-grids") / "Grid_Spectroscopy006.3ds"
    except DataError as error:
        pytest.skip(str(error))
    content = read(path)
    assert content.notes == ("936 of 1024 pixels were not measured",)
    with pytest.raises(DataError, match="no pixel of 'Current' has a complete spectrum"):
        choose(content, spectrum="Current", images=["none"])
