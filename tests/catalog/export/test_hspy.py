"""HyperSpy files, read with HyperSpy in a process of its own."""

import numpy as np
import pytest

from .recorded import BIAS, CHANNELS, ENERGY, ORIENTATIONS, POINTS, SCALES, frame_name, landmark, spectrum


@pytest.mark.parametrize(("angle", "slow"), ORIENTATIONS)
def test_every_pixel_of_every_channel_is_where_it_was(read_by, angle, slow):
    found = read_by("hyperspy")[frame_name(angle, slow)]
    assert set(found) == {f"survey {name}" for name in CHANNELS}
    for scale, (name, unit) in zip(SCALES, CHANNELS.items(), strict=True):
        signal = found[f"survey {name}"]
        assert signal["quantity"] == (f"{name} ({unit})" if unit else name)
        y, x = signal["axes"]
        assert [(axis["name"], axis["units"], axis["navigate"]) for axis in (y, x)] == [("y", "nm", 0), ("x", "nm", 0)]
        frame = signal["origin"]["frame"]
        assert (frame["angle_deg"], frame["slow"]) == (angle, slow)
        center = complex(frame["center_x_nm"], frame["center_y_nm"])
        flat = np.array(x["values"])[None, :] + 1j * np.array(y["values"])[:, None]
        place = center + (flat - center) * np.exp(1j * np.radians(angle))
        np.testing.assert_allclose(signal["data"], landmark(place.real, place.imag) * scale, rtol=1e-12)
        assert signal["shown"] == pytest.approx([-30, 50, -50, 10])  # the picture has x to the right and y up


def test_loops_have_their_axes_and_points(read_by, runs):
    found = read_by("hyperspy")["loops"]
    for index, channel in enumerate("xy"):
        signal = found[f"switching_loop {channel}"]
        expected = [spectrum((2, 2, 2, 6), place)[index] for place in range(3)]
        np.testing.assert_array_equal(signal["data"], expected)
        assert signal["quantity"] == f"{channel} (pm)"
        axes = [(axis["name"], len(axis["values"]), axis["navigate"]) for axis in signal["axes"]]
        assert axes == [("point", 3, True), ("cycle", 2, True), ("field", 2, True), ("bias step", 6, False)]
        origin = signal["origin"]
        assert origin["axes"]["bias"] == {"unit": "V", "quantity": "bias voltage", "values": BIAS}
        assert origin["axes"]["field"]["values"] == ["off", "on"]
        assert list(zip(origin["points"]["x_nm"], origin["points"]["y_nm"], strict=True)) == POINTS
        assert origin["points"]["decision"] == [0, 1, 2]
        assert origin["spectrometer"]["step_time"] == 4.0
        assert origin["run"]["uid"] == runs["loops"].uid


def test_counts_have_an_energy_axis(read_by):
    signal = read_by("hyperspy")["eds"]["eds eds"]
    np.testing.assert_array_equal(signal["data"], [spectrum((1, 4), place)[0] for place in range(3)])
    energy = signal["axes"][-1]
    assert (energy["name"], energy["units"], energy["values"]) == ("energy", "eV", ENERGY)


def test_decisions_have_all_columns(read_by):
    signal = read_by("hyperspy")["loops"]["decisions"]
    np.testing.assert_array_equal(signal["data"], [11 / 3, np.nan, 11 / 3 + 2])
    columns = signal["origin"]["decisions"]
    assert columns["status"] == ["ok", "failed", "ok"]
    assert columns["units"]["sigma"] == "pm V"
    assert columns["x"] == [x for x, _ in POINTS]
    assert signal["origin"]["origin"]["licence"] == "MIT"
