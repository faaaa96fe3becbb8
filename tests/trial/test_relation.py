"""Whether an image tells anything about a property beyond its own smoothness."""

from __future__ import annotations

import numpy as np
import pytest

from probeline.core.rng import generator
from probeline.trial.relation import LEVEL, Relation, _with_permutations, find_relation

from .maps import smooth


def patches_of(image: np.ndarray) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(np.pad(image, 2, mode="edge"), (5, 5))[:, :, None]


def found(image: np.ndarray, values: np.ndarray, **options) -> Relation:
    relation = find_relation(patches_of(image), values, permutations=99, **options)
    assert isinstance(relation, Relation)
    return relation


def test_a_property_that_the_image_shows_is_related():
    image = smooth(1)
    values = image**3 + 0.3 * smooth(2, length=0.5)
    relation = found(image, values)
    assert relation.found
    assert relation.gain > 0.3
    assert relation.p_value == pytest.approx(0.01)  # the least that 99 permutations can show
    assert found(image, values) == relation  # seeded
    assert relation.training <= 150
    assert relation.held_out <= 300


def test_two_smooth_maps_are_not_related_for_being_smooth():
    worlds = 12
    p_values = [found(smooth(seed, length=5), smooth(1000 + seed, length=6)).p_value for seed in range(worlds)]
    assert np.sum(np.array(p_values) <= LEVEL) <= 2  # more of 12 would come less than once in 300 times at 2.5 %
    assert 0.25 < np.mean(p_values) < 0.85


def test_permutations_hold_the_same_values_and_are_as_smooth():
    row, column = np.indices((24, 24))
    place = np.column_stack([row.ravel(), column.ravel()])
    values = smooth(3, length=4).ravel()
    maps = _with_permutations(place / 24, values, 20, generator(0, "test"))
    beside = (np.diff(maps.reshape(24, 24, -1), axis=0) ** 2).mean(axis=(0, 1))
    mixed = generator(1, "test").permutation(maps[:, 0]).reshape(24, 24)
    assert np.median(beside[1:]) == pytest.approx(beside[0], rel=0.5)
    assert (np.diff(mixed, axis=0) ** 2).mean() > 10 * beside[0]
    np.testing.assert_allclose(maps.mean(axis=0), 0, atol=1e-12)


def test_outliers_and_holes_do_not_decide():
    image = smooth(4)
    values = image + 0.2 * smooth(5, length=0.5)
    values[3, 4] = 1e9
    values[:4] = np.nan
    assert found(image, values).found


def test_small_maps_are_not_tested():
    values = np.full((24, 24), np.nan)
    values[:6, :6] = 1.0
    reason = find_relation(patches_of(smooth(6)), values)
    assert isinstance(reason, str)
    assert "too small" in reason


def test_two_textures_of_one_period_are_not_related_for_that():
    row = np.indices((24, 24))[0]
    stripes, others = np.sin(2 * np.pi * row / 6), np.cos(2 * np.pi * row / 6)
    noise = 0.1 * smooth(7, length=0.5)
    relation = found(stripes, others + noise)
    assert relation.gain > 0.5  # the image predicts them indeed, and so it does when it is moved
    assert not relation.found
