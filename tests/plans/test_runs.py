"""A run from outside a prompt: its seeds, its summary, and what cannot take the summary away."""

from __future__ import annotations

import errno
import io
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from bluesky.utils import RunEngineInterrupted
from event_model import compose_run
from rich.console import Console

from probeline import catalog as catalogs
from probeline.catalog import Catalog, Run
from probeline.core.errors import CatalogError, DataError, InterruptedRun
from probeline.devices.factory import instrument_spec
from probeline.plans import runs
from probeline.plans.runs import explore_once, run_explore, summarize

SMALL = {"size_nm": 1280.0, "pixels": 16, "patch_nm": 250.0, "seed_points": 2, "points": 2, "register_every": 0}
RECORD = Path(__file__).parents[2] / "docs" / "reference" / "record.md"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Folder of a catalogue for all runs of this module."""
    return tmp_path_factory.mktemp("runs") / "catalog"


@pytest.fixture
def shown():
    """A console that keeps what it is told."""
    return Console(file=io.StringIO(), width=80)


def run_small(instrument, root, console, seed=None, **arguments):
    return run_explore(str(instrument), root, seed=seed, console=console, arguments={**SMALL, **arguments})


@pytest.fixture(scope="module")
def plain(root):
    """Summary of a run with nothing special about it."""
    return run_small("sim-pfm", root, Console(file=io.StringIO()))


def start_of(root, uid):
    with catalogs.open(root) as catalog:
        return catalog[uid].start["probeline"]


@pytest.mark.parametrize(("given", "world", "agent"), [(None, 7, 0), (0, 0, 0)])
def test_an_instrument_file_keeps_its_seed_unless_another_is_given(root, shown, tmp_path, given, world, agent):
    file = tmp_path / "twin.yml"
    content = instrument_spec("sim-pfm", {"seed": 7}).model_dump(mode="json")
    file.write_text(yaml.safe_dump(content))
    summary = run_small(file, root, shown, given)
    start = start_of(root, summary["uid"])
    assert start["instrument"]["options"]["seed"] == world
    assert start["agent"]["seed"] == agent


def test_what_has_no_seed_gets_zero(root, plain):
    start = start_of(root, plain["uid"])
    assert (start["instrument"]["options"]["seed"], start["agent"]["seed"]) == (0, 0)


def test_the_report_knows_that_tiled_has_the_run(plain):
    assert plain["state"] == "stored"
    words = re.sub(r"<[^>]*>|\s+", " ", Path(plain["report"]).read_text())
    assert re.search(r"state in the catalogue +stored", words)


def test_a_run_without_a_point_has_a_summary_and_a_report(root, shown):
    summary = run_small("sim-pfm", root, shown, seconds=1.0)
    assert (summary["n_points"], summary["n_failed"], summary["exit_status"]) == (0, 0, "success")
    best = {key: value for key, value in summary.items() if key.startswith("best_")}
    assert best == {"best_value": None, "best_x_nm": None, "best_y_nm": None}
    assert "No decision was made" in Path(summary["report"]).read_text()


def test_a_full_disk_costs_the_report_alone(root, shown, monkeypatch):
    def full(run, path, *, reference):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(runs, "report", full)
    summary = run_small("sim-pfm", root, shown)
    assert summary["report"] is None
    assert summary["n_points"] == 2
    lines = [line for line in shown.file.getvalue().splitlines() if line.startswith("warning: ")]
    assert len(lines) == 1
    assert re.search(rf"its report .*{summary['uid']}\.html cannot be written: .*No space left on device", lines[0])


def test_a_tiled_that_does_not_follow_costs_nothing(root, shown, monkeypatch):
    def stuck(self, timeout=60.0):
        raise CatalogError("Tiled did not take everything within 60 s")

    monkeypatch.setattr(Catalog, "flush", stuck)
    summary = run_small("sim-pfm", root, shown)
    assert Path(summary["report"]).exists()
    assert "warning: Tiled did not take everything within 60 s" in shown.file.getvalue()


def test_an_interruption_before_the_run_says_so(shown):
    class Engine:
        state = "idle"

        def __call__(self, plan):
            raise RunEngineInterrupted

        def subscribe(self, *arguments):
            return 0

        def unsubscribe(self, token):
            pass

    session = SimpleNamespace(RE=Engine(), instrument=SimpleNamespace(name="spm"))
    with pytest.raises(InterruptedRun, match="before the run began: nothing was measured"):
        explore_once(session, seed=0, console=shown, arguments={})


def test_a_run_of_another_plan_has_no_summary():
    run = Run.from_documents([("start", compose_run(metadata={"plan_name": "count"}).start_doc)])
    with pytest.raises(DataError, match=r"\(count\) is not a run of explore"):
        summarize(run, "c")


def test_the_key_of_a_server_is_not_in_the_summary(root, plain):
    with catalogs.open(root) as catalog:
        run = catalog[plain["uid"]]
        assert summarize(run, "https://host/?api_key=secret")["catalog"] == "https://host/"
        assert summarize(run, root)["catalog"] == plain["catalog"] == str(root)


def test_the_page_of_the_record_lists_what_the_start_block_holds(root, plain):
    start = start_of(root, plain["uid"])
    table = RECORD.read_text().partition("`probeline` holds, all JSON:")[2].partition("`keys` maps")[0]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| `")]
    listed = {name for row in rows for name in re.findall(r"`(\w+)`", row[1])} | {"driver"}  # beside the instrument
    assert listed == set(start)
