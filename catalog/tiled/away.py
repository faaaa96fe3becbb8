"""Whose fault it is that Tiled did not take something: its own, which passes, or the run's, which stays."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from enum import Enum

from ...core.errors import CatalogError

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}
# What databases say of their disk and of each other; their errors have no common class.
_DATABASE = re.compile(
    r"disk is full|database is locked|disk I/O error|readonly database|unable to open database|No space left", re.I
)
_NOT_NOW = {401, 403, 408, 425, 429, 502, 503, 504}


class TiledAwayError(CatalogError):
    """Tiled cannot be reached, is full, or is not well; nothing is wrong with the run."""


class Fault(Enum):
    """Why Tiled did not take a document."""

    TILED = "Tiled is away, full or closed to us: trying again will help"
    UNCLEAR = "Tiled failed at it: trying again may help"
    RUN = "Tiled cannot hold it: trying again will not help"


def fault_of(error: Exception) -> Fault:
    """Return whose fault an error is that came of writing into Tiled."""
    faults = [_fault(link) for link in _chain(error)]
    return next((fault for fault in Fault if fault in faults), Fault.RUN)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__


def _fault(error: BaseException) -> Fault:
    from tiled.client.utils import should_retry

    if isinstance(error, TiledAwayError) or getattr(error, "errno", None) in _DISK or _DATABASE.search(str(error)):
        return Fault.TILED
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in _NOT_NOW:
        return Fault.TILED
    if isinstance(error, Exception) and should_retry(error):
        return Fault.TILED if status is None else Fault.UNCLEAR
    return Fault.RUN


def reason_of(error: BaseException) -> str:
    """Return an error in a line."""
    return f"{type(error).__name__}: {error}".split("\n")[0][:500]
