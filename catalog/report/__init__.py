"""The report of a run: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..run import Run
from ..writing import write_whole


def report(run: Run, path: str | Path, *, reference: Sequence[Run] = ()) -> Path:
    """Write the report of a run of ``explore`` and return its path.

    Pictures stand in the file itself; nothing is loaded from elsewhere. A run that was aborted or
    still goes on gives a report of what there is.

    Parameters
    ----------
    run : Run
        From a catalogue.
    path : str or Path
        The HTML file; its folder is made.
    reference : sequence of Run
        Runs of the agent ``random`` on the same twin or full map, for the same objective: the best
        value so far is compared with theirs.

    Raises
    ------
    DataError
        When the run is not one of ``explore``.
    SpecError
        When a reference run cannot be compared with it.
    OSError
        When the file cannot be written.
    """
    from .page import render

    page = render(run, reference)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, page.encode())
    return target


__all__ = ["report"]
