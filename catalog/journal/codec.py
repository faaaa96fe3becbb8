"""Documents as JSON text and back, bit by bit: arrays, NaN, infinities, large integers.

JSON knows neither arrays nor NaN, and most writers turn NaN silently into null. Here a value
that JSON cannot say becomes an object with one tag key; an object that looks like one is
escaped. Tuples become lists, and numpy scalars the Python value that they equal.
"""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np
import orjson

from ...core.errors import CatalogError

_TAGS = ("__ndarray__", "__float__", "__int__", "__complex__", "__bytes__", "__text__", "__pairs__")
_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1


def encode(value: Any) -> bytes:
    """Return ``value`` as one line of JSON, without the newline.

    Raises
    ------
    CatalogError
        When it holds something that cannot be written down, for example an open file.
    """
    try:
        packed = _pack(value)
        try:
            return orjson.dumps(packed)
        except TypeError:  # rare, and asking every text beforehand would cost every document
            return orjson.dumps(_pack_surrogates(packed))
    except (TypeError, ValueError, RecursionError) as error:
        raise CatalogError(
            f"a document cannot be written down: {error}; give numbers, text, lists, dictionaries or numpy arrays"
        ) from error


def decode(line: bytes) -> Any:
    """Return the value that :func:`encode` wrote.

    Raises
    ------
    ValueError
        When it is not JSON, or a tag is malformed.
    """
    return _unpack(orjson.loads(line))


def _pack(value: Any) -> Any:
    if isinstance(value, bool | str) or value is None:
        return str(value) if type(value) is np.str_ else value
    if isinstance(value, dict):
        if any(not isinstance(key, str) for key in value) or not value.keys().isdisjoint(_TAGS):
            return {"__pairs__": [[_pack(key), _pack(item)] for key, item in value.items()]}
        return {str.__str__(key): _pack(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_pack(item) for item in value]
    return _pack_number(value)


def _pack_surrogates(packed: Any) -> Any:
    """Return packed JSON without texts that are no Unicode: names of files may hold half a surrogate pair."""
    if isinstance(packed, str):
        content = packed.encode("utf-8", "surrogatepass")
        return {"__text__": base64.b64encode(content).decode()} if _is_broken(packed) else packed
    if isinstance(packed, list):
        return [_pack_surrogates(item) for item in packed]
    if not isinstance(packed, dict):
        return packed
    if any(_is_broken(key) for key in packed):
        return {"__pairs__": [[_pack_surrogates(key), _pack_surrogates(item)] for key, item in packed.items()]}
    return {key: _pack_surrogates(item) for key, item in packed.items()}


def _is_broken(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)


def _pack_number(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _pack_array(value)
    if isinstance(value, np.generic):
        value = _plain(value)
    if isinstance(value, float) and not math.isfinite(value):
        return {"__float__": repr(value)}
    if isinstance(value, int) and not _INT_MIN <= value <= _INT_MAX:
        return {"__int__": str(value)}
    if isinstance(value, complex):
        return {"__complex__": [_pack(value.real), _pack(value.imag)]}
    if isinstance(value, bytes):
        return {"__bytes__": base64.b64encode(value).decode()}
    return value


def _plain(scalar: np.generic) -> Any:
    """Return the Python value that equals ``scalar``."""
    if isinstance(scalar, np.floating):  # ``item`` gives a long double back as it is
        return float(scalar)
    return complex(scalar) if isinstance(scalar, np.complexfloating) else scalar.item()


def _pack_array(array: np.ndarray) -> Any:
    if array.dtype.hasobject or array.dtype.names:
        return _pack(array.tolist())
    return {
        "__ndarray__": {
            "dtype": array.dtype.str,
            "shape": list(array.shape),
            "base64": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode(),
        }
    }


def _unpack(value: Any) -> Any:
    if isinstance(value, list):
        return [_unpack(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((tag, content),) = value.items()
        if tag in _TAGS:
            return _unpack_tag(tag, content)
    return {key: _unpack(item) for key, item in value.items()}


def _unpack_tag(tag: str, content: Any) -> Any:
    match tag:
        case "__ndarray__":
            data = base64.b64decode(content["base64"])
            return np.frombuffer(data, dtype=content["dtype"]).reshape(content["shape"]).copy()
        case "__complex__":
            return complex(_unpack(content[0]), _unpack(content[1]))
        case "__pairs__":
            return {_hashable(_unpack(key)): _unpack(item) for key, item in content}
        case _:
            return _SIMPLE[tag](content)


_SIMPLE = {
    "__float__": float,
    "__int__": int,
    "__bytes__": base64.b64decode,
    "__text__": lambda content: base64.b64decode(content).decode("utf-8", "surrogatepass"),
}


def _hashable(key: Any) -> Any:
    return tuple(key) if isinstance(key, list) else key
