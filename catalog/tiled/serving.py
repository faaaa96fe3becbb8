"""Tiled inside this process, over one folder: SQLite and files, no server, no port."""

from __future__ import annotations

import contextlib
import http.client
import logging
import secrets
import shutil
import threading
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...core.errors import CatalogError
from .database import add_tables, prepare, scrubbed, without_password
from .guarding import explain_refusals, guard_files
from .leftovers import replace_leftovers

_log = logging.getLogger(__name__)
# One for the whole process: Tiled keeps the key in a cache that all its applications share.
_API_KEY = secrets.token_hex(16)
DATABASE = "catalog.db"
_NEEDED_MB = 1  # of Tiled's empty databases, with their journals
_ANSWER_S = 10.0


class EmbeddedTiled:
    """An open Tiled application over ``folder``; its client works from any thread.

    The first opening makes the databases (seconds); later ones take about half a second
    once Tiled is imported.

    Parameters
    ----------
    folder : Path
        Holds ``catalog.db``, ``storage.db`` and ``data/``.
    readable : list of Path
        Folders whose files it may show: those of external frames.
    quiet : callable
        Called when the process ends without :meth:`close`; returns when nothing is asked any more.

    Attributes
    ----------
    client : CatalogOfBlueskyRuns
        Its root.
    made : bool
        Whether the databases had to be made, so that nothing is in them.

    Raises
    ------
    CatalogError
        When the folder cannot be opened. Databases that could not be made whole are taken away again.
    """

    def __init__(self, folder: Path, readable: list[Path], quiet: Callable[[], object]):
        from tiled.client import from_context

        context_class = _context_class()
        self.made = not (folder / DATABASE).exists()
        try:
            if self.made:
                _set_aside(folder)
            app = _Quieted(make_app(folder, readable, _API_KEY), quiet)
            logging.getLogger("tiled.server.app").setLevel(logging.WARNING)  # there is no server to announce
            self._context = context_class.from_app(app, api_key=_API_KEY)
        except Exception as error:  # Tiled raises whatever its parts raise
            if self.made:
                for file in folder.glob(f"{DATABASE}*"):
                    file.unlink()
            raise refused(folder, error) from error
        self.client: Any = from_context(self._context)

    def close(self) -> None:
        """End the application and its threads."""
        self._context.close()


class RemoteTiled:
    """A connection to a Tiled server.

    Parameters
    ----------
    uri : str
        Address, with ``?api_key=...`` where the server asks for one.
    folder : Path
        Where the journals of its runs are, for the reader of an error.

    Attributes
    ----------
    client : Container
        What the address names.
    made : bool
        Always false: the server keeps its databases itself.

    Raises
    ------
    CatalogError
        When the server does not answer, or lets nobody in.
    """

    made = False

    def __init__(self, uri: str, folder: Path):
        address = without_secrets(uri)
        journals = f"the journals of what was recorded from here are in {folder}"
        _ask(address, journals)
        from tiled.client import from_context
        from tiled.client.context import Context

        with contextlib.ExitStack() as undo:
            try:
                context, path = Context.from_any_uri(uri)
                undo.callback(context.http_client.close)
                self.client: Any = from_context(context, node_path_parts=path)
                undo.pop_all()
            except Exception as error:  # whatever Tiled and the parsers below it come up with
                raise CatalogError(
                    f"the Tiled server at {address} cannot be used: {_first_line(error)}; check address and key; "
                    f"{journals}"
                ) from error

    def close(self) -> None:
        """End the connection."""
        self.client.context.http_client.close()


