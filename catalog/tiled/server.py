"""A catalogue for others: Tiled over its folder, with a key for those who write and one for those who read."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import secrets
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ...core.errors import CatalogError
from ..store import folder_of_servers, open_catalog
from .database import checked, without_password
from .fronting import Front
from .guarding import explain_refusals
from .keys import KEY_FILE, Keys, keys_of, register_keys
from .serving import SETTINGS, make_tree, refused


def make_server_app(root: Path, keys: Keys, *, readable: Sequence[Path], database: str | None = None) -> Any:
    """Return the ASGI application that serves the catalogue in ``root``; nobody gets in without a key.

    Parameters
    ----------
    root : Path
        Folder of the catalogue.
    keys : Keys
        Who presents one may do what it is for.
    readable : sequence of Path
        Folders whose files may be shown: those of frames.
    database : str, optional
        ``postgresql://...`` of the database for catalogue and tables; without, SQLite files in the folder.

    Raises
    ------
    CatalogError
        When the database cannot be used.
    """
    from tiled.config import Authentication, AuthenticationProviderSpec, Database
    from tiled.server.app import build_app

    try:
        tree = make_tree(root / "tiled", list(readable), database)
    except Exception as error:  # Tiled raises whatever its parts raise
        raise refused(root / "tiled", error, database) from None  # its own words may hold the password
    access = f"sqlite:///file:{secrets.token_hex(8)}?mode=memory&cache=shared&uri=true"
    _let_in(tree, access, keys)
    logging.getLogger("tiled.server.app").setLevel(logging.WARNING)  # what a user has to know is said below
    # Tiled has several keys only where users could log in too: here there are none.
    nobody = AuthenticationProviderSpec(
        provider="none", authenticator="tiled.authenticators:DictionaryAuthenticator", args={"users_to_passwords": {}}
    )  # fmt: skip
    app = build_app(
        tree,
        authentication=Authentication(
            providers=[nobody], allow_anonymous_access=False, secret_keys=[secrets.token_hex(32)]
        ),
        server_settings={**SETTINGS, "database": Database(uri=access)},
    )
    explain_refusals(app)
    app.add_middleware(Front, database=tree.context.engine)
    return app


def _let_in(tree: Any, access: str, keys: Keys) -> None:
    """Give Tiled the keys at each start; it keeps them in memory, the file is their only place.

    On a connection of ours, before Tiled opens its own: all its requests share that one, and would roll each
    other's first steps back.
    """
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import StaticPool
    from tiled.utils import ensure_specified_sql_driver

    engine = create_async_engine(ensure_specified_sql_driver(access), poolclass=StaticPool)

    async def register() -> None:
        await register_keys(engine, keys)

    tree.startup_tasks.append(register)
    tree.shutdown_tasks.append(engine.dispose)


def serve(
    folder: str | Path,
    host: str,
    port: int,
    *,
    public: bool = False,
    database: str | None = None,
    readable: Sequence[Path] = (),
    say: Callable[[str], object],
) -> None:
    """Serve the catalogue in ``folder``, made when there is none, until the process is told to end.

    Parameters
    ----------
    folder : str or Path
        Of the catalogue: its keys, its arrays, and without ``database`` its tables.
    host, port : str, int
        Where; see :func:`listen`.
    public : bool
        Let other computers reach it.
    database : str, optional
        Address of a PostgreSQL database for catalogue and tables.
    readable : sequence of Path
        Further folders whose files may be shown. What this user's sessions record into servers always may.
    say : callable
        Is told where it is served and where the keys are, never the keys.

    Raises
    ------
    CatalogError
        When it cannot be served.
    """
    if database is not None:
        database = checked(database)
    with open_catalog(folder) as catalog, listen(host, port, public=public) as listener:
        folders = [catalog.data_root, folder_of_servers(), *(path.expanduser().resolve() for path in readable)]
        app = make_server_app(catalog.root, keys_of(catalog.root), readable=folders, database=database)
        address, number = listener.getsockname()[:2]
        url = f"http://{f'[{address}]' if ':' in address else address}:{number}"
        tables = f", tables in {without_password(database)}" if database else ""

        def announce() -> None:
            say(f"catalogue {catalog.root} at {url}{tables}")
            say(f"keys (writer, reader): {catalog.root / KEY_FILE}; present one in TILED_API_KEY, or in a browser as")
            say(f"{url}/ui/?api_key=KEY")

        run_server(app, listener, announce)


def run_server(app: Any, listener: socket.socket, ready: Callable[[], object]) -> None:
    """Serve ``app`` until the process is told to end (SIGINT, SIGTERM); ``ready`` is called once it answers.

    Raises
    ------
    CatalogError
        When it could not start.
    """
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready()

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            """End on a signal, and do not send it again to oneself afterwards: to be told so is no failure."""
            before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

    # Requests are not logged: keys stand in their addresses.
    server = Server(uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=10))
    server.run([listener])
    if not server.started:
        raise CatalogError("the server could not start; what its log says before this line is why")


def listen(host: str, port: int, *, public: bool = False) -> socket.socket:
    """Return a socket that listens there; port 0 takes a free one.

    Parameters
    ----------
    host : str
        Address or name of this computer.
    port : int
        Port.
    public : bool
        Let others than this computer reach it.

    Raises
    ------
    CatalogError
        When others could reach it though it is not public, the port is taken, or the host is none of this
        computer's.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        numeric = str(address[0])
        if not public and not ipaddress.ip_address(numeric.partition("%")[0]).is_loopback:
            raise CatalogError(
                f"{host} can be reached by other computers, and keys and data would travel to them unencrypted; serve "
                "127.0.0.1 behind an SSH tunnel or a proxy with TLS, or say --public"
            )
        return socket.create_server((numeric, port), family=family)
    except (OSError, OverflowError) as error:
        reason = str(getattr(error, "strerror", None) or error).partition(" (")[0]
        raise CatalogError(
            f"nothing can be served at {host}:{port}: {reason}; choose another --host or --port"
        ) from error
