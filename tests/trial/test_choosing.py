"""From what a file holds to the map that is explored."""

from __future__ import annotations

import numpy as np
import pytest

from probeline.core.errors import DataError, ProbelineError, SpecError, UnknownNameError
from probeline.trial.choosing import choose
from probeline.trial.content import Axis, Content, Image, Spectra
from probeline.trial.readers.registry import read
from probeline.trial.task import make_task, patch_pixels

SHAPE = (10, 12)
PIXEL = (5.0, 5.0)


def picture(name: str = "haadf", unit: str = "", shape: tuple = SHAPE, pixel: tuple | None = PIXEL) -> Image:
    return Image(name, np.arange(float(np.prod(shape))).reshape(shape), unit, pixel)


def loops(area: float = 1.0, unit: str = "V") -> Spectra:
    bias = np.concatenate([np.linspace(0, 8, 8), np.linspace(8, -8, 16), np.linspace(-8, 0, 8)])
    up = np.tanh(bias + 3) * area
    down = np.tanh(bias - 3) * area
    falling = np.zeros(32, bool)
    falling[8:24] = True
    values = np.broadcast_to(np.where(falling, up, down), (*SHAPE, 32)).copy()
    return Spectra("Piezo", values, "pm", (Axis("sweep", unit, bias),), PIXEL)


def energies(unit: str = "keV") -> Spectra:
    counts = np.ones((*SHAPE, 6), np.uint16)
    counts[..., 2] = np.arange(120).reshape(SHAPE)
    return Spectra("EDS", counts, "counts", (Axis("E", unit, np.arange(6) * 0.01),), PIXEL)


def test_one_image_and_one_grid_need_no_option():
    chosen = choose(Content("f", (picture(),), (energies(),)))
    assert chosen.channels == ("haadf",)
    assert chosen.sought.name == "spectral_window_sum (low_eV=0, high_eV=50)"
    assert (chosen.sought.unit, chosen.pixel_nm) == ("counts", 5.0)
    np.testing.assert_array_equal(chosen.sought.values, np.arange(120).reshape(SHAPE) + 5.0)
    np.testing.assert_allclose(chosen.sought.sigma, np.sqrt(chosen.sought.values))
    windowed = choose(Content("f", (), (energies(),)), objective="spectral_window_sum:low_eV=15,high_eV=25")
    np.testing.assert_array_equal(windowed.sought.values, np.arange(120).reshape(SHAPE))
    assert windowed.channels == ()
    assert windowed.notes == ("there is no image: agents see coordinates only",)


def test_a_closed_bipolar_sweep_is_a_loop_and_a_broken_one_fails():
    spectra = loops(unit="mV")
    spectra.values[0, 0] = np.random.default_rng(0).standard_normal(32) * 1e6 * (np.arange(32) % 7 == 0)
    spectra.values[0, 1, 3] = np.nan
    chosen = choose(Content("f", (), (spectra,)))
    sought = chosen.sought
    assert sought.name == "loop_area"
    assert sought.unit == "pm V"
    assert sought.values[5, 5] > 0
    assert sought.measured.sum() == 119  # the one with a NaN was not measured, the other one was
    assert np.isnan(sought.values[0, :2]).all()
    assert "1 measurements count as failed (poor_fit)" in sought.notes
    assert "'Piezo' is taken as the response of the loop" in sought.notes
    other = choose(Content("f", (), (loops(unit=""),)))  # no unit: nothing says that it is a bias
    assert other.sought.name == "channel_mean of Piezo"
    assert np.isnan(other.sought.sigma).all()


def test_an_axis_without_a_unit_is_refused_where_it_matters():
    with pytest.raises(DataError, match=r"needs an axis bias in V; 'Piezo' has sweep \(no unit\); choose another"):
        choose(Content("f", (), (loops(unit=""),)), objective="loop_area")
    with pytest.raises(UnknownNameError, match="unknown objective 'loop_aria'"):
        choose(Content("f", (), (loops(),)), objective="loop_aria")
    with pytest.raises(SpecError, match="KEY=VALUE"):
        choose(Content("f", (), (energies(),)), objective="spectral_window_sum:5")
    with pytest.raises(ProbelineError, match="no channel lies in"):
        choose(Content("f", (), (energies(),)), objective="spectral_window_sum:low_eV=500,high_eV=600")


