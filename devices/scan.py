"""Imaging: the parameters of a frame and the engine that takes it."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from bluesky.protocols import StreamAsset
from numpy.typing import NDArray
from ophyd import Component, Kind
from ophyd.device import Staged

from ..core.errors import CommandRejected
from ..core.units import si_factor, to_si
from .acquiring import AcquiringDevice
from .drivers import Acquisition, ChannelInfo, ScanSettings
from .external import stream_datum, stream_resource
from .frame_file import DATASET, FrameFile
from .link import LinkedDevice, Progress
from .signals import Setting, shown_range

_SHOWN = {"m": "pm", "A": "pA", "rad": "deg", "Hz": "kHz"}
_TOPOGRAPHY = ("height", "z", "topography")


def channel_unit(channel: ChannelInfo) -> str:
    """Return the unit that a channel is stored in: nm for topography, pm for other lengths."""
    if channel["unit"] == "m" and channel["name"].startswith(_TOPOGRAPHY):
        return "nm"
    return _SHOWN.get(channel["unit"], channel["unit"])


class ScanFrame(LinkedDevice):
    """Where and how the next frame is taken; scanner coordinates, angle counter-clockwise.

    Width and height go from outer edge to outer edge; pixel centres lie half a pixel inside.
    ``line_time`` is that of trace and retrace together, 0 for the controller's own. Its signals
    bear the name of the scan engine: ``<scan>_center_x``, ...
    """

    center_x = Component(Setting, unit="nm", kind=Kind.config)
    center_y = Component(Setting, unit="nm", kind=Kind.config)
    width = Component(Setting, unit="nm", limits=(1e-3, math.inf), kind=Kind.config)
    height = Component(Setting, unit="nm", limits=(1e-3, math.inf), kind=Kind.config)
    pixels = Component(Setting, dtype="integer", limits=(1, 65536), kind=Kind.config)
    lines = Component(Setting, dtype="integer", limits=(1, 65536), kind=Kind.config)
    angle = Component(Setting, unit="deg", limits=(-360.0, 360.0), kind=Kind.config)
    slow = Component(Setting, dtype="string", choices=("up", "down"), kind=Kind.config)
    line_time = Component(Setting, unit="ms", limits=(0.0, math.inf), kind=Kind.config)

    def __init__(self, prefix: str = "", *, name: str, parent: Any = None, **kwargs: Any):
        super().__init__(prefix, name=name if parent is None else parent.name, parent=parent, **kwargs)
        reach = self.link.description["scan_range"]
        (x_min, x_max), (y_min, y_max) = shown_range(*reach[:2], "nm"), shown_range(*reach[2:], "nm")
        for signal, low, high in ((self.center_x, x_min, x_max), (self.center_y, y_min, y_max)):
            signal._limits = (low, high)
            signal.put((low + high) / 2)
        edge = min(x_max - x_min, y_max - y_min)
        start = {
            "width": edge,
            "height": edge,
            "pixels": 128,
            "lines": 128,
            "angle": 0.0,
            "slow": "up",
            "line_time": 0.0,
        }
        for attr, value in start.items():
            getattr(self, attr).put(value)

    def values(self) -> dict[str, Any]:
        """Return all parameters in the units shown."""
        return {attr: getattr(self, attr).get() for attr in self.component_names}

    def check_value(self, value: Mapping[str, Any], **kwargs: Any) -> None:
        """Raise unless the frame, with these parameters changed, may be scanned as a whole.

        Raises
        ------
        CommandRejected, LimitError
            Naming what is wrong.
        """
        if not isinstance(value, Mapping):
            raise CommandRejected(
                f"{self.name} = {value!r} is not a set of frame parameters, such as {{'width': 500.0}}"
            )
        unknown = sorted(set(value) - set(self.component_names))
        if unknown:
            raise CommandRejected(
                f"{self.name}: no frame parameter {', '.join(unknown)}; {', '.join(self.component_names)}"
            )
        for attr, wanted in value.items():
            getattr(self, attr).check_value(wanted)
        self.link.driver.check_frame(settings_of({**self.values(), **value}))

    def set(self, value: Mapping[str, Any]) -> Progress:
        """Set several parameters together, after checking the frame that they make.

        Raises
        ------
        CommandRejected, LimitError
            Then none is changed.
        """
        self.check_value(value)
        for attr, wanted in value.items():
            getattr(self, attr).put(wanted)
        status = Progress(self)
        status.set_finished()
        return status


def settings_of(values: Mapping[str, Any]) -> ScanSettings:
    """Return scan settings (SI) from frame parameters in nm, deg and ms."""
    settings = ScanSettings(
        center_x=to_si(values["center_x"], "nm"),
        center_y=to_si(values["center_y"], "nm"),
        width=to_si(values["width"], "nm"),
        height=to_si(values["height"], "nm"),
        pixels=int(values["pixels"]),
        lines=int(values["lines"]),
        angle=to_si(values["angle"], "deg"),
        slow=values["slow"],
    )
    if values["line_time"] > 0:
        settings["line_time"] = to_si(values["line_time"], "ms")
    return settings


class ScanEngine(AcquiringDevice):
    """Takes frames and streams them to HDF5, line by line; one event is one frame.

    Frames of one staging and one geometry share a file (:class:`.frame_file.FrameFile`); without
    staging each frame has its own. Stage it anew, or change the geometry, between two streams
    of a run: a file belongs to one stream. The datum is announced only after the frame was
    flushed; a frame that was stopped before its end is never announced.

    Rows as a stream of their own (a flyer) are not offered.

    Parameters
    ----------
    data_root : Path
        Folder of the files.
    """

    frame = Component(ScanFrame, kind=Kind.config)
    unit_of_progress = "lines"

    def __init__(self, prefix: str = "", *, name: str, data_root: str | Path, **kwargs: Any):
        super().__init__(prefix, name=name, **kwargs)
        self.data_root = Path(data_root).resolve()
        self._channels = self.link.description["channels"]
        self._units = [channel_unit(channel) for channel in self._channels]
        self._scale = np.array([si_factor(unit) for unit in self._units])[:, None, None]
        self._file: FrameFile | None = None
        self._index = 0
        self._announced = False
        self._began = 0.0

    def configure(self, d: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Set parameters of the frame together, and return the old and the new configuration.

        Between two events of one stream this is the way that gets recorded:
        ``bps.configure(scan, {"center_x": 50.0})`` makes the RunEngine describe the stream anew,
        while what ``set`` changes is not looked at again. bluesky then describes *all* streams
        that read this device, from what it knows of the devices of the stream that was open
        last; open the stream that has them all before, and drop it (``bps.create(name=...)``,
        ``bps.drop()``), when there is more than one stream.

        Parameters
        ----------
        d : mapping
            Parameters of ``frame`` by name, in the units shown.

        Raises
        ------
        CommandRejected, LimitError
            Then none is changed.
        """
        old: Any = self.read_configuration()
        self.frame.set(d)
        new: Any = self.read_configuration()
        return old, new

    # acquisition

    def check(self) -> None:
        """Raise unless the present frame may be scanned as a whole.

        Raises
        ------
        LimitError
            Naming the corner or parameter that is not allowed.
        """
        self.frame.check_value({})

    def _start(self) -> Acquisition:
        values = self.frame.values()
        if self._file is None or self._file.geometry != values:
            self._open(values)
        assert self._file is not None  # just opened
        self._file.begin(self._index)  # nothing is scanned that cannot be kept
        self._began = self.link.driver.clock()
        return self.link.driver.start_scan(settings_of(values))

    def _open(self, values: dict[str, Any]) -> None:
        self._close()
        names = [channel["name"] for channel in self._channels]
        self._file = FrameFile(self.data_root, names, self._units, values)

    def _total(self) -> int:
        return int(self.frame.lines.get())

    def _take(self, first: int, block: NDArray[np.float64], clock: float) -> None:
        assert self._file is not None  # open while an acquisition runs
        self._file.write(self._index, first, block / self._scale, clock)

    def _complete(self, result: dict[str, Any]) -> dict[str, Any]:
        assert self._file is not None  # open while an acquisition runs
        self._file.finish(self._index, result["line_clock"])
        seconds = self.link.driver.clock() - self._began
        return {"file": self._file, "index": self._index, "seconds": seconds, "line_clock": result["line_clock"]}

    def _close(self) -> None:
        """Close the file; the next frame starts another one."""
        if self._file is not None:
            self._file.close()
        self._file, self._index, self._announced = None, 0, False

    def pause(self) -> None:
        """Abort the frame in flight; the next one starts a file of its own.

        Documents of the present file may have been collected for an event that the rewinding
        engine drops, so that file must not be referred to again.
        """
        super().pause()
        self._result = None
        self._close()

    def stage(self) -> list[object]:
        """Get ready for frames that share a file."""
        self._close()
        return super().stage()

    def unstage(self) -> list[object]:
        """End what is in flight and close the file."""
        staged = super().unstage()
        self._close()
        return staged

    # reading

    def describe(self) -> Any:
        """Return the data keys of the frame (external, with ``channels`` and ``channel_units``) and of its times."""
        key: dict[str, Any] = {
            "source": f"{self.link.description['model']}:scan",
            "dtype": "array",
            "dtype_numpy": "<f8",
            "shape": [len(self._channels), self.frame.lines.get(), self.frame.pixels.get()],
            "dims": ["channel", "line", "pixel"],
            "channels": [channel["name"] for channel in self._channels],
            "channel_units": self._units,
            "external": "STREAM:",
        }
        seconds = {"source": key["source"], "dtype": "number", "dtype_numpy": "<f8", "shape": [], "units": "s"}
        clock = {**seconds, "dtype": "array", "shape": [self.frame.lines.get()], "dims": ["line"]}
        return OrderedDict(
            {f"{self.name}_frame": key, f"{self.name}_duration": seconds, f"{self.name}_line_clock": clock}
        )

    @property
    def hints(self) -> dict[str, list[str]]:
        """Show how long the frame took."""
        return {"fields": [f"{self.name}_duration"]}

    def read(self) -> Any:
        """Return how long the frame took and when each line ended (s, instrument time).

        Its data are in the announced file.

        Raises
        ------
        DriverError
            When no frame was completed since the last trigger.
        """
        result = self._measured()
        values = {f"{self.name}_duration": result["seconds"], f"{self.name}_line_clock": result["line_clock"]}
        return OrderedDict({key: {"value": value, "timestamp": self._taken} for key, value in values.items()})

    def get_index(self) -> int:
        """Return the number of frames that can be announced from the present file."""
        return self._index + (self._result is not None)

    def collect_asset_docs(self, index: int | None = None) -> Iterator[StreamAsset]:
        """Yield the resource of a new file and the datum of the frame just read."""
        result, self._result = self._measured(), None
        file: FrameFile = result["file"]
        key = f"{self.name}_frame"
        if not self._announced:
            yield stream_resource(file.uid, key, file.path, self.data_root, DATASET, file.chunks)
            self._announced = True
        yield stream_datum(file.uid, result["index"])
        self._index += 1
        if self._staged == Staged.no:
            self._close()
