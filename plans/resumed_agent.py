"""The agent of a run that goes on: rebuilt from the record, and as far as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from ..catalog.player import Player, Row, told
from ..core.errors import RefusedError
from .prior import Prior
from .worker import suggestions


class Resumed:
    """An agent that has said already what it will suggest next, and knows what of it is still to be followed.

    Parameters
    ----------
    player : Player
        Has its agent, and what that suggested.
    said : sequence of mapping
        Its next suggestions.
    """

    def __init__(self, player: Player, said: Sequence[Row] = ()):
        self._player, self._next = player, [*said]

    def suggest(self, num_points: int = 1) -> Any:
        """Return what was said, then what the agent says."""
        if self._next:
            return [self._next.pop(0) for _ in range(num_points)]
        return self._player.agent.suggest(num_points)

    def suggested(self, decisions: Sequence[int]) -> list[Row]:
        """Return the suggestion of each of these decisions."""
        return [self._player.suggestion(number) for number in decisions]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._player.agent, name)


def caught_up(player: Player, prior: Prior, *, ahead: int) -> Resumed:
    """Return the agent of ``player`` after every outcome of ``prior``.

    It has decided ``ahead`` points before it knew an outcome of the last batch, as in the run before.
    """
    said: list[Any] = []
    if ahead:
        player.feed(len(told(prior.decisions, prior.before)))
        with contextlib.suppress(RefusedError):  # no candidate is left: it will say so again when it is asked
            said = suggestions(player.agent, ahead)
    player.feed()
    return Resumed(player, said)
