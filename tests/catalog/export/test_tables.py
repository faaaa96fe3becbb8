"""CSV and Parquet, read with pandas and pyarrow."""

import json

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from probeline.catalog import decisions
from probeline.catalog.export import export, tables

from .recorded import (
    BIAS,
    CHANNELS,
    ORIENTATIONS,
    POINTS,
    REASONS,
    SCALES,
    frame_name,
    images,
    landmark,
    spectrum,
)  # fmt: skip


def both(run, folder, what):
    """Return what the two files hold, columns without units, with the units, and the metadata of both."""
    csv, binary = (export(run, folder / f"{what}{suffix}", what=what, force=True) for suffix in (".csv", ".parquet"))
    text = pd.read_csv(csv, comment="#", float_precision="round_trip")
    named = {name: name.partition(" (")[0] for name in text.columns}
    units = {named[name]: name.partition(" (")[2][:-1] for name in text.columns if "(" in name}
    about = json.loads(csv.read_text().splitlines()[0].removeprefix("# "))
    schema = parquet.read_schema(binary)
    told = {field.name: field.metadata[b"units"].decode() for field in schema if field.metadata[b"units"]}
    assert told == units == about["units"]
    assert json.loads(schema.metadata[b"probeline"]) == about
    assert about["run"]["uid"] == run.uid
    return text.rename(columns=named), pd.read_parquet(binary), units


@pytest.mark.parametrize(("angle", "slow"), ORIENTATIONS)
def test_pixels_have_their_place_on_the_sample(runs, tmp_path, angle, slow):
    for table in (found := both(runs[frame_name(angle, slow)], tmp_path, "survey"))[:2]:
        for scale, name in zip(SCALES, CHANNELS, strict=True):
            np.testing.assert_allclose(table[name], landmark(table["x"], table["y"]) * scale, rtol=1e-12)
        first = table[(table["line"] == 0) & (table["pixel"] == 0)]
        assert first["height_trace"].item() == images(angle, slow)[0, 0, 0]
        assert first["line_clock"].item() == 1.5
    assert found[2] == {"x": "nm", "y": "nm", "line_clock": "s"} | {
        name: unit for name, unit in CHANNELS.items() if unit
    }


def test_spectra_have_a_row_per_point_of_a_curve(runs, tmp_path):
    text, binary, units = both(runs["loops"], tmp_path, "spectra")
    assert units == {"x": "nm", "y": "nm", "bias": "V", "x_signal": "pm", "y_signal": "pm"}
    for table in (text, binary):
        assert len(table) == 3 * 2 * 2 * 6
        for index, name in enumerate(("x_signal", "y_signal")):
            expected = np.concatenate([spectrum((2, 2, 2, 6), place)[index].ravel() for place in range(3)])
            np.testing.assert_array_equal(table[name], expected)
        row = table.iloc[24 + 12 + 6 + 2]  # second point, second cycle, field on, third step
        assert row[["decision", "x", "y", "cycle", "field", "bias"]].tolist() == [1, *POINTS[1], 1, "on", BIAS[2]]


def test_decisions_are_those_of_the_catalogue(runs, tmp_path):
    text, binary, _ = both(runs["loops"], tmp_path, "decisions")
    expected = decisions(runs["loops"]).reset_index()
    pd.testing.assert_frame_equal(binary, expected, check_dtype=False)
    for column in ("decision", "x", "y", "mean", "objective", "sigma"):
        np.testing.assert_array_equal(text[column], expected[column])
    assert text["reason"].fillna("").tolist() == REASONS


def test_blocks_make_the_same_table(runs, tmp_path, monkeypatch):
    for what in ("survey", "spectra"):
        whole = both(runs["loops"], tmp_path, what)[:2]
        monkeypatch.setattr(tables, "_ROWS", 10)
        parts = both(runs["loops"], tmp_path, what)[:2]
        monkeypatch.undo()
        for one, other in zip(whole, parts, strict=True):
            pd.testing.assert_frame_equal(one, other)
