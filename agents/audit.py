"""Which decisions are audits: random candidates whose prediction is judged."""

from __future__ import annotations

import math

from ..core.rng import generator

_HAIR = 1e-9  # against rounding, where a block begins at a whole number


def is_audit(seed: int, share: float, number: int) -> bool:
    """Return whether a decision is an audit.

    Decisions fall into blocks of ``1 / share``, in each of which one at random is an audit. So they are evenly spread,
    and fall in step with nothing else that happens every so many measurements, such as a registration.

    Parameters
    ----------
    seed : int
        Seed of the agent.
    share : float
        From 0 to 0.5.
    number : int
        Number of the decision, from 0 after the seed design.
    """
    if not share:
        return False
    block = math.floor(number * share + _HAIR)
    first, end = (math.ceil(edge / share - _HAIR) for edge in (block, block + 1))
    return number == first + int(generator(seed, "audit", block).integers(end - first))
