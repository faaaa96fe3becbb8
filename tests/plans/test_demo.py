"""The demonstration compares like with like."""

from __future__ import annotations

from rich.console import Console

from probeline import catalog
from probeline.plans.demo import run_demo


def test_both_arms_of_a_seed_meet_the_same_sample(tmp_path):
    answer = run_demo(tmp_path / "catalog", points=5, pairs=2, console=Console(quiet=True))
    low, high = answer["interval"]
    assert low <= answer["difference"] <= high
    with catalog.open(tmp_path / "catalog") as store:
        tables = [catalog.decisions(store[place]) for place in range(-4, 0)]
    for default, random in (tables[:2], tables[2:]):
        assert list(default["objective"]) == list(random["objective"])  # five points: all of the seed design
    assert list(tables[0]["objective"]) != list(tables[2]["objective"])
