"""What runs there are, from the first and the last record of each journal."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from ..core.errors import CatalogError, DataError
from .documents import unpacked
from .journal.reading import JournalTail, last_record
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
    sample : str
        ``id`` of the sample, or its name where the metadata has only that; empty when unknown.
    scan_id : int or None
        Number that the RunEngine gave it.
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
    sample: str = ""
    scan_id: int | None = None


def journal_path(folder: Path, start: dict[str, Any]) -> Path:
    """Return the journal of the run with this start document; names sort by time.

    Raises
    ------
    CatalogError
        When its uid would lead to another folder.
    """
    if "/" in start["uid"]:
        raise CatalogError(f"the uid {start['uid']!r} was refused: it names a file, so it holds no '/'; use a UUID")
    return folder / f"{int(start['time'] * 1000):014d}-{start['uid']}{SUFFIX}"


def journal_files(folder: Path) -> list[Path]:
    """Return all journals, newest first."""
    return sorted(folder.glob(f"*{SUFFIX}"), reverse=True)


def uid_of(path: Path) -> str:
    """Return the uid of the run whose journal this is."""
    return path.name.removesuffix(SUFFIX).partition("-")[2]


def signatures(folder: Path) -> dict[str, str]:
    """Return the name of every journal, with what changes when the journal or its state do."""
    with os.scandir(folder) as entries:
        found = {entry.name: entry for entry in entries}
    return {
        name: f"{_stamp(entry)} {_stamp(found.get(_state_name(name)))}"
        for name, entry in found.items()
        if name.endswith(SUFFIX)
    }


def _stamp(entry: os.DirEntry[str] | None) -> str:
    try:
        status = entry and entry.stat()
    except FileNotFoundError:  # it has just been taken away
        status = None
    return f"{status.st_size}:{status.st_mtime_ns}" if status else ""


def read_info(path: Path) -> RunInfo | None:
    """Return the line of the run in a journal, None while that holds no start.

    A journal that is damaged where it had to be read gives a line with what its name says.

    Raises
    ------
    OSError
        When it is no longer there.
    """
    try:
        for name, start in islice(JournalTail(path).read(), 1):
            if name == "start":
                return info_of(start, read_state(path), *_end(path))
        return None
    except DataError as error:
        return _damaged(path, error)


def _end(path: Path) -> tuple[dict[str, Any] | None, int]:
    """Return the stop document of a run, and how many points it has."""
    last = last_record(path)
    if last and last[0] == "stop":
        return last[1], (last[1].get("num_events") or {}).get("primary", 0)
    return None, _primary_events(path)


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


def info_of(start: dict[str, Any], state: str, stop: dict[str, Any] | None, points: int) -> RunInfo:
    """Return the line of a run with these documents."""
    ours = start.get("probeline") or {}
    sample = start.get("sample")
    scan_id = start.get("scan_id")
    return RunInfo(
        uid=start["uid"],
        time=start["time"],
        plan_name=str(start.get("plan_name") or ""),
        instrument=_name(ours.get("instrument"), "backend"),
        goal=str(ours.get("goal") or ""),
        agent=_name(ours.get("agent"), "kind"),
        objective=_name(ours.get("objective"), "name"),
        exit_status="open" if stop is None else stop.get("exit_status", ""),
        n_points=points,
        state=state,
        sample=sample if isinstance(sample, str) else _name(sample, "id"),
        scan_id=scan_id if isinstance(scan_id, int) else None,
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


def _state_name(name: str) -> str:
    return f"{name.removesuffix(SUFFIX)}.state"


def _state_file(path: Path) -> Path:
    return path.with_name(_state_name(path.name))


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
