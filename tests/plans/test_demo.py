"""The demonstration compares like with like."""

from __future__ import annotations

import pytest
from rich.console import Console

from probeline import catalog
from probeline.plans.demo import run_demo

from .documents import check, check_in_tiled


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory):
    """Folder of the catalogue and the answer of one demonstration."""
    root = tmp_path_factory.mktemp("demo") / "catalog"
    return root, run_demo(root, points=5, pairs=2, console=Console(quiet=True))


def test_all_its_documents_are_valid(demonstration):
    with catalog.open(demonstration[0]) as store:
        store.flush()
        assert len(store) == 4
        for info in store.runs():
            check(store[info.uid].documents())
            check_in_tiled(store.client[info.uid])


def test_both_arms_of_a_seed_meet_the_same_sample(demonstration):
    root, answer = demonstration
    low, high = answer["interval"]
    assert low <= answer["difference"] <= high
    with catalog.open(root) as store:
        tables = [catalog.decisions(store[place]) for place in range(-4, 0)]
    for default, random in (tables[:2], tables[2:]):
        assert list(default["objective"]) == list(random["objective"])  # five points: all of the seed design
    assert list(tables[0]["objective"]) != list(tables[2]["objective"])
