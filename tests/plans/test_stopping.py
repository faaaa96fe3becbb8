"""A run ends with its budget; other criteria advise, or end it when they were asked for."""

from __future__ import annotations

import math

import pytest

from probeline.catalog import decisions, replay
from probeline.catalog.player import rows_of
from probeline.core.errors import LimitError, SpecError, UnknownNameError
from probeline.plans import auditing, closed_loop

from .explorations import run_small
from .test_auditing import cut_short, gone_on


@pytest.fixture(autouse=True)
def every_third(monkeypatch):
    monkeypatch.setattr(closed_loop, "POSTERIOR_EVERY", 3)


def test_criteria_that_nobody_asked_for_advise(pfm):
    run = run_small(pfm, points=8)
    assert run.start["probeline"]["stop"] == {}
    assert run.stop["reason"] == "all 8 points measured"
    rows = rows_of(run, "stopping")
    assert [row["decision"] for row in rows] == [3, 6, 8]
    assert all(math.isfinite(row["improvement"]) and math.isfinite(row["variance"]) for row in rows)
    held = [{name for name, most in (("improvement", 0.01), ("variance", 0.1)) if row[name] < most} for row in rows]
    assert [set(filter(None, row["met"].split(", "))) for row in rows] == held


@pytest.mark.parametrize("lookahead", [0, 1])
def test_a_criterion_that_was_asked_for_ends_the_run(pfm, lookahead):
    run = run_small(pfm, points=12, lookahead=lookahead, stop={"variance": 100.0, "improvement": 1e-9})
    assert run.stop["exit_status"] == "success"
    assert run.stop["reason"].startswith("variance: predictions leave ")
    assert run.stop["reason"].endswith("less than 100, after 3 decisions")
    # With lookahead maps are made during the next measurement, and the decision after that one is made already.
    status = list(decisions(run)["status"])
    assert status == (["ok"] * 4 + ["abandoned"] if lookahead else ["ok"] * 3)
    assert decisions(run)["reason"].iloc[-1] == (run.stop["reason"] if lookahead else "ok")
    assert replay(run).exact


def test_no_criterion_ends_a_run_whose_predictions_are_not_reliable(pfm, monkeypatch):
    monkeypatch.setattr(
        auditing.Audits, "reliable", property(lambda self: False, lambda self, value: None), raising=False
    )
    run = run_small(pfm, points=7, stop={"variance": 100.0})
    assert run.stop["reason"] == "all 7 points measured"
    assert [row["reliable"] for row in rows_of(run, "stopping")] == [False] * 3


def test_a_resumed_run_stops_by_the_same_criteria(pfm):
    before = cut_short(pfm, 2, points=12, stop={"variance": 100.0})
    after = gone_on(pfm, before)
    assert after.start["probeline"]["stop"] == {"variance": 100.0}
    assert after.stop["reason"].startswith("variance: ")
    assert len(decisions(after)) == 3


def test_agents_without_a_model_do_not_advise(pfm):
    assert "stopping" not in run_small(pfm, points=4, agent="random").streams()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"stop": {"boredom": 1.0}}, UnknownNameError, "boredom"),
        ({"stop": {"variance": 0.0}}, LimitError, r"stop\['variance'\] = 0"),
        ({"stop": {"variance": "much"}}, LimitError, "a number"),
        ({"stop": ["variance"]}, SpecError, "not a dictionary"),
        ({"stop": {"variance": 0.1}, "agent": "random"}, SpecError, "has no model that could tell when to stop"),
    ],
)
def test_what_cannot_be_a_criterion_is_refused(pfm, arguments, error, words):
    with pytest.raises(error, match=words):
        run_small(pfm, points=4, **arguments)
