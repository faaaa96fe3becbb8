import h5py
import numpy as np
import pytest
from scipy.ndimage import fourier_shift, gaussian_filter

from probeline.analysis.levelling import apply_transforms
from probeline.analysis.registration import Shift, locate, register, register_multi
from probeline.core.errors import DataError, SpecError
from probeline.core.paths import data_folder

N = 64


def moved_pair(seed, shift, noise=0.2, smooth=2.0):
    """Return two views of one texture, whose features move by ``shift`` (rows, columns) in between."""
    rng = np.random.default_rng(seed)
    world = gaussian_filter(rng.normal(size=(2 * N, 2 * N)), smooth, mode="wrap")
    world /= world.std()
    later = np.fft.ifft2(fourier_shift(np.fft.fft2(world), shift)).real
    cut = slice(N // 2, N // 2 + N)
    return tuple(image[cut, cut] + noise * rng.normal(size=(N, N)) for image in (world, later))


def test_direction_and_scale_of_a_shift():
    image = np.zeros((32, 32))
    image[10:14, 8:11] = 1.0
    moved = np.roll(image, (3, 5), axis=(0, 1))
    shift = register(image, moved, pixel_nm=2.0)
    assert (shift.dx_nm, shift.dy_nm) == pytest.approx((10.0, 6.0), abs=0.1)
    assert shift.confidence > 0.9


@pytest.mark.parametrize("seed", range(8))
def test_subpixel_shifts_in_noise(seed):
    wanted = np.random.default_rng(100 + seed).uniform(-8, 8, 2)
    shift = register(*moved_pair(seed, wanted), pixel_nm=1.0)
    assert np.hypot(shift.dy_nm - wanted[0], shift.dx_nm - wanted[1]) < 0.2
    assert shift.confidence > 0.8


@pytest.mark.parametrize("seed", range(4))
def test_noise_alone_is_not_believed(seed):
    rng = np.random.default_rng(seed)
    assert register(rng.normal(size=(N, N)), rng.normal(size=(N, N)), 1.0).confidence < 0.15
    assert locate(rng.normal(size=(N, N)), rng.normal(size=(24, 24)), 1.0, 32, 32, 8).confidence < 0.3


def test_a_common_tilt_is_not_agreement():
    rng = np.random.default_rng(5)
    tilt = 10.0 * np.indices((N, N))[0]
    assert register(tilt + rng.normal(size=(N, N)), tilt + rng.normal(size=(N, N)), 1.0).confidence < 0.15


def test_missing_lines_and_flat_images():
    first, second = moved_pair(2, (2.5, -1.5))
    second[-10:] = np.nan
    shift = register(first, second, 1.0)
    assert (shift.dy_nm, shift.dx_nm) == pytest.approx((2.5, -1.5), abs=0.2)
    assert register(np.ones((N, N)), np.ones((N, N)), 1.0).confidence == 0.0
    assert register(first, np.full((N, N), np.nan), 1.0).confidence == 0.0


def test_the_best_channel_decides():
    rng = np.random.default_rng(8)
    first, second = moved_pair(3, (1.0, 4.0))
    noise = rng.normal(size=(2, N, N))
    shift = register_multi([noise[0], first], [noise[1], second], 3.0)
    assert shift == register(first, second, 3.0)
    with pytest.raises(SpecError):
        register_multi([], [], 1.0)
    with pytest.raises(SpecError):
        register(first, second[:-1], 1.0)


@pytest.mark.parametrize("size", [20, 21])
@pytest.mark.parametrize("seed", range(3))
def test_a_small_scan_is_found_in_the_survey(seed, size):
    wanted = np.random.default_rng(50 + seed).uniform(-5, 5, 2)
    survey, later = moved_pair(seed, wanted)
    first = 22
    small = later[first : first + size, first : first + size]
    center = first + (size - 1) / 2
    shift = locate(survey, small, 4.0, center, center, 8)
    assert np.hypot(shift.dy_nm / 4 - wanted[0], shift.dx_nm / 4 - wanted[1]) < 0.2
    assert shift.confidence > 0.8


def test_what_lies_outside_the_search_is_not_believed():
    survey, later = moved_pair(1, (7.0, 0.0))
    small = later[22:42, 22:42]
    assert locate(survey, small, 1.0, 31.5, 31.5, 9).dy_nm == pytest.approx(7.0, abs=0.2)
    near_edge = locate(survey, later[2:22, 22:42], 1.0, 11.5, 31.5, 9)  # its place lies below row 0
    assert near_edge.confidence < 0.5
    with pytest.raises(SpecError):
        locate(survey, small, 1.0, 200, 31.5, 8)
    with pytest.raises(SpecError):
        locate(small, survey, 1.0, 10, 10, 8)
    assert locate(survey, np.ones((20, 20)), 1.0, 31.5, 31.5, 8).confidence == 0.0


def asylum(name, quantity):
    try:
        folder = data_folder("pfm-images-pzt-pmnpt")
    except DataError as error:
        pytest.skip(str(error))
    with h5py.File(folder / f"{name}.h5") as file:
        group = file["Measurement_000"]
        for channel in group:
            if channel.startswith("Channel_") and group[channel][channel][channel].attrs["quantity"] == quantity:
                # Stored as (x, y): the fast axis first.
                image = np.asarray(group[channel][channel][channel], float).T
                return apply_transforms(image, ["level_plane", "level_lines"])
    raise AssertionError(quantity)


@pytest.mark.parametrize(
    ("first", "second", "stated"),
    [("PZT_final0001", "PZT_final0002", (0, -4)), ("PZT_final0002", "PZT_final0003", (1, 1))],
)
def test_measured_drift_between_successive_frames(first, second, stated):
    quantities = ["HeightRetrace", "AmplitudeRetrace", "DeflectionRetrace"]
    pairs = [(asylum(first, quantity), asylum(second, quantity)) for quantity in quantities]
    shifts = [register(*pair, pixel_nm=1.0) for pair in pairs]
    assert min(shift.confidence for shift in shifts) > 0.5
    spread = np.ptp([(shift.dx_nm, shift.dy_nm) for shift in shifts], axis=0)
    assert spread.max() < 1.25  # pixels: three independent channels tell the same
    # The data's README gives the correction, not the movement, in the file's (x, y) order, from
    # height levelled along the slow axis; it is off by up to two pixels from all three channels.
    for shift in shifts:
        assert np.abs(np.array([shift.dx_nm, shift.dy_nm]) + stated).max() < 2.3
    best = register_multi(*zip(*pairs, strict=True), pixel_nm=1.0)
    assert isinstance(best, Shift)
    assert best == max(shifts, key=lambda shift: shift.confidence)
