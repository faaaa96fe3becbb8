"""Exports of runs with known content, and what the readers of other communities find in them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from probeline.catalog.export import export

from .recorded import EDS, LOOP, ORIENTATIONS, frame_name, frame_run, whole_run


@pytest.fixture(scope="session")
def runs():
    """The runs by name."""
    found = {frame_name(angle, slow): frame_run(angle, slow) for angle, slow in ORIENTATIONS}
    return {**found, "loops": whole_run(LOOP), "eds": whole_run(EDS)}


@pytest.fixture(scope="session")
def folder(runs, tmp_path_factory):
    """Folder with all runs in all formats that hold everything."""
    root = tmp_path_factory.mktemp("exports")
    for name, run in runs.items():
        for suffix in (".gwy", ".h5", ".hspy", ".nxs"):
            export(run, root / f"{name}{suffix}")
    return root


@pytest.fixture(scope="session")
def read_by(folder):
    """Return ``read_by(package)``: what that package's reader found in each file, read in a process of its own."""
    answers = {}

    def read(package):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed; pip install '.[test]'")
        if package not in answers:
            script = Path(__file__).with_name(f"reader_{package.lower()}.py")
            done = subprocess.run([sys.executable, script, folder], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            answers[package] = json.loads(done.stdout.splitlines()[-1])
        return answers[package]

    return read
