"""The closed loop, end to end, on the physics twin and on measured data."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from probeline.catalog import decisions, replay
from probeline.core.errors import LimitError, RefusedError
from probeline.devices.factory import instrument_spec
from probeline.plans.explore import explore
from probeline.plans.session import open_session

from .explorations import SMALL, run_small


def test_one_run_holds_the_streams_of_the_record(pfm):
    run = run_small(pfm, points=6)
    assert {"survey", "optimization", "primary", "outcome", "posterior", "drift", "progress"} <= set(run.streams())
    assert run.stop["exit_status"] == "success"
    assert run.stop["reason"] == "all 6 points measured"
    about = run.start["probeline"]
    assert about["agent"]["kind"] == "patch_gp"
    assert about["objective"]["name"] == "loop_area"
    assert about["driver"]["metadata"]["sample"]
    json.dumps(run.start)
    table = decisions(run)
    assert list(table.index) == list(range(6))
    assert list(table["source"][:4]) == ["seed"] * 4


def test_every_decision_is_recorded_before_anything_moves(pfm):
    order = []
    token = pfm.RE.subscribe(lambda name, doc: order.append((name, doc)))
    run_small(pfm, points=3)
    pfm.RE.unsubscribe(token)
    names = {doc["uid"]: doc["name"] for name, doc in order if name == "descriptor"}
    streams = [names[doc["descriptor"]] for name, doc in order if name == "event"]
    kept = [name for name in streams if name in ("optimization", "primary", "outcome")]
    assert kept == ["optimization", "primary", "outcome"] * 3


@pytest.mark.parametrize("lookahead", [0, 1])
def test_a_decision_knows_exactly_the_outcomes_it_may(pfm, lookahead):
    table = decisions(run_small(pfm, points=7, lookahead=lookahead))
    seen = table["n_seen"] + table["n_failed"]
    assert list(seen) == [max(0, k - lookahead) for k in range(7)]


@pytest.mark.parametrize("lookahead", [0, 1])
def test_every_decision_can_be_repeated(pfm, lookahead):
    answer = replay(run_small(pfm, points=8, lookahead=lookahead))
    assert (answer.decisions, answer.identical, answer.bitwise, answer.first_difference) == (8, 8, 8, None)


def test_the_same_seed_gives_the_same_experiment(tmp_path):
    tables = []
    for part in ("a", "b"):
        with open_session("sim-pfm", tmp_path / part, {"seed": 5}) as session:
            tables.append(decisions(run_small(session, points=6, agent_options={"seed": 5})))
    for column in ("x", "y", "objective", "model_digest", "clock"):
        assert list(tables[0][column]) == list(tables[1][column])


def test_measured_points_do_not_share_footprints(pfm):
    run = run_small(pfm, points=8)
    table = decisions(run)
    separation = run.start["probeline"]["candidates"]["separation_nm"]
    assert separation > 0
    xy = table[["x", "y"]].to_numpy()
    gaps = np.hypot(*(xy[:, None] - xy[None]).T) + np.diag([np.inf] * len(xy))
    assert gaps.min() >= separation


def test_instrument_time_is_a_budget(pfm):
    run = run_small(pfm, points=100, pixels=64, seconds=150.0)
    spent = run.stream("progress")["instrument_s"].values
    assert "instrument time" in run.stop["reason"]
    assert spent[-1] <= 150.0
    assert len(decisions(run)) < 100


@pytest.mark.parametrize("budget", [{"pulses": 300.0}, {"spectra": 4.0}, {"seconds": 6.0}])
def test_budgets_of_the_envelope_are_compared_before_anything_moves(tmp_path, budget):
    """Five loops of 2 x 64 bias steps and 1.3 s each."""
    spec = instrument_spec("sim-pfm")
    envelope = spec.envelope.model_copy(update={"budgets": budget})
    with open_session(spec.model_copy(update={"envelope": envelope}), tmp_path / "catalog") as session:
        with pytest.raises(LimitError, match=f"budget of {next(iter(budget))}"):
            run_small(session, points=5)
        assert session.instrument.clock.get() == 0
        assert len(session.catalog) == 0


def test_a_frame_that_would_exceed_the_budget_of_time_is_not_begun(tmp_path):
    spec = instrument_spec("sim-pfm")
    envelope = spec.envelope.model_copy(update={"budgets": {"seconds": 40.0}})
    with open_session(spec.model_copy(update={"envelope": envelope}), tmp_path / "catalog") as session:
        with pytest.raises(LimitError, match="budget of seconds"):
            run_small(session, points=2)  # 20 s of approach and 32 lines of 1 s
        assert session.instrument.ledger.spent_seconds.get() < 40


@pytest.mark.parametrize("goal", ["optimum", "map", "all_above", "diverse"])
def test_every_goal_runs_on_measured_data(beacon, goal):
    (uid,) = beacon.RE(explore(beacon.instrument, goal=goal, points=12))
    run = beacon.catalog[uid]
    assert (decisions(run)["status"] == "ok").all()
    assert replay(run).identical == 12


def test_the_loop_is_usable_inside_anotherrun_small(beacon):
    import bluesky.plan_stubs as bps
    import bluesky.preprocessors as bpp

    @bpp.run_decorator(md={"plan_name": "outer"})
    def outer():
        yield from explore(beacon.instrument, points=4, seed_points=4)
        yield from bps.null()

    uids = beacon.RE(outer())
    assert len(uids) == 2
    inner = next(run for run in map(beacon.catalog.__getitem__, uids) if run.start["plan_name"] == "explore")
    assert len(decisions(inner)) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"points": 0}, "points = 0 was refused"),
        ({"points": 10**6}, "candidates of this survey"),
        ({"size_nm": 1e6}, "was refused"),
        ({"size_nm": math.nan}, "size_nm = nan"),
        ({"patch_nm": -1.0}, "patch_nm = -1"),
        ({"seconds": 0.0}, "seconds = 0"),
        ({"goal": "optimun"}, "Did you mean 'optimum'"),
        ({"agent": "patchgp"}, "Did you mean 'patch_gp'"),
        ({"objective": "looparea"}, "Did you mean 'loop_area'"),
        ({"objective": "peak_position", "objective_options": {"low_eV": 1, "high_eV": 2}}, "axis energy"),
        ({"objective_options": {"field": "sideways"}}, "field"),
        ({"objective": "channel_mean", "objective_options": {"channel": "current"}}, "current"),
        ({"agent_options": {"colour": "red"}}, "colour"),
        ({"roi": [[[1e5, 1e5], [1e5 + 1, 1e5], [1e5, 1e5 + 1]]]}, "no candidate is left"),
        ({"roi": [[[0, 0], [math.nan, 1], [1, 1]]]}, "finite points"),
        ({"lookahead": 2}, "0 or 1"),
        ({"register_every": -1}, "register_every = -1"),
        ({"register_every": 1.5}, "whole number"),
        ({"points": "2"}, "whole number"),
        ({"pixels": 31.5}, "whole number"),
        ({"pixels": 3}, "at least 8"),
        ({"size_nm": "wide"}, "a number"),
        ({"size_nm": 300.0, "patch_nm": 20.0, "points": 40}, "have room for"),
        ({"md": {"probeline": {}}}, "md may not hold"),
        ({"md": {"uid": "mine"}}, "md may not hold"),
        ({"md": 5}, "not a dictionary"),
        ({"md": {"a": object()}}, "md cannot be recorded"),
        ({"roi": [[0, 0], [100, 0], [100, 100]]}, "no list of polygons"),
        ({"roi": 5}, "no list of polygons"),
        ({"exclude": [[1, 2]]}, "no list of polygons"),
        ({"roi": "x"}, "no list of polygons"),
        ({"agent_options": 5}, "not a dictionary"),
        ({"objective_options": [1]}, "not a dictionary"),
        ({"points": None}, "whole number"),
        ({"seed_points": None}, "whole number"),
        ({"goal": ["optimum"]}, "not a name"),
        ({"agent": 3}, "not a name"),
    ],
)
def test_bad_arguments_are_refused_before_anything_moves(pfm, arguments, message):
    before, runs = pfm.instrument.clock.get(), len(pfm.catalog)
    with pytest.raises(RefusedError, match=message.replace("(", r"\(")):
        pfm.RE(explore(pfm.instrument, **{**SMALL, "points": 4, **arguments}))
    assert pfm.instrument.clock.get() == before
    assert len(pfm.catalog) == runs
    assert pfm.RE.state == "idle"


def test_roi_and_exclude_bound_where_is_measured(pfm):
    roi = [[[-400, -400], [400, -400], [400, 400], [-400, 400]]]
    exclude = [[[-400, -400], [0, -400], [0, 400], [-400, 400]]]
    table = decisions(run_small(pfm, points=6, roi=roi, exclude=exclude))
    assert table["x"].between(0, 400).all()
    assert table["y"].between(-400, 400).all()


def test_a_suggestion_between_candidates_is_recorded_as_made_and_as_measured(beacon):
    from probeline.agents.baselines import RandomAgent
    from probeline.plans.explore import explore_with
    from probeline.plans.settings import resolve

    class Between(RandomAgent):
        def suggest(self, num_points=None):
            return [{**point, "x": point["x"] + 3.0} for point in super().suggest(num_points)]

    settings = resolve(
        beacon.instrument.spec, beacon.instrument.description, goal="optimum", objective=None,
        objective_options=None, agent="random", agent_options=None, points=3, size_nm=None, pixels=None,
        patch_nm=None, seed_points=2, seconds=None, roi=None, exclude=None, lookahead=0, register_every=None,
    )  # fmt: skip
    beacon.RE(explore_with(beacon.instrument, settings, lambda problem: Between(settings.agent, problem)))
    table = decisions(beacon.catalog[-1])
    assert np.allclose(table["suggested_x"] - table["x"], 3.0)
    assert np.allclose(table["suggested_y"], table["y"])


def test_a_full_sample_ends_the_run_with_its_reason(pfm):
    """Footprints of 120 nm leave room for fewer points than the best packing when they come at random."""
    run = run_small(pfm, size_nm=500.0, pixels=32, patch_nm=50.0, points=25, seed_points=2, agent="random")
    assert run.stop["exit_status"] == "success"
    assert "no candidate is left" in run.stop["reason"]
    assert 5 < len(decisions(run)) < 25


def test_everything_loads_with_coordinates_and_units(pfm):
    from probeline.catalog import load

    tree = load(run_small(pfm, points=11, register_every=5))
    posterior = tree["posterior"]
    assert posterior["mean"].dims == ("event", "candidate")
    assert posterior["x"].attrs["units"] == "nm"
    assert posterior["mean"].attrs["units"] == "pm V"
    assert tree["survey"]["x"].attrs["units"] == "nm"
    assert tree["reference"].sizes["event"] == 3


def test_each_reference_frame_records_its_own_place(pfm):
    run = run_small(pfm, points=11, register_every=5)
    stream = run.documents_of("reference")
    places = set()
    for event in stream.events.values():
        frame = stream.descriptors[event["descriptor"]]["configuration"]["spm_scan"]["data"]
        places.add((frame["spm_scan_center_x"], frame["spm_scan_center_y"]))
    assert len(places) == 3  # the landmark moves with the sample
