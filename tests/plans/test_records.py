"""What is recorded of each decision, and that every number has one meaning."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from probeline.catalog import Run, decisions
from probeline.catalog.player import rebuilt, rows_of
from probeline.catalog.replaying import maker_of, problem_of
from probeline.catalog.report.facts import Facts
from probeline.catalog.report.maps import maps_section
from probeline.plans import closed_loop
from probeline.plans.explore import explore
from probeline.plans.records import Record, calibration_record, decision_record, outcome_record, stopping_record

from .explorations import journalled

RECORD = Path(__file__).parents[2] / "docs" / "reference" / "record.md"
SMALL = {"size_nm": 640.0, "pixels": 16, "patch_nm": 200.0, "seed_points": 2, "points": 5, "register_every": 0}
WHY = {
    "decision", "candidate", "x", "y", "mean", "std", "noise", "acquisition", "rank", "n_seen", "n_failed", "fit",
    "model_digest", "rng_digest", "problem_digest", "suggest_s", "fit_s",
}  # fmt: skip
CAME_OF_IT = {"decision", "status", "reason", "objective", "sigma", "quality", "flag", "measure_s"}


@pytest.fixture(scope="module", params=[0, 1], ids=["lockstep", "lookahead"])
def run(request, tmp_path_factory):
    """An exploration of five points whose maps were recorded after every second one."""
    root = tmp_path_factory.mktemp("records") / "catalog"
    with pytest.MonkeyPatch.context() as patch, journalled(root, options={"seed": 5}) as session:
        patch.setattr(closed_loop, "POSTERIOR_EVERY", 2)
        (uid,) = session.RE(explore(session.instrument, lookahead=request.param, **SMALL))
        return session.catalog[uid]


def until(run, stream, number):
    """Return the run as it was after event ``number`` of a stream, never closed."""
    documents = list(run.documents())
    names = {doc["uid"]: doc["name"] for name, doc in documents if name == "descriptor"}
    end = next(
        index for index, (name, doc) in enumerate(documents)
        if name == "event" and (names[doc["descriptor"]], doc["seq_num"]) == (stream, number)
    )  # fmt: skip
    return Run.from_documents(documents[: end + 1])


def test_a_decision_says_why_and_an_outcome_what_came_of_it(run):
    assert set(run.documents_of("optimization").data_keys) >= WHY
    assert set(run.documents_of("outcome").data_keys) >= CAME_OF_IT
    table = decisions(run)
    assert set(table.columns) >= (WHY | CAME_OF_IT) - {"decision"}
    assert table["status"].eq("ok").all()
    assert table[["mean", "std", "acquisition", "objective", "sigma", "quality"]].iloc[3:].notna().all(axis=None)
    assert {table.attrs["units"][name] for name in ("mean", "std", "objective", "sigma", "best")} == {"pm V"}
    assert {table.attrs["units"][name] for name in ("suggest_s", "fit_s", "measure_s", "clock")} == {"s"}


def test_the_page_of_the_record_lists_every_column():
    text = RECORD.read_text()
    records = {
        "optimization": decision_record("V"), "outcome": outcome_record("V"), "calibration": calibration_record(),
        "stopping": stopping_record(),
    }  # fmt: skip
    for stream, record in records.items():
        (row,) = re.findall(rf"^\| `{stream}` \|.*$", text, re.MULTILINE)
        assert set(record.describe()) <= set(re.findall(r"`(\w+)`", row))


def test_a_run_that_ends_early_has_the_same_table(run):
    early = decisions(until(run, "optimization", 1))
    assert set(early.columns) >= (WHY | CAME_OF_IT) - {"decision"}
    assert list(early["status"]) == [None]


def test_maps_are_what_was_believed_after_so_many_decisions(run):
    posterior = run.stream("posterior")
    assert posterior["decision"].values.tolist() == [2, 4, 5]
    problem, rows, outcomes = problem_of(run), rows_of(run, "optimization"), rows_of(run, "outcome")
    for event, made in enumerate([2, 4, 5]):
        player = rebuilt(maker_of(run), problem, rows[:made], outcomes)
        player.feed(made)
        np.testing.assert_array_equal(player.agent.posterior()["mean"], posterior["mean"].values[event])


def test_the_report_counts_the_decisions_before_its_maps(run):
    for part, made in ((until(run, "posterior", 2), 4), (run, 5)):
        assert maps_section(Facts(part)).text[0].startswith(f"After {made} decisions, over")


def test_a_record_takes_all_its_keys_at_once():
    with pytest.raises(KeyError, match="missing or unknown"):
        Record("outcome", outcome_record("V")._fields).put(decision=1)


def test_the_report_says_that_maps_are_lost(run, tmp_path):
    without = Run.from_documents(run.documents(), roots=[tmp_path])  # where none of its files is
    assert maps_section(Facts(without)).text[0].startswith("The maps cannot be shown: ")
