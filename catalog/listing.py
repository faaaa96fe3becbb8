"""What runs there are, from the first and the last record of each journal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from ..core.errors import DataError
from .documents import unpacked
from .journal import JournalTail, last_record
from .writing import write_whole

SUFFIX = ".journal"


@dataclass(frozen=True)
class RunInfo:
    """One line of a list of runs.

    Attributes
    ----------
    uid : str
        Unique identifier of the run; empty where a damaged journal does not have it in its name either.
    time : float
        When it began (s, Unix).
    plan_name : str
        Which plan it was; empty when unknown, as are the next four.
    instrument, goal, agent, objective : str
        Names, from the metadata that :func:`~probeline.plans.explore` writes.
    exit_status : str
        ``"success"``, ``"abort"``, ``"fail"``, or ``"open"`` without a stop document; empty when unknown.
    n_points : int
        Events of the stream ``primary``.
    state : str
        ``"stored"``: Tiled has it. ``"pending"``: not yet, only the journal has it.
        ``"rejected: <reason>"``: Tiled would not take it, only the journal has it.
        ``"damaged: <reason>"``: its journal cannot be read, and Tiled may have it or not.
    """

    uid: str
    time: float
    plan_name: str
    instrument: str
    goal: str
    agent: str
    objective: str
    exit_status: str
    n_points: int
    state: str


def journal_path(folder: Path, start: dict[str, Any]) -> Path:
    """Return the journal of the run with this start document; names sort by time."""
    return folder / f"{int(start['time'] * 1000):014d}-{start['uid']}{SUFFIX}"


def journal_files(folder: Path) -> list[Path]:
    """Return all journals, newest first."""
    return sorted(folder.glob(f"*{SUFFIX}"), reverse=True)


def uid_of(path: Path) -> str:
    """Return the uid of the run whose journal this is."""
    return path.name.removesuffix(SUFFIX).partition("-")[2]


def list_runs(folder: Path) -> Iterator[RunInfo]:
    """Yield a line per run, newest first; a journal that holds no start yet is left out.

    A journal that is damaged where it had to be read gives a line with what its name says.
    """
    for path in journal_files(folder):
        try:
            for name, start in islice(JournalTail(path).read(), 1):
                if name == "start":
                    yield _info(path, start)
        except DataError as error:
            yield _damaged(path, error)


def _damaged(path: Path, error: DataError) -> RunInfo:
    moment = path.name.partition("-")[0]
    return RunInfo(
        uid=uid_of(path),
        time=int(moment) / 1000 if moment.isdecimal() else path.stat().st_mtime,
        plan_name="",
        instrument="",
        goal="",
        agent="",
        objective="",
        exit_status="",
        n_points=0,
        state=f"damaged: {error}",
    )


def _info(path: Path, start: dict[str, Any]) -> RunInfo:
    ours = start.get("probeline") or {}
    last = last_record(path)
    stop = last[1] if last and last[0] == "stop" else None
    count = _primary_events(path) if stop is None else (stop.get("num_events") or {}).get("primary", 0)
    return RunInfo(
        uid=start["uid"],
        time=start["time"],
        plan_name=start.get("plan_name", ""),
        instrument=_name(ours.get("instrument"), "backend"),
        goal=ours.get("goal") or "",
        agent=_name(ours.get("agent"), "kind"),
        objective=_name(ours.get("objective"), "name"),
        exit_status="open" if stop is None else stop.get("exit_status", ""),
        n_points=count,
        state=read_state(path),
    )


def _name(block: Any, key: str) -> str:
    return str(block.get(key, "")) if isinstance(block, dict) else ""


def _primary_events(path: Path) -> int:
    descriptors, seen = set(), set()
    for name, doc in unpacked(JournalTail(path).read()):
        if name == "descriptor" and doc["name"] == "primary":
            descriptors.add(doc["uid"])
        elif name == "event" and doc["descriptor"] in descriptors:
            seen.add(doc["seq_num"])
    return len(seen)


def _state_file(path: Path) -> Path:
    return path.with_suffix(".state")


def read_state(path: Path) -> str:
    """Return whether Tiled has the run of this journal; see :class:`RunInfo`."""
    try:
        return str(orjson.loads(_state_file(path).read_bytes())["state"])
    except (OSError, ValueError, KeyError):
        return "pending"


def without_state(folder: Path) -> list[Path]:
    """Return the journals of which Tiled has neither taken nor refused anything, oldest first."""
    known = {path.stem for path in folder.glob("*.state")}
    return [path for path in sorted(folder.glob(f"*{SUFFIX}")) if path.stem not in known]


def write_state(path: Path, state: str) -> None:
    """Write down whether Tiled has the run."""
    write_whole(_state_file(path), orjson.dumps({"state": state}))


def forget_state(path: Path) -> None:
    """Take back what was written down of the run: it is pending again."""
    _state_file(path).unlink(missing_ok=True)
