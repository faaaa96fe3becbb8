"""What is exported and what is refused; the same from the journal and from Tiled; whole files, nothing copied twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from importlib import import_module

import h5py
import numpy as np
import pandas as pd
import pytest
from event_model import compose_run
from typer.testing import CliRunner

from probeline import __main__ as cli
from probeline.catalog import Run, decisions
from probeline.catalog.export import FORMATS, export, gwy
from probeline.catalog.export.about import about, in_si
from probeline.catalog.export.content import PARTS, Content
from probeline.catalog.surveying import survey_image
from probeline.core.errors import DataError, RefusedError, UnknownNameError
from probeline.plans.explore import explore
from probeline.plans.session import open_session

from .recorded import LOOP, frame_run, images, whole_run


@pytest.fixture(scope="module")
def explored(tmp_path_factory):
    """A catalogue with one small exploration of the twin, and that run from the journal and from Tiled."""
    root = tmp_path_factory.mktemp("explored") / "catalog"
    with open_session("sim-pfm", root, {"seed": 3}) as session:
        small = {"points": 3, "size_nm": 1280.0, "pixels": 16, "patch_nm": 250.0, "seed_points": 3}
        session.RE(explore(session.instrument, register_every=0, **small))
        session.catalog.flush()
        yield root, session.catalog[-1], session.catalog.client[-1]


def arrays(path):
    """Every array of an HDF5 file by its place."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return {
        name: value for name, value in found.items() if not name.endswith(("start_document", "start_document/data"))
    }


@pytest.mark.parametrize("suffix", [".nxs", ".h5", ".hspy"])
def test_journal_and_tiled_give_the_same_numbers(explored, tmp_path, suffix):
    _, ours, theirs = explored
    one, other = (arrays(export(run, tmp_path / f"{name}{suffix}")) for name, run in (("a", ours), ("b", theirs)))
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


def test_a_real_run_is_exported_as_recorded(explored, tmp_path):
    _, run, _ = explored
    survey = survey_image(run)
    table = pd.read_parquet(export(run, tmp_path / "s.parquet", what="survey"))
    for index, name in enumerate(survey.channels):
        np.testing.assert_array_equal(table[name], survey.images[index].ravel())
    np.testing.assert_array_equal(table["y"], survey.y.ravel())
    with h5py.File(export(run, tmp_path / "a.hspy")) as file:
        recorded = run.stream("primary")["spm_spectrometer_spectrum"].values
        np.testing.assert_array_equal(file["Experiments/switching_loop y/data"], recorded[:, 1])
        np.testing.assert_array_equal(file["Experiments/decisions/data"], decisions(run)["objective"])
        origin = file["Experiments/decisions/original_metadata"]
        assert origin["run"].attrs["uid"] == run.uid
        assert origin["spectrometer"].attrs["phase_offset_deg"] == pytest.approx(
            run.configuration("primary")["spm_spectrometer_phase_offset_deg"]
        )


def test_the_command_writes_and_refuses(explored, tmp_path):
    root, run, _ = explored
    target = tmp_path / "new" / "a.gwy"

    def command(*arguments):
        return CliRunner().invoke(cli.app, ["export", *map(str, arguments), "--catalog", str(root), "--json"])

    answer = command(run.uid[:8], target)
    assert json.loads(answer.stdout) == {"uid": run.uid, "file": str(target), "bytes": target.stat().st_size}
    assert isinstance(command("last", target).exception, RefusedError)
    assert command("last", target, "--force", "--what", "survey").exit_code == 0
    assert isinstance(command("last", tmp_path / "a.xyz").exception, UnknownNameError)


