"""Which runs there are and which are wanted: an index of the journals that can always be made again."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, fields
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from ..core.errors import SpecError, UnknownNameError
from .listing import RunInfo, read_info, signatures

_log = logging.getLogger(__name__)
_LAYOUT = 1  # of the table; another one is thrown away
_COLUMNS = [field.name for field in fields(RunInfo)]
_LOCKED_S = 2.0
When = float | str | date


@dataclass(frozen=True)
class Criteria:
    """What runs have to be to be found; None asks nothing.

    Attributes
    ----------
    plan, goal, agent, objective, instrument, sample : str, optional
        Names, whole and exact, as in :class:`RunInfo`.
    since, until : float, optional
        When the run began (s, Unix): not before ``since``, before ``until``.
    uid : str, optional
        How the uid begins.
    scan_id : int, optional
        Number that the RunEngine gave the run.
    """

    plan: str | None = None
    goal: str | None = None
    agent: str | None = None
    objective: str | None = None
    instrument: str | None = None
    sample: str | None = None
    since: float | None = None
    until: float | None = None
    uid: str | None = None
    scan_id: int | None = None

    def meets(self, info: RunInfo) -> bool:
        """Return whether a run meets the criteria."""
        named = {"plan_name": self.plan} | {
            name: getattr(self, name) for name in ("goal", "agent", "objective", "instrument", "sample", "scan_id")
        }
        return (
            all(want is None or getattr(info, name) == want for name, want in named.items())
            and (self.since is None or info.time >= self.since)
            and (self.until is None or info.time < self.until)
            and info.uid.startswith(self.uid or "")
        )

    def conditions(self) -> Iterator[tuple[str, Any]]:
        """Yield the SQL conditions over the columns of the index, each with its value."""
        for name in ("goal", "agent", "objective", "instrument", "sample", "scan_id"):
            if (value := getattr(self, name)) is not None:
                yield f"{name} = ?", value
        for condition, value in (("plan_name = ?", self.plan), ("time >= ?", self.since), ("time < ?", self.until)):
            if value is not None:
                yield condition, value
        if self.uid is not None:
            yield f"substr(uid, 1, {len(self.uid)}) = ?", self.uid


def criteria(*, since: When | None = None, until: When | None = None, **wanted: Any) -> Criteria:
    """Return criteria; dates in every form that :func:`moment` takes.

    Raises
    ------
    UnknownNameError
        When there is no such criterion.
    SpecError
        When a date is none.
    """
    known = [field.name for field in fields(Criteria)]
    for name in wanted:
        if name not in known:
            raise UnknownNameError("criterion", name, known)
    first = None if since is None else moment(since)
    last = None if until is None else moment(until, end=True)
    return Criteria(since=first, until=last, **wanted)


def moment(when: When, *, end: bool = False) -> float:
    """Return a moment as Unix time (s).

    Parameters
    ----------
    when : float, str or date
        Unix time (s), a date or datetime, or either as text (``2026-11-25``, ``2026-11-25T14:00``); in local
        time where no zone is given.
    end : bool
        Take a date as the end of its day instead of its beginning.

    Raises
    ------
    SpecError
        When it is none of these.
    """
    if isinstance(when, str):
        try:
            when = date.fromisoformat(when) if len(when) == 10 else datetime.fromisoformat(when)
        except ValueError as error:
            raise SpecError(f"{when!r} is no date: {error}; write 2026-11-25 or 2026-11-25T14:00") from error
    if isinstance(when, datetime):
        return when.timestamp()
    if isinstance(when, date):
        return datetime.combine(when + timedelta(days=end), time()).timestamp()
    return float(when)


class RunIndex:
    """A table of all runs beside the journals, so that finding one does not read all of them.

    It is never the truth: before each answer, journals and states that changed since are read again, which their
    sizes and times tell; a table that is damaged, of another version or gone is made again, and where it
    cannot be written there is one in memory for that answer.

    Parameters
    ----------
    journals : Path
        Folder of the journals; the table lies next to it.
    """

    def __init__(self, journals: Path):
        self._journals = journals
        self._file = journals.parent / "runs.index"

    def refresh(self) -> None:
        """Take in what changed. Never raises: it is done again before the next answer."""
        try:
            self._with_table(lambda table: None)
        except (OSError, sqlite3.Error) as error:
            _log.info("the index %s is not up to date: %s", self._file, error)

    def search(self, criteria: Criteria) -> list[RunInfo]:
        """Return the runs that meet ``criteria``, newest first."""
        conditions = list(criteria.conditions())
        where = " AND ".join(["1", *(condition for condition, _ in conditions)])
        query = f"SELECT {', '.join(_COLUMNS)} FROM runs WHERE {where} ORDER BY journal DESC"
        values = [value for _, value in conditions]
        return self._with_table(lambda table: [RunInfo(*row) for row in table.execute(query, values)])

    def _with_table(self, act: Callable[[sqlite3.Connection], Any]) -> Any:
        """Return what ``act`` makes of the table, up to date."""
        for place in (self._file, self._file, ":memory:"):
            try:
                with contextlib.closing(sqlite3.connect(place, timeout=_LOCKED_S)) as table:
                    self._update(table)
                    return act(table)
            except sqlite3.OperationalError as error:  # busy, read-only, no room
                _log.info("the index %s cannot be used: %s", place, error)
                if place == ":memory:":
                    raise
            except sqlite3.DatabaseError as error:
                _log.info("the index %s is damaged and made again: %s", self._file, error)
                with contextlib.suppress(OSError):
                    self._file.unlink()
        raise AssertionError("a table in memory is always there")

    def _update(self, table: sqlite3.Connection) -> None:
        version = table.execute("PRAGMA user_version").fetchone()[0]
        if version != _LAYOUT:
            table.execute("DROP TABLE IF EXISTS runs")
        table.execute(
            f"CREATE TABLE IF NOT EXISTS runs (journal TEXT PRIMARY KEY, signature TEXT, {', '.join(_COLUMNS)})"
        )
        if version != _LAYOUT:
            table.execute(f"PRAGMA user_version = {_LAYOUT}")
        known = dict(table.execute("SELECT journal, signature FROM runs"))
        found = signatures(self._journals)
        gone = [(name,) for name in known.keys() - found.keys()]
        changed = [(name, signature) for name, signature in found.items() if known.get(name) != signature]
        if not gone and not changed:
            return
        with table:
            table.executemany("DELETE FROM runs WHERE journal = ?", gone)
            marks = ", ".join("?" * (len(_COLUMNS) + 2))
            table.executemany(f"INSERT OR REPLACE INTO runs VALUES ({marks})", self._rows(changed))

    def _rows(self, changed: list[tuple[str, str]]) -> Iterator[tuple[Any, ...]]:
        for name, signature in changed:
            try:
                info = read_info(self._journals / name)
            except OSError:  # it has just been taken away
                continue
            if info is not None:
                yield (name, signature, *astuple(info))
