"""The default agent beside its own kin: with a net, and with audits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from probeline.analysis.statistics import holm, wilcoxon_p

from .claim_tables import WHAT, labelled
from .claims import DEFAULT, LARGER_IS_BETTER, PRIMARY, Claim, difference, paired, values_by_seed
from .loops import AUDITED, Record
from .suite import BUDGETS
from .tables import Table, interval, spread

NET = "dkl"
SEARCH = "primary"  # a kind of metric beside RMSE and NLPD: what the task is judged by


def net_table(records: Sequence[Record]) -> Table:
    """Return ``dkl`` less the default on every task by its primary metric, RMSE and NLPD, and what it costs."""
    better, rows = _better(records, SEARCH), []
    for task, budget in _net_cases(records):
        goal, primary = PRIMARY[task]
        cells = [interval(difference(*paired(records, _net(task, kind), budget))) for kind in (SEARCH, "rmse", "nlpd")]
        cost = [values_by_seed(records, task, agent, goal, budget, "cpu_s") for agent in (NET, DEFAULT)]
        ratio = np.mean(list(cost[0].values())) / np.mean(list(cost[1].values()))
        told = {1: f"`{NET}`", -1: f"`{DEFAULT}`", 0: "level"}[better[task, budget]]
        rows.append((labelled(task), f"{WHAT[primary]}, {goal}", str(budget), *cells, f"{ratio:.1f}", told))
    header = ("task", "primary metric, goal", "n", "primary metric", "RMSE", "NLPD", "CPU s, ratio", "better (Holm)")
    return Table(f"{NET} less {DEFAULT} [95 %]", header, tuple(rows))


def net_advice(records: Sequence[Record]) -> str:
    """Return when to use which, in words: where p values, adjusted over all rows of a column, are below 0.05."""
    lines, gains = [], []
    for kind, name in ((SEARCH, "the primary metric"), ("rmse", "RMSE"), ("nlpd", "NLPD")):
        better = _better(records, kind)
        where = {
            sign: [f"{labelled(task)} at {budget}" for (task, budget), found in better.items() if found == sign]
            for sign in (1, -1)
        }
        gains += where[1]
        lines.append(
            f"- By {name}, `{NET}` is better on {', '.join(where[1]) or 'none'}; `{DEFAULT}` on "
            f"{', '.join(where[-1]) or 'none'}."
        )
    use = (
        f"Use `{NET}` for what it is better at here, on data like that, and `{DEFAULT}` for everything else"
        if gains
        else f"Use `{DEFAULT}`: nothing here speaks for `{NET}`"
    )
    return "\n".join([f"{use}. Where they are level, `{DEFAULT}` is the cheaper one.", "", *lines])


def audit_table(records: Sequence[Record]) -> Table:
    """Return what a tenth of the points for audits costs the search."""
    rows = []
    for task, (goal, primary) in PRIMARY.items():
        for budget in BUDGETS[1:]:
            for metric in dict.fromkeys((primary, "regret")):
                audited, plain = paired(records, Claim(task, goal, metric, DEFAULT, AUDITED), budget)
                if len(plain) > 1:
                    cells = (spread(plain.tolist()), spread(audited.tolist()), interval(difference(audited, plain)))
                    rows.append((task, WHAT[metric], str(budget), *cells, str(len(plain))))
    header = ("task", "metric", "n", "audit 0", "audit 0.1", "difference [95 %]", "seeds")
    return Table("What audits cost the default agent", header, tuple(rows))


def _net(task: str, kind: str) -> Claim:
    goal, primary = PRIMARY[task]
    return Claim(task, goal, primary if kind == SEARCH else kind, DEFAULT, NET)


def _net_cases(records: Sequence[Record]) -> list[tuple[str, int]]:
    """Return task and budget of all comparisons for which there are pairs."""
    cases = [(task, budget) for task in PRIMARY for budget in BUDGETS[1:]]
    return [(task, budget) for task, budget in cases if len(paired(records, _net(task, SEARCH), budget)[0]) > 1]


def _better(records: Sequence[Record], kind: str) -> dict[tuple[str, int], int]:
    """Return 1 where the net is better by one kind of metric, -1 where it is worse, 0 where that is not shown."""
    cases = _net_cases(records)
    pairs = [paired(records, _net(task, kind), budget) for task, budget in cases]
    adjusted = holm([wilcoxon_p(*pair) for pair in pairs])
    found = {}
    for (task, budget), (net, plain), p in zip(cases, pairs, adjusted, strict=True):
        sign = 1 if LARGER_IS_BETTER[_net(task, kind).metric] else -1
        found[task, budget] = int(sign * np.sign(net.mean() - plain.mean())) if p < 0.05 else 0
    return found
