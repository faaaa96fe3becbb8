"""Files that are there as a whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(target: Path, content: bytes) -> None:
    """Write a file in one step, in place of what may be there; no reader sees half of it, nor does a full disk keep it.

    Raises
    ------
    OSError
        When it cannot be written; what was there before stays.
    """
    draft = target.with_name(f"{target.name}.draft")
    try:
        draft.write_bytes(content)
        os.replace(draft, target)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
