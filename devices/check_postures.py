"""Conformance of postures: what they leave behind, and that they work whatever runs."""

from __future__ import annotations

import math
from typing import Any

from .check_case import Bench, expect, from_another_thread

POSTURES = ("hold", "park", "make_safe")
_OFF = ("bias", "drive_amplitude")  # what make_safe has to bring to 0


def postures_do_what_they_are_for(bench: Bench) -> None:
    """After hold nothing but the beam changed, after park the tip is lifted, after make_safe bias and drive are 0."""
    for name in POSTURES:
        bench.ready()
        _switch_on(bench)
        before = _settings(bench)
        getattr(bench.driver, name)()
        if name == "hold":
            changed = {key: value for key, value in _settings(bench).items() if not _same(bench, key, value, before)}
            expect(not changed, f"hold changed {changed}; before it was { ({key: before[key] for key in changed}) }")
        expect_posture(bench, name)


def postures_can_be_repeated(bench: Bench) -> None:
    """hold, park and make_safe can each be called twice, and the second time they leave the same."""
    for name in POSTURES:
        for _ in range(2):
            getattr(bench.driver, name)()
            expect_posture(bench, name)


def withdraw_lifts_the_tip(bench: Bench) -> None:
    """withdraw() opens the z loop and brings z to its limit, approach() closes the loop again."""
    if not bench.can("feedback"):
        return
    bench.ready()
    _expect_signal(bench, "feedback", True, "approach")
    bench.driver.withdraw()
    _expect_lifted(bench, "withdraw")
    _expect_at_limit(bench, "withdraw")
    bench.driver.approach()
    _expect_signal(bench, "feedback", True, "approach")


def postures_work_while_scanning(bench: Bench) -> None:
    """hold, park and make_safe work from another thread while a frame runs, end it, and do what they are for."""
    if not bench.can("scan"):
        return
    for name in POSTURES:
        bench.ready()
        _switch_on(bench)
        acquisition = bench.driver.start_scan(bench.settings(lines=64))
        blocks = iter(acquisition)
        next(blocks)
        from_another_thread(getattr(bench.driver, name))
        rest = list(blocks)
        expect(len(rest) <= 1, f"{len(rest)} more blocks came after {name}")
        acquisition.abort()
        expect_posture(bench, name)
    bench.driver.make_safe()


CASES = [
    postures_do_what_they_are_for, postures_can_be_repeated, withdraw_lifts_the_tip, postures_work_while_scanning,
]  # fmt: skip


def expect_posture(bench: Bench, name: str) -> None:
    """Raise ``Broken`` unless the signals say that the instrument is in the posture ``name``.

    Only signals that the driver has are asked: ``blanked``, ``feedback``, ``tip``, ``z``,
    ``bias`` and ``drive_amplitude``.
    """
    _expect_signal(bench, "blanked", True, name)
    if name in ("park", "make_safe") and bench.can("feedback"):
        _expect_lifted(bench, name)
    if name == "make_safe":
        if bench.can("feedback"):
            _expect_at_limit(bench, name)
        for key in _OFF:
            if key in bench.description["signals"]:
                value = _value(bench, key)
                step = bench.description["signals"][key].get("resolution", 0.0)
                expect(abs(value) <= step, f"after {name} {key} is {value}, not 0")


def _expect_lifted(bench: Bench, after: str) -> None:
    """Raise unless the loop is open, and the tip withdrawn or z at a limit, as far as there are such signals."""
    _expect_signal(bench, "feedback", False, after)
    evidence = {key: found for key, found in (("tip", _withdrawn(bench)), ("z", _at_limit(bench))) if found is not None}
    seen = {key: _value(bench, key) for key in evidence}
    expect(not evidence or any(evidence.values()), f"after {after} the tip is not lifted: {seen}")


def _expect_at_limit(bench: Bench, after: str) -> None:
    expect(_at_limit(bench) is not False, f"after {after} z = {_value(bench, 'z')} m is not at a limit")
    expect(_withdrawn(bench) is not False, f"after {after} tip is {_value(bench, 'tip')!r}, not 'withdrawn'")


def _withdrawn(bench: Bench) -> bool | None:
    """Return whether the signal ``tip`` says so; None without one."""
    return _value(bench, "tip") == "withdrawn" if "tip" in bench.description["signals"] else None


def _at_limit(bench: Bench) -> bool | None:
    """Return whether ``z`` is within a hundredth of its range of a limit; None where it has none."""
    limits = bench.description["signals"].get("z", {}).get("limits")
    if limits is None:
        return None
    return min(abs(_value(bench, "z") - limit) for limit in limits) <= 0.01 * (limits[1] - limits[0])


def _expect_signal(bench: Bench, key: str, wanted: bool, after: str) -> None:
    if key in bench.description["signals"]:
        value = _value(bench, key)
        expect(value is wanted, f"after {after} {key} is {value}, not {wanted}")


def _switch_on(bench: Bench) -> None:
    """Give postures something to switch off: a few steps of bias and drive where they are 0, and the beam."""
    signals = bench.description["signals"]
    for key in _OFF:
        info = signals.get(key)
        if info is not None and info["writable"] and _value(bench, key) == 0 and "limits" in info:
            bench.driver.set_many({key: min(10 * info.get("resolution", 1e-3), float(info["limits"][1]))})
    if signals.get("blanked", {}).get("writable"):
        bench.driver.set_many({"blanked": False})


def _settings(bench: Bench) -> dict[str, Any]:
    """Return everything that can be set, but the beam, which hold blanks."""
    signals = bench.description["signals"]
    return bench.driver.get_many([key for key, info in signals.items() if info["writable"] and key != "blanked"])


def _same(bench: Bench, key: str, value: Any, before: dict[str, Any]) -> bool:
    if bench.description["signals"][key]["dtype"] != "number":
        return value == before[key]
    step = bench.description["signals"][key].get("resolution", 0.0)
    return math.isclose(value, before[key], rel_tol=1e-6, abs_tol=step)


def _value(bench: Bench, key: str) -> Any:
    return bench.driver.get_many([key])[key]
