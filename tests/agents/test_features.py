import numpy as np

from probeline.agents.features import build_features
from probeline.agents.problem import CandidateSpec, build_problem

from .worlds import small_problem


def test_components_keep_distances_of_patches(problem):
    features = build_features(problem, components=50)
    channels = problem.patches.shape[1]
    patch = features.table[:, : features.patch_columns - channels]
    rows = problem.patches.reshape(len(problem), -1)
    assert abs(np.mean(np.sum(patch**2, axis=1)) - 1) < 1e-12
    seen = np.linalg.norm(patch[:20] - patch[20:40], axis=1)
    true = np.linalg.norm(rows[:20] - rows[20:40], axis=1)
    np.testing.assert_allclose(seen / true, seen[0] / true[0], rtol=1e-8)


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
    assert build_features(one_direction, 24).patch_columns == 2  # one component, and the centre


def test_the_centre_pixel_counts_as_much_as_the_patch(problem):
    features = build_features(problem, components=5)
    channels, middle = problem.patches.shape[1], problem.patches.shape[-1] // 2
    centre = features.table[:, features.patch_columns - channels : features.patch_columns]
    assert abs(np.mean(np.sum(centre**2, axis=1)) - 1) < 1e-12
    pixel = problem.patches[:, 0, middle, middle]
    assert np.corrcoef(centre[:, 0], pixel)[0, 1] > 1 - 1e-12
