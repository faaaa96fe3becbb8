"""NSID files, read with pyNSID and sidpy."""

import json

import h5py
import numpy as np
import pytest

from .recorded import BIAS, CHANNELS, ENERGY, ORIENTATIONS, POINTS, SCALES, frame_name, landmark, spectrum


@pytest.mark.parametrize(("angle", "slow"), ORIENTATIONS)
def test_every_pixel_of_every_channel_is_where_it_was(read_by, angle, slow):
    found = read_by("pyNSID")[frame_name(angle, slow)]
    assert set(found) == {f"survey_{name}" for name in CHANNELS}
    for scale, (name, unit) in zip(SCALES, CHANNELS.items(), strict=True):
        dataset = found[f"survey_{name}"]
        assert (dataset["units"], dataset["kind"]) == (unit or "generic", "IMAGE")
        assert dataset["quantity"] == name.removesuffix("_trace")
        x, y = dataset["axes"]
        assert [(axis["name"], axis["units"], axis["kind"]) for axis in (x, y)] == [
            ("x", "nm", "SPATIAL"), ("y", "nm", "SPATIAL"),
        ]  # fmt: skip
        frame = dataset["metadata"]["frame"]
        center = complex(frame["center_x_nm"], frame["center_y_nm"])
        flat = np.array(x["values"])[:, None] + 1j * np.array(y["values"])[None, :]
        place = center + (flat - center) * np.exp(1j * np.radians(frame["angle_deg"]))
        assert frame["angle_deg"] == angle
        np.testing.assert_allclose(dataset["data"], landmark(place.real, place.imag) * scale, rtol=1e-12)
        assert dataset["extent"] == pytest.approx([-30, 50, -50, 10])  # left, right, bottom, top of the picture


def test_loops_have_their_axes_and_points(read_by, runs):
    found = read_by("pyNSID")["loops"]
    for index, channel in enumerate("xy"):
        dataset = found[f"switching_loop_{channel}"]
        expected = [spectrum((2, 2, 2, 6), place)[index] for place in range(3)]
        np.testing.assert_array_equal(dataset["data"], expected)
        assert (dataset["units"], dataset["quantity"], dataset["kind"]) == ("pm", channel, "POINT_CLOUD")
        assert [axis["name"] for axis in dataset["axes"]] == ["point", "cycle", "field", "bias"]
        bias = dataset["axes"][-1]
        assert (bias["values"], bias["units"], bias["quantity"]) == (BIAS, "V", "bias voltage")
        assert dataset["metadata"]["axes"]["field"]["values"] == '["off","on"]'
        assert dataset["points"]["coordinates"] == [list(point) for point in POINTS]
        assert (dataset["points"]["spatial_units"], dataset["metadata"]["decision"]) == ("nm", [0, 1, 2])
        assert dataset["metadata"]["run"]["uid"] == runs["loops"].uid
        assert dataset["metadata"]["software"]["git"]["hash"] == "c0ffee"


def test_counts_have_an_energy_axis(read_by):
    dataset = read_by("pyNSID")["eds"]["eds_eds"]
    np.testing.assert_array_equal(dataset["data"], [spectrum((1, 4), place)[0] for place in range(3)])
    energy = dataset["axes"][-1]
    assert (energy["name"], energy["units"], energy["values"], energy["kind"]) == ("energy", "eV", ENERGY, "SPECTRAL")


def test_decisions_have_all_columns(read_by, folder, runs):
    dataset = read_by("pyNSID")["loops"]["objective"]
    np.testing.assert_array_equal(dataset["data"], [11 / 3, np.nan, 11 / 3 + 2])
    assert (dataset["units"], dataset["axes"][0]["name"]) == ("pm V", "decision")
    with h5py.File(folder / "loops.h5") as file:
        group = file["Measurement_000/Channel_006/objective"]
        assert group["status"].asstr()[:].tolist() == ["ok", "failed", "ok"]
        assert group["sigma"].attrs["units"] == "pm V"
        assert json.loads(file["Measurement_000/start_document"][()])["uid"] == runs["loops"].uid
