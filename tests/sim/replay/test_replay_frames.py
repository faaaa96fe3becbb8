import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probeline.core.errors import Busy, CommandRejected, LimitError
from probeline.sim.replay.sampling import bilinear

N, PIXEL = 24, 10e-9
FULL = {
    "center_x": 0.0, "center_y": 0.0, "width": N * PIXEL, "height": N * PIXEL,
    "pixels": N, "lines": N, "angle": 0.0, "slow": "up",
}  # fmt: skip


def frame(driver, **changes):
    return driver.start_scan({**FULL, **changes}).result()["data"]


def test_native_grid_is_the_stored_image_in_both_slow_directions(driver, dataset):
    np.testing.assert_array_equal(frame(driver), dataset.images)
    np.testing.assert_array_equal(frame(driver, slow="down"), dataset.images[:, ::-1])


def test_native_grid_after_a_detour_through_nanometres(driver, dataset):
    size = float(f"{N * PIXEL * 1e9:.9g}") * 1e-9 * (1 + 1e-12)
    np.testing.assert_array_equal(frame(driver, width=size, height=size), dataset.images)


def test_quarter_turn_is_counter_clockwise(driver, dataset):
    turned = frame(driver, angle=math.pi / 2)
    # Along a line y rises, from line to line x falls: line j, pixel i is row i, column n - 1 - j.
    expected = np.array([[dataset.images[:, i, N - 1 - j] for i in range(N)] for j in range(N)])
    np.testing.assert_array_equal(turned, np.moveaxis(expected, -1, 0))


@pytest.mark.parametrize("slow", ["up", "down"])
@pytest.mark.parametrize("degrees", [0, 37, -90])
def test_asymmetric_landmark_stays_where_it_is(make, degrees, slow, tracking):
    row, column = np.indices((64, 64))
    big, little = (40.0, 36.0), (28.0, 27.0)  # row, column

    def blob(at, width):
        return np.exp(-((row - at[0]) ** 2 + (column - at[1]) ** 2) / (2 * width**2))

    data = make(image=blob(big, 4.0) + 0.4 * blob(little, 2.0))
    angle, size, pixels = math.radians(degrees), 36 * PIXEL, 72
    settings = {"width": size, "height": size, "pixels": pixels, "lines": pixels, "angle": angle, "slow": slow}
    seen = frame(tracking(data), **settings)[0]
    assert np.isfinite(seen).all()
    for (r, c), reach in ((big, 8), (little, 5)):
        x, y = (c - 31.5) * PIXEL, (r - 31.5) * PIXEL
        along = x * math.cos(angle) + y * math.sin(angle)
        across = -x * math.sin(angle) + y * math.cos(angle)
        across = across if slow == "up" else -across
        wanted = np.array([across, along]) / size * pixels + pixels / 2 - 0.5
        low = np.maximum(np.round(wanted).astype(int) - reach, 0)
        part = seen[low[0] : low[0] + 2 * reach + 1, low[1] : low[1] + 2 * reach + 1]
        peak = np.array(np.unravel_index(np.argmax(part), part.shape)) + low
        assert np.abs(peak - wanted).max() <= 1.0  # half a pixel of the data is one of the frame


def test_nothing_is_made_up_outside(driver, dataset):
    seen = frame(driver, center_x=5 * PIXEL, center_y=-3 * PIXEL)
    np.testing.assert_array_equal(seen[:, 3:, :-5], dataset.images[:, :-3, 5:])
    assert np.isnan(seen[:, :3]).all()
    assert np.isnan(seen[:, :, -5:]).all()


@given(st.floats(-2, 12), st.floats(-2, 9), st.floats(-3, 3), st.floats(-3, 3))
def test_bilinear_is_exact_on_planes_and_ends_at_the_outermost_centres(row, column, a, b):
    rows, columns = np.indices((11, 8))
    value = bilinear((a * rows + b * columns)[None], np.array(row), np.array(column))[0]
    if 0 <= row <= 10 and 0 <= column <= 7:
        assert value == pytest.approx(a * row + b * column, abs=1e-9)
    else:
        assert np.isnan(value)


def test_missing_pixel_spoils_only_what_needs_it():
    image = np.ones((3, 3))
    image[1, 1] = np.nan
    row, column = np.array([0.0, 0.5, 0.0, 1.0]), np.array([0.5, 0.5, 1.0, 1.0])
    np.testing.assert_array_equal(bilinear(image[None], row, column)[0], [1.0, np.nan, 1.0, np.nan])


def test_clock_counts_every_line(driver):
    acquisition = driver.start_scan(FULL)
    blocks = list(acquisition)
    assert [first for first, _, _ in blocks] == list(range(N))
    assert driver.clock() == pytest.approx(N * 1.0)
    np.testing.assert_allclose(acquisition.result()["line_clock"], np.arange(1, N + 1))
    driver.start_scan({**FULL, "line_time": 0.25}).result()
    assert driver.clock() == pytest.approx(N * 1.25)


def test_abort_leaves_nan_and_frees_the_driver(driver, dataset):
    acquisition = driver.start_scan(FULL)
    lines = iter(acquisition)
    for _ in range(3):
        next(lines)
    with pytest.raises(Busy):
        driver.start_scan(FULL)
    for busy in (lambda: driver.move(0.0, 0.0), driver.withdraw, driver.approach):
        with pytest.raises(Busy):
            busy()
    driver.hold()
    result = acquisition.result()
    np.testing.assert_array_equal(result["data"][:, :3], dataset.images[:, :3])
    assert np.isnan(result["data"][:, 3:]).all()
    assert np.isnan(result["line_clock"][3:]).all()
    assert driver.clock() == pytest.approx(3.0)
    assert np.isfinite(frame(driver)).all()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"width": math.nan}, LimitError),
        ({"width": 0.0}, LimitError),
        ({"lines": -1}, LimitError),
        ({"pixels": 1.5}, LimitError),
        ({"line_time": 0.0}, LimitError),
        ({"slow": "left"}, CommandRejected),
        ({"zoom": 2}, CommandRejected),
    ],
)
def test_senseless_frames_are_refused_before_time_passes(driver, change, error):
    with pytest.raises(error):
        driver.start_scan({**FULL, **change})
    assert driver.clock() == 0.0


def test_added_noise_has_the_stated_size_and_is_new_in_each_frame(make, tracking):
    rng = np.random.default_rng(1)
    data = make(image=rng.normal(size=(64, 64)))
    wide = {"width": 64 * PIXEL, "height": 64 * PIXEL, "pixels": 64, "lines": 64}
    noisy, again = (tracking(data, seed=5, noise=0.1) for _ in range(2))
    first, second = frame(noisy, **wide)[0], frame(noisy, **wide)[0]
    # 4096 values: the standard deviation is known to 1.1 %, the robust one of the image to 3 %.
    assert np.std(first - data.images[0]) == pytest.approx(0.1, rel=0.1)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(frame(again, **wide)[0], first)
