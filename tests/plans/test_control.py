"""A control site that is measured again and again: recorded, told with its time, taken over, and nobody's decision."""

from __future__ import annotations

import math

import numpy as np
import pytest

from probeline.analysis.measurement import Scalar
from probeline.catalog import decisions, replay
from probeline.catalog.player import rebuilt, rows_of
from probeline.catalog.replaying import maker_of, problem_of
from probeline.catalog.why import why
from probeline.core.errors import LimitError, RefusedError
from probeline.plans.explore import explore
from probeline.plans.measuring import Measuring
from probeline.plans.runs import summarize

from .explorations import journalled, run_small
from .gentle import gentle_twins
from .test_auditing import cut_short, gone_on
from .test_resume import assert_equal, columns_of

ASKED = {"points": 7, "reference_every": 2, "register_every": 3, "agent": "gp", "agent_options": {"audit": 0.25}}


@pytest.fixture(scope="module", params=[(0, 1), (1, 1), (0, 3), (1, 3)], ids=str)
def run(request, gentle):
    lookahead, batch = request.param
    return run_small(gentle, **ASKED, lookahead=lookahead, batch=batch)


def controls(run):
    return [row["decision"] for row in rows_of(run, "optimization") if row["source"] == "control"]


def test_the_control_site_is_measured_in_between(run):
    table, batch = decisions(run), run.start["probeline"]["batch"]
    assert run.start["probeline"]["tracking"]["reference_every"] == 2
    assert run.stop["reason"] == "all 7 points measured"
    assert controls(run) == ([2, 5, 8] if batch == 1 else [3, 7])
    assert len(table) == 7 + len(controls(run)) == len(run.stream("primary")["event"])
    first = next(row["decision"] for row in rows_of(run, "outcome") if row["status"] == "ok")
    again = table.loc[controls(run)]
    assert set(again["candidate"]) == {table.loc[first, "candidate"]}
    assert set(zip(again["x"], again["y"], strict=True)) == {(table.loc[first, "x"], table.loc[first, "y"])}
    assert set(again["status"]) == {"external"}
    assert np.isfinite(again["objective"]).all()
    best = table["objective"][table["status"] == "ok"].max()
    summary = summarize(run, "catalog")
    assert (summary["n_points"], summary["best_value"]) == (7, best)
    assert rows_of(run, "outcome")[-1]["best"] == best


def test_drift_is_registered_before_it_and_not_twice(run):
    """Three and six measurements are made where a registration is due; the site's turn comes before the next point."""
    first = rows_of(run, "outcome")[0]["decision"]
    seen = [row["decision"] for row in rows_of(run, "drift")]
    assert seen == ([first, 4, 8] if run.start["probeline"]["batch"] == 1 else [first, 3, 7])


def test_its_outcomes_are_told_with_their_time_and_replayed(run):
    answer = replay(run)
    assert answer.exact
    assert answer.decisions == 7
    rows, outcomes = rows_of(run, "optimization"), rows_of(run, "outcome")
    player = rebuilt(maker_of(run), problem_of(run), rows, outcomes)
    player.feed()
    told = [point for entry in player.agent.log if entry["call"] == "ingest" for point in entry["argument"]]
    assert [point["_time"] for point in told] == [row["clock"] for row in outcomes]
    assert [point.get("_id") is None for point in told] == [row["status"] == "external" for row in outcomes]
    maps = rows_of(run, "posterior")[-1]
    assert (maps["decision"], maps["pending"]) == (len(rows), 0)
    for name, expected in player.agent.posterior().items():
        np.testing.assert_array_equal(run.last("posterior", name), expected)


def test_it_is_nobodys_decision(run):
    assert "the control site again" in why(run, controls(run)[0]).text
    assert replay(run, "random").decisions == 7


@pytest.mark.parametrize(("lookahead", "batch", "decision"), [(0, 1, 5), (0, 1, 9), (1, 1, 6), (1, 3, 7)])
def test_a_resumed_run_goes_on_with_it(tmp_path, lookahead, batch, decision):
    """Decision 5 is that of the control site where a batch is one point, and so is 7 where it is three."""
    asked = {**ASKED, "lookahead": lookahead, "batch": batch}
    with gentle_twins(), journalled(tmp_path / "catalog", options={"seed": 3}) as session:
        whole = run_small(session, **asked)
    with gentle_twins(), journalled(tmp_path / "catalog", options={"seed": 3}) as session:
        after = gone_on(session, cut_short(session, decision, **asked))
    shared = sorted(columns_of(whole, "optimization", "outcome") & set(decisions(after).columns))
    assert_equal(decisions(whole)[shared], decisions(after)[shared])
    assert replay(after).exact


def test_where_it_gives_no_value_the_agent_is_not_told(gentle, monkeypatch):
    at, calls = Measuring.at, []

    def poor(self, decision, point, placement):
        scalar, ended = yield from at(self, decision, point, placement)
        calls.append(decision)
        return (Scalar(math.nan, math.nan, 0.0, "poor_fit", scalar.unit) if decision in (2, 5) else scalar), ended

    monkeypatch.setattr(Measuring, "at", poor)
    run = run_small(gentle, **ASKED)
    table = decisions(run)
    assert calls == list(range(10))
    assert list(table.loc[controls(run), "status"]) == ["failed", "failed", "external"]
    assert set(table["n_failed"]) == {0}
    assert list(table["n_seen"]) == [0, 1, 2, 2, 3, 4, 4, 5, 6, 7]
    assert replay(run).exact


@pytest.mark.parametrize("wrong", [-1, 0.5, "2"])
def test_what_is_no_number_of_measurements_is_refused(gentle, wrong):
    with pytest.raises(LimitError, match="reference_every"):
        run_small(gentle, reference_every=wrong)


def test_what_changes_the_sample_measures_its_own_damage(pfm):
    """Refused before anything moves: the value would fall with every visit, while nothing changes with time."""
    runs = len(pfm.catalog)
    with pytest.raises(RefusedError, match=r"reference_every = 2.*switching_loop changes the sample.*leave it out"):
        run_small(pfm, reference_every=2)
    assert len(pfm.catalog) == runs


def test_it_counts_in_the_budget_of_the_envelope(gentle, monkeypatch):
    """Four points and three times the control site need seven loops."""
    driver, asked = gentle.instrument.link.driver, []
    whole = type(driver).check_cost

    def noted(self, kind, settings, times):
        asked.append(times)
        return whole(self, kind, settings, times)

    monkeypatch.setattr(type(driver), "check_cost", noted)
    small = {"size_nm": 640.0, "pixels": 16, "patch_nm": 80.0, "seed_points": 4, "register_every": 0}
    gentle.RE(explore(gentle.instrument, points=4, reference_every=1, **small))
    assert asked[0] == len(gentle.catalog[-1].stream("primary")["event"]) == 7
