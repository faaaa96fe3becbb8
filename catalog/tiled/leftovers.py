"""What a killed process leaves where Tiled writes arrays: a folder that no entry of its database owns."""

from __future__ import annotations

import shutil
from typing import Any
from urllib.parse import quote_plus, urljoin


def replace_leftovers() -> None:
    """Make Tiled, in this process, write an array anew where a process died between writing and entering it.

    Tiled makes the folder of an array first and commits its entry afterwards. Without the entry it would refuse that
    path for ever, because there is an array already, and the run could never be uploaded again.
    """
    from tiled.catalog.adapter import STORAGE_ADAPTERS_BY_MIMETYPE, ZARR_MIMETYPE

    STORAGE_ADAPTERS_BY_MIMETYPE.set(ZARR_MIMETYPE, _adapter)


def _adapter() -> type:
    from tiled.adapters.zarr import ZarrArrayAdapter
    from tiled.utils import path_from_uri

    class Replacing(ZarrArrayAdapter):
        @classmethod
        def init_storage(cls, storage: Any, data_source: Any, path_parts: list[str]) -> Any:
            # Tiled asks this only after its database has accepted the path: nobody owns what lies there.
            place = "/".join(quote_plus(part) for part in path_parts)
            shutil.rmtree(path_from_uri(urljoin(f"{storage.uri}/", place)), ignore_errors=True)
            return super().init_storage(storage, data_source, path_parts)

    return Replacing
