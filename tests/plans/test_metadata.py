"""What start documents say, and that a run which does not say it never begins."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path

import bluesky.plans as bp
import pytest
from jsonschema import Draft202012Validator

from probeline.catalog.provenance import code_version, providers
from probeline.core.errors import DataError, SpecError
from probeline.core.registry import AGENTS, SCALARIZERS
from probeline.plans.explore import explore
from probeline.plans.metadata import instrument_metadata
from probeline.plans.start_document import check_start, schema_of

from .explorations import journalled

SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "start-document.json"
SMALL = {"points": 1, "seed_points": 1}
BLOCK = {
    "schema", "version", "git", "packages", "machine", "operator", "instrument", "driver", "goal", "objective", "agent",
    "candidates", "budget", "stop", "seeds", "lookahead", "batch", "survey", "tracking", "keys", "clock", "parent",
}  # fmt: skip


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    with journalled(tmp_path_factory.mktemp("metadata") / "catalog", options={"seed": 3}) as session:
        yield session


@pytest.fixture(scope="module")
def start(session):
    """Start document of an exploration."""
    (uid,) = session.RE(explore(session.instrument, size_nm=640.0, pixels=16, **SMALL))
    return session.catalog[uid].start


def without(document, path):
    """Return a copy that lacks one key, given as ``"a.b.c"``."""
    found = copy.deepcopy(document)
    *parents, last = path.split(".")
    place = found
    for name in parents:
        place = place[name]
    del place[last]
    return found


def test_an_exploration_says_who_measured_what_with_what(start):
    check_start(start)
    about = start["probeline"]
    assert set(about) == BLOCK
    assert about["seeds"] == {"agent": 0, "world": 3}
    assert about["machine"].keys() == {"host", "platform", "python"}
    assert about["packages"].keys() >= {"numpy", "torch", "scipy", "bluesky", "ophyd", "event-model"}
    assert about["objective"].keys() == {"name", "version", "options", "unit"}
    assert about["instrument"]["envelope"]["limits"]["bias"] == [-10.0, 10.0]
    assert about["git"] is None or about["git"].keys() == {"hash", "dirty"}
    assert start["sample"].keys() >= {"id", "material", "mount"}
    assert start["probe"].keys() >= {"id", "model", "k_N_per_m", "f0_Hz", "Q", "invols_nm_per_V", "invols_date"}
    assert start["probe"]["invols_nm_per_V"] is None  # known to be unknown
    assert start["column"] is None
    assert (start["bias_convention"], start["environment"]["gas"]) == ("tip", "air")


@pytest.mark.parametrize("data", ["stem-eds-particles", "beacon-dkl", "beps-pto-50x50"])
def test_what_measured_data_do_not_say_is_null(tmp_path, data):
    try:
        with journalled(tmp_path / "catalog", f"replay:{data}") as session:
            found = instrument_metadata(session.instrument)
            (uid,) = session.RE(bp.count([session.instrument.clock]))
            assert session.catalog[uid].start["sample"] == found["sample"]
    except DataError as absent:
        pytest.skip(str(absent))
    assert found["environment"] == {"gas": None, "temperature_K": None}
    assert found["bias_convention"] is None
    assert found["sample"]["id"]
    assert found["sample"]["mount"] is None
    if data.startswith("stem"):
        assert found["probe"] is None
        assert found["column"]["high_tension_V"] == 2e5
        assert found["column"]["camera_length_mm"] is None
    else:
        assert found["column"] is None
        assert set(found["probe"].values()) == {None}


@pytest.mark.parametrize(
    "path",
    [
        *(f"probeline.{name}" for name in sorted(BLOCK)), "probeline", "sample", "probe", "column", "bias_convention",
        "environment", "plan_args", "sample.mount", "probe.invols_date", "environment.gas", "probeline.agent.seed",
        "probeline.instrument.envelope", "probeline.git.dirty", "probeline.budget.seconds", "probeline.machine.host",
    ],
)  # fmt: skip
def test_a_missing_key_is_named(start, path):
    document = {**start, "probeline": {**start["probeline"], "git": {"hash": "0" * 40, "dirty": True}}}
    check_start(document)
    with pytest.raises(SpecError, match=rf"{path} is missing|{path.rpartition('.')[0]}: "):
        check_start(without(document, path))


def test_a_run_that_says_too_little_never_begins(session):
    runs, RE = len(session.catalog), session.RE
    with pytest.raises(SpecError, match=r"environment\.gas is missing; where nobody knows it, write null"):
        RE(explore(session.instrument, **SMALL), environment={"temperature_K": 77.0})
    with pytest.raises(SpecError, match="sample: 'film 3' is not of type 'object'"):
        RE(explore(session.instrument, **SMALL, md={"sample": "film 3"}))
    with pytest.raises(SpecError, match="md may not hold the key 'plan_name'"):
        RE(explore(session.instrument, **SMALL, md={"plan_name": "my own"}))
    with pytest.raises(SpecError, match=r"probeline\.schema is missing"):
        RE(bp.count([session.instrument.clock]), probeline={})
    assert len(session.catalog) == runs
    assert session.instrument.z.readback.get() == pytest.approx(2000)  # withdrawn


def test_other_plans_say_what_applies_to_them(session):
    spm = session.instrument
    spm.scan.frame.set({"width": 300.0, "height": 300.0, "pixels": 8, "lines": 8})
    for plan, sample in ((bp.count([spm.clock]), "film 3"), (bp.scan([spm.clock], spm.probe.x, 0, 9, 2), {"id": "F3"})):
        (uid,) = session.RE(plan, sample=sample)
        start = session.catalog[uid].start
        assert start["sample"] == sample
        assert start["probeline"].keys() == {
            "schema", "version", "git", "packages", "machine", "operator", "instrument", "driver",
        }  # fmt: skip


def test_a_sample_that_is_named_for_one_run_keeps_all_keys(session):
    plan = explore(session.instrument, **SMALL, size_nm=640.0, pixels=16, md={"sample": {"id": "F3"}, "shift": "night"})
    (uid,) = session.RE(plan)
    start = session.catalog[uid].start
    assert start["sample"] == {"id": "F3", "material": None, "mount": None}
    assert start["shift"] == "night"


def test_the_published_schema_is_the_one_that_is_used(start):
    published = json.loads(SCHEMA.read_text())
    assert published == schema_of("explore"), f"write {SCHEMA.name} again: json.dumps(schema_of('explore'), indent=2)"
    Draft202012Validator.check_schema(published)
    Draft202012Validator(published).validate(start)


def test_the_hash_is_that_of_the_source_tree():
    source = Path(__file__).parents[2]
    if not (source / ".git").exists():
        pytest.skip("no source tree")
    found = code_version()["git"]
    assert found["dirty"] in (True, False)
    # That of the moment of the first run; somebody may have committed since.
    subprocess.run(["git", "-C", source, "merge-base", "--is-ancestor", found["hash"], "HEAD"], check=True)


def test_packages_that_bring_agents_are_named(tmp_path, monkeypatch):
    folder = tmp_path / "oracle-1.2.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: oracle\nVersion: 1.2\n")
    (folder / "entry_points.txt").write_text("[probeline.agents]\nsibyl = oracle:Sibyl\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    assert providers((AGENTS, "sibyl"), (AGENTS, "gp"), (SCALARIZERS, "unheard of")) == {"oracle": "1.2"}
