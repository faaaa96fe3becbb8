"""Names that other packages can add to: back-ends, agents, scalarizers."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from .errors import UnknownNameError


class Registry:
    """A group of entry points, loaded by name on demand.

    Parameters
    ----------
    group : str
        Entry point group, for example ``"probeline.agents"``.
    kind : str
        What one member is called in messages, for example ``"agent"``.
    """

    def __init__(self, group: str, kind: str):
        self._group = group
        self._kind = kind

    def names(self) -> list[str]:
        """Return the registered names, sorted."""
        return sorted({point.name for point in entry_points(group=self._group)})

    def load(self, name: str) -> Any:
        """Return the object registered under ``name``.

        Raises
        ------
        UnknownNameError
            When no installed package registers the name.
        """
        for point in entry_points(group=self._group, name=name):
            return point.load()
        raise UnknownNameError(self._kind, name, self.names())

    def provider(self, name: str) -> tuple[str, str] | None:
        """Return name and version of the package that registers ``name``; None where none does."""
        for point in entry_points(group=self._group, name=name):
            if point.dist is not None:
                return point.dist.name, point.dist.version
        return None


BACKENDS = Registry("probeline.backends", "instrument")
AGENTS = Registry("probeline.agents", "agent")
SCALARIZERS = Registry("probeline.scalarizers", "objective")
