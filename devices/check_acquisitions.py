"""Conformance of scans and spectra: shape, order, abort, busy, postures while they run."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from ..core.errors import Busy, CommandRejected, LimitError, NotMeasured, ProbelineError
from .check_case import Bench, Broken, expect, from_another_thread, refuses
from .wire import encode


def frames_are_complete(bench: Bench) -> None:
    """A frame comes line by line in order, has the declared channels, and takes instrument time."""
    if not bench.can("scan"):
        return
    bench.ready()
    for slow in ("up", "down"):
        settings = bench.settings(slow)
        before = bench.driver.clock()
        acquisition = bench.driver.start_scan(settings)
        seen = []
        for first, block, clock in acquisition:
            expect(first == len(seen), f"slow {slow}: block begins at line {first}, line {len(seen)} was due")
            expect(clock >= before, f"slow {slow}: the clock of a block went back")
            seen += list(np.moveaxis(block, 1, 0))
            before = clock
        frame = acquisition.result()
        names = [channel["name"] for channel in bench.description["channels"]]
        expect(frame["channels"] == names, f"channels {frame['channels']}, declared are {names}")
        shape = (len(names), settings["lines"], settings["pixels"])
        expect(frame["data"].shape == shape, f"data have shape {frame['data'].shape}, not {shape}")
        expect(frame["data"].dtype == np.float64, f"data are {frame['data'].dtype}, not float64")
        expect(np.array_equal(np.stack(seen, axis=1), frame["data"], equal_nan=True), "blocks and result differ")
        clocks = frame["line_clock"]
        expect(clocks.shape == (settings["lines"],), f"line_clock has shape {clocks.shape}")
        expect(bool(np.all(np.diff(clocks) > 0)), "line_clock does not increase")
        expect(bench.driver.clock() >= clocks[-1], "the clock is behind the last line")
        encode(frame)


def slow_direction_is_kept(bench: Bench) -> None:
    """Frames scanned up and down show the same place, rows in opposite order."""
    if not bench.can("scan"):
        return
    bench.ready()
    up, down = (bench.driver.start_scan(bench.settings(slow)).result()["data"] for slow in ("up", "down"))
    agreement = max(_agreement(a, b[::-1]) - _agreement(a, b) for a, b in zip(up, down, strict=True))
    expect(agreement >= 0, "the frame scanned down is not the one scanned up with its rows in opposite order")


def aborted_frames_end(bench: Bench) -> None:
    """abort() ends a frame, leaves NaN where nothing was measured, and the driver idle."""
    if not bench.can("scan"):
        return
    bench.ready()
    acquisition = bench.driver.start_scan(bench.settings(lines=64))
    first, block, _ = next(iter(acquisition))
    done = first + block.shape[1]
    acquisition.abort()
    acquisition.abort()
    frame = acquisition.result()
    expect(frame["data"].shape[1] == 64, "the result of an aborted frame has another shape")
    if done < 64:
        expect(bool(np.isnan(frame["data"][:, -1]).all()), "lines that were not scanned are not NaN")
        expect(bool(np.isnan(frame["line_clock"][-1])), "the clock of a line that was not scanned is not NaN")
    bench.driver.start_scan(bench.settings(lines=2)).result()


def a_second_acquisition_is_busy(bench: Bench) -> None:
    """While an acquisition runs, another one raises Busy."""
    if not bench.can("scan"):
        return
    bench.ready()
    acquisition = bench.driver.start_scan(bench.settings())
    next(iter(acquisition))
    try:
        refuses(Busy, "a second scan", bench.driver.start_scan, bench.settings())
        for kind in bench.description["spectra"]:
            refuses(Busy, f"{kind} during a scan", bench.driver.start_spectrum, kind, {})
    finally:
        acquisition.abort()


def wrong_frames_are_refused(bench: Bench) -> None:
    """Frames that are not finite or empty are refused."""
    if not bench.can("scan"):
        return
    bench.ready()
    changes: list[dict[str, Any]] = [
        {"center_x": float("nan")}, {"angle": float("inf")}, {"width": 0.0}, {"lines": 0}, {"slow": "sideways"},
    ]  # fmt: skip
    for change in changes:
        wrong = {**bench.settings(), **change}
        refuses((LimitError, CommandRejected), f"a frame with {change}", _start_and_abort, bench, wrong)


def spectra_are_complete(bench: Bench) -> None:
    """Every kind of spectrum has the declared axes and channels, coordinates for each, and says where it is from."""
    for kind, info in bench.description["spectra"].items():
        bench.ready()
        if bench.can("position"):
            bench.driver.move(*bench.point)
        try:
            acquisition = bench.driver.start_spectrum(kind, {})
        except NotMeasured as error:
            raise Broken(f"{kind}: nothing measured at {bench.point}; give a point that is: {error}") from error
        before = bench.driver.clock()
        spectrum = acquisition.result()
        expect(bench.driver.clock() >= before, f"{kind}: the clock went back")
        for key in ("dims", "channels", "unit"):
            expect(spectrum[key] == info[key], f"{kind}: {key} is {spectrum[key]}, declared is {info[key]}")
        shape = (len(info["channels"]), *(len(spectrum["coords"][axis]) for axis in info["dims"][1:]))
        expect(spectrum["data"].shape == shape, f"{kind}: data have shape {spectrum['data'].shape}, axes say {shape}")
        expect(spectrum["data"].dtype == np.float64, f"{kind}: data are {spectrum['data'].dtype}")
        expect(spectrum["kind"] == kind, f"{kind}: the result calls itself {spectrum['kind']}")
        expect("kind" in spectrum["provenance"], f"{kind}: provenance does not say its kind")
        orjson.dumps([spectrum["coords"], spectrum["provenance"]])
        encode(spectrum)


def wrong_settings_are_refused(bench: Bench) -> None:
    """Unknown kinds, unknown settings and settings that are not finite are refused."""
    if not bench.can("spectroscopy"):
        return
    bench.ready()
    start = bench.driver.start_spectrum
    refuses(ProbelineError, "an unknown kind", start, "no_such_kind", {})
    for kind, info in bench.description["spectra"].items():
        refuses((CommandRejected, LimitError), f"{kind} with an unknown setting", start, kind, {"no_such_setting": 1})
        for name, default in info["settings"].items():
            if isinstance(default, float):
                refuses((CommandRejected, LimitError), f"{kind} with {name} = nan", start, kind, {name: float("nan")})


def positions_are_kept(bench: Bench) -> None:
    """The probe goes where it is told and says so; outside the range it stays where it is."""
    if not bench.can("position"):
        return
    bench.ready()
    x_min, x_max, y_min, y_max = bench.description["scan_range"]
    bench.driver.move(*bench.point)
    there = bench.driver.position()
    reach = 1e-3 * max(x_max - x_min, y_max - y_min)
    expect(bool(np.allclose(there, bench.point, atol=reach)), f"told to go to {bench.point}, it is at {there}")
    far = (x_max + (x_max - x_min), y_max)
    for wrong in (far, (float("nan"), 0.0), (0.0, float("inf"))):
        refuses((LimitError, CommandRejected), f"a move to {wrong}", bench.driver.move, *wrong)
    expect(bool(np.allclose(bench.driver.position(), there, atol=reach)), "a refused move moved the probe")


def postures_work_while_scanning(bench: Bench) -> None:
    """hold, park and make_safe work from another thread while a frame runs, and end it."""
    if not bench.can("scan"):
        return
    for name in ("hold", "park", "make_safe"):
        bench.ready()
        acquisition = bench.driver.start_scan(bench.settings(lines=64))
        blocks = iter(acquisition)
        next(blocks)
        from_another_thread(getattr(bench.driver, name))
        rest = list(blocks)
        expect(len(rest) <= 1, f"{len(rest)} more blocks came after {name}")
        acquisition.abort()
    bench.driver.make_safe()


CASES = [
    frames_are_complete, slow_direction_is_kept, aborted_frames_end, a_second_acquisition_is_busy,
    wrong_frames_are_refused, positions_are_kept, spectra_are_complete, wrong_settings_are_refused,
    postures_work_while_scanning,
]  # fmt: skip


def _start_and_abort(bench: Bench, settings: dict[str, Any]) -> None:
    acquisition = bench.driver.start_scan(settings)
    acquisition.abort()


def _agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Return the correlation of two images, 0 where it is not defined."""
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 2 or a[both].std() == 0 or b[both].std() == 0:
        return 0.0
    return float(np.corrcoef(a[both], b[both])[0, 1])
