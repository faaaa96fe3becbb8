"""Audits in an exploration: recorded, judged, repeated, taken over."""

from __future__ import annotations

import logging
from dataclasses import asdict

import numpy as np
import pytest

from probeline.analysis.calibration import audits_of, judge
from probeline.catalog import Run, decisions, replay
from probeline.catalog.calibrating import calibration_of
from probeline.catalog.player import rebuilt, rows_of
from probeline.catalog.replaying import maker_of, problem_of
from probeline.catalog.report import report
from probeline.plans.resume import left_instrument, resume
from probeline.plans.runs import summarize

from .explorations import run_small

AUDITED = {"points": 12, "agent_options": {"audit": 0.5}}


@pytest.fixture(scope="module", params=[0, 1], ids=["lockstep", "lookahead"])
def run(request, pfm):
    return run_small(pfm, lookahead=request.param, **AUDITED)


def verdicts(run):
    """Return what the stream must hold, from decisions and outcomes alone."""
    told = {row["decision"]: row for row in rows_of(run, "optimization")}
    found, known = [], []
    for row in rows_of(run, "outcome"):
        if row["status"] == "ok":
            known.append((row["decision"], row["objective"], row["sigma"]))
        judged = judge(audits_of(told, known))
        if judged.n > len(found):
            found.append({"decision": row["decision"], **asdict(judged)})
    return found


def test_the_verdict_after_every_audit_is_recorded(run):
    expected, lookahead = verdicts(run), run.start["probeline"]["lookahead"]
    # One of them followed the one before at once, so that with lookahead its prediction did not know that outcome.
    assert [row["n"] for row in expected] == [1, 2, 3, 4][: 4 - lookahead]
    np.testing.assert_equal(rows_of(run, "calibration"), expected)
    assert {"decision": expected[-1]["decision"], **asdict(calibration_of(run))} == expected[-1]
    assert decisions(run)["noise"].iloc[4:].eq(0).all()  # the scalarizer states its sigma


def test_the_agent_judges_as_the_record_does(run):
    player = rebuilt(maker_of(run), problem_of(run), rows_of(run, "optimization"), rows_of(run, "outcome"))
    player.feed()
    assert player.agent.calibration() == calibration_of(run)


def test_decisions_with_audits_can_be_repeated(run):
    assert decisions(run)["source"].eq("audit").sum() == 4
    assert replay(run).exact


def test_the_summary_and_the_report_say_it(run, tmp_path):
    found = calibration_of(run)
    summary = summarize(run, "catalog")
    assert (summary["calibration"], summary["audits"]) == (found.verdict, found.n)
    text = report(run, tmp_path / "page.html").read_text()
    assert f"{found.verdict} ({found.n} audits)" in text
    assert "only the 4 audits (diamonds) were drawn at random" in text
    assert "left to learn, by the agent" in text


def test_an_exploration_audits_a_tenth_unless_told_otherwise(pfm):
    agents = [run_small(pfm, points=2, agent=kind).start["probeline"]["agent"] for kind in ("auto", "random")]
    assert [agent["audit"] for agent in agents] == [0.1, 0.0]


def cut_short(session, decision, **arguments):
    """Explore until a decision is made, where the process fails; return that run."""

    def black_out(_, doc):
        if doc["data"].get("decision") == decision and "candidate" in doc["data"]:
            raise OSError("the lights went out")

    token = session.RE.subscribe(black_out, "event")
    with pytest.raises(OSError, match="lights"):
        run_small(session, **arguments)
    session.RE.unsubscribe(token)
    return session.catalog[-1]


def gone_on(session, run):
    with left_instrument(run, session.instrument, session.catalog.data_root) as twin:
        (uid,) = session.RE(resume(twin, run))
    return session.catalog[uid]


def test_what_is_taken_over_is_judged_again(pfm):
    before = cut_short(pfm, 10, points=12, agent_options={"audit": 0.5, "on_miscalibrated": "space_filling"})
    assert len(rows_of(before, "calibration")) == 3
    after = gone_on(pfm, before)
    np.testing.assert_equal(rows_of(after, "calibration"), verdicts(after))
    np.testing.assert_equal(rows_of(after, "calibration")[:3], rows_of(before, "calibration"))
    assert replay(after).exact


def overconfident(monkeypatch):
    """Let the surrogate state a hundredth of its uncertainty, about a mean that is off."""
    from probeline.agents.gaussian.agents import SurrogateAgent

    predict = SurrogateAgent._predict

    def certain(self):
        mean, std = predict(self)
        return mean + 30 * std, std / 100

    monkeypatch.setattr(SurrogateAgent, "_predict", certain)


@pytest.mark.parametrize("remedy", ["warn", "space_filling"])
def test_one_line_warns_of_predictions_not_to_be_relied_on(pfm, caplog, monkeypatch, remedy):
    overconfident(monkeypatch)
    monkeypatch.setattr("probeline.analysis.calibration._gain", lambda audit: (1.0, 1.0))
    options = {"audit": 0.5, "on_miscalibrated": remedy}
    with caplog.at_level(logging.WARNING, "probeline.plans.auditing"):
        run = run_small(pfm, points=12, agent_options=options)
    assert calibration_of(run).verdict == "miscalibrated"
    (warning,) = caplog.messages
    assert "the agent is miscalibrated: in " in warning
    assert ("space is filled" if remedy == "space_filling" else "it goes on all the same") in warning
    filled = decisions(run)["source"].eq("space_filling")
    assert filled.any() == (remedy == "space_filling")
    assert replay(run).exact


def old(run):
    """Return a run as it would have been recorded before there were audits."""
    return Run.from_documents([(name, _old(name, doc)) for name, doc in run.documents()])


def _old(name, doc):
    if name == "start":
        about = doc["probeline"]
        return {**doc, "probeline": {**about, "agent": without(about["agent"], "audit", "on_miscalibrated")}}
    if name == "descriptor" and doc["name"] == "optimization":
        return {**doc, "data_keys": without(doc["data_keys"], "noise")}
    if name == "event":
        return {**doc, "data": without(doc["data"], "noise"), "timestamps": without(doc["timestamps"], "noise")}
    return doc


def without(values, *names):
    return {key: value for key, value in values.items() if key not in names}


def test_a_run_recorded_before_there_were_audits_is_repeated_and_resumed(pfm):
    before = old(cut_short(pfm, 7, points=9, agent_options={"audit": 0.0}))
    assert "noise" not in decisions(before).columns
    assert replay(before).exact
    assert calibration_of(before).verdict == "undetermined"
    after = gone_on(pfm, before)
    assert len(decisions(after)) == 9
    assert set(decisions(after)["source"]) == {"seed", "agent"}
    assert replay(after).exact
