"""Every command of the README runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.system
def test_readme_commands_run(tmp_path):
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    commands = [line for block in _blocks("sh") for line in block.splitlines() if line.strip()]
    assert len(commands) >= 8
    for line in commands:
        if line.startswith("make "):  # this runs inside `make test`; what the target would do must parse
            line = line.replace("make ", "make --dry-run --always-make ")  # noqa: PLW2901
            subprocess.run(line.split(), cwd=ROOT, env=env, check=True, capture_output=True)
            continue
        answer = subprocess.run(
            line.split(), cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300, check=False
        )
        assert answer.returncode == 0, f"{line}\n{answer.stderr}"
    (code,) = [block for block in _blocks("python") if "catalog.open" in block]
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert "identical=20" in answer.stdout


@pytest.mark.system
def test_the_demo_that_make_demo_runs(tmp_path):
    """The recipe of `make demo`, with a smaller budget."""
    (recipe,) = re.findall(r"^\t\$\(BIN\)/probeline (demo.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    arguments = [*recipe.split(), "--points", "12", "--pairs", "2", "--json"]
    answer = subprocess.run(
        [sys.executable, "-m", "probeline", *arguments],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert "95 % interval" in answer.stderr
    assert "first image:" in answer.stderr


def test_readme_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
