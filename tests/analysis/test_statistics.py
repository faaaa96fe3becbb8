"""Paired statistics against textbook numbers and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probeline.analysis.statistics import holm, paired_interval, wilcoxon_p
from probeline.core.errors import SpecError
from probeline.core.rng import generator

# Student (1908), hours of extra sleep of ten patients with two drugs: the classic paired example.
SLEEP_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SLEEP_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def test_t_interval_of_students_sleep_data():
    """R: t.test(extra ~ group, paired = TRUE) gives -1.58 and -2.4598858 to -0.7001142."""
    interval = paired_interval(SLEEP_1, SLEEP_2)
    assert interval.mean_difference == pytest.approx(-1.58)
    assert (interval.low, interval.high) == pytest.approx((-2.4598858, -0.7001142), abs=1e-6)
    assert interval.n == 10


def test_bootstrap_interval_is_seeded_and_agrees_with_t():
    rng = generator(0, "a")
    a = rng.normal(1.0, 1.0, 40)
    b = rng.normal(0.0, 1.0, 40)
    first = paired_interval(a, b, rng=generator(0, "boot"))
    assert first == paired_interval(a, b, rng=generator(0, "boot"))
    by_t = paired_interval(a, b)
    width = by_t.high - by_t.low
    assert first.low == pytest.approx(by_t.low, abs=0.1 * width)
    assert first.high == pytest.approx(by_t.high, abs=0.1 * width)


def test_intervals_cover():
    """2000 t intervals of 30 pairs at 90 %: 0.9 within three standard errors (0.0067)."""
    rng = generator(0, "cover")
    hits = 0
    for difference in rng.normal(0.3, 1.0, (2000, 30)):
        interval = paired_interval(difference, np.zeros(30), 0.9)
        hits += interval.low <= 0.3 <= interval.high
    assert hits / 2000 == pytest.approx(0.9, abs=0.02)


def test_equal_differences_have_no_width():
    assert paired_interval([2.0, 3.0], [1.0, 2.0], rng=generator(0, "x")) == (1.0, 1.0, 1.0, 2)
    assert paired_interval([1.0, 1.0], [1.0, 1.0])[:3] == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("a", "b", "confidence"),
    [([1.0, 2.0], [1.0], 0.95), ([1.0], [1.0], 0.95), ([1.0, np.nan], [1.0, 2.0], 0.95), ([1.0, 2.0], [1.0, 1.0], 95)],
)
def test_nonsense_is_refused(a, b, confidence):
    with pytest.raises(SpecError):
        paired_interval(a, b, confidence)


def test_wilcoxon():
    """Exact null of 6 pairs of one sign: 2 / 2^6."""
    assert wilcoxon_p([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], np.zeros(6)) == pytest.approx(2 / 64)
    assert wilcoxon_p([1.0, 2.0], [1.0, 2.0]) == 1.0


def test_holm_of_a_textbook_family():
    """0.01, 0.02, 0.03, 0.04 give 0.04, 0.06, 0.06, 0.06 (R: p.adjust)."""
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([]).size == 0
    with pytest.raises(SpecError):
        holm([0.5, 1.5])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_raw_and_bonferroni(values):
    adjusted = holm(values)
    assert (adjusted >= np.array(values)).all()
    assert (adjusted <= np.minimum(1, len(values) * np.array(values)) + 1e-15).all()
    assert (np.diff(adjusted[np.argsort(values, kind="stable")]) >= 0).all()
