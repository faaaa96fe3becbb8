"""A driver in a process of its own: serve it here, drive it through :mod:`.hosted`.

``python -m probeline.devices.hosting`` is the child that :func:`.hosted.host_process` starts. It
reads one line of JSON from its standard input (what to open), answers with one line (where it
listens, or the error), and then watches its standard input: when that ends, its parent is
gone, and the instrument is made safe before the process ends.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson
import zmq

from ..core.errors import CommandRejected, ProbelineError
from ..core.registry import BACKENDS
from .drivers import Acquisition, Driver
from .wire import decode, encode, error_message

CONTROL = ("clock", "hold", "park", "make_safe", "abort", "shutdown", "ping")
COMMANDS = (
    "describe", "get_many", "set_many", "wait", "state", "start_scan", "move", "position",
    "start_spectrum", "set_feedback", "withdraw", "approach", "next", "result",
)  # fmt: skip
_POLL = 100  # ms between two looks at whether to end
_LINGER = 60.0  # s, an orphan may take that long to end in order: as long as an approach that has begun


class Host:
    """Answers the messages that a :class:`.hosted.HostedDriver` sends.

    Parameters
    ----------
    driver : Driver
        What is hosted; commands run on the thread that calls :meth:`run`, ``hold``, ``park``,
        ``make_safe``, ``clock`` and ``abort`` on another one.
    """

    def __init__(self, driver: Driver):
        self._driver: Any = driver
        self._ended = threading.Event()
        self._acquisition: Acquisition | None = None
        self._blocks: Iterator[Any] = iter(())
        self._number = 0

    def run(self, command: zmq.Socket, control: zmq.Socket) -> None:
        """Answer until :meth:`end`, then make safe, close the driver and both (bound, ROUTER) sockets.

        Safe once more, when nothing runs any longer: a command that was still running may have
        engaged the tip, and nobody is left to lift it.
        """
        beside = threading.Thread(target=self._serve, args=(control, CONTROL), name="probeline-control", daemon=True)
        beside.start()
        try:
            self._serve(command, COMMANDS)
        finally:
            self._ended.set()
            beside.join()
            try:
                self._driver.make_safe()
            finally:
                self._driver.close()

    def end(self) -> None:
        """Stop answering."""
        self._ended.set()

    def abandon(self) -> None:
        """Make the instrument safe because nobody commands it any more, then end."""
        if self._ended.is_set():
            return
        try:
            try:
                self._driver.hold()
            finally:
                self._driver.make_safe()
        finally:
            self.end()

    def _serve(self, socket: zmq.Socket, allowed: Sequence[str]) -> None:
        with socket:
            while not self._ended.is_set():
                if socket.poll(_POLL):
                    sender, number, *frames = socket.recv_multipart()
                    socket.send_multipart([sender, number, *self._answer(frames, allowed)])

    def _answer(self, frames: Sequence[bytes], allowed: Sequence[str]) -> list[bytes]:
        try:
            request = decode(frames)
            name = request["call"]
            if name not in allowed:
                raise CommandRejected(f"{name!r} is not a call of this socket; it answers {', '.join(allowed)}")
            return encode({"value": self._do(name, request["args"])})
        except Exception as error:  # whatever the driver raises belongs to its caller
            return encode(error_message(error))

    def _do(self, name: str, args: list[Any]) -> Any:
        own: dict[str, Callable[..., Any]] = {
            "next": self._next, "result": self._result, "abort": self._abort, "shutdown": self.end, "ping": str,
        }  # fmt: skip
        if name.startswith("start_"):
            return self._start(name, *args)
        return own[name](*args) if name in own else getattr(self._driver, name)(*args)

    def _start(self, name: str, *args: Any) -> int:
        acquisition = getattr(self._driver, name)(*args)
        self._acquisition, self._blocks = acquisition, iter(acquisition)
        self._number += 1
        return self._number

    def _running(self, number: int) -> Acquisition:
        if self._acquisition is None or number != self._number:
            raise CommandRejected(f"acquisition {number} is over: a later one was started")
        return self._acquisition

    def _next(self, number: int) -> Any:
        self._running(number)
        return next(self._blocks, None)

    def _result(self, number: int) -> Any:
        return self._running(number).result()

    def _abort(self, number: int) -> None:
        if self._acquisition is not None and number == self._number:
            self._acquisition.abort()


def open_backend(backend: str, argument: str, options: dict[str, Any]) -> Driver:
    """Return the driver of a registered back-end.

    Raises
    ------
    UnknownNameError
        When no such back-end is registered.
    ProbelineError
        Whatever the back-end raises.
    """
    return BACKENDS.load(backend).open_driver(argument, options)


def serve(driver: Driver, command: str, control: str, ready: Callable[[Host, str, str], None] | None = None) -> None:
    """Host ``driver`` at two 0MQ endpoints and answer until told to shut down.

    Parameters
    ----------
    driver : Driver
        Closed at the end.
    command, control : str
        Endpoints to bind, for example ``"tcp://127.0.0.1:*"`` or ``"ipc:///run/me/command"``.
        Whoever can reach them can drive the instrument: keep them on this machine.
    ready : callable, optional
        Called as ``ready(host, command, control)`` with the real endpoints once bound.
    """
    context = zmq.Context()
    try:
        sockets = [context.socket(zmq.ROUTER) for _ in range(2)]
        for socket, endpoint in zip(sockets, (command, control), strict=True):
            socket.setsockopt(zmq.LINGER, 0)
            socket.bind(endpoint)
        host = Host(driver)
        if ready is not None:
            ready(host, *(socket.getsockopt_string(zmq.LAST_ENDPOINT) for socket in sockets))
        host.run(*sockets)
    finally:
        context.destroy(linger=0)


def _say(message: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(message) + b"\n")
    sys.stdout.buffer.flush()


def main() -> int:
    """Be the child process: open what the first line of standard input names, serve it."""
    order = orjson.loads(sys.stdin.buffer.readline())
    try:
        driver = open_backend(order["backend"], order["argument"], order["options"])
    except ProbelineError as error:
        _say(error_message(error))
        return 1

    def ready(host: Host, command: str, control: str) -> None:
        def watch() -> None:
            while sys.stdin.buffer.read(1):
                pass
            # A driver call that never returns must not leave an orphan behind.
            last = threading.Timer(_LINGER, os._exit, [1])
            last.daemon = True
            last.start()
            host.abandon()

        threading.Thread(target=watch, name="probeline-lifeline", daemon=True).start()
        _say({"command": command, "control": control})

    serve(driver, order["command"], order["control"], ready)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
