"""What stands in front of Tiled's server: only doors with a lock, and a database that is away is said to be."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from ..paths import is_inside

_UI = "/ui/"
# What asks for a key itself, or shows nothing of the catalogue.
_OPEN = (_UI, "/static/", "/api/v1/")
_PAGES = ("/", "/favicon.ico", "/healthz", "/tiled-ui-settings")
_REGISTERING = ("/api/v1/register", "/api/v1/data_source")
_PING_S = 5.0


class Front:
    """ASGI middleware around Tiled's server.

    Tiled 0.2.20 answers under ``/zarr`` and ``/api/graphql`` without asking for a key, and sends anybody the file that
    follows ``/ui/``, ``..`` and absolute paths included: here all of these are not found. It deletes whatever file a
    writer has registered as Tiled's own: here only files that stay their owner's can be registered. And where it fails
    because its database is away, it answers 503 instead of 500, so that clients know that trying again will help.

    Parameters
    ----------
    app : ASGI application
        What is behind.
    database : sqlalchemy.ext.asyncio.AsyncEngine
        Of the catalogue.
    """

    def __init__(self, app: Any, database: Any):
        from tiled.utils import SHARE_TILED_PATH

        self._app, self._database = app, database
        self._ui = Path(SHARE_TILED_PATH or "/", "ui")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        match scope["type"]:
            case "lifespan":
                await self._app(scope, receive, send)
            case "http" if self._may_be_asked(scope["path"]):
                if scope["method"] in ("POST", "PUT") and scope["path"].startswith(_REGISTERING):
                    receive, honest = await _read(receive)
                    if not honest:
                        return await _answer(403, b'{"detail":"Only external files can be registered."}', send)
                await self._ask(scope, receive, send)
            case "http":
                await _answer(404, b'{"detail":"Not Found"}', send)
            case _:  # a websocket: runs are not streamed
                await send({"type": "websocket.close", "code": 1008})
        return None

    def _may_be_asked(self, path: str) -> bool:
        if not path.startswith(_UI):
            return path in _PAGES or path.startswith(_OPEN)
        try:
            return is_inside(Path(self._ui, path.removeprefix(_UI)), [self._ui])
        except (OSError, ValueError):  # a name that no file can have
            return False

    async def _ask(self, scope: Any, receive: Any, send: Any) -> None:
        held: list[Any] = []

        async def hold_failures(message: Any) -> None:
            """Keep a 500 back until it is known why."""
            if held or message.get("status") == 500:
                held.append(message)
            else:
                await send(message)

        try:
            await self._app(scope, receive, hold_failures)
        except Exception:
            if await self._is_there():
                raise
            held.append(None)
        if held and not await self._is_there():
            held.clear()
            await _answer(503, b'{"detail":"The database of this catalogue is away."}', send)
        for message in held:
            await send(message)

    async def _is_there(self) -> bool:
        """Return whether the database answers."""
        try:
            async with asyncio.timeout(_PING_S), self._database.connect() as connection:
                await connection.exec_driver_sql("SELECT 1")
            return True
        except Exception:  # whatever the driver comes up with
            return False


async def _read(receive: Any) -> tuple[Any, bool]:
    """Return a request's body to be received again, and whether all that it registers are external files."""
    messages = []
    while not messages or (messages[-1]["type"] == "http.request" and messages[-1].get("more_body")):
        messages.append(await receive())
    body = b"".join(message.get("body", b"") for message in messages)
    rest = iter(messages)

    async def again() -> Any:
        return next(rest, None) or await receive()

    try:  # as Tiled's framework reads it, not more strictly and not less
        asked = json.loads(body)
        sources = [*asked.get("data_sources", ()), *([asked["data_source"]] if "data_source" in asked else ())]
        return again, all(source["management"] == "external" for source in sources)
    except (ValueError, AttributeError, KeyError, TypeError):
        return again, False


async def _answer(status: int, body: bytes, send: Any) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
