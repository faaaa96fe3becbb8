import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probeline.analysis.levelling import TRANSFORMS, apply_transforms, level_lines, level_plane
from probeline.core.errors import UnknownNameError

coefficient = st.floats(-100, 100)


@given(coefficient, coefficient, coefficient)
def test_a_plane_is_removed_whatever_it_is(a, b, c):
    rows, columns = np.indices((9, 14))
    np.testing.assert_allclose(level_plane(a + b * rows + c * columns), 0.0, atol=1e-9)


def test_plane_keeps_what_is_orthogonal_to_planes_and_ignores_nan():
    rows, columns = np.indices((16, 16))
    texture = np.where((rows + columns) % 2, 1.0, -1.0)
    levelled = level_plane(texture + 3.0 * rows - 2.0 * columns + 5.0)
    np.testing.assert_allclose(levelled, texture, atol=0.02)
    holed = texture + 3.0 * rows
    holed[3, 4] = np.nan
    levelled = level_plane(holed)
    assert np.isnan(levelled[3, 4])
    assert np.isfinite(levelled).sum() == 255
    assert np.isnan(level_plane(np.full((4, 4), np.nan))).all()


@given(st.lists(coefficient, min_size=12, max_size=12))
def test_line_offsets_are_removed_exactly_from_lines_that_are_alike(offsets):
    profile = np.sin(np.arange(20.0))
    levelled = level_lines(np.array(offsets)[:, None] + profile)
    np.testing.assert_allclose(levelled, np.mean(offsets) + np.broadcast_to(profile, (12, 20)), atol=1e-9)


def test_a_feature_on_less_than_half_of_a_line_survives():
    clean = np.zeros((10, 21))
    clean[4:7, 5:14] = 7.0  # 9 of 21 pixels
    jumps = np.random.default_rng(0).normal(size=10)
    levelled = level_lines(clean + jumps[:, None])
    np.testing.assert_allclose(levelled - levelled[0, 0], clean, atol=1e-12)


def test_an_empty_line_is_passed_over():
    image = np.tile(np.arange(6.0), (5, 1)) + np.array([0, 1, 9, 3, 4.0])[:, None]
    image[2] = np.nan
    levelled = level_lines(image)
    assert np.isnan(levelled[2]).all()
    rest = levelled[[0, 1, 3, 4]]
    np.testing.assert_allclose(rest, np.tile(np.arange(6.0) + 2.0, (4, 1)))  # the mean, 4.5, is kept


def test_transforms_are_applied_in_order_and_change_nothing_in_place():
    image = np.random.default_rng(1).normal(size=(8, 8)).cumsum(axis=0)
    before = image.copy()
    both = apply_transforms(image, ["level_plane", "level_lines"])
    np.testing.assert_array_equal(both, level_lines(level_plane(image)))
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(apply_transforms(image, []), image)
    assert {name: transform.version for name, transform in TRANSFORMS.items()} == {"level_plane": 1, "level_lines": 1}
    with pytest.raises(UnknownNameError, match="level_plane"):
        apply_transforms(image, ["level_planes"])
