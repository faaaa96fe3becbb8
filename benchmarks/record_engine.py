"""What recording costs a RunEngine that runs."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bluesky.plans as bp
import numpy as np
from ophyd.sim import SynSignal

from probeline.catalog import open as open_catalog
from probeline.catalog.journal.sink import JournalSink
from probeline.devices.drivers import ChannelInfo
from probeline.devices.frame_file import FrameFile
from probeline.devices.guard import Guard
from probeline.devices.instrument_file import parse_instrument
from probeline.devices.instruments import assemble
from probeline.plans.explore import explore
from probeline.plans.session import run_engine, session_on
from probeline.sim.replay.dataset import Dataset, SpectrumAxes, Timing
from probeline.sim.replay.driver import ReplayDriver

EVENTS, REPEATS = 500, 7
FRAME_PIXELS, FRAMES = 256, 6
POINTS, PACE = 20, 4.0  # about 2 s of instrument time per point: two events per wall second


def measure(folder: Path) -> list[tuple[str, str, str, bool]]:
    """Return the rows of this part."""
    rows = []
    for durable, goal, clock in ((False, 1.10, time.process_time), (True, 1.4, time.perf_counter)):
        ratio = journal_ratio(folder / f"journals-{durable}", durable, clock)
        how = "durable, wall" if durable else "CPU"
        rows.append(_row(f"journal of scalar events over no sink ({how})", goal, ratio))
    rows.append(_row("frame of 256 x 256 streamed to HDF5 over not kept (CPU)", 1.2, frame_ratio(folder / "frames")))
    rows.append(_row("explore at 2 events per s, catalogue over none (wall)", 1.10, paced_ratio(folder / "paced")))
    return rows


def _row(what: str, goal: float, ratios: list[float]) -> tuple[str, str, str, bool]:
    middle = float(np.median(ratios))
    return what, f"<= {goal:g}x", f"{middle:.2f}x ({min(ratios):.2f} to {max(ratios):.2f})", middle <= goal


def _spent(work: Callable[[], Any], clock: Callable[[], float]) -> float:
    began = clock()
    work()
    return clock() - began


def journal_ratio(folder: Path, durable: bool, clock: Callable[[], float]) -> list[float]:
    """Return the cost of ``count`` with a journal over that without, per repeat."""
    folder.mkdir(parents=True)
    detector = SynSignal(func=itertools.count().__next__, name="value")
    ratios = []
    with run_engine(context_managers=[]) as engine:
        for _ in range(REPEATS):
            plain = _spent(lambda: engine(bp.count([detector], num=EVENTS)), clock)
            sink = JournalSink(folder, lambda _: None, durable=durable)
            token = engine.subscribe(sink)
            kept = _spent(lambda: engine(bp.count([detector], num=EVENTS)), clock)
            engine.unsubscribe(token)
            sink.close()
            ratios.append(kept / plain)
    return ratios


class _Nowhere(FrameFile):
    """Takes frames and keeps nothing."""

    def begin(self, index: int) -> None:
        """Keep nothing."""

    def write(self, index: int, first: int, block: Any, clock: float) -> None:
        """Keep nothing."""

    def finish(self, index: int, line_clock: Any) -> None:
        """Keep nothing."""


def frame_ratio(folder: Path) -> list[float]:
    """Return the cost of frames of one channel that are written over that of frames that are not, per repeat."""
    from probeline.devices import scan

    device = _camera(folder)
    ratios = []
    with run_engine(context_managers=[]) as engine:
        for _ in range(REPEATS):
            spent = []
            for kind in (_Nowhere, FrameFile):
                scan.FrameFile = kind
                spent.append(_spent(lambda: engine(bp.count([device.scan], num=FRAMES)), time.process_time))
            ratios.append(spent[1] / spent[0])
    device.close()
    return ratios


def _camera(folder: Path) -> Any:
    """Return a STEM whose frames are read from memory, 256 x 256 pixels of one channel."""
    rng = np.random.default_rng(0)
    image = rng.standard_normal((1, FRAME_PIXELS, FRAME_PIXELS))
    size = FRAME_PIXELS * 1e-9
    dataset = Dataset(
        name="noise", kind="stem", mode="stem", images=image, channels=(ChannelInfo(name="haadf", unit=""),),
        pixel_size=1e-9, top_line_first=False, spectra=image[0, ..., None], valid=np.ones(image.shape[1:], bool),
        axes=SpectrumAxes("scalar", ("channel",), ("value",), {}, ""), timing=Timing(spectrum_s=1.0, line_s=1e-3),
        metadata={"column": {"beam_current_A": 1e-10, "high_tension_V": 2e5}},
    )  # fmt: skip
    spec = parse_instrument(
        {
            "name": "stem", "kind": "stem", "backend": "replay:noise", "spectrum": "scalar",
            "objective": "channel_mean",
            "survey": {"size_nm": size * 1e9, "pixels": FRAME_PIXELS, "patch_nm": 15.0},
        },
        "benchmark",
    )  # fmt: skip
    return assemble(Guard(ReplayDriver(dataset), spec.envelope), spec, folder)


def paced_ratio(folder: Path) -> list[float]:
    """Return the wall time of a paced exploration with a catalogue over that without, per repeat."""
    ratios = []
    for repeat in range(3):
        options = {"seed": repeat, "pace": PACE}
        arguments = {"size_nm": 1280.0, "pixels": 16, "patch_nm": 200.0, "points": POINTS, "register_every": 0}
        with open_catalog(folder / str(repeat)) as store:
            store.client  # noqa: B018  # opens Tiled
            spent = []
            for recorded in (False, True):
                with session_on(store, "sim-pfm", options) as session:
                    if not recorded:
                        session.RE.unsubscribe(0)
                    plan = explore(session.instrument, **arguments)
                    spent.append(_spent(lambda plan=plan, session=session: session.RE(plan), time.perf_counter))
            ratios.append(spent[1] / spent[0])
    return ratios
