"""The record at the command line and at the prompt: why, resume after kill -9, replay."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from probeline import __main__ as cli
from probeline import catalog as catalogs
from probeline.catalog import decisions
from probeline.devices.factory import instrument_spec
from probeline.plans.explore import explore

from .plans.explorations import journalled
from .test_cli import command, last_json

pytestmark = pytest.mark.system
POINTS, SEED, KILLED_AFTER = 8, 2, 4
PROFILE = Path(__file__).resolve().parent.parent / "profile_collection"
SMALL = {"size_nm": 640.0, "pixels": 16, "patch_nm": 200.0, "seed_points": 2, "points": 4, "register_every": 0}


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """Folder with the catalogue ``cat`` of one small exploration, and the run."""
    folder = tmp_path_factory.mktemp("short")
    with journalled(folder / "cat", options={"seed": 5}) as session:
        (uid,) = session.RE(explore(session.instrument, **SMALL))
        return folder, session.catalog[uid]


def run_here(monkeypatch, capsys, folder, *arguments):
    """Return exit code, stdout and stderr of a command, run in this process."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["probeline", *map(str, arguments)])
    monkeypatch.setattr(cli, "interrupt_once", lambda: None)  # the signal handlers of pytest stay
    with pytest.raises(SystemExit) as end:
        cli.main()
    shown = capsys.readouterr()
    return end.value.code or 0, shown.out, shown.err


def test_why_answers_in_words_with_a_picture(short, monkeypatch, capsys):
    folder, run = short
    code, shown, _ = run_here(monkeypatch, capsys, folder, "why", run.uid[:8], 3, "--catalog", "cat")
    assert code == 0
    assert shown.startswith("Decision 3 chose (")
    picture = folder / "cat" / "reports" / f"{run.uid}-why-3.png"
    assert shown.splitlines()[-1] == f"picture: {picture}"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_why_answers_in_json(short, monkeypatch, capsys):
    folder, run = short
    arguments = ("why", "last", 2, "--catalog", "cat", "--output", "here.png", "--json")
    code, shown, _ = run_here(monkeypatch, capsys, folder, *arguments)
    answer = json.loads(shown.splitlines()[-1])
    assert code == 0
    assert (answer["run"], answer["decision"], answer["picture"]) == (run.uid, 2, "here.png")
    assert answer["outcome"]["objective"] == decisions(run).loc[2, "objective"]
    assert (folder / "here.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("why", "last", 4),
            "decision = 4 was refused: the limit is 0 to 3 in this run; give the number of a decision",
        ),
        (("why", "last", -1), "-1"),
        (("why", "zzzz", 1), "zzzz"),
        (("resume", "last"), "is complete (all 4 points measured); begin a new one"),
        (("resume", "zzzz"), "zzzz"),
        (("replay", "last", "--agent", "oracle"), "unknown agent 'oracle'"),
    ],
)
def test_mistakes_are_answered_in_a_line(short, monkeypatch, capsys, arguments, words):
    folder, _ = short
    code, _, shown = run_here(monkeypatch, capsys, folder, *arguments, "--catalog", "cat")
    assert code == 2
    assert words in " ".join(shown.replace("│", " ").split())


def test_what_lies_under_a_real_probe_has_to_be_said(tmp_path, monkeypatch, capsys):
    """A record cannot know it. A twin whose clock does not stand still counts as real."""

    def black_out(_, doc):
        if doc["data"].get("decision") == 2:
            raise OSError("the lights went out")

    with journalled(tmp_path / "cat", options={"seed": 5, "pace": 1e6}) as session:
        session.RE.subscribe(black_out, "event")
        with pytest.raises(OSError, match="lights"):
            session.RE(explore(session.instrument, **SMALL))
    content = instrument_spec("sim-pfm", {"seed": 5, "pace": 1e6}).model_dump(mode="json")
    content["metadata"]["sample"]["id"] = "B-7"
    (tmp_path / "afm.yml").write_text(yaml.safe_dump(content))
    for options, words in (
        ((), "only you know which sample and which probe are there now; name its instrument file with --instrument"),
        (("--instrument", "afm.yml"), "sample.id was 'simulated' and is 'B-7'; points of another sample cannot be"),
    ):
        code, _, shown = run_here(monkeypatch, capsys, tmp_path, "resume", "last", *options, "--catalog", "cat")
        assert code == 2
        assert words in " ".join(shown.split())
        assert "Traceback" not in shown


