"""A catalogue whose folder was moved: Tiled's databases say where its files are now."""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...core.errors import CatalogError
from ..presence import Presence
from ..store import MARKER, open_catalog
from .serving import DATABASE, refused

if TYPE_CHECKING:
    from sqlalchemy import Connection

# The folders of a catalogue that hold what Tiled's databases name.
_PARTS = ("tiled", "data")


@dataclass(frozen=True)
class Relocation:
    """What came of looking for the files of a catalogue.

    Attributes
    ----------
    right : int
        Files and folders whose place was written down rightly.
    moved : int
        Those found in the catalogue's folder and written down anew.
    elsewhere : int
        Those that lie outside of it, and stay as they are.
    missing : int
        Those that are nowhere, and stay as they are.
    """

    right: int
    moved: int
    elsewhere: int
    missing: int


def relocate(folder: str | Path, database: str | None = None) -> Relocation:
    """Write down anew where the files of a catalogue are, after its folder was moved or copied.

    Journals need none of this: what they name is looked for in the catalogue's own folder. Idempotent.

    Parameters
    ----------
    folder : str or Path
        Where the catalogue is now.
    database : str, optional
        ``postgresql://...`` where that keeps its catalogue.

    Raises
    ------
    CatalogError
        When there is no catalogue, another process writes into it, or its database cannot be used.
    """
    with open_catalog(folder, create=False) as catalog:
        root = catalog.root
    presence = Presence(root / MARKER)
    try:
        if not presence.alone:
            raise CatalogError(f"another process writes into {root}; end it, and relocate again")
        file = root / "tiled" / DATABASE
        if database is None and not file.exists():  # Tiled is made again from the journals when it is needed
            return Relocation(0, 0, 0, 0)
        try:
            return _rewritten(database or f"sqlite:///{file}", root)
        except Exception as error:  # whatever the driver raises
            raise refused(root / "tiled", error, database) from None
    finally:
        presence.leave()


def _rewritten(uri: str, root: Path) -> Relocation:
    from sqlalchemy.ext.asyncio import create_async_engine
    from tiled.utils import ensure_specified_sql_driver

    async def work() -> Relocation:
        engine = create_async_engine(ensure_specified_sql_driver(uri))
        try:
            async with engine.begin() as connection:  # all of it or nothing
                return await connection.run_sync(_rewrite, root)
        finally:
            await engine.dispose()

    with ThreadPoolExecutor(1) as worker:  # this thread may have an event loop already
        return worker.submit(lambda: asyncio.run(work())).result()


def _rewrite(connection: Connection, root: Path) -> Relocation:
    from sqlalchemy import select
    from tiled.catalog.orm import Asset

    table: Any = Asset.__table__
    known = {uri: number for number, uri in connection.execute(select(table.c.id, table.c.data_uri))}
    counts: Counter[str] = Counter()
    for uri, number in list(known.items()):
        verdict, place = _whereabouts(uri, root)
        counts[verdict] += 1
        if place is not None:
            _point(connection, number, place, known.get(place))
            known[place] = known.get(place, number)
    return Relocation(*(counts[name] for name in ("right", "moved", "elsewhere", "missing")))


def _whereabouts(uri: str, root: Path) -> tuple[str, str | None]:
    """Return what is to be said of a file, and its address when that is another one now."""
    from tiled.utils import ensure_uri, path_from_uri

    scheme = urlsplit(uri).scheme
    if scheme not in ("file", "sqlite"):  # tables in PostgreSQL
        return "right", None
    path = path_from_uri(uri)  # Tiled takes the path as it stands, also what looks quoted
    if path.is_relative_to(root):
        return ("right" if path.exists() else "missing"), None
    for place, name in enumerate(path.parts):
        found = root.joinpath(*path.parts[place:])
        if name in _PARTS and found.exists():
            return "moved", ensure_uri(f"sqlite:///{found}" if scheme == "sqlite" else found)
    return ("elsewhere" if path.exists() else "missing"), None


def _point(connection: Connection, number: int, place: str, other: int | None) -> None:
    """Let an entry name a place; where another one does already, what used the first uses that."""
    from sqlalchemy import delete, update
    from tiled.catalog.orm import Asset, DataSourceAssetAssociation

    assets: Any = Asset.__table__
    uses: Any = DataSourceAssetAssociation.__table__
    if other is None:
        connection.execute(update(assets).where(assets.c.id == number).values(data_uri=place))
        return
    connection.execute(update(uses).where(uses.c.asset_id == number).values(asset_id=other))
    connection.execute(delete(assets).where(assets.c.id == number))
