import os
import subprocess
import sys

import numpy as np
import pytest

from probeline.agents.gaussian.features import build_features
from probeline.agents.problem import CandidateSpec, build_problem

from ..worlds import small_problem


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


@pytest.mark.system
def test_the_number_of_threads_does_not_change_a_decision():
    """Linear algebra on several threads adds in another order; recorded digests must not depend on that."""
    script = """
import numpy as np
from probeline.agents.problem import CandidateSpec, build_problem
from probeline.agents.spec import make_agent, spec_for
y, x = np.mgrid[:80, :80].astype(float)
images = np.random.default_rng(0).normal(size=(2, 80, 80)) + np.sin(x / 5) + np.cos(y / 7)
problem = build_problem(images, ["a", "b"], x, y, CandidateSpec(channels=("a", "b"), patch_pixels=15), objective="v")
for goal, acquisition in (("optimum", "log_ei"), ("map", "integrated_variance"), ("optimum", "thompson")):
    agent = make_agent(spec_for("patch_gp", goal, {"acquisition": acquisition, "seed_points": 4}), problem)
    for step in range(8):
        point = agent.suggest()[0]
        told = agent.explain(point)
        agent.ingest([{"_id": point["_id"], "v": float(np.sin(told["candidate"]))}])
    print(problem.digest, told["candidate"], told["model_digest"], told["rng_digest"], repr(told["acquisition"]))
"""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    answers = {
        subprocess.run(
            [sys.executable, "-c", script], env={**environment, "OMP_NUM_THREADS": threads},
            capture_output=True, text=True, timeout=120, check=True,
        ).stdout
        for threads in ("1", "2", "4")
    }  # fmt: skip
    assert len(answers) == 1
