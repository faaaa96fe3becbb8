"""What NXspm and NXem ask for beside the data: entry, sample, user, instrument, scan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import h5py

from .content import Content
from .nexus_tree import new_field, new_group, put_collection
from .parts import Frame

# Mode of a driver -> scan mode of NXspm.
_MODES = {
    "contact_pfm": "contact mode",
    "contact": "contact mode",
    "tapping": "tapping mode",
    "stm": "constant current",
}


def put_entry(entry: h5py.Group, content: Content) -> None:
    """Write what stands beside the data; what the record does not say is left out, not made up."""
    about = content.about
    run, instrument = about["run"], about["instrument"]
    beam = instrument["kind"] == "stem"
    new_field(entry, "definition", "NXem" if beam else "NXspm")
    new_field(entry, "title", f"{run['plan_name']} {run['uid']}")
    new_field(entry, "identifier_experiment", run["uid"])
    new_field(entry, "start_time", run["began"])
    if run["ended"]:
        new_field(entry, "end_time", run["ended"])
    program = new_field(entry, "program_name", "probeline")
    program.attrs["version"] = about["software"]["version"]
    if not beam:
        _put_technique(entry, instrument)
    _put_sample(entry, about["origin"], "sampleID" if beam else "sample", simulated=_simulated(instrument))
    if about["experiment"].get("operator"):
        new_field(new_group(entry, "userID" if beam else "user", "NXuser"), "name", about["experiment"]["operator"])
    _put_instrument(entry, instrument, about["software"]["version"])
    if content.frame is not None and not beam:
        _put_scan(entry.require_group("instrument"), content.frame)
    frame = {} if content.frame is None else {"frame": content.frame.settings()}
    put_collection(entry, "about", {**about, **frame})


def _simulated(instrument: Mapping[str, Any]) -> bool:
    return str(instrument["backend"]).startswith("sim-")


def _put_technique(entry: h5py.Group, instrument: Mapping[str, Any]) -> None:
    mode = str(instrument["mode"] or "")
    new_field(entry, "experiment_technique", "STM" if mode.startswith("stm") else "AFM")
    if mode in _MODES:
        new_field(entry, "scan_mode", _MODES[mode])
    new_field(entry, "scan_type", "mesh")


def _put_sample(entry: h5py.Group, origin: Mapping[str, Any], name: str, *, simulated: bool) -> None:
    sample = origin.get("sample") or {}
    group = new_group(entry, name, "NXsample")
    new_field(group, "name", str(sample.get("id", "")))
    if name == "sampleID":
        new_field(group, "is_simulation", simulated)
    if sample.get("material"):
        new_field(group, "description", str(sample["material"]))


def _put_instrument(entry: h5py.Group, instrument: Mapping[str, Any], version: str) -> None:
    group = new_group(entry, "instrument", "NXinstrument")
    new_field(group, "name", str(instrument["name"]))
    hardware = new_group(group, "hardware", "NXfabrication")
    new_field(hardware, "vendor", "unknown")  # demanded by NXspm; drivers tell the model only
    new_field(hardware, "model", str(instrument["model"]))
    software = new_group(group, "software", "NXfabrication")
    new_field(software, "vendor", "probeline")
    new_field(software, "model", version)


def _put_scan(instrument: h5py.Group, frame: Frame) -> None:
    """Write where and how the survey was scanned, as NXspm says it."""
    environment = new_group(instrument, "scan_environment", "NXenvironment")
    control = new_group(environment, "scan_control", "NXspm_scan_control")
    new_field(control, "scan_type", "mesh")
    new_field(control, "independent_scan_axes", "x, y")
    region = new_group(control, "scan_region", "NXspm_scan_region")
    lines, pixels = frame.images.shape[1:]
    edges = ((frame.columns[0], frame.columns[-1]), tuple(frame.lines[frame.downward][[0, -1]]))
    for axis, center, size, edge in zip("xy", frame.center, frame.size, edges, strict=True):
        new_field(region, f"scan_range_{axis}", size, "nm")
        new_field(region, f"scan_offset_value_{axis}", center, "nm")
        new_field(region, f"scan_angle_{axis}", frame.angle_deg, "deg")
        new_field(region, f"scan_start_{axis}", edge[0], "nm")
        new_field(region, f"scan_end_{axis}", edge[1], "nm")
    pattern = new_group(control, "mesh_scan", "NXspm_scan_pattern")
    for axis, points, step in zip("xy", (pixels, lines), frame.pixel, strict=True):
        new_field(pattern, f"scan_points_{axis}", points)
        new_field(pattern, f"step_size_{axis}", step, "nm")
