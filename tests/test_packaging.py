"""The distribution: what is in it, and that it works where nothing else is."""

from __future__ import annotations

import ast
import configparser
import importlib.metadata
import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOT_PACKAGED = {"tests", "benchmarks", "docs", "profile_collection", "build", "dist"}


def _setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def _packages() -> set[str]:
    return set(_setup()["options"]["packages"].split())


def test_packages_are_the_folders():
    """The hand-written list names every folder with an __init__.py, and no other."""
    found = {"probeline"}
    for init in ROOT.rglob("__init__.py"):
        folder = init.parent.relative_to(ROOT)
        if folder.parts and folder.parts[0] not in NOT_PACKAGED and not folder.parts[0].startswith("."):
            found.add(".".join(("probeline", *folder.parts)))
    assert _packages() == found


def test_the_root_holds_no_code():
    assert {path.name for path in ROOT.glob("*.py")} == {"__init__.py", "__main__.py"}


def test_torch_is_the_pinned_cpu_build():
    """No other package replaced the torch that constraints.txt names."""
    assert importlib.metadata.version("torch").split("+")[0] == "2.13.0"
    assert "torch==2.13.0" in (ROOT / "constraints.txt").read_text().split()
    installed = {dist.metadata["Name"].lower() for dist in importlib.metadata.distributions()}
    assert not {name for name in installed if name.startswith("nvidia-")}


def test_every_import_is_a_declared_dependency():
    """What the package imports, outside the standard library and itself, stands in install_requires."""
    imported = set()
    for package in _packages():
        folder = ROOT.joinpath(*package.split(".")[1:])
        for path in folder.glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    imported |= {name.name.split(".")[0] for name in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    imported.add((node.module or "").split(".")[0])
    found = importlib.metadata.packages_distributions()
    foreign = imported - sys.stdlib_module_names - {"probeline"}
    distributions = {name: {_plain(dist) for dist in found.get(name, [])} for name in foreign}
    required = {
        _plain(re.split(r"[\[<>=!~ ]", line)[0]) for line in _setup()["options"]["install_requires"].split("\n")
    }
    assert {name for name, dists in distributions.items() if not dists & required} == set()


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.system
def test_wheel_runs_in_an_empty_environment(tmp_path):
    """Build the wheel, install it alone, run the command from an empty folder."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path / "dist", ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
        names = set(archive.namelist())
    assert {top.split("-")[0] for top in tops} == {"probeline"}
    assert "probeline/py.typed" in names
    assert not any(name.startswith(("probeline/tests", "probeline/benchmarks")) for name in names)

    # The dependencies are those of this environment: the wheel alone is what is tested.
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    site = next((tmp_path / "env" / "lib").glob("python*")) / "site-packages"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps", wheel]
    subprocess.run(pip, check=True, capture_output=True)
    here = [path for path in sys.path if path.endswith("site-packages")]
    (site / "dependencies.pth").write_text("\n".join(here) + "\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    answer = subprocess.run(
        [python.with_name("probeline"), "instruments", "--json"],
        cwd=empty, env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "sim-pfm" in answer.stdout
    where = subprocess.run(
        [python, "-c", "import probeline; print(probeline.__file__)"],
        cwd=empty, env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert str(site) in where.stdout
