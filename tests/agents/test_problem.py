import numpy as np
import pytest
from pydantic import ValidationError

from probeline.agents.problem import CandidateSpec, build_problem, grid_problem
from probeline.core.errors import SpecError

Y, X = np.mgrid[:12, :10].astype(float)
IMAGE = np.random.default_rng(0).normal(size=(1, 12, 10))


def problem(**spec):
    admissible = spec.pop("admissible", None)
    given = CandidateSpec(**{"channels": ("a",), "patch_pixels": 3, **spec})
    return build_problem(IMAGE, ["a"], 5 * X, 5 * Y, given, objective="area", admissible=admissible)


def test_candidates_keep_half_a_patch_from_the_border():
    built = problem()
    assert len(built) == 10 * 8
    assert built.pixel.min(axis=0).tolist() == [1, 1]
    assert built.pixel.max(axis=0).tolist() == [10, 8]
    assert built.patches.shape == (80, 1, 3, 3)
    np.testing.assert_array_equal(built.points, 5.0 * built.pixel[:, ::-1])
    assert built.steps[0] == 5


def test_stride_thins_candidates_and_widens_their_spacing():
    built = problem(stride=3)
    assert sorted(set(built.pixel[:, 0])) == [1, 4, 7, 10]
    assert built.steps[0] == 15


def test_roi_exclude_and_admissible_select():
    inside = problem(roi=(((12, 12), (33, 12), (33, 33), (12, 33)),))
    assert set(inside.pixel[:, 0]) == {3, 4, 5, 6}
    without = problem(exclude=(((12, 12), (33, 12), (33, 33), (12, 33)),))
    assert len(inside) + len(without) == 80
    assert len(problem(admissible=X < 5)) == 10 * 4


def test_nearest():
    built = problem()
    place = built.points[13] + [0.3, -0.4]
    assert built.nearest(*place) == 13
    assert built.distance(place)[13] == pytest.approx(0.1)  # of a step, which is 5 nm


def test_a_grid_of_settings_has_every_combination_and_steps_of_its_own():
    built = grid_problem(
        {"voltage": [2.0, 4.0, 8.0], "duration": np.logspace(-3, 0, 4)},
        {"voltage": "V", "duration": "s"},
        objective="r",
    )
    assert (built.dofs, built.units, len(built)) == (("voltage", "duration"), ("V", "s"), 12)
    np.testing.assert_allclose(built.points[5], [4.0, 0.01])
    np.testing.assert_allclose(built.coordinates[5], [1 / 2, 1 / 3])
    assert built.nearest(4.4, 0.012) == 5
    np.testing.assert_allclose(built.steps[5], [3.0, 0.0495])


@pytest.mark.parametrize("axis", [[], [1.0, 1.0], [2.0, 1.0], [0.0, np.nan]])
def test_an_axis_that_does_not_rise_is_refused(axis):
    with pytest.raises(SpecError, match="'t' was refused"):
        grid_problem({"t": axis}, {"t": "s"}, objective="r")


def test_an_axis_without_a_unit_is_refused():
    with pytest.raises(SpecError, match="without a unit: t"):
        grid_problem({"t": [1.0, 2.0]}, {}, objective="r")


def test_digest_follows_everything_that_an_agent_sees():
    same, other = problem(), problem()
    assert same.digest == other.digest
    assert len({problem(**spec).digest for spec in ({}, {"stride": 2}, {"separation_nm": 3.0}, {"channels": ()})}) == 4


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"channels": ("b",)}, "no channel b"),
        ({"patch_pixels": 4}, "even"),
        ({"patch_pixels": 11}, "does not fit"),
        ({"roi": (((-9, -9), (-8, -9), (-8, -8)),)}, "no candidate is left"),
    ],
)
def test_impossible_candidates_are_refused(spec, named):
    with pytest.raises(SpecError, match=named):
        problem(**spec)


def test_a_survey_of_one_line_is_refused():
    with pytest.raises(SpecError, match="1 x 10"):
        build_problem(IMAGE[:, :1], ["a"], X[:1], Y[:1], CandidateSpec(patch_pixels=1), objective="area")


def test_candidate_spec_is_strict():
    with pytest.raises(ValidationError):
        CandidateSpec(patch_pixels=3, stride=0)
    with pytest.raises(ValidationError):
        CandidateSpec.model_validate({"patch_pixels": 3, "channel": "a"})
