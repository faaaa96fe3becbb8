"""Driving a driver that lives in another process."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import zmq
from numpy.typing import NDArray

from ..core.errors import ConnectionLost, DriverTimeout
from .drivers import Acquisition, Description, ScanSettings, Value
from .wire import decode, encode, raise_error

_LOOK = 50  # ms between two looks at whether the process is still there
_START = 120.0  # s, a child may take that long to import and open its driver
_END = 70.0  # s, a child may take that long to end when asked: longer than it allows itself


class _Line:
    """One 0MQ connection: a request, then its answer, from any thread.

    Parameters
    ----------
    endpoint : str
        Where the host listens.
    process : Popen or None
        The host, when it is ours: its end is noticed at once.
    """

    def __init__(self, context: zmq.Context, endpoint: str, process: subprocess.Popen | None):
        self._socket = context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.connect(endpoint)
        self._process = process
        self._lock = threading.Lock()
        self._number = 0

    def ask(self, name: str, args: Sequence[Any], timeout: float) -> Any:
        """Return what the host answers to ``name(*args)``.

        Raises
        ------
        ConnectionLost
            When its process has ended.
        DriverTimeout
            When no answer comes within ``timeout`` (s).
        """
        with self._lock:
            if self._socket.closed:
                raise ConnectionLost(f"{name}: the connection is closed; open the instrument again")
            self._number += 1
            number = str(self._number).encode()
            self._socket.send_multipart([number, *encode({"call": name, "args": list(args)})])
            answer = decode(self._receive(name, number, timeout))
        raise_error(answer)
        return answer["value"]

    def _receive(self, name: str, number: bytes, timeout: float) -> list[bytes]:
        for _ in range(max(1, int(timeout * 1000 / _LOOK))):
            while self._socket.poll(_LOOK):
                got, *frames = self._socket.recv_multipart()
                if got == number:  # an answer that came too late for its question is dropped
                    return frames
            if self._process is not None and self._process.poll() is not None:
                raise ConnectionLost(
                    f"{name}: process {self._process.pid} of the instrument ended with code "
                    f"{self._process.returncode}; open the instrument again"
                )
        raise DriverTimeout(f"{name}: the instrument's process did not answer within {timeout:g} s")

    def close(self) -> None:
        with self._lock:
            self._socket.close()


class HostedDriver:
    """Fills every driver protocol by asking a :class:`.hosting.Host`.

    Parameters
    ----------
    command, control : str
        0MQ endpoints of the host.
    process : Popen, optional
        The host, when it is a child of ours; :meth:`close` ends it.
    folder : Path, optional
        Removed at :meth:`close`.
    timeout : float
        Wall seconds to wait for the answer to a command.
    patience : float
        Wall seconds to wait for the first sign of life.

    Raises
    ------
    ConnectionLost
        When nobody answers at the endpoints.
    """

    def __init__(
        self,
        command: str,
        control: str,
        *,
        process: subprocess.Popen | None = None,
        folder: Path | None = None,
        timeout: float = 600.0,
        patience: float = 10.0,
    ):
        self._process, self._folder, self._timeout = process, folder, timeout
        self._context = zmq.Context()
        self._command = _Line(self._context, command, process)
        self._control = _Line(self._context, control, process)
        self._closed = threading.Lock()
        try:
            self._beside("ping", timeout=patience)
            self._description: Description = self._ask("describe")
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int | None:
        """Process that hosts the driver, when it is a child of ours."""
        return None if self._process is None else self._process.pid

    def _ask(self, name: str, *args: Any) -> Any:
        try:
            return self._command.ask(name, args, self._timeout)
        except DriverTimeout:
            self._beside("ping", timeout=2.0)
            raise

    def _beside(self, name: str, *args: Any, timeout: float = 30.0) -> Any:
        try:
            return self._control.ask(name, args, timeout)
        except DriverTimeout as error:
            if name == "ping":
                raise ConnectionLost(f"the process of the instrument does not answer at all: {error}") from error
            raise

    def describe(self) -> Description:
        """Return the driver's description; asked for once, it is constant."""
        return self._description

    def get_many(self, keys: Sequence[str]) -> dict[str, Value]:
        """Return the present value of each key."""
        return self._ask("get_many", list(keys))

    def set_many(self, values: Mapping[str, Value]) -> None:
        """Set keys that belong together."""
        self._ask("set_many", dict(values))

    def clock(self) -> float:
        """Return the instrument time (s)."""
        return self._beside("clock")

    def wait(self, seconds: float) -> None:
        """Let instrument time pass."""
        self._ask("wait", seconds)

    def state(self) -> dict[str, Any]:
        """Return what is needed to open the instrument again as it is."""
        return self._ask("state")

    def hold(self) -> None:
        """End motion and acquisition, beside whatever is running."""
        self._beside("hold")

    def park(self) -> None:
        """Lift the tip, blank the beam, beside whatever is running."""
        self._beside("park", timeout=self._timeout)

    def make_safe(self) -> None:
        """Withdraw and switch off, beside whatever is running."""
        self._beside("make_safe", timeout=self._timeout)

    def start_scan(self, settings: ScanSettings) -> Acquisition:
        """Start one frame."""
        return HostedAcquisition(self, self._ask("start_scan", dict(settings)))

    def move(self, x: float, y: float) -> None:
        """Move the probe (m)."""
        self._ask("move", x, y)

    def position(self) -> tuple[float, float]:
        """Return the scanner coordinates (m)."""
        x, y = self._ask("position")
        return x, y

    def start_spectrum(self, kind: str, settings: Mapping[str, Value]) -> Acquisition:
        """Start a measurement at the point."""
        return HostedAcquisition(self, self._ask("start_spectrum", kind, dict(settings)))

    def set_feedback(self, on: bool) -> None:
        """Close or open the z loop."""
        self._ask("set_feedback", on)

    def withdraw(self) -> None:
        """Retract z."""
        self._ask("withdraw")

    def approach(self) -> None:
        """Bring the tip to the setpoint."""
        self._ask("approach")

    def close(self) -> None:
        """End the host if it is ours, and the connection. Leaves no process behind. Idempotent."""
        if not self._closed.acquire(blocking=False):
            return
        if self._process is not None:
            with contextlib.suppress(ConnectionLost, DriverTimeout):  # gone or stuck: ended below
                self._control.ask("shutdown", (), 2.0)
            end_process(self._process)
        self._command.close()
        self._control.close()
        self._context.destroy(linger=0)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


