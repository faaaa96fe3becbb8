"""Messages between a driver in a process of its own and its proxy: JSON and raw arrays, no pickle.

A message is one JSON header and, for every array in it, one frame of raw bytes. In the header
an array stands as ``{"$array": [frame, dtype, shape]}`` and a number that JSON lacks as
``{"$float": "nan"}``. Errors travel by the name of their class and its arguments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from ..core import errors
from ..core.errors import CommandRejected, DriverError, ProbelineError


def encode(message: Mapping[str, Any]) -> list[bytes]:
    """Return the frames of ``message``: JSON values, tuples (as lists), numpy scalars and arrays.

    Raises
    ------
    CommandRejected
        For a value that is none of them; drivers exchange nothing else.
    """
    frames: list[bytes] = []
    header = _pack(message, frames)
    return [orjson.dumps(header), *frames]


def decode(frames: Sequence[bytes]) -> dict[str, Any]:
    """Return the message of which :func:`encode` made ``frames``; arrays are writable copies.

    Raises
    ------
    DriverError
        When the frames are not such a message.
    """
    try:
        return _unpack(orjson.loads(frames[0]), frames[1:])
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise DriverError(f"a message of {len(frames)} frames is not understood: {error}") from error


def _pack(value: Any, frames: list[bytes]) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise CommandRejected(f"an array of {value.dtype} cannot be sent; use numbers or fixed-length text")
        frames.append(np.ascontiguousarray(value).tobytes())
        return {"$array": [len(frames) - 1, value.dtype.str, list(value.shape)]}
    if isinstance(value, float) and not np.isfinite(value):
        return {"$float": str(value)}
    if isinstance(value, Mapping):
        return {str(key): _pack(item, frames) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_pack(item, frames) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise CommandRejected(f"{type(value).__name__} cannot be sent; drivers exchange JSON values and numpy arrays only")


def _unpack(value: Any, frames: Sequence[bytes]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, frames) for item in value]
    if not isinstance(value, dict):
        return value
    if "$array" in value:
        frame, dtype, shape = value["$array"]
        return np.frombuffer(frames[frame], dtype=np.dtype(dtype)).reshape(shape).copy()
    if "$float" in value:
        return float(value["$float"])
    return {key: _unpack(item, frames) for key, item in value.items()}


def error_message(error: BaseException) -> dict[str, Any]:
    """Return ``error`` as a message; what is no error of ours becomes a :class:`DriverError`."""
    if isinstance(error, ProbelineError):
        arguments = error.__reduce__()[1]
        return {"error": type(error).__name__, "args": [_plain(item) for item in arguments]}
    return {"error": "DriverError", "args": [f"the driver failed with {type(error).__name__}: {error}"]}


def raise_error(message: Mapping[str, Any]) -> None:
    """Raise the error that ``message`` holds, if it holds one."""
    if "error" not in message:
        return
    kind = getattr(errors, message["error"], None)
    if isinstance(kind, type) and issubclass(kind, ProbelineError):
        raise kind(*message["args"])
    raise DriverError(f"{message['error']}: {message['args']}")


def _plain(value: Any) -> Any:
    """Return ``value`` if it can be sent, else as text: an error must always arrive."""
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str | np.generic) else str(value)