def test_another_agent_is_compared(short, monkeypatch, capsys):
    folder, _ = short
    arguments = ("replay", "last", "--agent", "random", "--catalog", "cat", "--json")
    code, shown, _ = run_here(monkeypatch, capsys, folder, *arguments)
    answer = json.loads(shown.splitlines()[-1])
    assert code == 0
    assert (answer["decisions"], answer["seeds"], answer["regret"]) == (4, 2, None)
    assert answer["agent"]["kind"] == "random"


def kill_after(process, journals: Path, outcomes: int) -> None:
    """Kill -9 when the journal holds so many outcomes; fail when the process ends before."""
    while process.poll() is None:
        found = [path.read_bytes() for path in journals.glob("*.journal")] if journals.is_dir() else []
        if found and found[0].count(b'"measure_s"') > 2 * outcomes:  # a value and a timestamp each, and the descriptor
            process.kill()
            process.communicate()
            return
    pytest.fail(f"ended before it was killed: {process.communicate()[1]}")


def same_experiment(found, expected):
    """Compare what was decided and what came of it, but for how fast the computer was and who decided."""
    columns = sorted(set(found.columns) & set(expected.columns) - {"suggest_s", "fit_s", "inherited"})
    own = found.index[~found["inherited"]]
    always = ["x", "y", "candidate", "mean", "objective", "best", "clock", "model_digest", "rng_digest", "status"]
    for rows, names in ((found.index, always), (own, columns)):
        for column in names:
            assert list(map(str, found.loc[rows, column])) == list(map(str, expected.loc[rows, column])), column


def undisturbed(root, **arguments):
    with journalled(root, options={"seed": SEED}) as session:
        (uid,) = session.RE(explore(session.instrument, points=POINTS, **arguments))
        return decisions(session.catalog[uid])


def test_a_killed_command_is_resumed_by_another(tmp_path):
    arguments = ["explore", "--points", POINTS, "--seed", SEED, "--catalog", "cat"]
    process = subprocess.Popen(
        [sys.executable, "-m", "probeline", *map(str, arguments)],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        kill_after(process, tmp_path / "cat" / "journal", KILLED_AFTER)
    finally:
        process.kill()
    summary = last_json(command("resume", "last", "--catalog", "cat", "--json", cwd=tmp_path))
    assert (summary["n_points"], summary["exit_status"], summary["state"]) == (POINTS, "success", "stored")
    with catalogs.open(tmp_path / "cat") as catalog:
        assert len(catalog) == 2
        killed, resumed = catalog[summary["parent"]], catalog[summary["uid"]]
    assert killed.stop["exit_status"] == "fail"
    measured = [number for run in (killed, resumed) for number in run.stream("primary")["decision"].values.tolist()]
    assert measured == list(range(POINTS))  # each point once
    same_experiment(decisions(resumed), undisturbed(tmp_path / "whole", agent_options={"seed": SEED}))


KILL_AT = """
import signal
def kill_at(name, doc):
    if doc["data"].get("decision") == 3 and "status" in doc["data"]:
        os.kill(os.getpid(), signal.SIGKILL)
RE.subscribe(kill_at, "event")
RE(explore(spm, points=8, seed_points=3, pixels=32, size_nm=1280.0, patch_nm=200.0))
"""


def test_a_killed_prompt_is_resumed_by_its_uid_alone(tmp_path):
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile" / "startup").symlink_to(PROFILE / "startup")
    environment = {**os.environ, "DISPLAY": ""}
    ipython = [sys.executable, "-m", "IPython", f"--profile-dir={tmp_path / 'profile'}", "--colors=NoColor", "-c"]
    process = subprocess.Popen(
        [*ipython, KILL_AT], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        shown, _ = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == -9, shown
    again = "uid = cat[-1].uid; (new,) = RE(resume(uid)); print('resumed', new)"
    answer = subprocess.run(
        [*ipython, again], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert "resumed " in answer.stdout, answer.stdout + answer.stderr
    with catalogs.open(tmp_path / "probeline-catalog") as catalog:
        resumed, killed = catalog[-1], catalog[-2]
    assert resumed.start["probeline"]["parent"] == killed.uid
    assert resumed.stop["exit_status"] == "success"
    arguments = {"seed_points": 3, "pixels": 32, "size_nm": 1280.0, "patch_nm": 200.0}
    with journalled(tmp_path / "whole") as session:
        (uid,) = session.RE(explore(session.instrument, points=POINTS, **arguments))
        same_experiment(decisions(resumed), decisions(session.catalog[uid]))
    spent = resumed.stream("baseline")["spm_ledger_spent_spectra"].values.tolist()
    assert spent == [0, 4]  # those of the twin that was opened for it
