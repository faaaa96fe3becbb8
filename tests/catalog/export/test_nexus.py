"""NeXus files, read and validated with nexusformat."""

import numpy as np
import pytest

from .recorded import BIAS, CHANNELS, ENERGY, ORIENTATIONS, POINTS, SCALES, frame_name, landmark, spectrum

SI = {"nm": (1e-9, "m"), "deg": (np.pi / 180, "rad"), "pm": (1e-12, "m"), "": (1.0, "")}

# NXspm lets DATA, AXISNAME and SCAN_ENVIRONMENT have any name; the validator of nexusformat looks for these very ones.
NAMES = {"Group: SCAN_ENVIRONMENT: NXenvironment"} | {
    f"Field: /entry/{group}/{name}"
    for group in ("survey", "switching_loop", "decisions")
    for name in ("DATA", "AXISNAME")
}
# It takes the groups of NXspm for strange where they stand in groups of base classes, as NXspm says that they do.
STRANGE = {"NXspm_scan_control: /entry/instrument/scan_environment/scan_control"}
# What NXem demands of a sample and nobody told probeline.
UNTOLD = {"Field: /entry/sampleID/preparation_date", "Field: /entry/sampleID/atom_types"}


@pytest.mark.parametrize(("angle", "slow"), ORIENTATIONS)
def test_every_pixel_of_every_channel_is_where_it_was(read_by, angle, slow):
    survey = read_by("nexusformat")[frame_name(angle, slow)]["data"]["survey"]
    fields, units = survey["fields"], survey["units"]
    assert (survey["signal"], survey["axes"]) == ("height_trace", ["y", "x"])
    assert {units[name] for name in ("x", "y", "x_sample", "y_sample")} == {"m"}
    x, y = (np.array(fields[f"{axis}_sample"]) * 1e9 for axis in "xy")
    flat = np.array(fields["x"])[None, :] + 1j * np.array(fields["y"])[:, None]
    turned = (flat * 1e9 - (10 - 20j)) * np.exp(1j * np.radians(angle)) + (10 - 20j)
    np.testing.assert_allclose([turned.real, turned.imag], [x, y], atol=1e-9)
    for scale, (name, unit) in zip(SCALES, CHANNELS.items(), strict=True):
        factor, si = SI[unit]
        assert units[name] == si
        np.testing.assert_allclose(fields[name], landmark(x, y) * scale * factor, rtol=1e-12)
    assert (np.diff(fields["y"]) < 0).all()
    first = 4 if slow == "up" else 0  # the line that was scanned first ended after 1.5 s
    assert fields["line_clock"][first] == 1.5


def test_loops_have_their_axes_and_points(read_by):
    group = read_by("nexusformat")["loops"]["data"]["switching_loop"]
    fields, units = group["fields"], group["units"]
    assert (group["signal"], group["axes"]) == ("x_signal", ["point", "cycle", "field", "bias"])
    for index, channel in enumerate("xy"):
        expected = [spectrum((2, 2, 2, 6), place)[index] * 1e-12 for place in range(3)]
        np.testing.assert_allclose(fields[f"{channel}_signal"], expected, rtol=1e-14)
        assert units[f"{channel}_signal"] == "m"
        np.testing.assert_allclose(fields[channel], [point[index] * 1e-9 for point in POINTS], rtol=1e-14)
    assert (fields["bias"], units["bias"], fields["field"], fields["decision"]) == (BIAS, "V", ["off", "on"], [0, 1, 2])


def test_counts_have_an_energy_axis(read_by):
    group = read_by("nexusformat")["eds"]["data"]["eds"]
    np.testing.assert_array_equal(group["fields"]["eds"], [spectrum((1, 4), place)[0] for place in range(3)])
    assert (group["axes"], group["fields"]["energy"], group["units"]["energy"]) == (["point", "energy"], ENERGY, "eV")


def test_decisions_have_all_columns(read_by):
    group = read_by("nexusformat")["loops"]["data"]["decisions"]
    assert (group["signal"], group["axes"], group["units"]["objective"]) == ("objective", ["decision"], "m V")
    np.testing.assert_allclose(group["fields"]["objective"], [11 / 3 * 1e-12, np.nan, (11 / 3 + 2) * 1e-12])
    np.testing.assert_allclose(group["fields"]["objective_errors"], [0.1e-12, np.nan, 2.1e-12])
    assert group["fields"]["status"] == ["ok", "failed", "ok"]


def test_the_entry_says_where_it_comes_from(read_by, runs):
    for name, definition in (("loops", "NXspm"), ("eds", "NXem")):
        found = read_by("nexusformat")[name]
        uid = runs[name].uid
        assert (found["definition"], found["uid"], found["start"]) == (definition, uid, uid)
        assert (found["sample"], found["licence"], found["default"]) == ("s1", "MIT", "survey")


def test_the_definitions_are_kept_as_far_as_the_record_goes(read_by):
    loops, eds = (read_by("nexusformat")[name] for name in ("loops", "eds"))
    assert set(loops["file"]) == STRANGE
    assert set(loops["application"]) == NAMES
    assert eds["file"] == {}
    assert set(eds["application"]) == UNTOLD
