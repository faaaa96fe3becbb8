"""Runs with known content, as documents: a survey that gives away its orientation, and whole explorations."""

import numpy as np
from event_model import compose_run

from probeline.catalog import Run
from probeline.catalog.surveying import frame_coordinates

LINES, PIXELS = 5, 8  # neither square in pixels nor in nm, so that no transposition stays unseen
CHANNELS = {"height_trace": "nm", "phase_trace": "deg", "amplitude_trace": "pm", "haadf": ""}
SCALES = np.array([1.0, 0.1, 7.0, 1000.0])
ORIENTATIONS = [(angle, slow) for angle in (0.0, 37.0, -90.0) for slow in ("up", "down")]
BIAS = [0.0, 4.0, 8.0, 0.0, -8.0, -4.0]
ENERGY = [0.0, 10.0, 20.0, 30.0]
LOOP = ("switching_loop", ["x", "y"], {"cycle": [0, 1], "field": ["off", "on"], "bias": BIAS}, "pm")
EDS = ("eds", ["eds"], {"energy": ENERGY}, "counts")
POINTS = [(-5.0, 3.0), (12.5, -20.0), (30.0, -41.0)]
REASONS = ["", 'poor "fit", #2\nétat', ""]


def frame_name(angle, slow):
    return f"frame_{angle:g}_{slow}"


def settings(angle, slow):
    return {
        "center_x": 10.0, "center_y": -20.0, "width": 80.0, "height": 60.0, "pixels": PIXELS, "lines": LINES,
        "angle": angle, "slow": slow,
    }  # fmt: skip


def landmark(x, y):
    """A surface (nm) without any symmetry, as a function of the sample coordinates (nm)."""
    return 1000.0 + x + 3.0 * y + x * x / 50.0 - x * y / 90.0


def images(angle, slow):
    """What a scan of the landmark gives, shape (channel, line, pixel)."""
    return landmark(*frame_coordinates(settings(angle, slow))) * SCALES[:, None, None]


def block(kind="spm", **changes):
    """The block ``probeline`` of a start document."""
    instrument = {"name": kind, "kind": kind, "backend": "sim-pfm", "options": {"seed": 3}, "imaging": {}}
    return {
        "version": "1.2.3", "git": {"hash": "c0ffee", "dirty": False}, "packages": {"numpy": "2.4.6"},
        "machine": {"host": "here"}, "operator": "me", "instrument": instrument,
        "driver": {"model": "PFM twin", "mode": "contact_pfm"}, "goal": "optimum",
        "objective": {"name": "loop_area", "version": 1, "unit": "pm V"}, "agent": {"kind": "patch_gp", "seed": 3},
        "keys": {"frame": "spm_scan_frame", "spectrum": "spm_loop_spectrum", "clock": "clock"}, "parent": None,
        **changes,
    }  # fmt: skip


class Recorder:
    """Composes the documents of a run; its frames are those of the landmark."""

    def __init__(self, kind="spm"):
        origin = {"sample": {"id": "s1", "material": "PbTiO3"}, "licence": "MIT", "source": "somewhere"}
        self.bundle = compose_run(metadata={"plan_name": "explore", "scan_id": 4, "probeline": block(kind), **origin})
        self.documents = [("start", self.bundle.start_doc)]
        self.frame = None

    def stream(self, name, keys, configuration=None):
        """Declare a stream (again) and return what writes an event of it."""
        owners = {info["object_name"] for info in keys.values()}
        config = {
            owner: {"data": {}, "timestamps": {}, "data_keys": {}} | (configuration or {}).get(owner, {})
            for owner in owners
        }
        bundle = self.bundle.compose_descriptor(name=name, data_keys=keys, configuration=config)
        self.documents.append(("descriptor", bundle.descriptor_doc))

        def write(**data):
            timestamps = dict.fromkeys(data, 0.0)
            event = bundle.compose_event(data=data, timestamps=timestamps)
            self.documents.append(("event", event))

        return write

    def survey(self, angle, slow, frame=None):
        self.frame = images(angle, slow) if frame is None else frame
        values = {f"spm_scan_{key}": value for key, value in settings(angle, slow).items()}
        values |= {"spm_scan_lines": self.frame.shape[1], "spm_scan_pixels": self.frame.shape[2]}
        names = list(CHANNELS)[: len(self.frame)]
        key = {
            "source": "t", "dtype": "array", "shape": list(self.frame.shape), "external": "STREAM:",
            "dims": ["channel", "line", "pixel"], "channels": names,
            "channel_units": [CHANNELS[name] for name in names],
            "object_name": "spm_scan",
        }  # fmt: skip
        clock = {"source": "t", "dtype": "array", "shape": [len(self.frame[0])], "object_name": "spm_scan"}
        keys = {"spm_scan_frame": key, "spm_scan_line_clock": clock}
        self.stream("survey", keys, {"spm_scan": {"data": values}})(
            spm_scan_line_clock=np.arange(len(self.frame[0])) + 1.5
        )

    def finished(self):
        """Close the run and return it."""
        self.documents.append(("stop", self.bundle.compose_stop(exit_status="success", reason="all measured")))
        return Run(self.documents, lambda stream, key, seqs: np.stack([self.frame] * len(seqs)))


def number(unit=""):
    return {"source": "t", "dtype": "number", "shape": [], "units": unit, "object_name": "record"}


def frame_run(angle, slow, frame=None):
    """A run that ended after its survey."""
    recorder = Recorder()
    recorder.survey(angle, slow, frame)
    return recorder.finished()


def spectrum(shape, place):
    """What was measured at the point ``place``, one value not at all."""
    values = 100.0 * place + np.arange(np.prod(shape), dtype=float).reshape(shape) / 7.0
    values[..., -1] = np.nan if place == 1 else values[..., -1]
    return values


def whole_run(kind, *, reconfigured=False):
    """A run with a survey, three measurements of a kind (``LOOP``, ``EDS``) and their decisions, the second failed."""
    name, channels, coords, unit = kind
    recorder = Recorder("spm" if kind is LOOP else "stem")
    recorder.survey(37.0, "down")
    text, count = {**number(), "dtype": "string"}, {**number(), "dtype": "integer"}
    decide = recorder.stream(
        "optimization", {"decision": count, "x": number("nm"), "y": number("nm"), "mean": number("pm V")}
    )
    shape = (len(channels), *map(len, coords.values()))
    key = {
        "source": "t", "dtype": "array", "shape": list(shape), "units": unit, "kind": name, "channels": channels,
        "dims": ["channel", *coords], "coords": coords, "object_name": "spm_loop",
    }  # fmt: skip
    keys = {"spm_loop_spectrum": key, "decision": count, "x": number("nm"), "y": number("nm")}
    measure = recorder.stream("primary", keys, {"spm_loop": {"data": {"spm_loop_step_time": 4.0}}})
    tell = recorder.stream(
        "outcome",
        {"decision": count, "status": text, "reason": text, "objective": number("pm V"), "sigma": number("pm V")},
    )
    for place, (x, y) in enumerate(POINTS):
        if reconfigured and place == 2:
            measure = recorder.stream("primary", keys, {"spm_loop": {"data": {"spm_loop_step_time": 8.0}}})
        decide(decision=place, x=x, y=y, mean=place / 3.0)
        measure(spm_loop_spectrum=spectrum(shape, place), decision=place, x=x, y=y)
        failed = place == 1
        tell(
            decision=place, status="failed" if failed else "ok", reason=REASONS[place],
            objective=np.nan if failed else 11.0 / 3.0 + place, sigma=np.nan if failed else 0.1 + place,
        )  # fmt: skip
    return recorder.finished()
