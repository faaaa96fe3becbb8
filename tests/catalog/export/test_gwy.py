"""Gwyddion files, read with gwyfile."""

import gwyfile
import numpy as np
import pytest

from probeline.catalog.export import export
from probeline.catalog.export.gwy_format import GwyObject, Rows, write_gwy
from probeline.catalog.surveying import frame_coordinates
from probeline.core.errors import DataError

from .recorded import CHANNELS, ORIENTATIONS, POINTS, SCALES, frame_name, frame_run, images, landmark, settings

SI = {
    "height_trace": (1e-9, "m"),
    "phase_trace": (np.pi / 180, "rad"),
    "amplitude_trace": (1e-12, "m"),
    "haadf": (1, ""),
}


def places(field, angle):
    """Sample coordinates (nm) of the pixels of a field: (x, -y) of the file, turned about the centre."""
    lines, pixels = field.data.shape
    u = field.xoff + (np.arange(pixels) + 0.5) * field.xreal / pixels
    v = -(field.yoff + (np.arange(lines) + 0.5) * field.yreal / lines)
    center = complex(field.xoff + field.xreal / 2, -(field.yoff + field.yreal / 2))
    turned = center + (u[None, :] + 1j * v[:, None] - center) * np.exp(1j * np.radians(angle))
    return turned.real * 1e9, turned.imag * 1e9


@pytest.mark.parametrize(("angle", "slow"), ORIENTATIONS)
def test_every_pixel_of_every_channel_is_where_it_was(folder, angle, slow):
    file = gwyfile.load(str(folder / f"{frame_name(angle, slow)}.gwy"))
    fields = gwyfile.util.get_datafields(file)
    assert list(fields) == list(CHANNELS)
    for scale, (name, field) in zip(SCALES, fields.items(), strict=True):
        factor, unit = SI[name]
        assert (field.si_unit_z.unitstr, field.si_unit_xy.unitstr) == (unit, "m")
        assert (field.xreal, field.yreal) == pytest.approx((80e-9, 60e-9))
        expected = landmark(*places(field, angle)) * scale * factor
        np.testing.assert_allclose(field.data, expected, rtol=1e-12)
    assert float(file["/0/meta"]["frame.angle_deg"]) == angle


def test_the_top_line_comes_first(folder):
    x, y = frame_coordinates(settings(0.0, "up"))
    top = np.argmax(y[:, 0])
    for slow in ("up", "down"):
        field = gwyfile.load(str(folder / f"{frame_name(0.0, slow)}.gwy"))["/0/data"]
        np.testing.assert_allclose(field.data[0] * 1e9, landmark(x[top], y[top]))


def test_the_points_lie_over_the_image_and_carry_their_values(folder, runs):
    file = gwyfile.load(str(folder / "loops.gwy"))
    field, points = file["/0/data"], file["/0/select/point"]["data"].reshape(-1, 2)
    # The failed one is left out; the positions are turned back by 37 degrees, from the top left corner of the image.
    turned = (np.array([complex(*POINTS[0]), complex(*POINTS[2])]) - (10 - 20j)) * np.exp(-1j * np.radians(37.0))
    expected = np.column_stack([40 + turned.real, 30 - turned.imag]) * 1e-9
    np.testing.assert_allclose(points, expected, rtol=1e-12)
    cloud = file["/xyz/0"]["data"].reshape(-1, 3)
    np.testing.assert_allclose(cloud[:, :2], expected + np.array([field.xoff, field.yoff]), rtol=1e-12)
    np.testing.assert_allclose(cloud[:, 2], [11 / 3 * 1e-12, (11 / 3 + 2) * 1e-12])
    assert file["/xyz/0"]["si_unit_z"].unitstr == "m V"
    assert "status = failed" in file["/xyz/0/meta"]["decision 1"]


def test_the_metadata_say_where_it_comes_from(folder, runs):
    meta = gwyfile.load(str(folder / "loops.gwy"))["/0/meta"]
    assert meta["run.uid"] == runs["loops"].uid
    assert (meta["origin.sample.id"], meta["origin.licence"], meta["software.version"]) == ("s1", "MIT", "1.2.3")
    assert meta["spectrometer.step_time"] == "4.0"


def test_what_was_not_measured_is_masked_and_finite(tmp_path):
    frame = images(0.0, "up")[:1]
    frame[0, -2:] = np.nan
    file = gwyfile.load(str(export(frame_run(0.0, "up", frame), tmp_path / "a.gwy")))
    data, mask = file["/0/data"].data, file["/0/mask"].data
    assert mask.tolist() == [[1.0] * 8] * 2 + [[0.0] * 8] * 3
    np.testing.assert_allclose(data[2:][::-1], frame[0, :-2] * 1e-9)
    np.testing.assert_allclose(data[:2], frame[0, :-2].mean() * 1e-9)


def test_more_than_the_format_holds_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"8\.0 GiB do not fit into a \.gwy file.*choose \.nxs"):
        write_gwy(tmp_path / "a.gwy", GwyObject("GwyContainer", {"/0/data": Rows(2**30, [])}))
    assert not (tmp_path / "a.gwy").exists()
