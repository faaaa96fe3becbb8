"""The IPython profile and what the queue server makes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system
PROFILE = Path(__file__).resolve().parent.parent / "profile_collection"


def _ipython(tmp_path, code, **env):
    return subprocess.run(
        [sys.executable, "-m", "IPython", f"--profile-dir={tmp_path / 'profile'}", "--colors=NoColor", "-c", code],
        cwd=tmp_path, env={**os.environ, "DISPLAY": "", **env},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.fixture
def profile(tmp_path):
    """Return a folder with a copy of the profile: IPython writes its history beside the startup folder."""
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile" / "startup").symlink_to(PROFILE / "startup")
    return tmp_path


def test_the_prompt_has_everything_and_runs_headless(profile):
    code = (
        "uids = RE(explore(spm, points=3, seed_points=3, pixels=32, size_nm=1200));"
        "RE(prepare(spm)); RE(count([spm.spectrometer]));"
        "print('measured', len(decisions(cat[uids[0]])));"
        "get_ipython().run_line_magic('wa', '')"
    )
    answer = _ipython(profile, code)
    assert "measured 3" in answer.stdout, answer.stdout + answer.stderr
    assert "Traceback" not in answer.stdout + answer.stderr
    assert "probeline: RE, spm (sim-pfm)" in answer.stdout
    assert "spm_probe_x" in answer.stdout
    assert "Error" not in answer.stdout


def test_the_instrument_is_chosen_by_the_environment(profile):
    answer = _ipython(profile, "print(stem.name)", PROBELINE_INSTRUMENT="replay:stem-eds-particles")
    if "was not found" in answer.stdout + answer.stderr:
        pytest.skip("stem-eds-particles is not here")
    assert "probeline: RE, stem (replay:stem-eds-particles)" in answer.stdout


def test_an_unknown_instrument_is_answered_in_a_line(profile):
    answer = _ipython(profile, "", PROBELINE_INSTRUMENT="sim-pmf")
    assert answer.returncode == 1
    shown = answer.stdout + answer.stderr
    assert "unknown instrument 'sim-pmf'" in shown
    assert "Did you mean 'sim-pfm'" in shown
    assert "Traceback" not in shown


def test_the_queue_server_finds_plans_and_devices(tmp_path):
    answer = subprocess.run(
        ["qserver-list-plans-devices", "--startup-dir", PROFILE / "startup", "--file-dir", tmp_path],
        cwd=tmp_path, env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    listed = (tmp_path / "existing_plans_and_devices.yaml").read_text()
    for name in ("explore:", "resume:", "count:", "grid_scan:", "spm:"):
        assert f"\n  {name}" in listed
