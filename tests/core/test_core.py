"""Errors, units, envelope, seeds, digests."""

from __future__ import annotations

import math
import pickle
import signal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probeline.core import units
from probeline.core.digest import digest
from probeline.core.envelope import Envelope
from probeline.core.errors import LimitError, UnknownNameError
from probeline.core.interruption import ignore_interrupts, interrupt_once
from probeline.core.registry import AGENTS
from probeline.core.rng import generator

ENVELOPE = Envelope(limits={"bias": (-10, 10)}, max_step={"bias": 5}, budgets={"seconds": 100})


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_the_envelope_admits_exactly_what_is_inside(value):
    if math.isfinite(value) and -10 <= value <= 10:
        ENVELOPE.check("bias", value, "V")
    else:
        with pytest.raises(LimitError, match="bias"):
            ENVELOPE.check("bias", value, "V")


def test_refusals_say_value_limit_and_remedy():
    with pytest.raises(LimitError) as refusal:
        ENVELOPE.check("bias", 12.0, "V")
    assert "12 V" in str(refusal.value)
    assert "-10 to 10 V" in str(refusal.value)
    assert refusal.value.remedy in str(refusal.value)
    assert str(pickle.loads(pickle.dumps(refusal.value))) == str(refusal.value)


def test_steps_and_budgets():
    ENVELOPE.check_step("bias", 0, 5, "V")
    with pytest.raises(LimitError, match="step"):
        ENVELOPE.check_step("bias", 0, 5.1, "V")
    with pytest.raises(LimitError, match="step"):
        ENVELOPE.check_step("bias", math.nan, 1.0, "V")
    with pytest.raises(LimitError, match="budget"):
        ENVELOPE.check_spend("seconds", math.nan, 1.0)
    ENVELOPE.check_spend("seconds", 90, 10)
    with pytest.raises(LimitError, match="budget"):
        ENVELOPE.check_spend("seconds", 90, 10.1)


@pytest.mark.parametrize("limits", [(1.0, 0.0), (math.nan, 1.0), (0.0, math.inf)])
def test_an_envelope_must_be_finite_and_ordered(limits):
    with pytest.raises(ValidationError, match="limits of x"):
        Envelope(limits={"x": limits})


@pytest.mark.parametrize("unit", ["nm", "pm", "ms", "mV", "deg", "kHz", "pA", "mrad"])
def test_units_round_trip(unit):
    assert units.from_si(units.to_si(12.5, unit), unit) == pytest.approx(12.5, rel=1e-15)


def test_unit_factors():
    assert units.to_si(3.0, "nm") == pytest.approx(3e-9)
    assert units.to_si(180.0, "deg") == pytest.approx(math.pi)


def test_generators_are_random_access():
    first = generator(7, "detector", 3).random(4)
    generator(7, "detector", 2).random(1000)
    assert np.array_equal(first, generator(7, "detector", 3).random(4))
    assert not np.array_equal(first, generator(7, "detector", 4).random(4))
    assert not np.array_equal(first, generator(8, "detector", 3).random(4))


def test_digests_see_dtype_shape_and_content():
    array = np.arange(6.0)
    assert digest({"a": 1, "b": 2}, array) == digest({"b": 2, "a": 1}, array.copy())
    variants = [digest(array), digest(array.reshape(2, 3)), digest(array.astype("f4")), digest(array + 1e-15)]
    assert len(set(variants)) == 4


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'patch_gp'"):
        AGENTS.load("patchgp")


@pytest.fixture
def ctrl_c():
    """SIGINT as Python has it, whatever commands that ran in this process before have left."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_only_the_first_interruption_comes_through(ctrl_c):
    interrupt_once()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    interrupt_once()
    ignore_interrupts()
    signal.raise_signal(signal.SIGINT)


def test_interrupts_are_ignored_only_where_one_was_let_through(ctrl_c):
    ignore_interrupts()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
