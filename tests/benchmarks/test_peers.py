"""The comparison with peers: its files and tables on made-up records, the worker on a made-up peer."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # benchmarks are not installed

from benchmarks.peers import jobs, worker
from benchmarks.peers.page import RIVALS, Results, make_tables, primary_table, speed_table
from benchmarks.peers.quality import FIELDS, METHODS, SIZES, Film, Score, by_agent, by_mean
from benchmarks.peers.run import PAGE, RECORDS, load, save
from benchmarks.peers.speed import COUNTERPARTS, Cost
from benchmarks.peers.text import render
from probeline.core.errors import RefusedError

from .test_benchmarks import synthetic


def results(error: float = 0.5) -> Results:
    """Ours has the RMSE ``error``, everybody else 1, with a little spread over films."""
    scores = [
        Score(task, seed, method, size, (error if method in ("patch_gp", "dkl") else 1.0) + k / 16, 0.1, 0.9, 0.8, 2.0)
        for k, (task, seed) in enumerate(FIELDS)
        for method in METHODS
        for size in SIZES
    ]
    costs = [Cost(kind, 0.5, 0.2, 0.01, 0.02, 400.0) for kind in ("dkl", "gp", "patch_gp")]
    costs += [Cost(peer, 10.0, 8.0, None, 8.0, 800.0) for peer in COUNTERPARTS]
    return Results("2026-11-25", ["atomai 0.8.1"], {"dkl": "abc"}, costs, scores)


def test_ratios_are_taken_of_the_counterpart():
    rows = {row[0]: row for row in speed_table(results().costs).rows}
    assert rows["AtomAI"][-3:] == ("dkl", "20 / 400", "2.0")
    assert rows["dkl"][-3:] == ("", "", "")


@pytest.mark.parametrize(("error", "verdict"), [(0.5, "better"), (1.0, "open"), (1.5, "**worse**")])
def test_primary_comparisons_say_who_is_better(error: float, verdict: str):
    table = primary_table(results(error).scores)
    assert len(table.rows) == 2 * len(RIVALS)
    assert {row[-1] for row in table.rows} == {verdict}
    assert {row[5] for row in table.rows} == {str(len(FIELDS))}


def test_results_survive_their_file(tmp_path: Path):
    save(tmp_path / "peers.json", results())
    assert load(tmp_path / "peers.json") == results()


def test_the_page_is_that_of_its_records():
    """What stands in the documentation was written by the run whose records are kept."""
    assert PAGE.read_text() == render(load(RECORDS))


def test_every_method_has_its_rows():
    tables = {table.title: table for table in make_tables(results())}
    assert len(tables["Predictions of candidates that were not measured, from the same random points"].rows) == (
        len(METHODS) * len(SIZES)
    )
    assert all(len(row) == len(table.header) for table in tables.values() for row in table.rows)


def test_worker_gives_predictions_in_the_unit_of_the_outcomes():
    """A made-up peer that knows the standardised answer."""
    values = np.array([10.0, 14.0, 12.0, 16.0])

    def method(index: np.ndarray, target: np.ndarray):
        np.testing.assert_allclose([target.mean(), target.std()], [0, 1], atol=1e-12)
        return np.full(6, target[0]), np.full(6, -1e-9), 0.25

    found = worker.answer(method, np.arange(4), values, np.array([2, 4]))
    np.testing.assert_allclose(found["mean"], np.full((2, 6), 10.0))
    np.testing.assert_allclose(found["noise"], [0.5 * values[:2].std(), 0.5 * values.std()])
    assert (found["std"] > 0).all()


def test_everybody_is_told_the_same_points_and_no_failed_one():
    task = synthetic(1000)
    found = [task.measure(candidate) for candidate in range(len(task.problem))]
    film = Film(task, found, np.array([c for c in range(40) if found[c].flag == "ok"]))
    assert 5 not in film.order
    ours, mean = (film.score("x", 30, by(film)) for by in (lambda f: by_agent("gp", f, 30), lambda f: by_mean(f, 30)))
    assert ours.rmse > 0
    assert mean.coverage == pytest.approx(0.9, abs=0.1)
    assert mean.nlpd == pytest.approx(1.5, abs=0.3)


def test_missing_environment_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(jobs, "ENVIRONMENTS", tmp_path)
    with pytest.raises(RefusedError, match="make bench-peers"):
        jobs.ask("AtomAI", None)  # pyright: ignore[reportArgumentType]
