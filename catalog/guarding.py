"""What Tiled may open: files that really lie in the allowed folders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .paths import is_inside


def guard_files(context: Any, roots: Sequence[Path]) -> None:
    """Make a Tiled catalogue refuse files outside of ``roots``, ``..`` and symbolic links followed.

    Tiled itself compares the text of paths only.

    Parameters
    ----------
    context : tiled.catalog.adapter.Context
        Of the catalogue.
    roots : sequence of Path
        Folders that may be read.
    """
    context.adapters_by_mimetype = _Guarded(context.adapters_by_mimetype, roots)


class _Guarded(Mapping[str, Any]):
    """Tiled's readers by type of file, each asking first where the file lies."""

    def __init__(self, adapters: Mapping[str, Any], roots: Sequence[Path]):
        self._adapters, self._roots = adapters, list(roots)
        self._made: dict[str, Any] = {}

    def __getitem__(self, mimetype: str) -> Any:
        if mimetype not in self._made:
            self._made[mimetype] = _guarded(self._adapters[mimetype], self._roots)
        return self._made[mimetype]

    def __contains__(self, mimetype: object) -> bool:
        return mimetype in self._adapters

    def __iter__(self) -> Iterator[str]:
        return iter(self._adapters)

    def __len__(self) -> int:
        return len(self._adapters)


def _guarded(adapter: Any, roots: Sequence[Path]) -> Any:
    def from_catalog(cls: Any, data_source: Any, node: Any, /, **parameters: Any) -> Any:
        for asset in data_source.assets:
            _require_inside(asset.data_uri, roots)
        return super(made, cls).from_catalog(data_source, node, **parameters)

    made = type(adapter.__name__, (adapter,), {"from_catalog": classmethod(from_catalog)})
    return made


def _require_inside(uri: str, roots: Sequence[Path]) -> None:
    from fastapi import HTTPException
    from tiled.utils import path_from_uri

    if urlsplit(uri).scheme == "file" and not is_inside(path_from_uri(uri), roots):
        raise HTTPException(403, f"{uri} leads out of the folders that this server may read")
