"""Readables that need no hardware: a scalar detector, a camera that writes HDF5, a plan that uses them."""

import uuid
from pathlib import Path

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import h5py
import numpy as np
from bluesky.utils import Msg

FRAME = (2, 6, 8)  # channel, line, pixel


class Sensor:
    """One number of each kind, a short array and a spectrum, all a function of the exposure index."""

    parent = None
    name = "sensor"

    def __init__(self):
        self.count = 0

    def trigger(self):
        from ophyd.status import Status

        self.count += 1
        status = Status()
        status.set_finished()
        return status

    def describe(self):
        scalar = {"source": "test", "shape": []}
        array = {"source": "test", "dtype": "array", "dtype_numpy": "<f8"}
        return {
            "real": {**scalar, "dtype": "number", "dtype_numpy": "<f8", "units": "nm"},
            "sparse": {**scalar, "dtype": "number", "dtype_numpy": "<f8"},
            "whole": {**scalar, "dtype": "integer", "dtype_numpy": "<i8"},
            "flag": {**scalar, "dtype": "boolean", "dtype_numpy": "|b1"},
            "text": {**scalar, "dtype": "string"},
            "short": {**array, "shape": [3]},
            "square": {**array, "shape": [3, 3], "dtype_numpy": "<f4"},
            "loop": {
                **array, "shape": [2, 5], "units": "pm", "kind": "switching_loop", "dims": ["channel", "bias"],
                "channels": ["amplitude", "phase"], "coords": {"bias": [-2.0, -1.0, 0.0, 1.0, 2.0]},
            },
        }  # fmt: skip

    def values(self):
        k = self.count
        rng = np.random.default_rng(k)
        return {
            "real": k / 7 if k % 3 else float("nan"),
            "sparse": k if k % 2 else 0.5 * k,
            "whole": k,
            "flag": bool(k % 2),
            "text": f"état {k}",
            "short": rng.random(3),
            "square": rng.random((3, 3)).astype("f4"),
            "loop": np.where(rng.random((2, 5)) < 0.2, np.nan, rng.random((2, 5))),
        }

    def read(self):
        return {key: {"value": value, "timestamp": float(self.count)} for key, value in self.values().items()}

    def describe_configuration(self):
        return {"sensor_range": {"source": "test", "dtype": "number", "shape": []}}

    def read_configuration(self):
        return {"sensor_range": {"value": 5.0, "timestamp": 0.0}}


class FrameCamera:
    """Writes one frame per trigger into an HDF5 file, as the scan engine does."""

    parent = None
    name = "spm_scan"

    def __init__(self, root: Path):
        self._root = root
        self._file = None
        self.taken: list[np.ndarray] = []

    def stage(self):
        self._path = self._root / f"{uuid.uuid4()}.h5"
        self._file = h5py.File(self._path, "w", libver="latest")
        self._data = self._file.create_dataset(
            "entry/data/data", shape=(0, *FRAME), maxshape=(None, *FRAME), chunks=(1, *FRAME), dtype="<f8"
        )
        self._file.swmr_mode = True
        self._uid = str(uuid.uuid4())
        self._announced = False
        self._sent = 0
        return [self]

    def unstage(self):
        if self._file is not None:
            self._file.close()
            self._file = None
        return [self]

    def trigger(self):
        from ophyd.status import Status

        frame = np.random.default_rng(len(self.taken)).normal(size=FRAME)
        frame[0, -1] = np.nan
        self.taken.append(frame)
        index = self._data.shape[0]
        self._data.resize(index + 1, axis=0)
        self._data[index] = frame
        self._data.flush()
        status = Status()
        status.set_finished()
        return status

    def describe(self):
        return {
            "spm_scan_frame": {
                "source": "test", "dtype": "array", "dtype_numpy": "<f8", "shape": list(FRAME), "external": "STREAM:",
                "dims": ["channel", "line", "pixel"], "channels": ["height_trace", "x_trace"],
                "units": "", "channel_units": ["nm", "V"],
            }
        }  # fmt: skip

    def read(self):
        return {}

    def collect_asset_docs(self, index=None):
        if not self._announced:
            self._announced = True
            yield "stream_resource", {
                "uid": self._uid, "data_key": "spm_scan_frame", "mimetype": "application/x-hdf5",
                "uri": "file://localhost" + self._path.as_posix(),
                "parameters": {"dataset": "/entry/data/data", "chunk_shape": [1, *FRAME], "join_method": "stack"},
            }  # fmt: skip
        count = self._data.shape[0]
        yield "stream_datum", {
            "uid": f"{self._uid}/{count}", "stream_resource": self._uid, "descriptor": "",
            "indices": {"start": count - 1, "stop": count}, "seq_nums": {"start": 0, "stop": 0},
        }  # fmt: skip
        self._sent = count

    def get_index(self):
        return self._data.shape[0]

    def describe_configuration(self):
        number = {"source": "test", "dtype": "number", "shape": []}
        return {f"spm_scan_{key}": number for key in self.settings() if key != "slow"} | {
            "spm_scan_slow": {"source": "test", "dtype": "string", "shape": []}
        }

    def settings(self):
        return {
            "center_x": 10.0, "center_y": -20.0, "width": 80.0, "height": 60.0,
            "pixels": FRAME[2], "lines": FRAME[1], "angle": 0.0, "slow": "up",
        }  # fmt: skip

    def read_configuration(self):
        return {f"spm_scan_{key}": {"value": value, "timestamp": 0.0} for key, value in self.settings().items()}


def survey_and_points(camera, sensor, points=5, md=None, before_save=None):
    """Plan: one frame in ``survey``, then ``points`` events in ``primary``."""
    metadata = {"plan_name": "test", "probeline": {"keys": {"frame": "spm_scan_frame"}}, **(md or {})}

    @bpp.stage_decorator([camera])
    @bpp.run_decorator(md=metadata)
    def whole():
        yield from bps.checkpoint()
        yield from bps.trigger_and_read([camera], name="survey")
        for index in range(points):
            yield from bps.checkpoint()
            yield from bps.trigger_and_read([sensor], name="primary")
            if before_save is not None:
                yield from before_save(index)

    return (yield from whole())


def rewind_once(at):
    """Return a hook for ``survey_and_points`` that rewinds to the checkpoint after event ``at``."""
    done = []

    def hook(index):
        if index == at and not done:
            done.append(index)
            yield Msg("pause", defer=False)
        else:
            yield from bps.null()

    return hook
