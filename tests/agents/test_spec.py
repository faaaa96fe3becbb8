import json

import pytest

from probeline.agents.spec import ACQUISITIONS, GOALS, AgentSpec, make_agent, parse_spec, spec_for
from probeline.core.errors import SpecError, UnknownNameError
from probeline.core.registry import AGENTS

from .worlds import small_problem

WITHOUT_MODEL = ("random", "grid", "space_filling", "greedy_channel")


@pytest.mark.parametrize("kind", ["auto", "random", "grid", "space_filling", "greedy_channel", "gp", "patch_gp", "dkl"])
@pytest.mark.parametrize("goal", GOALS)
def test_every_agent_serves_every_goal(kind, goal):
    spec = spec_for(kind, goal, {"seed_points": 7}, seed=4)
    assert spec.seed_points == 7
    assert spec.seed == 4
    assert spec.acquisition == (None if kind in WITHOUT_MODEL else GOALS[goal])
    assert parse_spec(json.loads(spec.model_dump_json())) == spec


def test_a_specification_is_complete_and_names_no_device():
    spec = spec_for("auto", "optimum")
    assert spec.model_dump() == {
        "version": 1,
        "kind": "patch_gp",
        "seed": 0,
        "seed_points": 10,
        "acquisition": "log_ei",
        "direction": "max",
        "audit": 0.0,
        "on_miscalibrated": "warn",
        "travel": 0.0,
        "options": {
            "beta": 2.0,
            "threshold": None,
            "quantile": 0.9,
            "neighbours": 5,
            "kernel": "matern",
            "ard": False,
            "drift": False,
            "device": "cpu",
            "components": 24,
        },
    }


def test_options_reach_fields_and_kind():
    options = {"seed": 9, "acquisition": "ucb", "direction": "min", "components": 6}
    spec = spec_for("patch_gp", "optimum", options, seed=1)
    assert (spec.seed, spec.acquisition, spec.direction, spec.options["components"]) == (9, "ucb", "min", 6)
    assert options == {"seed": 9, "acquisition": "ucb", "direction": "min", "components": 6}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("patchgp", "optimum"), "patch_gp"),
        (("auto", "optimal"), "optimum"),
        (("auto", "optimum", {"acquisition": "ei"}), "log_ei"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(arguments, named):
    with pytest.raises(UnknownNameError, match=named):
        spec_for(*arguments)


@pytest.mark.parametrize(
    ("kind", "options", "named"),
    [
        ("patch_gp", {"componets": 3}, "componets"),
        ("patch_gp", {"components": 0}, "components = 0"),
        ("gp", {"components": 3}, "components"),
        ("gp", {"beta": float("nan")}, "beta"),
        ("random", {"beta": 1.0}, "beta"),
        ("random", {"acquisition": "ucb"}, "leave it out"),
        ("gp", {"seed_points": 0}, "seed_points = 0"),
        ("gp", {"seed": -1}, "seed = -1"),
        ("gp", {"direction": "up"}, "direction"),
    ],
)
def test_bad_options_are_refused_by_name(kind, options, named):
    with pytest.raises(SpecError, match=named):
        spec_for(kind, "optimum", options)


def test_a_stored_specification_is_checked_again(problem):
    with pytest.raises(SpecError, match="version"):
        make_agent({"version": 2, "kind": "gp", "acquisition": "log_ei"}, problem)
    with pytest.raises(SpecError, match="needs an acquisition"):
        make_agent({"kind": "gp"}, problem)
    with pytest.raises(SpecError, match="kind"):
        make_agent({}, problem)
    with pytest.raises(UnknownNameError, match="random"):
        make_agent(AgentSpec(kind="randm"), problem)


def test_every_registered_agent_can_be_loaded():
    assert set(AGENTS.names()) >= {*WITHOUT_MODEL, "gp", "patch_gp", "dkl"}
    assert all(callable(AGENTS.load(name)) for name in AGENTS.names())


def test_greedy_channel_needs_a_channel():
    with pytest.raises(SpecError, match="channels"):
        make_agent(spec_for("greedy_channel", "optimum"), small_problem(channels=()))


def test_straddle_and_the_rest_are_known():
    assert set(GOALS.values()) <= set(ACQUISITIONS)
