"""The command line as a user meets it: real processes, JSON on the last line, no tracebacks."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from probeline import catalog as catalogs
from probeline.catalog import decisions
from probeline.commands.shared import named
from probeline.core.errors import DataError, SpecError
from probeline.core.paths import data_folder

pytestmark = pytest.mark.system
KEYS = {
    "uid", "instrument", "goal", "agent", "objective", "n_points", "best_value", "best_x_nm", "best_y_nm",
    "instrument_seconds", "catalog", "report",
}  # fmt: skip


def command(*arguments, cwd, env=None):
    return subprocess.run(
        [sys.executable, "-m", "probeline", *map(str, arguments)],
        cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def last_json(answer):
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def explored(tmp_path_factory):
    """Return the folder and the JSON answer of one exploration of the twin."""
    folder = tmp_path_factory.mktemp("cli")
    options = ("--batch", 3, "--agent-option", "audit=0.2", "--agent-option", "travel=0.1", "--stop", "variance=1e-9")
    answer = command("explore", "--points", 6, "--seed", 2, *options, "--catalog", "cat", "--json", cwd=folder)
    return folder, last_json(answer), answer.stderr


def test_explore_answers_with_what_was_found(explored):
    folder, summary, shown = explored
    assert summary.keys() >= KEYS
    assert summary["n_points"] == 6
    assert summary["instrument"] == "sim-pfm"
    assert (summary["agent"], summary["goal"], summary["objective"]) == ("patch_gp", "optimum", "loop_area")
    assert (folder / summary["report"]).stat().st_size > 10_000
    assert "ETA" in shown
    assert "best" in shown


def test_options_of_an_exploration_are_in_its_record(explored):
    folder, summary, _ = explored
    with catalogs.open(folder / "cat", create=False) as catalog:
        about = catalog[summary["uid"]].start["probeline"]
    assert (about["agent"]["audit"], about["agent"]["travel"], about["agent"]["seed"]) == (0.2, 0.1, 2)
    assert (about["batch"], about["stop"]) == (3, {"variance": 1e-9})


def test_named_values_are_json_or_texts():
    given = ["audit=0.2", "on_miscalibrated=warn", "dofs={}", "law=a=b"]
    expected = {"audit": 0.2, "on_miscalibrated": "warn", "dofs": {}, "law": "a=b"}
    assert named("--agent-option", given) == expected
    assert named("--stop", None) == {}
    for wrong in (["audit"], ["=1"], ["audit="], ["audit=1", "audit=2"]):
        with pytest.raises(SpecError, match=r"^--agent-option '"):
            named("--agent-option", wrong)


def test_runs_show_replay_and_report_find_it_again(explored):
    folder, summary, _ = explored
    uid = summary["uid"]
    (listed,) = last_json(command("runs", "--catalog", "cat", "--json", cwd=folder))["runs"]
    assert (listed["uid"], listed["state"], listed["n_points"]) == (uid, "stored", 6)
    for where, count in ((("--where", "goal=optimum", "--where", "since=2026-01-01"), 1), (("--where", "goal=map"), 0)):
        assert len(last_json(command("runs", *where, "--catalog", "cat", "--json", cwd=folder))["runs"]) == count
    shown = last_json(command("show", uid[:8], "--catalog", "cat", "--json", cwd=folder))
    assert shown["best_value"] == summary["best_value"]
    replayed = last_json(command("replay", uid, "--catalog", "cat", "--json", cwd=folder))
    assert replayed == {"decisions": 6, "identical": 6, "bitwise": 6, "first_difference": None}
    page = last_json(command("report", "last", "--catalog", "cat", "--output", "page.html", "--json", cwd=folder))
    assert uid in (folder / page["report"]).read_text()


@pytest.mark.parametrize("data", ["beacon-dkl", "stem-eds-particles", "beps-pto-50x50"])
def test_explore_runs_on_measured_data(tmp_path, data):
    try:
        root = data_folder(data).parent
    except DataError as absent:
        pytest.skip(str(absent))
    arguments = ("explore", "--instrument", f"replay:{data}", "--points", 12, "--reference-every", 6)
    answer = command(*arguments, "--catalog", "cat", "--json", cwd=tmp_path, env={"PROBELINE_DATA": str(root)})
    summary = last_json(answer)
    assert summary["instrument"] == f"replay:{data}"
    assert summary["n_points"] == 12
    with catalogs.open(tmp_path / "cat", create=False) as catalog:
        assert list(decisions(catalog[summary["uid"]])["source"]).count("control") == 1


def test_instruments_and_describe(tmp_path):
    names = last_json(command("instruments", "--json", cwd=tmp_path))["instruments"]
    assert {"sim-pfm", "replay:beacon-dkl", "replay:stem-eds-particles", "replay:beps-pto-50x50"} <= set(names)
    described = last_json(command("describe", "--instrument", "sim-pfm", "--json", cwd=tmp_path))
    assert described["driver"]["mode"] == "contact_pfm"
    assert described["spec"]["envelope"]["limits"]["bias"] == [-10.0, 10.0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("explore", "--instrument", "sim-afm"), "unknown instrument 'sim-afm'"),
        (("explore", "--instrument", "replay:nothing"), "unknown data set 'nothing'"),
        (("explore", "--instrument", "no-such.yml"), "no-such.yml"),
        (("explore", "--agent", "oracle"), "unknown agent 'oracle'"),
        (("explore", "--goal", "glory"), "unknown goal 'glory'"),
        (("explore", "--objective", "beauty"), "unknown objective 'beauty'"),
        (("explore", "--points", "0"), "points = 0 was refused"),
        (("explore", "--stop", "variance"), "give NAME=VALUE, as --stop improvement=0.01"),
        (("explore", "--agent-option", "audit=much"), "audit = 'much'"),
        (("explore", "--points", "1000000"), "candidates of this survey"),
        (("explore", "--points", "many"), "Invalid value"),
        (("show", "last", "--catalog", "nowhere"), "there is no catalogue at"),
        (("runs", "--catalog", "."), "catalogue"),
        (("runs", "--where", "goal"), "--where goal was refused: write KEY=VALUE"),
    ],
)
def test_mistakes_are_answered_in_a_line(tmp_path, arguments, words):
    (tmp_path / "holiday.txt").write_text("not a catalogue")
    answer = command(*arguments, cwd=tmp_path)
    assert answer.returncode in (1, 2)
    assert words in " ".join(answer.stderr.replace("│", " ").split())
    assert "Traceback" not in answer.stderr


def test_an_unknown_run_is_named(explored):
    folder, summary, _ = explored
    answer = command("show", "zzzz", "--catalog", "cat", cwd=folder)
    assert answer.returncode == 2
    assert summary["uid"][:8] in answer.stderr


def test_a_newer_catalogue_is_left_alone(explored, tmp_path):
    marker = tmp_path / "cat" / "probeline.json"
    marker.parent.mkdir()
    marker.write_text('{"format": "probeline-catalog", "version": 99}')
    answer = command("runs", "--catalog", "cat", cwd=tmp_path)
    assert answer.returncode == 1
    assert "version 99" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("numbers", [[signal.SIGINT], [signal.SIGTERM], [signal.SIGINT] * 6])
def test_an_interruption_closes_the_run_and_keeps_what_was_measured(tmp_path, numbers):
    """However impatient: what has begun to close is closed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "probeline", "explore", "--points", "150", "--catalog", "cat"],
        cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        _wait_for_outcomes(process, tmp_path / "cat" / "journal", 5)
        for number in numbers:
            process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):  # a human's fingers need a moment
                process.wait(0.3)
        _, shown = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130, shown
    assert "interrupted" in shown
    assert "Traceback" not in shown
    (run,) = last_json(command("runs", "--catalog", "cat", "--json", cwd=tmp_path))["runs"]
    assert run["exit_status"] == "abort"
    summary = last_json(command("show", "last", "--catalog", "cat", "--json", cwd=tmp_path))
    assert summary["n_points"] >= 5
    assert "interrupted by the user" in summary["reason"]


def _wait_for_outcomes(process, journals: Path, count: int) -> None:
    """Return when the journal holds ``count`` outcomes; fail when the process ends before."""
    while process.poll() is None:
        found = [path.read_bytes() for path in journals.glob("*.journal")] if journals.is_dir() else []
        if found and found[0].count(b'"measure_s"') > 2 * count + 4:  # a value and a timestamp each, and the descriptor
            return
    pytest.fail(f"ended before it was interrupted: {process.communicate()[1]}")
