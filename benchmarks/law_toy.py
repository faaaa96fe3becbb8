"""The toy of hypothesis learning in ``make bench``; all rules and worlds: ``python -m benchmarks.hypotheses``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .claims import difference
from .law_rules import run
from .law_worlds import toy
from .tables import Table, interval, rate, spread

MEASUREMENTS, SURE, LEAST = 15, 0.9, 1e-6
RULES = ("information", "random")


def toy_courses(seed: int) -> dict[str, float]:
    """Return the probability of the right law after 15 measurements, by rule."""
    return {rule: float(run(toy(seed), rule, seed, MEASUREMENTS).right[MEASUREMENTS]) for rule in RULES}


def toy_table(found: Sequence[dict[str, Any]]) -> Table:
    """Return how often each rule was sure of the right law."""
    score = {rule: np.log(np.maximum([one[rule] for one in found], LEAST)) for rule in RULES}
    rows = []
    for rule in RULES:
        sure = sum(one[rule] >= SURE for one in found)
        against = "-" if rule == RULES[0] else interval(difference(score[RULES[0]], score[rule]))
        rows.append((rule, str(len(found)), rate(sure, len(found)), spread(score[rule].tolist()), against))
    header = ("rule", "seeds", f"right law at {SURE} or more", "log score", f"{RULES[0]} better by")
    return Table(f"Toy of hypothesis learning after {MEASUREMENTS} measurements", header, tuple(rows))
