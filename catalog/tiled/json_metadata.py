"""Metadata as Tiled keeps them: what it would change or refuse is noted as in a journal.

Without a word, its writer cuts whole numbers off at 2**53 and infinities at 1.8e308, and JSON makes NaN null; names
with a dot or a slash are refused.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import orjson

from ..journal.codec import decode, encode

_LARGEST = 2**53 - 1
_NAME = re.compile(r"[^./]+")  # of event-model's schema


def to_json(value: Any) -> Any:
    """Return ``value`` as JSON that comes back from Tiled as it was; arrays become lists.

    Raises
    ------
    CatalogError
        When it holds something that a journal cannot hold either.
    """
    return _within(orjson.loads(encode(_listed(value))))


def from_json(value: Any) -> Any:
    """Return what :func:`to_json` was given."""
    return decode(orjson.dumps(value))


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_listed(item) for item in value]
    return value.tolist() if isinstance(value, np.ndarray) else value


def _within(value: Any) -> Any:
    """Return JSON with names that Tiled takes, and numbers small enough for its writer to leave them alone."""
    if isinstance(value, dict):
        items = [(key, _within(item)) for key, item in value.items()]
        return dict(items) if all(map(_NAME.fullmatch, value)) else {"__pairs__": items}
    if isinstance(value, list):
        return [_within(item) for item in value]
    if isinstance(value, int | float) and abs(value) > _LARGEST and value % 1 == 0:
        return {"__int__" if isinstance(value, int) else "__float__": repr(value)}
    return value
