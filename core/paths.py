"""Where measured data lie."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import DataError


def data_folder(name: str) -> Path:
    """Return the folder of the data set ``name``.

    Looked for in ``$PROBELINE_DATA``, then in ``../shared/data`` of the working directory
    and of the source tree.

    Raises
    ------
    DataError
        When it is in none of them; the message says where was looked.
    """
    roots = [Path(os.environ["PROBELINE_DATA"])] if os.environ.get("PROBELINE_DATA") else []
    source = Path(__file__).resolve().parent.parent
    roots += [Path.cwd().parent / "shared" / "data", source.parent / "shared" / "data"]
    for root in roots:
        if (root / name).is_dir():
            return root / name
    looked = ", ".join(dict.fromkeys(str(root) for root in roots))
    raise DataError(f"data set {name!r} was not found in {looked}; set PROBELINE_DATA to the folder that holds it")