def without_secrets(uri: str) -> str:
    """Return the address of a server as one may print it: without its key, and without a user's password."""
    scheme, _, rest = uri.partition("?")[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def _ask(address: str, journals: str) -> None:
    """Raise unless a server answers, whatever it says: Tiled's client would ask a dead one for half a minute."""
    try:
        urllib.request.urlopen(address, timeout=_ANSWER_S).close()
    except urllib.error.HTTPError as answer:
        answer.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise CatalogError(
            f"the Tiled server at {address} does not answer: {reason}; start it, or check the address; {journals}"
        ) from error


def _set_aside(folder: Path) -> None:
    """Move away what a lost database left: Tiled writes no array where there is one."""
    if any(folder.glob("data/*")):
        aside = folder.with_name(f"{folder.name}-{secrets.token_hex(4)}")
        folder.rename(aside)
        _log.warning("%s has lost %s: it is made again, what was left of it is in %s", folder, DATABASE, aside)


def refused(folder: Path, error: Exception, database: str | None = None) -> CatalogError:
    """Return in a line why Tiled cannot be opened, without the password of a database."""
    if database is not None:
        reason = scrubbed(_first_line(error), database)
        return CatalogError(
            f"the database {without_password(database)} cannot be used: {reason}; check that it runs, its address and "
            "the rights of its user; what was recorded is in the journals"
        )
    free = shutil.disk_usage(folder.parent).free / 1e6
    if free < _NEEDED_MB:
        return CatalogError(
            f"Tiled cannot be opened in {folder}: {free:.2f} MB are free on its disk, {_NEEDED_MB} MB is the least; "
            "free space on the disk, or choose another catalogue"
        )
    return CatalogError(
        f"the Tiled folder {folder} cannot be opened: {_first_line(error)}; no run is lost: move this folder away, "
        "and it is made again from the journals"
    )


def _first_line(error: Exception) -> str:
    """Return what went wrong without the statements and tracebacks that others write after or before it."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return next((line for line in reversed(lines) if "Error: " in line and line[0].isalpha()), lines[0]).strip(" .")


class _Quieted:
    """An ASGI application that nobody asks any more when Tiled ends it with the process.

    Tiled would wait for ever for a request that it has cut off. It registers its end after the
    start of the application and before the first request, and what was registered last is called
    first: therefore ``quiet`` is registered at the first request, which fails in an ending process.
    """

    def __init__(self, app: Any, quiet: Callable[[], object]):
        self._app, self._quiet = app, quiet
        self._registered = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and not self._registered:
            threading._register_atexit(self._quiet)  # pyright: ignore[reportAttributeAccessIssue]
            self._registered = True
        await self._app(scope, receive, send)


def _context_class() -> Any:
    """Return Tiled's client context, which needs the test client of its web framework."""
    # Starlette announces its move to another HTTP library at import: nothing a user can act on.
    # The filter stays, because taking it back would race with other threads.
    warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient` is deprecated")
    import starlette.testclient  # noqa: F401
    from tiled.client.context import Context

    return Context


def make_app(folder: Path, readable: list[Path], api_key: str) -> Any:
    """Return the ASGI application of the catalogue in ``folder``, for one user who may do everything.

    Parameters
    ----------
    folder : Path
        As for :class:`EmbeddedTiled`.
    readable : list of Path
        As for :class:`EmbeddedTiled`.
    api_key : str
        What clients must present.
    """
    from tiled.config import Authentication
    from tiled.server.app import build_app

    authentication = Authentication(single_user_api_key=api_key, allow_anonymous_access=False)
    app = build_app(make_tree(folder, readable), authentication=authentication, server_settings=SETTINGS)
    explain_refusals(app)
    return app


# Files are shown as the arrays that were announced, never as they lie on the disk.
SETTINGS = {"expose_raw_assets": False}


def make_tree(folder: Path, readable: list[Path], database: str | None = None) -> Any:
    """Return what a Tiled application shows: a ``CatalogOfBlueskyRuns``, so that ``databroker`` accepts it.

    Runs can be exported as documents.

    Parameters
    ----------
    folder : Path
        Holds ``catalog.db``, ``storage.db`` and ``data/``; with ``database`` only the latter.
    readable : list of Path
        Folders whose files it may show.
    database : str, optional
        ``postgresql://...`` of the database for catalogue and tables, made ready when it is empty.
    """
    from bluesky_tiled_plugins.exporters import json_seq_exporter
    from tiled.catalog.adapter import CatalogContainerAdapter, Context, RootNode
    from tiled.media_type_registration import default_serialization_registry
    from tiled.server.settings import DatabaseSettings
    from tiled.utils import ensure_specified_sql_driver

    default_serialization_registry.register("BlueskyRun", "application/json-seq", json_seq_exporter)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    file = folder / DATABASE
    uri = database or f"sqlite:///{file}"
    if database or not file.exists():
        prepare(uri)
    # As tiled.catalog.from_uri does it, but asking connections first whether a database that can be started
    # again is still there.
    context = Context(
        DatabaseSettings(uri=ensure_specified_sql_driver(uri), max_overflow=10, pool_pre_ping=database is not None),
        writable_storage=[str(folder / "data"), *([] if database else [f"sqlite:///{folder / 'storage.db'}"])],
        readable_storage=[str(path) for path in readable],
    )
    if database:
        add_tables(context, database)
    replace_leftovers()
    guard_files(context, [folder / "data", *readable])
    specs = [{"name": "CatalogOfBlueskyRuns", "version": "3.0"}]
    return CatalogContainerAdapter(context, RootNode(None, specs, None))
