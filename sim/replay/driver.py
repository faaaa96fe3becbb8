"""A driver that answers with what was measured before, and with nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import CommandRejected, LimitError, NotMeasured, NotSupported
from ...devices.drivers import Acquisition, Description, ScanSettings, Value
from ..twin import HARMLESS_BIAS, Block, TwinAcquisition, TwinDriver
from ..world import World
from .dataset import Dataset, thin_counts
from .sampling import bilinear, check_scan, nearest_valid, raster
from .signals import WITHDRAWN_Z, signals_of

REACH_PX = 0.75  # a spectrum farther away (pixels) was not measured here


class ReplayDriver(TwinDriver):
    """Measured images and spectra behind the protocols of :mod:`probeline.devices.drivers`.

    Images are served at any raster: exactly on pixel centres, bilinearly between them, NaN
    beyond. Spectra are served from the nearest measured pixel, at most 0.75 pixels away;
    elsewhere :class:`~probeline.core.errors.NotMeasured` is raised. Signals can be set within
    their limits but change nothing that was measured, and nothing is ever written.

    There is one measurement per pixel: a second visit gives the same numbers again, noise
    included, and says so in ``provenance["replayed_noise"]``.

    Parameters
    ----------
    dataset : Dataset
        What was measured.
    seed : int
        Of thinning and of added noise.
    thin : float
        Serve only this part of the counts, ``0 < thin <= 1``; see
        :func:`~probeline.sim.replay.dataset.thin_counts`.
    noise : float
        Standard deviation of Gaussian noise added to every value served, in units of the
        robust standard deviation (interquartile range / 1.349) of that image channel, or of
        all spectra.
    state : dict, optional
        What :meth:`state` returned before.
    pace : float, optional
        Virtual seconds per wall second; without it nothing waits.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        seed: int = 0,
        thin: float = 1.0,
        noise: float = 0.0,
        state: dict[str, Any] | None = None,
        pace: float | None = None,
    ):
        state = state or {}
        signals, values = signals_of(dataset)
        super().__init__(World(seed, state, pace), signals, {**values, **state.get("values", {})})
        self._dataset = dataset
        self._thin, self._pace = thin, pace
        self._x, self._y = self._inside(*state.get("position", (0.0, 0.0)))
        self._visited = {(int(row), int(column)) for row, column in state.get("visited", [])}
        self._image_noise = noise * np.array([_spread(image) for image in dataset.images])
        self._spectrum_noise = noise * _spread(dataset.spectra[dataset.valid]) if noise else 0.0

    def describe(self) -> Description:
        """Return what the data set can answer."""
        data, axes = self._dataset, self._dataset.axes
        rows, columns = np.nonzero(data.valid)
        x, y = data.position(rows, columns)
        capabilities = ["scan", "position", "spectroscopy"]
        return {
            "model": f"replay of {data.name}",
            "serial": data.name,
            "version": "1",
            "mode": data.mode,
            "capabilities": [*capabilities, "feedback"] if data.kind == "spm" else capabilities,
            "virtual_clock": self._pace is None,
            "signals": dict(self._signals),
            "channels": list(data.channels),
            "spectra": {
                axes.kind: {
                    "dims": list(axes.dims),
                    "channels": list(axes.channels),
                    "coords": dict(axes.coords),
                    "unit": axes.unit,
                    "settings": {},
                    "destructive": False,
                    "footprint": data.pixel_size / 2,
                    "seconds": data.timing.spectrum_s,
                }
            },
            "scan_range": data.extent,
            "metadata": {
                **data.metadata,
                "pixel_size_m": data.pixel_size,
                "spectra_centres_m": [float(x.min()), float(x.max()), float(y.min()), float(y.max())],
                "thin": self._thin,
                "seed": self._world.seed,
            },
        }

    def state(self) -> dict[str, Any]:
        """Return time, exposures, values, position and pixels visited; JSON."""
        visited = [list(pixel) for pixel in sorted(self._visited)]
        place = {"position": [self._x, self._y], "visited": visited}
        return {**super().state(), "dataset": self._dataset.name, **place}

    # position

    def position(self) -> tuple[float, float]:
        """Return where the probe is (m)."""
        return self._x, self._y

    def move(self, x: float, y: float) -> None:
        """Move the probe; takes the time that the distance needs."""
        self._require_idle()
        x, y = self._inside(x, y)
        share = self._world.advance(self._dataset.timing.move_s(math.hypot(x - self._x, y - self._y)))
        if share < 1:  # held on the way
            x, y = self._x + share * (x - self._x), self._y + share * (y - self._y)
        self._x, self._y = x, y

    def _inside(self, x: Any, y: Any) -> tuple[float, float]:
        """Return coordinates (m), or raise where they are outside the measured area."""
        x_min, x_max, y_min, y_max = self._dataset.extent
        slack = 1e-6 * self._dataset.pixel_size
        for key, value, low, high in (("x", x, x_min, x_max), ("y", y, y_min, y_max)):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise CommandRejected(f"{key} = {value!r} is not a number; give one in m")
            if not (math.isfinite(value) and low - slack <= value <= high + slack):
                raise LimitError(key, float(value), f"{low:g} to {high:g} m", "m", "stay inside the measured area")
        return float(x), float(y)

    # scan

    def start_scan(self, settings: ScanSettings) -> Acquisition:
        """Start one frame over the stored images, one line per block."""
        check_scan(settings)
        self._require_idle()
        self._refuse_when_withdrawn()
        data = self._dataset
        x, y = raster(settings)
        images = bilinear(data.images, *data.index(x, y))
        rng = self._world.noise("image", self._world.exposure())
        images += rng.standard_normal(images.shape) * self._image_noise[:, None, None]
        seconds = settings.get("line_time", data.timing.frame_line_s(settings["pixels"]))
        names = [channel["name"] for channel in data.channels]

        def finish(result: NDArray[np.float64], clocks: NDArray[np.float64]) -> dict[str, Any]:
            return {"data": result, "channels": names, "line_clock": clocks}

        return self._begin(TwinAcquisition(self._world, self._lines(images, seconds), images.shape, finish))

    def _lines(self, images: NDArray[np.float64], seconds: float) -> Iterator[Block]:
        for line in range(images.shape[1]):
            with self._exposed():
                self._world.advance(seconds)
            yield line, images[:, line : line + 1], self._world.time

    # spectroscopy

    def start_spectrum(self, kind: str, settings: Mapping[str, Value]) -> Acquisition:
        """Start the stored measurement of the pixel under the probe; it accepts no settings."""
        axes = self._dataset.axes
        if kind != axes.kind:
            raise NotSupported(f"no measurement {kind!r} in the data set {self._dataset.name}; it holds {axes.kind!r}")
        if settings:
            raise CommandRejected(f"{kind} accepts no settings, got {', '.join(settings)}: it was measured before")
        self._require_idle()
        self._refuse_when_withdrawn()
        row, column, distance = self._source()
        provenance = {
            "kind": "measured",
            "dist_px": distance,
            "source_index": [row, column],
            "file_row": self._dataset.file_row(row),
            "replayed_noise": (row, column) in self._visited,
        }
        if self._spectrum_noise:
            provenance["added_noise"] = self._spectrum_noise
        data = self._spectrum(row, column)

        def finish(result: NDArray[np.float64], _clocks: NDArray[np.float64]) -> dict[str, Any]:
            return {
                "kind": kind,
                "data": result,
                "dims": list(axes.dims),
                "channels": list(axes.channels),
                "coords": dict(axes.coords),
                "unit": axes.unit,
                "provenance": provenance,
            }

        return self._begin(TwinAcquisition(self._world, self._dwell(data, (row, column)), data.shape, finish))

    def _dwell(self, data: NDArray[np.float64], pixel: tuple[int, int]) -> Iterator[Block]:
        with self._exposed():
            self._world.advance(self._dataset.timing.spectrum_s)
        self._visited.add(pixel)
        yield 0, data, self._world.time

    def _source(self) -> tuple[int, int, float]:
        """Return the pixel whose spectrum is served here and its distance (pixels)."""
        row, column = self._dataset.index(self._x, self._y)
        found = nearest_valid(self._dataset.valid, float(row), float(column), REACH_PX)
        if found is None:
            raise NotMeasured(
                f"nothing was measured within {REACH_PX} pixels of x = {self._x * 1e9:.6g} nm, y = {self._y * 1e9:.6g} "
                f"nm in the data set {self._dataset.name}; choose a point inside its measured area"
            )
        return found

    def _spectrum(self, row: int, column: int) -> NDArray[np.float64]:
        measured = thin_counts(self._dataset.spectra[row, column], self._thin, self._world.seed, row, column)
        self._world.exposure()
        noise = self._world.noise("spectrum", row, column).standard_normal(measured.shape)  # the same at every visit
        return np.asarray(measured, float) + noise * self._spectrum_noise

    # feedback

    def set_feedback(self, on: bool) -> None:
        """Close or open the loop; stored data do not depend on it."""
        self._need_tip()
        self.set_many({"feedback": bool(on)})

    def withdraw(self) -> None:
        """Lift the tip; takes time unless it is lifted already."""
        self._need_tip()
        self._require_idle()
        if self._values["tip"] == "tracking":
            self._world.advance(self._dataset.timing.withdraw_s)
            self._values.update(tip="withdrawn", z=WITHDRAWN_Z, feedback=False)

    def approach(self) -> None:
        """Bring the tip to the surface and close the loop; takes time unless it is there."""
        self._need_tip()
        self._require_idle()
        self._refuse_to_pole(self._values["bias"])
        if self._values["tip"] == "withdrawn":
            self._world.advance(self._dataset.timing.approach_s)
        self._values.update(tip="tracking", z=0.0, feedback=True)

    # postures

    def hold(self) -> None:
        """End what is running; a beam is blanked as well."""
        super().hold()
        if self._dataset.kind == "stem":
            self._values["blanked"] = True

    def park(self) -> None:
        """Hold, then lift the tip; a beam is blanked."""
        self.hold()
        if self._dataset.kind == "spm":
            self.withdraw()

    def make_safe(self) -> None:
        """Hold, drive and bias to 0, then lift the tip; a beam is blanked."""
        self.hold()
        if self._dataset.kind == "spm":
            self._values.update(bias=0.0, drive_amplitude=0.0)
            self.withdraw()

    # guards

    def _check(self, key: str, value: Any) -> None:
        super()._check(key, value)
        if key == "feedback" and value:
            self._refuse_when_withdrawn()
        if key == "bias" and self._values["tip"] == "tracking":
            self._refuse_to_pole(value)

    def _refuse_to_pole(self, bias: float) -> None:
        if abs(bias) > HARMLESS_BIAS:
            raise CommandRejected(
                f"a bias of {bias:g} V held in contact would change a real sample, and a replay cannot; stay within "
                f"{HARMLESS_BIAS:g} V"
            )

    @contextmanager
    def _exposed(self) -> Iterator[None]:
        """Unblank the beam for as long as the block lasts, and no longer."""
        if self._dataset.kind == "spm":
            yield
            return
        self._values["blanked"] = False
        try:
            yield
        finally:
            self._values["blanked"] = True

    def _refuse_when_withdrawn(self) -> None:
        if self._values.get("tip") == "withdrawn":
            raise CommandRejected("the tip is withdrawn; approach first")

    def _need_tip(self) -> None:
        if self._dataset.kind != "spm":
            raise NotSupported("a beam has no z feedback; this data set was measured with one")


def _spread(values: NDArray[Any]) -> float:
    """Return the robust standard deviation of ``values``, NaN left out."""
    low, high = np.nanpercentile(values, [25, 75])
    return float(high - low) / 1.349