class HostedAcquisition:
    """A running measurement of a :class:`HostedDriver`; each block is one request."""

    def __init__(self, driver: HostedDriver, number: int):
        self._driver = driver
        self._number = number

    def __iter__(self) -> Iterator[tuple[int, NDArray[np.float64], float]]:
        """Yield ``(first, block, clock)``."""
        while (item := self._driver._ask("next", self._number)) is not None:
            first, block, clock = item
            yield first, block, clock

    def abort(self) -> None:
        """End it now, from any thread."""
        self._driver._beside("abort", self._number)

    def result(self) -> dict[str, Any]:
        """Return the result, running to the end if need be."""
        return self._driver._ask("result", self._number)


def end_process(process: subprocess.Popen) -> None:
    """Close the lifeline of ``process`` and see that it ends, by force if need be."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # its other end is gone already
                pipe.close()
    try:
        process.wait(_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def host_process(backend: str, argument: str, options: Mapping[str, Any], *, timeout: float = 600.0) -> HostedDriver:
    """Start a process that hosts a registered back-end, and return its proxy.

    Parameters
    ----------
    backend, argument, options
        As for ``open_driver`` of the back-end.
    timeout : float
        Wall seconds to wait for the answer to a command.

    Raises
    ------
    ProbelineError
        Whatever opening the back-end raises there.
    ConnectionLost
        When the process ends or says nothing.
    """
    folder = Path(tempfile.mkdtemp(prefix="probeline-"))
    process = subprocess.Popen(
        [sys.executable, "-m", "probeline.devices.hosting"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C at the prompt pauses a plan; it must not reach the driver
    )
    try:
        order = {"backend": backend, "argument": argument, "options": dict(options), **_endpoints(folder)}
        answer = _first_answer(process, orjson.dumps(order))
        raise_error(answer)
        return HostedDriver(answer["command"], answer["control"], process=process, folder=folder, timeout=timeout)
    except BaseException:
        end_process(process)
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _endpoints(folder: Path) -> dict[str, str]:
    """Return endpoints that only this user can reach, where the platform has such."""
    if zmq.has("ipc"):
        return {"command": f"ipc://{folder}/command", "control": f"ipc://{folder}/control"}
    return {"command": "tcp://127.0.0.1:*", "control": "tcp://127.0.0.1:*"}


def _first_answer(process: subprocess.Popen, order: bytes) -> dict[str, Any]:
    """Send the order and return the first line that the child says."""
    if process.stdin is None or process.stdout is None:
        raise ConnectionLost(f"process {process.pid} has no pipes to talk through")
    watchdog = threading.Timer(_START, process.kill)
    watchdog.start()
    try:
        process.stdin.write(order + b"\n")
        process.stdin.flush()
        line = process.stdout.readline()
    except OSError:
        line = b""
    finally:
        watchdog.cancel()
    if not line:
        raise ConnectionLost(f"process {process.pid} ended before it hosted the instrument; its error output says why")
    return orjson.loads(line)
