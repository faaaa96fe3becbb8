"""Conformance of scans and spectra: shape, order, place, abort, busy."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from ..core.errors import Busy, CommandRejected, LimitError, NotMeasured, ProbelineError
from .check_case import Bench, Broken, expect, refuses
from .drivers import ScanSettings
from .wire import encode

_COLUMNS, _ROWS = 5, 3  # by so many pixels and lines a frame is moved
_MISPLACED = (
    ("as if it had not moved", 0, 0),
    ("with x mirrored", _ROWS, -_COLUMNS),
    ("with y mirrored", -_ROWS, _COLUMNS),
    ("with both axes mirrored", -_ROWS, -_COLUMNS),
    ("with x and y exchanged", 8, 2),  # 5 pixels of 16 are 8 lines of 24
)


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
    right = [_agreement(a, b[::-1]) for a, b in zip(up, down, strict=True)]
    wrong = [_agreement(a, b) for a, b in zip(up, down, strict=True)]
    expect(
        not _clearly(wrong, right) or _clearly(right, wrong),
        "the frame scanned down is not the one scanned up with its rows in opposite order",
    )


def frames_are_placed(bench: Bench) -> None:
    """A frame with another centre shows the same place, shifted as the centre says."""
    if not bench.can("scan"):
        return
    bench.ready()
    first = bench.settings(scale=0.6)  # both stay inside the frame that was allowed
    moved = ScanSettings(**first)
    moved["center_x"] += _COLUMNS * first["width"] / first["pixels"]
    moved["center_y"] += _ROWS * first["height"] / first["lines"]
    a, b = (bench.driver.start_scan(settings).result()["data"] for settings in (first, moved))
    constant = all(np.nanmin(image) == np.nanmax(image) for image in a if np.isfinite(image).any())
    expect(constant or not np.array_equal(a, b, equal_nan=True), "a frame with another centre is the same frame")
    right = [_overlap(one, two, _ROWS, _COLUMNS) for one, two in zip(a, b, strict=True)]
    for words, rows, columns in _MISPLACED:
        wrong = [_overlap(one, two, rows, columns) for one, two in zip(a, b, strict=True)]
        # Noise, slopes and what repeats say nothing: only channels that show a clear difference are heard.
        expect(
            not _clearly(wrong, right) or _clearly(right, wrong),
            f"moved by {_COLUMNS} pixels in x and {_ROWS} lines in y, frames fit together {words}: correlation of each "
            f"channel {np.round(wrong, 2).tolist()}, where they should fit {np.round(right, 2).tolist()}",
        )


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
    reach = 1e-3 * max(x_max - x_min, y_max - y_min)
    there = bench.point
    # Off the middle by different amounts: a mirrored or exchanged axis shows.
    for u, v in ((0.4, 0.15), (-0.1, 0.3), (0.0, 0.0)):
        wanted = (bench.point[0] + u * bench.edge, bench.point[1] + v * bench.edge)
        bench.driver.move(*wanted)
        there = bench.driver.position()
        expect(bool(np.allclose(there, wanted, rtol=0, atol=reach)), f"told to go to {wanted}, it is at {there}")
    far = (x_max + (x_max - x_min), y_max)
    for wrong in (far, (float("nan"), 0.0), (0.0, float("inf"))):
        refuses((LimitError, CommandRejected), f"a move to {wrong}", bench.driver.move, *wrong)
    expect(bool(np.allclose(bench.driver.position(), there, rtol=0, atol=reach)), "a refused move moved the probe")


CASES = [
    frames_are_complete, slow_direction_is_kept, frames_are_placed, aborted_frames_end,
    a_second_acquisition_is_busy, wrong_frames_are_refused, positions_are_kept, spectra_are_complete,
    wrong_settings_are_refused,
]  # fmt: skip


def _start_and_abort(bench: Bench, settings: dict[str, Any]) -> None:
    acquisition = bench.driver.start_scan(settings)
    acquisition.abort()


def _overlap(first: np.ndarray, moved: np.ndarray, rows: int, columns: int) -> float:
    """Return the correlation where ``moved`` lies over ``first``, its origin ``rows`` and ``columns`` further on."""

    def both(shift: int, size: int) -> tuple[slice, slice]:
        return slice(max(shift, 0), size + min(shift, 0)), slice(max(-shift, 0), size - max(shift, 0))

    (row_a, row_b), (column_a, column_b) = both(rows, first.shape[0]), both(columns, first.shape[1])
    return _agreement(first[row_a, column_a], moved[row_b, column_b])


def _clearly(better: list[float], worse: list[float]) -> bool:
    """Return whether a channel shows that ``better`` are the correlations of a place with itself."""
    return any(b > 0.5 and b - w > 0.2 for b, w in zip(better, worse, strict=True))


def _agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Return the correlation of two images, 0 where it is not defined."""
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 2 or a[both].std() == 0 or b[both].std() == 0:
        return 0.0
    return float(np.corrcoef(a[both], b[both])[0, 1])
