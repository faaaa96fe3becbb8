"""Tiled inside this process, over one folder: SQLite and files, no server, no port."""

from __future__ import annotations

import logging
import secrets
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..core.errors import CatalogError

# One for the whole process: Tiled keeps the key in a cache that all its applications share.
_API_KEY = secrets.token_hex(16)


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

    Raises
    ------
    CatalogError
        When the folder cannot be opened.
    """

    def __init__(self, folder: Path, readable: list[Path], quiet: Callable[[], object]):
        from tiled.client import from_context

        context_class = _context_class()
        try:
            app = _Quieted(make_app(folder, readable, _API_KEY), quiet)
            logging.getLogger("tiled.server.app").setLevel(logging.WARNING)  # there is no server to announce
            self._context = context_class.from_app(app, api_key=_API_KEY)
        except Exception as error:  # Tiled raises whatever its parts raise
            raise CatalogError(f"the Tiled folder {folder} cannot be opened: {error}") from error
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

    Raises
    ------
    CatalogError
        When the server does not answer.
    """

    def __init__(self, uri: str):
        from tiled.client import from_uri

        try:
            self.client: Any = from_uri(uri)
        except Exception as error:  # httpx, Tiled and the parsers below them
            raise CatalogError(
                f"the Tiled server at {uri.partition('?')[0]} does not answer: {error}; "
                "start it, or check address and key"
            ) from error

    def close(self) -> None:
        """End the connection."""
        self.client.context.http_client.close()


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
    """Return the ASGI application of the catalogue in ``folder``; uvicorn can serve it to others.

    Its root is a ``CatalogOfBlueskyRuns``, so that ``databroker`` accepts it, and runs can be
    exported as documents.

    Parameters
    ----------
    folder : Path
        As for :class:`EmbeddedTiled`.
    readable : list of Path
        As for :class:`EmbeddedTiled`.
    api_key : str
        What clients must present.
    """
    from bluesky_tiled_plugins.exporters import json_seq_exporter
    from tiled.catalog import from_uri
    from tiled.config import Authentication
    from tiled.media_type_registration import default_serialization_registry
    from tiled.server.app import build_app

    default_serialization_registry.register("BlueskyRun", "application/json-seq", json_seq_exporter)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    database = folder / "catalog.db"
    tree = from_uri(
        f"sqlite:///{database}",
        specs=[{"name": "CatalogOfBlueskyRuns", "version": "3.0"}],
        writable_storage=[str(folder / "data"), f"sqlite:///{folder / 'storage.db'}"],
        readable_storage=[str(path) for path in readable],
        # Looking whether there is something to do takes a process of its own.
        init_if_not_exists=not database.exists(),
    )
    return build_app(tree, authentication=Authentication(single_user_api_key=api_key))
