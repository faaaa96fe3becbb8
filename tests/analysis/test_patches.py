import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from probeline.analysis.patches import extract_patches, robust_scale


def test_scaled_image_has_median_0_and_interquartile_range_1():
    image = np.random.default_rng(0).normal(3e-9, 2e-10, (40, 50))
    low, middle, high = np.percentile(robust_scale(image), [25, 50, 75])
    assert abs(middle) < 1e-12
    assert abs(high - low - 1) < 1e-12


def test_one_bad_line_does_not_flatten_the_rest():
    image = np.random.default_rng(1).normal(size=(40, 50))
    broken = image.copy()
    broken[7] = 1e6
    kept = np.arange(40) != 7
    assert np.abs(robust_scale(broken)[kept] - robust_scale(image)[kept]).max() < 0.3
    assert np.all(robust_scale(broken)[7] == 5)


def test_pixels_that_were_not_measured_become_the_median():
    image = np.arange(25.0).reshape(5, 5)
    image[0, 0] = np.nan
    assert robust_scale(image)[0, 0] == 0
    assert not robust_scale(np.full((3, 3), np.nan)).any()
    assert not robust_scale(np.full((3, 3), 7.0)).any()


def test_pixels_that_differ_by_rounding_count_as_equal():
    image = np.zeros((6, 5))
    image.flat[:8] = 1.0
    image[0, 0] = 2e-311
    scaled = robust_scale(image)
    assert np.abs(scaled - image / image.std()).max() < 1e-12


@given(arrays(float, (6, 5), elements=st.floats(-1e9, 1e9)), st.floats(0.01, 100), st.floats(-100, 100))
def test_the_unit_of_the_image_does_not_matter(image, gain, offset):
    scaled = robust_scale(image)
    assert np.isfinite(scaled).all()
    assert np.abs(scaled).max() <= 5
    spread = np.subtract(*np.percentile(image, [75, 25]))
    if spread > 1e-3 * np.abs(image).max():
        np.testing.assert_allclose(robust_scale(gain * image + offset), scaled, atol=1e-6)


def test_patches_are_centred_on_their_pixels():
    stack = np.random.default_rng(2).normal(size=(2, 9, 11))
    pixel = np.array([[1, 1], [4, 6], [7, 9]])
    patches = extract_patches(stack, pixel, 3)
    assert patches.shape == (3, 2, 3, 3)
    assert patches.flags.c_contiguous
    for patch, (row, column) in zip(patches, pixel, strict=True):
        np.testing.assert_array_equal(patch, stack[:, row - 1 : row + 2, column - 1 : column + 2])


def test_no_channels_give_empty_patches():
    assert extract_patches(np.empty((0, 9, 11)), np.array([[4, 4]]), 3).shape == (1, 0, 3, 3)
