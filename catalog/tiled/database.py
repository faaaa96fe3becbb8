"""Databases of Tiled: made ready without a command line, and PostgreSQL that may go and come back."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ...core.errors import CatalogError

_SCHEMES = ("postgresql", "postgres")


def checked(database: str) -> str:
    """Return the address of a PostgreSQL database, as Tiled wants it.

    Raises
    ------
    CatalogError
        When it is no such address.
    """
    try:
        parts = urlsplit(database)
        _ = parts.port
    except ValueError:  # which may repeat the password
        raise CatalogError(
            "the database is no address of PostgreSQL; write postgresql://user@host:port/name, with special "
            "characters of a password as %XX"
        ) from None
    if any(name == "password" for name, _ in parse_qsl(parts.query)):
        raise CatalogError("a password in the query of a database's address would be stored; write user:password@host")
    if parts.scheme not in _SCHEMES or not parts.path.strip("/") or parts.netloc.count("@") > 1:
        raise CatalogError(
            f"{parts.scheme or 'this'}: is no address of a PostgreSQL database; write "
            "postgresql://user@host:port/name, with special characters of a password as %XX"
        )
    return parts._replace(scheme="postgresql").geturl()


def password_of(database: str) -> str | None:
    """Return the password in an address, as it stands there."""
    return urlsplit(database).password


def without_password(database: str) -> str:
    """Return an address as one may print it."""
    parts = urlsplit(database)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def scrubbed(text: str, database: str) -> str:
    """Return ``text`` without the password of ``database``, in case somebody quoted it."""
    password = password_of(database)
    for secret in {password, unquote(password)} if password else ():
        text = text.replace(secret, "***")
    return text


def prepare(uri: str) -> None:
    """Make the tables of a Tiled catalogue where there are none.

    Tiled itself starts a command for that: it takes seconds, and shows the password to everybody on the computer.

    Parameters
    ----------
    uri : str
        ``sqlite:///...`` or ``postgresql://...``.

    Raises
    ------
    Exception
        Whatever the driver, SQLAlchemy or Tiled raise: nobody answers, the tables are of another version.
    """
    with ThreadPoolExecutor(1) as worker:  # this thread may have an event loop already
        worker.submit(lambda: asyncio.run(_prepare(uri))).result()


async def _prepare(uri: str) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine
    from tiled.alembic_utils import UninitializedDatabase, check_database
    from tiled.catalog.core import ALL_REVISIONS, REQUIRED_REVISION, initialize_database
    from tiled.utils import ensure_specified_sql_driver

    engine = create_async_engine(ensure_specified_sql_driver(uri))
    try:
        await check_database(engine, REQUIRED_REVISION, ALL_REVISIONS)
    except UninitializedDatabase:
        await initialize_database(engine)
        async with engine.begin() as connection:
            await connection.run_sync(_stamp)
    finally:
        await engine.dispose()


def _stamp(connection: Any) -> None:
    """Write down which version the tables are of."""
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from tiled.catalog.alembic_constants import ALEMBIC_DIR

    MigrationContext.configure(connection).stamp(ScriptDirectory(ALEMBIC_DIR), "head")


def add_tables(context: Any, database: str) -> None:
    """Let a Tiled catalogue keep its tables in ``database``.

    Parameters
    ----------
    context : tiled.catalog.adapter.Context
        Of the catalogue.
    database : str
        ``postgresql://...``.
    """
    from tiled.storage import register_storage

    storage = _storage_class()(database)
    register_storage(storage)
    for known in (context.writable_storage, context.readable_storage):
        known[storage.uri] = storage


@functools.cache
def _storage_class() -> Any:
    from sqlalchemy import event
    from sqlalchemy.pool import QueuePool
    from tiled.storage import RemoteSQLStorage

    @dataclasses.dataclass(frozen=True, repr=False)
    class PingedStorage(RemoteSQLStorage):
        """Tables in PostgreSQL, each connection asked first whether it still lives.

        Tiled fails once at each that a database left dead which was started again. It also takes a user without a
        password, which libpq looks for itself, for one whose password is ``None``.
        """

        @functools.cached_property
        def authenticated_uri(self) -> str:
            if self.password is not None or self.username is None:
                return f"{super().authenticated_uri}"
            return self.uri.replace("://", f"://{self.username}@", 1)

        @functools.cached_property
        def _connection_pool(self) -> Any:
            fresh: Any = self._adbc_connection.adbc_clone
            pool = QueuePool(fresh, pool_size=self.pool_size, max_overflow=self.max_overflow)
            event.listen(pool, "checkout", _ping)
            return pool

    return PingedStorage


def _ping(connection: Any, _record: Any, _proxy: Any) -> None:
    from sqlalchemy.exc import DisconnectionError

    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except Exception as error:  # the driver has no class for it
        raise DisconnectionError("the database was started again") from error
