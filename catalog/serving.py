"""Tiled inside this process, over one folder: SQLite and files, no server, no port."""

from __future__ import annotations

import asyncio
import logging
import secrets
import warnings
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

    Raises
    ------
    CatalogError
        When the folder cannot be opened.
    """

    def __init__(self, folder: Path, readable: list[Path]):
        from tiled.client import from_context

        context_class = _context_class()
        try:
            app = Orderly(make_app(folder, readable, _API_KEY))
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


class Orderly:
    """An ASGI application that ends after its last answer and refuses what comes later.

    Tiled ends its own application with the interpreter, whatever threads go on asking it, and
    then waits for their requests; one whose asker had been cut off kept the process for ever.
    """

    def __init__(self, app: Any):
        self._app = app
        self._ended = False
        self._requests = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, or see the application through its life.

        Raises
        ------
        RuntimeError
            For a request after the end.
        """
        if scope["type"] == "lifespan":
            await self._app(scope, lambda: self._receive_last(receive), send)
            return
        if self._ended:
            raise RuntimeError("Tiled has ended")
        self._requests += 1
        self._idle.clear()
        try:
            await self._app(scope, receive, send)
        finally:
            self._requests -= 1
            if not self._requests:
                self._idle.set()

    async def _receive_last(self, receive: Any) -> Any:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            self._ended = True
            await self._idle.wait()
        return message


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
