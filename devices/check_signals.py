"""Conformance of what a driver says of itself, its signals and its clock."""

from __future__ import annotations

import math
from typing import Any, NotRequired, get_origin, get_type_hints

import orjson

from ..core.errors import CommandRejected, LimitError, NotSupported
from .check_case import Bench, expect, refuses
from .drivers import Description, Value
from .wire import encode

_TYPES = {"number": (int, float), "integer": (int,), "boolean": (bool,), "string": (str,)}


def description_is_complete(bench: Bench) -> None:
    """describe() has every key, is JSON and stays the same."""
    keys = get_type_hints(Description, include_extras=True)
    missing = sorted(key for key in keys if get_origin(keys[key]) is not NotRequired and key not in bench.description)
    expect(not missing, f"missing: {missing}")
    text = orjson.dumps(bench.description)
    expect(orjson.dumps(bench.driver.describe()) == text, "it changed between two calls")
    for key, info in bench.description["signals"].items():
        expect({"unit", "writable", "dtype"} <= set(info), f"signal {key} lacks one of unit, writable, dtype")
        expect(info["dtype"] in _TYPES, f"signal {key} has dtype {info['dtype']!r}")
    for kind, info in bench.description["spectra"].items():
        expect(info["dims"][:1] == ["channel"], f"first axis of {kind} is not 'channel': {info['dims']}")


def signals_read(bench: Bench) -> None:
    """Every signal reads as its type, finite and inside its limits."""
    signals = bench.description["signals"]
    values = bench.driver.get_many(list(signals))
    expect(list(values) == list(signals), f"asked for {list(signals)}, got {list(values)}")
    for key, value in values.items():
        info = signals[key]
        expect(_is(value, info["dtype"]), f"{key} = {value!r} is not a {info['dtype']}")
        if info["dtype"] in ("number", "integer") and "limits" in info:
            low, high = info["limits"]
            expect(low <= value <= high, f"{key} = {value} is outside its limits {low} to {high}")
        if "choices" in info:
            expect(value in info["choices"], f"{key} = {value!r} is none of {info['choices']}")


def unknown_and_read_only_are_rejected(bench: Bench) -> None:
    """Unknown keys cannot be read, unknown and read-only keys cannot be set."""
    refuses(CommandRejected, "reading an unknown key", bench.driver.get_many, ["no_such_key"])
    refuses(CommandRejected, "setting an unknown key", bench.driver.set_many, {"no_such_key": 1.0})
    for key, info in bench.description["signals"].items():
        if not info["writable"]:
            value = bench.driver.get_many([key])[key]
            refuses(CommandRejected, f"setting read-only {key}", bench.driver.set_many, {key: value})


def limits_are_kept(bench: Bench) -> None:
    """Values beyond a limit, NaN and infinity are refused and change nothing."""
    for key, wrong in _wrong(bench):
        before = bench.driver.get_many([key])
        kinds = LimitError if math.isfinite(wrong) else (LimitError, CommandRejected)
        refuses(kinds, f"{key} = {wrong}", bench.driver.set_many, {key: wrong})
        expect(_close(bench, bench.driver.get_many([key]), before), f"{key} changed although {wrong} was refused")


def set_many_is_all_or_nothing(bench: Bench) -> None:
    """One wrong value among several leaves all of them as they were."""
    wrong = _wrong(bench)
    for key, bad in wrong[:1]:
        others = {name: _elsewhere(bench, name) for name, _ in wrong if name != key}
        before = bench.driver.get_many(list(others))
        refuses((LimitError, CommandRejected), f"{key} = {bad}", bench.driver.set_many, {**others, key: bad})
        expect(_close(bench, bench.driver.get_many(list(others)), before), "other values were set all the same")


def values_are_held(bench: Bench) -> None:
    """Setting the present value is accepted and reads back within the resolution."""
    for key in dict.fromkeys(name for name, _ in _wrong(bench)):
        before = bench.driver.get_many([key])
        bench.driver.set_many(before)
        expect(_close(bench, bench.driver.get_many([key]), before), f"{key} = {before[key]} did not read back")


def clock_goes_forward(bench: Bench) -> None:
    """The clock never goes back, and wait() takes the time it was asked for."""
    first = bench.driver.clock()
    bench.driver.wait(0.05)
    second = bench.driver.clock()
    expect(second - first >= 0.05 - 1e-9, f"wait(0.05) took {second - first} s")
    expect(bench.driver.clock() >= second, "the clock went back")


def state_is_json(bench: Bench) -> None:
    """state() is JSON."""
    orjson.dumps(bench.driver.state())
    encode({"state": bench.driver.state()})


def missing_capabilities_say_so(bench: Bench) -> None:
    """What the driver cannot do raises NotSupported."""
    x, y = bench.point
    calls: dict[str, list[tuple[str, tuple[Any, ...]]]] = {
        "scan": [("start_scan", (bench.settings(),))],
        "position": [("move", (x, y)), ("position", ())],
        "spectroscopy": [("start_spectrum", ("no_such_kind", {}))],
        "feedback": [("set_feedback", (True,)), ("withdraw", ()), ("approach", ())],
    }
    for capability, methods in calls.items():
        for name, args in [] if bench.can(capability) else methods:
            refuses(NotSupported, f"{name} without {capability}", getattr(bench.driver, name), *args)


def close_can_be_repeated(bench: Bench) -> None:
    """close() can be called twice."""
    bench.driver.close()
    bench.driver.close()


CASES = [
    description_is_complete, signals_read, unknown_and_read_only_are_rejected, limits_are_kept,
    set_many_is_all_or_nothing, values_are_held, clock_goes_forward, state_is_json,
    missing_capabilities_say_so,
]  # fmt: skip


def _is(value: Any, dtype: str) -> bool:
    if isinstance(value, bool) and dtype != "boolean":
        return False
    return isinstance(value, _TYPES[dtype]) and not (isinstance(value, float) and not math.isfinite(value))


def _wrong(bench: Bench) -> list[tuple[str, float]]:
    """Return values that have to be refused, for every writable number."""
    found = []
    for key, info in bench.description["signals"].items():
        if info["writable"] and info["dtype"] in ("number", "integer"):
            low, high = info.get("limits", (-math.inf, math.inf))
            beyond = (low - (high - low) - 1.0, high + (high - low) + 1.0) if math.isfinite(high - low) else ()
            found += [(key, value) for value in (*beyond, math.nan, math.inf, -math.inf)]
    return found


def _elsewhere(bench: Bench, key: str) -> float:
    low, high = bench.description["signals"][key].get("limits", (0.0, 1.0))
    return (low + high) / 2


def _close(bench: Bench, now: dict[str, Value], before: dict[str, Value]) -> bool:
    return all(
        math.isclose(
            float(now[key]), float(before[key]), rel_tol=1e-6,
            abs_tol=bench.description["signals"][key].get("resolution", 0.0),
        )
        for key in before
    )  # fmt: skip
