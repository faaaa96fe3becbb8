"""A real PostgreSQL of our own: made in a temporary folder, on a free port of loopback, stopped at the end."""

from __future__ import annotations

import contextlib
import getpass
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

PASSWORD = "p@ss/w%rd: §1?"


def binaries() -> Path | None:
    """Return the folder of PostgreSQL's programs, None where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    for folder in [*found[::-1], *(Path(path).resolve().parent for path in [shutil.which("initdb")] if path)]:
        if all((folder / name).is_file() for name in ("initdb", "postgres", "pg_ctl", "createdb")):
            return folder
    return None


class Postgres:
    """A PostgreSQL that asks for a password."""

    def __init__(self, programs: Path, folder: Path):
        self._programs, self._folder = programs, folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._user = _server_user()
        if self._user:
            os.chown(folder, pwd.getpwnam(self._user).pw_uid, -1)
        secret = folder / "secret"
        secret.write_text(PASSWORD)
        self._run("initdb", "-D", self._data, "-U", "probeline", f"--pwfile={secret}", "-A", "scram-sha-256",
                  "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")  # fmt: skip
        self.start()

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def _run(self, program: str, *arguments: str, **environment: str) -> None:
        command = [str(self._programs / program), *arguments]
        done = subprocess.run(
            command, user=self._user, env={**os.environ, **environment}, cwd=self._folder, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Start it; it answers when this returns."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._folder} -c fsync=off"
        self._run("pg_ctl", "-D", self._data, "-w", "-s", "-o", options, "-l", str(self._folder / "log"), "start")

    def stop(self) -> None:
        """End it as an administrator does who waits for nobody."""
        self._run("pg_ctl", "-D", self._data, "-w", "-s", "-m", "fast", "stop")

    def create(self) -> str:
        """Make a database and return its name."""
        name = f"db{uuid.uuid4().hex[:12]}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "probeline", name, PGPASSWORD=PASSWORD)
        return name

    def uri(self, name: str, *, password: bool = True) -> str:
        """Return the address of a database."""
        secret = f":{quote(PASSWORD, safe='')}" if password else ""
        return f"postgresql://probeline{secret}@127.0.0.1:{self.port}/{name}"

    def dump(self) -> str:
        """Return all that its databases hold."""
        file = self._folder / "dump"
        login = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "probeline")
        # Without the roles, whose passwords it keeps as digests.
        self._run("pg_dumpall", *login, "--no-role-passwords", "-f", str(file), PGPASSWORD=PASSWORD)
        return file.read_text()

    def log(self) -> str:
        """Return what it wrote down."""
        return (self._folder / "log").read_text()


def _server_user() -> str | None:
    """Return whom it has to run as: it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in known), getpass.getuser())


@contextlib.contextmanager
def running() -> Iterator[Postgres]:
    """Yield a PostgreSQL; it is gone afterwards."""
    programs = binaries()
    assert programs is not None
    with tempfile.TemporaryDirectory(prefix="probeline-postgres-", ignore_cleanup_errors=True) as folder:
        server = Postgres(programs, Path(folder))
        try:
            yield server
        finally:
            server.stop()
