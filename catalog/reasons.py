"""Why a point was measured, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .report.numbers import measured, number, position

_HIGH, _LOW = 0.9, 0.5  # shares of the other candidates from which a value is called high, and below which it is not
_LEARNS = "this acquisition weighs uncertainty alone"
# What an acquisition looks for, where it is not a large value and a large uncertainty.
_LOOKS_FOR = {
    "max_variance": _LEARNS,
    "integrated_variance": _LEARNS,
    "straddle": "this acquisition looks for places where the value may lie on either side of its threshold",
    "novelty": "this acquisition looks for values unlike those that were found",
    "thompson": "this acquisition follows one random draw from what is believed",
}


def reason_in_words(facts: Mapping[str, Any], about: Mapping[str, Any], *, ended: bool) -> str:
    """Return the facts of a decision as sentences, one a line.

    Parameters
    ----------
    facts : mapping
        From :func:`~probeline.catalog.why.why`.
    about : mapping
        Block ``probeline`` of the start document.
    ended : bool
        Whether the run was closed.
    """
    unit, agent = about["objective"]["unit"], about["agent"]
    lines = [_choice(facts, agent)]
    if facts["inherited"]:
        lines.append(f"It was taken over from run {about['parent'][:8]}, which this run goes on from.")
    lines.append(_known(facts, unit))
    if facts["mean"] is not None and facts["std"] is not None:
        lines.append(f"It expected {measured(facts['mean'], facts['std'], unit)} there.")
        lines += [_weighed(facts, agent)] if facts["source"] in ("agent", "fallback") else []
    lines += _neighbours(facts, unit)
    lines.append(_came_of_it(facts, unit, ended=ended))
    return "\n".join(lines)


def _choice(facts: Mapping[str, Any], agent: Mapping[str, Any]) -> str:
    verb = "asked for" if (facts.get("outcome") or {}).get("status") == "refused" else "chose"
    x, y = facts["x"], facts["y"]
    where = "a place that is not finite" if x is None or y is None else position(x, y)
    place = f"Decision {facts['decision']} {verb} {where}"
    if facts["source"] not in ("agent", "fallback"):
        return f"{place}: {_without_model(facts, agent)}."
    fallback = " An earlier fit stood in, because the last one failed." if facts["source"] == "fallback" else ""
    among = "the open candidates" if facts["open"] is None else _counted(facts["open"], "open candidate")
    if agent["acquisition"] is None:
        return f"{place}: the choice of the agent {agent['kind']} among {among}.{fallback}"
    rank = "the best" if facts["rank"] == 0 else f"number {facts['rank'] + 1}"
    by = agent["acquisition"].replace("_", " ")
    return f"{place}: {rank} of {among} for the agent {agent['kind']} by {by}.{fallback}"


def _without_model(facts: Mapping[str, Any], agent: Mapping[str, Any]) -> str:
    """Return what chose a point where it was not the model."""
    drawn = f"drawn at random (seed {agent['seed']})"
    if facts["source"] == "audit":
        return f"an audit, {drawn} to judge what was predicted there"
    if facts["source"] == "space_filling":
        return "the farthest from all others, as audits said that the predictions cannot be relied on"
    if facts["source"] == "control":
        return "the control site again, to see what changes with time"
    if facts["source"] == "external":
        return "it was chosen by somebody else and adopted"
    if facts["decision"] < agent["seed_points"]:
        return f"number {facts['decision'] + 1} of {agent['seed_points']} in the seed design, {drawn} without a model"
    return f"{drawn}, as too few outcomes were known for a model"


def _known(facts: Mapping[str, Any], unit: str) -> str:
    failed = f" and {_counted(facts['n_failed'], 'failure')}" if facts["n_failed"] else ""
    seen = f"It knew {_counted(facts['n_seen'], 'outcome')}{failed}"
    best = facts["best"]
    if best is None:
        return f"{seen}."
    return f"{seen}, the best of them {_value(best, unit)} (decision {best['decision']})."


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _value(outcome: Mapping[str, Any], unit: str) -> str:
    sigma = outcome["sigma"]
    return measured(outcome["objective"], math.nan if sigma is None else sigma, unit)


def _weighed(facts: Mapping[str, Any], agent: Mapping[str, Any]) -> str:
    mean, std = facts["mean_above"], facts["std_above"]
    if mean is None or std is None:
        return "It expected the same everywhere: it had no model that tells candidates apart."
    shares = (
        f"Its expected value is better than that of {_percent(mean)} of the other open candidates, its uncertainty "
        f"larger than that of {_percent(std)}"
    )
    if agent["acquisition"] in _LOOKS_FOR:
        return f"{shares}: {_LOOKS_FOR[agent['acquisition']]}."
    if agent["acquisition"] is None:
        return f"{shares}."
    if mean >= _HIGH and std < _LOW:
        return f"{shares}: it was chosen for its value."
    if std >= _HIGH and mean < _LOW:
        return f"{shares}: it was chosen to learn."
    return f"{shares}: value and uncertainty both counted."


def _percent(share: float) -> str:
    """Return a share; 0 and 100 % mean none and all."""
    if 0 < share < 0.01:
        return "less than 1 %"
    if 0.99 < share < 1:
        return "more than 99 %"
    return f"{100 * share:.0f} %"


def _neighbours(facts: Mapping[str, Any], unit: str) -> list[str]:
    titles = {"nearest": "Nearest measured", "most_alike": "Most alike in the image (0: the same patch)"}
    lines = []
    for key, title in titles.items():
        found = [
            f"decision {near['decision']} ({_away(near)}) gave {number(near['objective'], unit)}"
            for near in facts.get(key) or []
        ]
        lines += [f"{title}: {'; '.join(found)}."] if found else []
    return lines


def _away(near: Mapping[str, Any]) -> str:
    if "distance_nm" in near:
        return f"{number(near['distance_nm'], 'nm', digits=3)} away"
    return f"difference {number(near['difference'], digits=2)}"


# What stands before the reason, where a decision gave no value.
_WITHOUT = {
    "refused": "Nothing was measured: it was refused, because",
    "abandoned": "It was not measured to its end:",
    "not_begun": "Nothing was measured, because its turn did not come:",
    "failed": "It was measured, but no value came of it:",
}


def _came_of_it(facts: Mapping[str, Any], unit: str, *, ended: bool) -> str:
    outcome = facts.get("outcome")
    if outcome is None:
        return "Nothing came of it: the run ended first." if ended else "What came of it is not recorded yet."
    if outcome["reason"] == "not_measured":
        return "No value came of it: the replayed data have none there."
    ending = "not_begun" if outcome.get("flag") == "not_begun" else outcome["status"]
    if ending in _WITHOUT:
        flag = ending == "failed"  # else it is a sentence
        return f"{_WITHOUT[ending]} {outcome['reason'].replace('_', ' ') if flag else outcome['reason']}."
    text = f"It gave {_value(outcome, unit)}"
    if facts["mean"] is None or not facts["std"]:
        return f"{text}."
    spread = math.hypot(facts["std"], facts.get("noise") or 0.0, outcome["sigma"] or 0.0)
    away = abs(outcome["objective"] - facts["mean"]) / spread
    return f"{text}, {away:.1f} standard deviations (of prediction and measurement together) from what was expected."