def test_what_is_ambiguous_is_asked_for():
    two = Content("f", (picture("a"), picture("b")), (energies(),))
    with pytest.raises(DataError, match=r"several images: say with --image .*'a', 'b', none"):
        choose(two)
    assert choose(two, images=["b"]).channels == ("b",)
    assert choose(two, images=["a", "b"]).images.shape == (2, *SHAPE)
    assert choose(two, images=["none"]).channels == ()
    with pytest.raises(DataError, match="several spectra: choose one with --spectrum"):
        choose(Content("f", (), (energies(), loops())))
    assert choose(Content("f", (), (energies(), loops())), spectrum="Piezo").sought.name == "loop_area"
    with pytest.raises(DataError, match="images only: say with --objective"):
        choose(Content("f", (picture("a"), picture("b"))))
    with pytest.raises(DataError, match=r"one image .* and nothing else"):
        choose(Content("f", (picture("a"),)))
    with pytest.raises(DataError, match="no spectra and no image 'c'"):
        choose(Content("f", (picture("a"), picture("b"))), objective="c")


def test_an_image_can_be_the_property_and_another_file_the_image(tmp_path):
    np.savez(tmp_path / "both.npz", first=picture().values, second=-picture().values, pixel_nm=5.0)
    np.save(tmp_path / "one.npy", picture().values)
    content = Content("f", (picture("a"), picture("b")))
    chosen = choose(content, objective="a")
    assert chosen.channels == ("b",)
    np.testing.assert_array_equal(chosen.sought.values, picture().values)
    assert choose(content, objective="a", images=[str(tmp_path / "one.npy")]).channels == ("one",)
    assert choose(content, objective="a", images=[f"{tmp_path / 'both.npz'}::second"]).channels == ("second",)
    with pytest.raises(DataError, match="does not hold one image"):
        choose(content, objective="a", images=[str(tmp_path / "both.npz")])
    with pytest.raises(UnknownNameError, match="unknown image of f 'c'"):
        choose(content, objective="a", images=["c"])
    assert read(tmp_path / "both.npz").table()[0] == ("image", "first (no unit)", "10 x 12", "", "5 x 5 nm")


def test_images_are_levelled_never_wrapped_and_on_the_pixels_of_the_map():
    content = Content(
        "f", (picture("Height", "m"), picture("Phase", "deg"), picture("fine", shape=(30, 36), pixel=None))
    )
    content = Content("f", content.images, (energies(),))
    level = choose(content, images=["Height"])
    assert np.abs(level.images).max() < 1e-9  # it was a plane
    assert level.notes == ("'Height' was levelled by plane and lines",)
    phase = choose(content, images=["Phase"])
    assert phase.channels == ("cos Phase", "sin Phase")
    np.testing.assert_allclose(phase.images[0] ** 2 + phase.images[1] ** 2, 1)
    fine = choose(content, images=["fine"])
    assert fine.images.shape == (1, *SHAPE)
    assert fine.images[0, 0, 0] == picture(shape=(30, 36)).values[:3, :3].mean()
    assert "3 times finer" in fine.notes[0]
    with pytest.raises(DataError, match="is an angle"):
        choose(content, objective="Phase", images=["none"], spectrum=None)


@pytest.mark.parametrize("unit", ["deg", "Deg", "degree", "degrees", "\u00b0", "rad", "Radians", "mrad"])
def test_an_angle_is_known_however_its_unit_is_spelt(unit):
    content = Content("f", (picture("Phase", unit),), (energies(),))
    assert choose(content).channels == ("cos Phase", "sin Phase")
    with pytest.raises(DataError, match="is an angle"):
        choose(content, objective="Phase", images=["none"])


def test_images_of_one_name_are_told_apart(tmp_path):
    np.savez(tmp_path / "other.npz", haadf=-picture().values, pixel_nm=5.0)
    name = f"{tmp_path / 'other.npz'}::haadf"
    chosen = choose(Content("f", (picture(),), (energies(),)), images=["haadf", name, "haadf"])
    assert chosen.channels == ("haadf", name)
    np.testing.assert_array_equal(chosen.images[0], -chosen.images[1])


