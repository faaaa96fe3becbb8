import numpy as np
import pytest

from probeline.agents.features import build_features
from probeline.agents.problem import CandidateSpec, build_problem

from .worlds import small_problem


def test_components_keep_distances_of_every_window(problem):
    features = build_features(problem, components=50)
    table = features.table[:, : features.patch_columns]
    assert abs(np.mean(np.sum(table**2, axis=1)) - 1) < 1e-12
    windows = [problem.patches, problem.patches[:, :, 1:4, 1:4]]
    squares = []
    for rows in (window.reshape(len(problem), -1) for window in windows):
        spread = np.mean(np.sum((rows - rows.mean(axis=0)) ** 2, axis=1))
        squares.append(np.sum((rows[:20] - rows[20:40]) ** 2, axis=1) / spread)
    seen = np.sum((table[:20] - table[20:40]) ** 2, axis=1)
    np.testing.assert_allclose(seen, np.mean(squares, axis=0), rtol=1e-6)


@pytest.mark.parametrize(("pixels", "count"), [(1, 1), (3, 1), (5, 2), (15, 3)])
def test_windows_halve_down_to_three_pixels(pixels, count):
    y, x = np.mgrid[:20, :20].astype(float)
    image = np.random.default_rng(0).normal(size=(1, 20, 20))
    spec = CandidateSpec(channels=("a",), patch_pixels=pixels)
    features = build_features(build_problem(image, ["a"], x, y, spec, objective="area"), components=1)
    assert features.patch_columns == count


def test_coordinates_run_from_0_to_1(problem):
    xy = build_features(problem, components=0).table
    np.testing.assert_allclose(xy.min(axis=0), 0)
    np.testing.assert_allclose(xy.max(axis=0), 1)


def test_without_structure_only_coordinates_are_left():
    y, x = np.mgrid[:9, :9].astype(float)
    spec = CandidateSpec(channels=("a",), patch_pixels=3)
    flat = build_problem(np.full((1, 9, 9), 3.0), ["a"], x, y, spec, objective="area")
    assert build_features(flat, 24).patch_columns == 0
    assert build_features(small_problem(channels=()), 24).patch_columns == 0
    one_direction = build_problem(x[None], ["a"], x, y, spec, objective="area")
    assert build_features(one_direction, 24).patch_columns == 1
