"""Instrument files: every number is checked, and the message names file, field and value."""

from __future__ import annotations

import pytest
import yaml

from probeline.core.errors import DataError, SpecError
from probeline.devices.instrument_file import read_instrument_file

CONTENT = """
name: spm
kind: spm
backend: sim-pfm
spectrum: switching_loop
objective: loop_area
survey: {size_nm: 800.0, pixels: 32, patch_nm: 100.0, roi: [[[0.0, 0.0], [100.0, 0.0], [0.0, 100.0]]]}
envelope: {limits: {bias: [-8.0, 8.0]}, budgets: {seconds: 3600.0}}
register_every: 5
idle_after_s: 5.0
"""


def written(folder, path, value):
    """Return a file in which ``value`` stands at ``path``; without a path, the file as it is."""
    content = yaml.safe_load(CONTENT)
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    if path:
        inner[path[-1]] = value
    file = folder / "mine.yml"
    file.write_text(yaml.safe_dump(content))
    return file


def test_a_good_file_is_read(tmp_path):
    spec = read_instrument_file(written(tmp_path, (), None))
    assert (spec.survey.size_nm, spec.survey.pixels, spec.idle_after_s) == (800.0, 32, 5.0)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("survey", "patch_nm"), float("nan"), r"survey\.patch_nm = nan: .*finite"),
        (("survey", "patch_nm"), 0.0, r"survey\.patch_nm = 0\.0: .*greater than 0"),
        (("survey", "size_nm"), float("inf"), r"survey\.size_nm = inf: .*finite"),
        (("survey", "size_nm"), -800.0, r"survey\.size_nm = -800\.0: .*greater than 0"),
        (("survey", "size_nm"), "wide", r"survey\.size_nm = 'wide': .*number"),
        (("survey", "pixels"), 7, r"survey\.pixels = 7: .*equal to 8"),
        (("survey", "pixels"), 31.5, r"survey\.pixels = 31\.5: .*integer"),
        (("survey", "roi", 0, 1, 0), float("nan"), r"survey\.roi\.0\.1\.0 = nan: .*finite"),
        (("idle_after_s",), -1.0, r"idle_after_s = -1\.0: .*equal to 0"),
        (("idle_after_s",), float("inf"), r"idle_after_s = inf: .*finite"),
        (("register_every",), -1, r"register_every = -1: .*equal to 0"),
        (("envelope", "limits", "bias"), [-8.0, float("nan")], r"envelope: .*limits of bias must be finite"),
        (("envelope", "max_step"), {"bias": float("nan")}, r"envelope: .*max_step of bias must be positive, got nan"),
        (("colour",), "red", r"colour = 'red': .*not permitted"),
        (("survey",), {}, r"survey\.size_nm: .*required"),
    ],
)
def test_a_wrong_value_is_named_with_its_file(tmp_path, path, value, message):
    file = written(tmp_path, path, value)
    with pytest.raises(SpecError, match=rf"instrument file .*mine\.yml: .*{message}"):
        read_instrument_file(file)


def test_what_is_no_yaml_cannot_be_read(tmp_path):
    (tmp_path / "broken.yml").write_text("name: [")
    with pytest.raises(DataError, match=r"cannot read the instrument file .*broken\.yml"):
        read_instrument_file(tmp_path / "broken.yml")