@pytest.mark.parametrize(("shape", "pixel", "fits"), [
    (SHAPE, (5.04, 4.96), True), (SHAPE, (2.0, 2.0), False), (SHAPE, (5.0, 6.0), False),
    ((20, 24), (2.5, 2.5), True), ((20, 24), (5.0, 5.0), False), (SHAPE, None, True),
])  # fmt: skip
def test_an_image_of_another_frame_is_refused_where_pixels_tell(shape, pixel, fits):
    content = Content("f", (picture(shape=shape, pixel=pixel),), (energies(),))
    if fits:
        assert choose(content).images.shape == (1, *SHAPE)
        return
    with pytest.raises(
        DataError, match=r"image .haadf. has pixels of . nm and covers another frame .* (5|2\.5) nm would fit"
    ):
        choose(content)
    assert choose(content, pixel_nm=5.0).pixel_nm == 5.0  # the user knows better


@pytest.mark.parametrize("edge", [np.nan, np.inf, 0.0, -5.0])
def test_a_pixel_without_a_size_is_refused(edge, tmp_path):
    np.savez(tmp_path / "map.npz", image=picture().values, pixel_nm=edge)
    content = read(tmp_path / "map.npz")
    with pytest.raises(DataError, match=r"measure .* nm \(row x column\), which is no size; say it with --pixel-nm"):
        choose(content, objective="image", images=["none"])
    with pytest.raises(DataError, match="which is no size"):
        choose(Content("f", (picture(),)), objective="haadf", pixel_nm=edge)
    assert choose(content, objective="image", images=["none"], pixel_nm=2.0).pixel_nm == 2.0


def test_shapes_and_pixels_that_do_not_fit_are_refused():
    other = Content("f", (picture(shape=(11, 12)),), (energies(),))
    with pytest.raises(DataError, match="image 'haadf' has 11 x 12 pixels, the map has 10 x 12; crop and resample"):
        choose(other, images=["haadf"])
    assert choose(other).notes == ("image 'haadf' has another frame than the map and is not used",)
    with pytest.raises(DataError, match="no pixel size; say it with --pixel-nm"):
        choose(Content("f", (picture("a", pixel=None), picture("b", pixel=None))), objective="a")
    oblong = Content("f", (picture("a", pixel=(4.0, 5.0)), picture("b")))
    with pytest.raises(DataError, match=r"measure 4 x 5 nm .*must be square"):
        choose(oblong, objective="a")
    assert choose(oblong, objective="a", pixel_nm=4.5).pixel_nm == 4.5
    with pytest.raises(DataError, match="contradicts itself"):
        Spectra("s", np.zeros((4, 4, 5)), "", (Axis("a", "", np.zeros(4)),), None)


def test_candidates_are_measured_pixels_with_a_whole_patch():
    values = np.arange(40.0 * 40).reshape(40, 40)
    values[:10] = np.nan
    content = Content("f", (Image("p", values, "V", PIXEL), picture("i", shape=(40, 40))))
    task = make_task(choose(content, objective="p"))
    assert (task.patch_pixels, task.stride, task.budget) == (13, 1, 60)
    assert len(task.problem) == 24 * 28  # rows 10 to 33, columns 6 to 33
    assert task.problem.pixel[:, 0].min() == 10
    assert task.best.size == 7
    assert task.tolerance == np.sort(task.values)[-7]
    np.testing.assert_array_equal(np.sort(task.values)[-7:], np.sort(task.values[task.best]))
    assert [patch_pixels((n, 60)) for n in (6, 10, 20, 60)] == [3, 3, 5, 15]
    empty = np.where(np.arange(1600).reshape(40, 40) < 1560, np.nan, values)
    with pytest.raises(DataError, match="leaves 40 pixels to choose from"):
        make_task(choose(Content("f", (Image("p", empty, "V", PIXEL),), ()), objective="p", images=["none"]))
    constant = Content("f", (Image("p", np.ones((40, 40)), "V", PIXEL),))
    with pytest.raises(DataError, match="1 of them different"):
        make_task(choose(constant, objective="p"))


def test_large_maps_are_thinned():
    values = np.arange(120.0 * 120).reshape(120, 120)
    task = make_task(choose(Content("f", (Image("p", values, "V", PIXEL),)), objective="p"))
    assert task.stride == 3
    assert len(task.problem) == 1600
    assert task.problem.steps.tolist() == [15.0, 15.0]
