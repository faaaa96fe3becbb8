"""Which code, on which computer, by whom: what a run needs to be repeated."""

from __future__ import annotations

import getpass
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..core.registry import Registry

# Everything that decides where is measured, or how the record looks.
DECIDING = (
    "numpy", "torch", "scipy", "scikit-learn", "scikit-image", "pydantic", "bluesky", "ophyd", "event-model", "h5py",
)  # fmt: skip


def code_version() -> dict[str, Any]:
    """Return the provenance of this process for a start document.

    Returns
    -------
    dict
        ``version`` of probeline; ``git`` (``{"hash", "dirty"}`` of the source tree, None outside of
        one); ``packages``, name to version; ``machine`` (``host``, ``platform``, ``python``);
        ``operator``, the login name, None without one.
    """
    return {
        "version": version("probeline"),
        "git": _git(Path(__file__).resolve().parent.parent),
        "packages": {name: found for name in DECIDING if (found := _version(name)) is not None},
        "machine": {"host": platform.node(), "platform": platform.platform(), "python": platform.python_version()},
        "operator": _operator(),
    }


def providers(*names: tuple[Registry, str]) -> dict[str, str]:
    """Return name and version of the packages that registered names come from, but for probeline itself.

    Parameters
    ----------
    *names : (Registry, str)
        A registry, and a name in it; one that is not registered comes from nowhere.
    """
    found = (registry.provider(name) for registry, name in names)
    return {package: version for package, version in filter(None, found) if package != "probeline"}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@cache  # the tree that was imported, not the one that somebody has checked out since
def _git(source: Path) -> dict[str, Any] | None:
    if not (source / ".git").exists():  # installed, perhaps below somebody else's repository
        return None
    try:
        head = _ask_git(source, "rev-parse", "HEAD")
        return {"hash": head.strip(), "dirty": bool(_ask_git(source, "status", "--porcelain", "-uno").strip())}
    except (OSError, subprocess.SubprocessError):
        return None


def _ask_git(source: Path, *command: str) -> str:
    done = subprocess.run(
        ["git", "--no-optional-locks", "-C", str(source), *command],
        capture_output=True, text=True, check=True, timeout=10,
    )  # fmt: skip
    return done.stdout


def _operator() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container without a user database
        return None
