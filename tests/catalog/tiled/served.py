"""``probeline serve`` in a process of its own, always at the same address."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path


class Served:
    """A served catalogue; ``reader`` and ``writer`` are addresses with their keys."""

    def __init__(self, root: Path, *arguments: str, **environment: str):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.root, self._arguments, self._environment = root, arguments, environment
        self.address = f"http://127.0.0.1:{self.port}"
        self.said: list[str] = []
        self.errors = root.parent / f"{root.name}.stderr"
        self.start()
        keys = json.loads((root / "keys.json").read_text())
        self.keys = keys
        self.reader, self.writer = (f"{self.address}/?api_key={keys[role]}" for role in ("reader", "writer"))

    def start(self) -> None:
        """Start it; it answers when this returns."""
        command = [sys.executable, "-m", "probeline", "serve", "--catalog", str(self.root), "--port", str(self.port)]
        with open(self.errors, "ab") as errors:
            self.process = subprocess.Popen(
                [*command, *self._arguments], env={**os.environ, **self._environment}, text=True,
                stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.rstrip())
            if "/ui/" in line:
                return
        self.end(signal.SIGKILL)
        raise AssertionError(self.errors.read_text())

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal and return its exit status."""
        self.process.send_signal(number)
        status = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGKILL)