@pytest.mark.system
def test_a_mistake_is_one_line(explored, tmp_path):
    root, _, _ = explored
    arguments = [sys.executable, "-m", "probeline", "export", "last", "a.sxm", "--catalog", str(root)]
    answer = subprocess.run(arguments, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert answer.stderr.strip() == (
        "error: unknown export format '.sxm'. Known: .csv, .gwy, .h5, .hspy, .nxs, .parquet. "
        "It is taken from the file's suffix."
    )


def test_an_existing_file_stays(runs, tmp_path):
    target = tmp_path / "a.csv"
    target.write_text("mine")
    with pytest.raises(RefusedError, match=r"a\.csv exists and was not replaced.*--force"):
        export(runs["loops"], target)
    assert target.read_text() == "mine"


def test_a_failure_leaves_nothing_and_replaces_nothing(runs, tmp_path, monkeypatch):
    target = tmp_path / "a.gwy"
    target.write_text("mine")

    def fail(content, path):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gwy, "write", fail)
    with pytest.raises(OSError, match="No space left"):
        export(runs["loops"], target, force=True)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.gwy", "mine")]


@pytest.mark.parametrize(
    ("name", "what", "words"),
    [
        (
            "a.gwy",
            "spectra",
            r"a\.gwy: a Gwyddion file holds no spectra; these do: \.csv, \.h5, \.hspy, \.nxs, \.parquet",
        ),
        ("a.csv", "all", r"a\.csv: a CSV file holds one table; ask for one of survey, spectra, decisions"),
        ("a.nxs", "image", r"unknown part of a run 'image'.*Known: all, decisions, spectra, survey"),
        ("a", None, r"unknown export format 'a'"),
    ],
)
def test_what_a_format_cannot_do_is_said(runs, tmp_path, name, what, words):
    with pytest.raises(RefusedError, match=words):
        export(runs["loops"], tmp_path / name, what=what)
    assert list(tmp_path.iterdir()) == []


def test_what_a_run_lacks_is_said(runs, tmp_path):
    with pytest.raises(DataError, match=r"\(explore\) holds no spectra to export"):
        export(runs["frame_0_up"], tmp_path / "a.nxs", what="spectra")
    count = Run.from_documents([("start", compose_run(metadata={"plan_name": "count"}).start_doc)])
    with pytest.raises(DataError, match=r"\(count\) holds no survey and no spectra and no decisions"):
        export(count, tmp_path / "a.nxs")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_part_alone_is_that_part(runs, tmp_path, suffix):
    for what in FORMATS[suffix].holds:
        assert export(runs["loops"], tmp_path / f"{what}{suffix}", what=what).stat().st_size > 0


def test_other_settings_make_another_group(tmp_path):
    content = Content(whole_run(LOOP, reconfigured=True), PARTS, strict=True)
    found = [(group.name, group.decision, group.settings["step_time"]) for group in content.spectra]
    assert found == [("switching_loop", [0, 1], 4.0), ("switching_loop_2", [2], 8.0)]
    with h5py.File(export(content.run, tmp_path / "a.nxs")) as file:
        assert file["entry/switching_loop_2/decision"][()].tolist() == [2]


def test_units_become_si_where_they_are_known():
    assert in_si("pm V") == (pytest.approx(1e-12), "m V")
    assert in_si("nm^2") == (pytest.approx(1e-18), "m^2")
    assert in_si("deg") == (pytest.approx(np.pi / 180), "rad")
    assert (in_si(""), in_si("furlong"), in_si("counts")) == ((1.0, ""), (1.0, "furlong"), (1.0, "counts"))


def test_an_open_run_of_any_plan_can_be_described():
    run = Run.from_documents([("start", compose_run(metadata={"plan_name": "count", "note": "mine"}).start_doc)])
    found = about(run)
    assert (found["run"]["exit_status"], found["run"]["ended"], found["origin"]) == ("open", "", {"note": "mine"})


@pytest.mark.parametrize("suffix", [".gwy", ".h5", ".hspy", ".nxs"])
def test_writing_copies_at_most_a_channel(tmp_path, suffix):
    large = np.tile(images(0.0, "up"), (1, 60, 40))
    content = Content(frame_run(0.0, "up", large), ("survey",), strict=True)
    module = import_module(f"probeline.catalog.export.{FORMATS[suffix].module}")
    module.write(content, tmp_path / "warm")
    tracemalloc.start()
    try:
        module.write(content, tmp_path / "file")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * large[0].nbytes
