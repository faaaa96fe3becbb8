"""The command line on catalogues that are servers, lost, damaged, or hold a run without a point."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from probeline import __main__ as cli
from probeline import catalog as catalogs
from probeline.catalog import ReplayReport
from probeline.commands import runs as reading

from .test_cli import KEYS, command, last_json

SERVER = """
import pathlib, socket, sys, uvicorn
from probeline.catalog.tiled.serving import make_app
app = make_app(pathlib.Path(sys.argv[1]) / "tiled", [pathlib.Path(sys.argv[2])], "secret")
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user's data folder."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def server(tmp_path, home):
    """Address of a Tiled server in a process of its own."""
    arguments = [sys.executable, "-c", SERVER, str(tmp_path / "served"), str(home)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/?api_key=secret"
        finally:
            process.kill()


@pytest.fixture(scope="module")
def pointless(tmp_path_factory):
    """Folder and JSON answer of an exploration whose time was spent with the survey."""
    folder = tmp_path_factory.mktemp("pointless")
    return folder, last_json(command("explore", "--seconds", 1, "--catalog", "cat", "--json", cwd=folder))


@pytest.fixture
def copied(pointless, tmp_path):
    """Folder that holds a copy of that catalogue."""
    shutil.copytree(pointless[0] / "cat", tmp_path / "cat")
    return tmp_path


def one_line(answer, code):
    """Return the only line that an unsuccessful command wrote beside its progress."""
    assert answer.returncode == code
    assert "Traceback" not in answer.stderr
    (line,) = [line for line in answer.stderr.splitlines() if line.startswith("error: ")]
    assert answer.stderr.rstrip().endswith(line)
    return line


@pytest.mark.system
def test_a_server_is_a_catalogue(server, home, tmp_path):
    (tmp_path / "here").mkdir()
    at = ("--catalog", server, "--json")
    answer = command("explore", "--points", 2, *at, cwd=tmp_path / "here")
    summary = last_json(answer)
    assert "secret" not in answer.stdout + answer.stderr
    assert summary["state"] == "stored"
    (listed,) = last_json(command("runs", *at, cwd=tmp_path))["runs"]
    assert (listed["uid"], listed["state"]) == (summary["uid"], "stored")
    assert last_json(command("show", "last", *at, cwd=tmp_path))["best_value"] == summary["best_value"]
    with catalogs.open(server) as store:
        assert set(store.client) == {summary["uid"]}
        assert store.root.is_relative_to(home)
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.system
@pytest.mark.parametrize("arguments", [("explore", "--points", 2), ("runs",), ("show", "last")])
def test_a_server_that_is_not_there_is_one_line(home, tmp_path, arguments):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
    answer = command(*arguments, "--catalog", f"{address}?api_key=secret", cwd=tmp_path)
    line = one_line(answer, 1)
    assert answer.stderr.strip() == line
    assert f"the Tiled server at {address} does not answer" in line
    assert "secret" not in line


@pytest.mark.system
def test_a_run_without_a_point_is_a_success_and_can_be_read(pointless):
    folder, summary = pointless
    assert summary.keys() >= KEYS
    assert (summary["n_points"], summary["best_value"], summary["exit_status"]) == (0, None, "success")
    shown = last_json(command("show", "last", "--catalog", "cat", "--json", cwd=folder))
    assert shown == {key: value for key, value in summary.items() if key != "report"}
    assert "report" in last_json(command("report", "last", "--catalog", "cat", "--json", cwd=folder))


@pytest.mark.system
def test_a_damaged_journal_is_listed_and_does_not_hide_the_others(copied, pointless):
    (whole,) = (copied / "cat" / "journal").glob("*.journal")
    content = whole.read_bytes()
    (whole.parent / "00000000001500-damaged-uid.journal").write_bytes(b"?" + content[1:])
    good, bad = last_json(command("runs", "--catalog", "cat", "--json", cwd=copied))["runs"]
    assert good["uid"] == pointless[1]["uid"]
    assert (bad["uid"], bad["time"]) == ("damaged-uid", 1.5)
    assert bad["state"].startswith("damaged: ")
    assert "damaged" in command("runs", "--catalog", "cat", cwd=copied, env={"COLUMNS": "200"}).stdout


@pytest.mark.system
def test_a_broken_tiled_folder_says_what_to_do_and_that_helps(copied, pointless):
    (copied / "cat" / "tiled" / "catalog.db").write_bytes(b"no database" * 1000)
    explore = ("explore", "--seconds", 1, "--catalog", "cat", "--json")
    line = one_line(command(*explore, cwd=copied), 1)
    assert "move this folder away, and it is made again from the journals" in line
    assert "SELECT" not in line
    (copied / "cat" / "tiled").rename(copied / "away")
    summary = last_json(command(*explore, cwd=copied))
    with catalogs.open(copied / "cat") as store:
        assert set(store.client) == {summary["uid"], pointless[1]["uid"]}
        assert {info.state for info in store.runs()} == {"stored"}


@pytest.mark.parametrize(
    ("outcome", "words", "code"),
    [
        (ReplayReport(3, 3, 3, None), "same points, and the same bits", 0),
        (
            ReplayReport(3, 3, 1, None),
            "same points; model state differs in the last bits: another processor, or other versions",
            0,
        ),
        (ReplayReport(3, 2, 2, {"decision": 2}), "decision 2 differs; those before it suggest the same points", 3),
    ],
)
def test_a_replay_says_in_words_what_came_of_it(monkeypatch, outcome, words, code):
    monkeypatch.setattr(reading, "existing", lambda catalog: contextlib.nullcontext({"aa": SimpleNamespace()}))
    monkeypatch.setattr(catalogs, "replay", lambda run: outcome)
    answer = CliRunner().invoke(cli.app, ["replay", "aa"])
    assert answer.exit_code == code
    assert words in answer.stdout
    answer = CliRunner().invoke(cli.app, ["replay", "aa", "--json"])
    assert json.loads(answer.stdout.splitlines()[-1])["bitwise"] == outcome.bitwise


def test_the_help_says_what_the_seed_is_of():
    shown = " ".join(CliRunner().invoke(cli.app, ["explore", "--help"], env={"COLUMNS": "200"}).stdout.split())
    assert "over that of an instrument file" in shown.replace("│ ", "")
