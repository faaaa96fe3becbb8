"""What stands in front of Tiled's server: files stay inside, and a database that is away is said to be."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from .paths import is_inside

_UI = "/ui/"
_PING_S = 5.0


class Front:
    """ASGI middleware around Tiled's server.

    Tiled 0.2.20 puts whatever follows ``/ui/`` behind the folder of its web interface and sends that file to
    anybody, ``..`` and absolute paths included: here such paths are not found. And where it fails because its
    database is away, it answers 503 instead of 500, so that clients know that trying again will help.

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
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if not self._may_be_asked(scope["path"]):
            return await _answer(404, b'{"detail":"Not Found"}', send)
        sent: list[Any] = []

        async def hold_failures(message: Any) -> None:
            """Keep a 500 back until it is known why."""
            if sent or (message["type"] == "http.response.start" and message["status"] == 500):
                sent.append(message)
            else:
                await send(message)

        try:
            await self._app(scope, receive, hold_failures)
        except Exception:
            if await self._answers():
                raise
            sent.append(None)
        if sent and not await self._answers():
            return await _answer(503, b'{"detail":"The database of this catalogue is away."}', send)
        for message in sent:
            await send(message)

    def _may_be_asked(self, path: str) -> bool:
        if not path.startswith(_UI):
            return True
        try:
            return is_inside(Path(self._ui, path.removeprefix(_UI)), [self._ui])
        except (OSError, ValueError):  # a name that no file can have
            return False

    async def _answers(self) -> bool:
        """Return whether the database does."""
        try:
            async with asyncio.timeout(_PING_S), self._database.connect() as connection:
                await connection.exec_driver_sql("SELECT 1")
            return True
        except Exception:  # whatever the driver comes up with
            return False


async def _answer(status: int, body: bytes, send: Any) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
