"""The report of a run: complete, cut short, with and without a reference, and never with foreign text as markup."""

from __future__ import annotations

import copy
import errno
import os
import re
from html.parser import HTMLParser

import h5py
import numpy as np
import pytest
from event_model import compose_run
from matplotlib.figure import Figure

from probeline.agents.problem import CandidateSpec, build_problem
from probeline.catalog import Run
from probeline.catalog.replaying import problem_of
from probeline.catalog.report import history, report
from probeline.catalog.report.axes import MAP_SIZE, colour_range, draw_map, draw_points, map_axes
from probeline.catalog.report.facts import Facts
from probeline.catalog.report.history import random_band
from probeline.catalog.report.maps import rastered
from probeline.catalog.report.numbers import duration, measured, number
from probeline.catalog.report.spectra import choose_examples
from probeline.catalog.report.survey import save_survey
from probeline.catalog.surveying import frame_coordinates
from probeline.core.errors import DataError, SpecError
from probeline.core.rng import generator

PIXELS, POINTS, FAILED = 16, 12, 4
KEYS = {"frame": "spm_frame", "spectrum": "spm_loop", "x": "spm_x", "y": "spm_y", "clock": "spm_clock"}
BIAS = np.concatenate([np.linspace(0, 8, 9), np.linspace(7, -8, 16), np.linspace(-7, -1, 7)])
CANDIDATES = {"channels": ["response"], "patch_pixels": 3, "stride": 2}


def start_block(**changes):
    """The block ``probeline`` of a start document; ``changes`` replace whole entries."""
    instrument = {"name": "spm", "backend": "sim-pfm", "options": {"seed": 0}, "envelope": {}, "metadata": {}}
    block = {
        "schema": 1, "version": "0.1.0", "git": None, "packages": {"numpy": "2.4.6"},
        "machine": {"host": "here"}, "operator": "me", "instrument": instrument,
        "driver": {"virtual_clock": True, "metadata": {"sample": {"id": "s1", "material": "PbTiO3"}}},
        "goal": "optimum", "objective": {"name": "loop_area", "version": 1, "options": {}, "unit": "pm V"},
        "agent": {"kind": "patch_gp", "seed": 3, "acquisition": "log_ei", "direction": "max"},
        "candidates": CANDIDATES, "budget": {"points": POINTS, "seconds": None},
        "lookahead": 0, "survey": {"size_nm": 800.0, "pixels": PIXELS}, "tracking": {"register_every": 5},
        "keys": KEYS, "clock": 0.0, "parent": None,
    }  # fmt: skip
    return {**block, **changes}


def key(value, units=""):
    """The data key of one value."""
    if isinstance(value, np.ndarray):
        return {"source": "t", "dtype": "array", "shape": list(value.shape), "units": units, "dtype_numpy": "<f8"}
    kind = {str: "string", bool: "boolean", int: "integer"}.get(type(value), "number")
    return {"source": "t", "dtype": kind, "shape": [], "units": units}


class Recorder:
    """Composes the documents of a run, stream by stream."""

    def __init__(self, block):
        self.bundle = compose_run(metadata={"plan_name": "explore", "probeline": block})
        self.documents = [("start", self.bundle.start_doc)]
        self._streams = {}

    def add(self, stream, data, units=None, **extra):
        """Write one event; ``extra`` holds what a data key declares beyond its type."""
        if stream not in self._streams:
            keys = {name: {**key(value, (units or {}).get(name, "")), **extra.get(name, {}), "object_name": "spm"}
                    for name, value in data.items()}  # fmt: skip
            self._streams[stream] = self.bundle.compose_descriptor(
                name=stream, data_keys=keys, object_keys={"spm": list(keys)}
            )
            self.documents.append(("descriptor", self._streams[stream].descriptor_doc))
        event = self._streams[stream].compose_event(data=data, timestamps=dict.fromkeys(data, 0.0))
        self.documents.append(("event", event))

    def survey(self, folder, slow="up", angle=30.0):
        """Write a survey frame into an HDF5 file and announce it."""
        settings = {
            "center_x": 100.0, "center_y": -50.0, "width": 800.0, "height": 800.0, "pixels": PIXELS, "lines": PIXELS,
            "angle": angle, "slow": slow,
        }  # fmt: skip
        channels = ["height_trace", "x_trace", "y_trace"]
        frame = generator(1, "frame").standard_normal((3, PIXELS, PIXELS))
        path = folder / f"{self.bundle.start_doc['uid']}.h5"
        with h5py.File(path, "w") as file:
            file["/entry/data/data"] = frame[None]
        configured = {f"spm_{name}": value for name, value in {**settings, "line_time": 0.0}.items()}
        configuration = {
            "data": configured, "timestamps": dict.fromkeys(configured, 0.0),
            "data_keys": {name: key(value, "nm" * name.endswith("width")) for name, value in configured.items()},
        }  # fmt: skip
        image = {**key(frame), "external": "STREAM:", "object_name": "spm", "channels": channels,
                 "channel_units": ["nm", "pm", "pm"], "dims": ["channel", "line", "pixel"]}  # fmt: skip
        stream = self.bundle.compose_descriptor(
            name="survey", data_keys={KEYS["frame"]: image, KEYS["clock"]: {**key(20.0, "s"), "object_name": "spm"}},
            configuration={"spm": configuration}, object_keys={"spm": [KEYS["frame"], KEYS["clock"]]},
        )  # fmt: skip
        resource = self.bundle.compose_stream_resource(
            mimetype="application/x-hdf5", uri=f"file://localhost{path}", data_key=KEYS["frame"],
            parameters={"dataset": "/entry/data/data", "chunk_shape": [1, 3, PIXELS, PIXELS]},
        )  # fmt: skip
        datum = resource.compose_stream_datum(
            indices={"start": 0, "stop": 1}, seq_nums={"start": 1, "stop": 2}, descriptor=stream.descriptor_doc
        )
        event = stream.compose_event(data={KEYS["clock"]: 20.0}, timestamps={KEYS["clock"]: 0.0})
        self.documents += [
            ("descriptor", stream.descriptor_doc), ("stream_resource", resource.stream_resource_doc),
            ("stream_datum", datum), ("event", event),
        ]  # fmt: skip
        x, y = frame_coordinates(settings)
        return build_problem(frame, channels, x, y, CandidateSpec.model_validate(CANDIDATES), objective="loop_area")

    def configure_again(self, stream, **settings):
        """Write the descriptor of a stream again, as the RunEngine does when its device is configured later."""
        last = [doc for name, doc in self.documents if name == "descriptor" and doc["name"] == stream][-1]
        again = copy.deepcopy({**last, "uid": f"{last['uid']}-again"})
        again["configuration"]["spm"]["data"].update({f"spm_{name}": value for name, value in settings.items()})
        self.documents.append(("descriptor", again))

    def stop(self, status="success", reason="all 12 points measured"):
        self.documents.append(("stop", self.bundle.compose_stop(exit_status=status, reason=reason)))

    def run(self):
        return Run.from_documents(self.documents)


def loop(height):
    """A square loop of piezoresponse, shape (channel, cycle, field, bias)."""
    falling = np.arange(len(BIAS)) - 8
    upper = (falling >= 0) & (BIAS > -3) & (falling <= 16)
    rising_up = (falling < 0) & (BIAS > 3)
    return np.where(upper | rising_up, height, -height)[None, None, None, :] + 0.0


def measure(record, problem, points=POINTS, model=True, outcomes=None, spread=1.0):
    """Write ``points`` decisions; number FAILED fails. A small ``spread`` crowds them."""
    unit = {"x": "nm", "y": "nm", "mean": "pm V", "std": "pm V", "objective": "pm V", "sigma": "pm V"}
    spectrum = {"kind": "switching_loop", "dims": ["channel", "cycle", "field", "bias"], "channels": ["response"],
                "coords": {"cycle": [0], "field": ["off"], "bias": BIAS.tolist()}, "units": "pm"}  # fmt: skip
    best = np.nan
    for index in range(points):
        x, y = (float(value) for value in problem.points[0] + spread * (problem.points[4 * index] - problem.points[0]))
        ok, area = index != FAILED, 100.0 + 7 * ((index * 5) % points)
        mean = area + 3 if model and index > 2 else np.nan
        record.add("optimization", {
            "decision": index, "candidate": 4 * index, "x": x, "y": y, "source": "seed" if index < 4 else "agent",
            "mean": mean, "std": mean * 0 + 5, "acquisition": 0.1, "rank": 0, "suggest_s": 0.01,
        }, unit)  # fmt: skip
        record.add("primary", {"decision": index, "x": x, "y": y, KEYS["spectrum"]: loop(10.0)},
                   unit, **{KEYS["spectrum"]: spectrum})  # fmt: skip
        if outcomes is not None and index >= outcomes:
            return
        best = np.fmax(best, area) if ok else best
        record.add("outcome", {
            "decision": index, "status": "ok" if ok else "failed", "reason": "ok" if ok else "poor_fit",
            "objective": area if ok else np.nan, "sigma": 4.0, "quality": 0.9, "flag": "ok" if ok else "poor_fit",
            "measure_s": 2.0, "clock": 30.0 + 2 * index, "best": best,
        }, unit)  # fmt: skip
        record.add("progress", {"done": index + 1, "total": points, "best": best, "instrument_s": 30.0 + 2 * index})


def finish(record, problem, model=True):
    """Write a registration and the final maps, and end the run."""
    record.add("drift", {"decision": 5, "clock": 40.0, "shift_x": 3.0, "shift_y": -4.0, "offset_x": 3.0,
                         "offset_y": -4.0, "confidence": 0.9, "applied": True})  # fmt: skip
    maps = np.linspace(0, 1, len(problem)) if model else np.full(len(problem), np.nan)
    record.add("posterior", {"decision": POINTS, "mean": maps, "std": maps, "acquisition": maps})
    record.stop()


def complete(folder, model=True, **changes):
    record = Recorder(start_block(**changes))
    problem = record.survey(folder)
    measure(record, problem, model=model)
    finish(record, problem, model)
    return record.run()


def random_run(folder, **changes):
    return complete(folder, model=False, agent={"kind": "random", "seed": 1}, **changes)


class Page(HTMLParser):
    """Collects tags, addresses that a browser would load, and the text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.loads, self.words = [], [], []
        self.feed(text)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loads += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]

    def handle_data(self, data):
        self.words.append(data)


def page_of(run, folder, **arguments):
    path = report(run, folder / "deep" / "report.html", **arguments)
    assert path == folder / "deep" / "report.html"
    return Page(path.read_text("utf-8"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return complete(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def page(whole, tmp_path_factory):
    return page_of(whole, tmp_path_factory.mktemp("page"))


def test_the_page_needs_nothing_else(page):
    assert page.loads
    assert all(load.startswith("data:image/") for load in page.loads)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)


def test_the_headline_says_what_came_of_it(page, whole):
    best = Facts(whole).best
    assert best.objective == 177.0  # 100 + 7 * 11, at decision 7: 35 mod 12
    assert best.index == 7
    for words in (whole.uid, "177.0 ± 4.0 pm V", f"({best.x:.1f}, {best.y:.1f}) nm", "12 of 12, 1 failed", "Completed",
                  "patch_gp, seed 3", "loop area (pm V)", "52.0 s", "PbTiO3"):  # fmt: skip
        assert words in page.text


def test_every_part_is_there(page):
    # Three derived channels, two histories, three maps, three loops, predictions, drift.
    assert page.tags.count("img") == 3 + 2 + 3 + 3 + 1 + 1
    for words in ("failed: poor_fit", "R² = ", "no test of its calibration", "all were applied", "384",
                  "spm_width 800 nm", "packages.numpy 2.4.6", "no runs that chose at random"):  # fmt: skip
        assert words.lower() in page.text.lower()


def test_settings_are_those_of_the_last_event(tmp_path):
    record = Recorder(start_block())
    record.survey(tmp_path)
    record.configure_again("survey", width=500.0, center_x=-560.5)  # for a frame of another stream
    text = page_of(record.run(), tmp_path).text
    assert "spm_width 800 nm" in text
    assert "spm_width 500 nm" not in text
    assert "spm_line_time the controller's own" in text


def numbered_map(run):
    """Return the texts beside the points of a map, drawn, and the canvas that they are on."""
    facts = Facts(run)
    figure = Figure(figsize=MAP_SIZE)
    ax = map_axes(figure)
    draw_map(ax, (facts.survey.x, facts.survey.y), facts.survey.images[0], "height (nm)")
    draw_points(ax, facts, ordered=True)
    figure.draw_without_rendering()
    return [(text.get_text(), text.get_window_extent(), text.zorder) for text in ax.texts], ax


def test_points_carry_the_number_of_their_decision(whole, page):
    texts, ax = numbered_map(whole)
    assert sorted(int(text) for text, _, _ in texts) == list(range(POINTS))
    order = {text: z for text, _, z in texts}
    assert order["7"] > max(marks.get_zorder() for marks in ax.collections)  # the star does not hide the best one's
    assert "decision 7" in page.text
    assert re.search(r"\b7 -?\d+\.\d -?\d+\.\d agent ok 177\.0", page.text)  # its row of the table


def test_crowded_points_are_not_all_numbered_but_the_best_is(tmp_path):
    record = Recorder(start_block())
    measure(record, record.survey(tmp_path), spread=0.05)
    texts, _ = numbered_map(record.run())
    assert "7" in [text for text, _, _ in texts]
    assert 1 <= len(texts) < POINTS
    boxes = [box for _, box, _ in texts]
    assert not any(one.overlaps(other) for k, one in enumerate(boxes) for other in boxes[:k])


@pytest.mark.parametrize("objective", ["loop_area", "spectral_window_sum"])
def test_no_label_of_the_predictions_is_cut_off(tmp_path, monkeypatch, objective):
    figures = []
    monkeypatch.setattr(history, "svg", lambda figure: figures.append(figure) or b"")
    block = start_block(objective={"name": objective, "version": 1, "options": {}, "unit": "counts"})
    record = Recorder(block)
    measure(record, record.survey(tmp_path))
    history.prediction_section(Facts(record.run()))
    (figure,) = figures
    inside = figure.bbox
    box = figure.get_tightbbox().transformed(figure.dpi_scale_trans)
    assert inside.x0 <= box.x0
    assert inside.y0 <= box.y0
    assert box.x1 <= inside.x1
    assert box.y1 <= inside.y1


def test_a_report_that_cannot_be_written_leaves_nothing(whole, tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        report(whole, tmp_path / "deep" / "r.html")
    assert list((tmp_path / "deep").iterdir()) == []


def test_the_report_is_the_same_twice(whole, tmp_path):
    one, two = (report(whole, tmp_path / name).read_bytes() for name in ("a.html", "b.html"))
    assert one == two


def test_an_aborted_run_reports_what_there_is(tmp_path):
    record = Recorder(start_block())
    measure(record, record.survey(tmp_path, slow="down"), outcomes=5)
    record.stop("abort", "tip <lost>")
    page = page_of(record.run(), tmp_path)
    for words in ("Aborted: tip <lost>.", "5 of 12, 1 failed", "the run ended before the agent's maps",
                  "6 decisions: 4 ok, 1 failed, 1 unfinished", "the run ended before the first"):  # fmt: skip
        assert words.lower() in page.text.lower()


def test_a_survey_alone_is_reported(tmp_path):
    record = Recorder(start_block())
    record.survey(tmp_path)
    page = page_of(record.run(), tmp_path)
    assert page.tags.count("img") == 3
    for words in ("Not ended", "0 of 12", "No decision was made", "No measurement gave a value"):
        assert words in page.text


def test_a_start_alone_is_reported(tmp_path):
    run = Recorder(start_block()).run()
    page = page_of(run, tmp_path)
    assert "img" not in page.tags
    assert "ended before its survey" in page.text
    with pytest.raises(DataError, match="ended before its survey"):
        save_survey(run, tmp_path / "survey.png")


def test_a_lost_frame_is_said_and_the_rest_reported(tmp_path):
    run = complete(tmp_path)
    for file in tmp_path.glob("*.h5"):
        file.unlink()
    page = page_of(run, tmp_path)
    assert "The survey cannot be shown" in page.text
    assert "177.0 ± 4.0 pm V" in page.text


def test_text_of_the_record_is_never_markup(tmp_path):
    evil = "<script>alert(1)</script><img src=http://evil.example/x>"
    block = start_block(operator=evil, driver={"virtual_clock": True, "metadata": {"sample": {"material": evil}}})
    record = Recorder(block)
    record.survey(tmp_path)
    record.stop("fail", evil)
    page = page_of(record.run(), tmp_path)
    assert "script" not in page.tags
    assert all(load.startswith("data:") for load in page.loads)
    assert page.text.count("<script>alert(1)</script>") >= 3


def test_the_random_band_comes_only_with_references(page, whole, tmp_path):
    assert "Orange" not in page.text
    others = [random_run(tmp_path), random_run(tmp_path)]
    text = page_of(whole, tmp_path, reference=others).text
    assert "Orange: 2 runs that chose at random" in text
    assert all(other.uid[:8] in text for other in others)
    assert "options of the instrument differ" not in text


def test_the_random_band_holds_lowest_median_and_highest(tmp_path):
    band = random_band([Facts(random_run(tmp_path))], "number")
    np.testing.assert_array_equal(band.at, np.arange(1, POINTS + 1))
    np.testing.assert_array_equal(band.low, band.high)
    # Areas are 100 + 7 * (5 k mod 12): 100, 135, 170, 121, failed, 107, 142, 177, ...
    np.testing.assert_array_equal(band.median[:8], [100, 135, 170, 170, 170, 170, 170, 177])


def test_what_a_batch_decided_is_counted_in_the_order_in_which_it_was_measured(tmp_path):
    """Every point was decided for at once, and the last one is measured first."""
    documents = list(random_run(tmp_path).documents())
    names = {doc["uid"]: doc["name"] for name, doc in documents if name == "descriptor"}
    outcomes = [doc for name, doc in documents if name == "event" and names[doc["descriptor"]] == "outcome"]
    turned = {
        doc["uid"]: {**other["data"], "clock": doc["data"]["clock"]}
        for doc, other in zip(outcomes, reversed(outcomes), strict=True)
    }
    run = Run.from_documents([(name, {**doc, "data": turned.get(doc.get("uid"), doc.get("data"))}) if name == "event"
                              else (name, doc) for name, doc in documents])  # fmt: skip
    facts = Facts(run)
    assert [row.index for row in facts.measured] == list(range(POINTS))[::-1]
    assert [row.number for row in facts.decisions] == list(range(1, POINTS + 1))[::-1]
    for axis, at in (("number", np.arange(1, POINTS + 1)), ("seconds", 30.0 + 2 * np.arange(POINTS))):
        band = random_band([facts], axis)
        np.testing.assert_array_equal(band.at, at)
        # Measured are 149, 114, 163, 128, 177, ...: 100 + 7 * (5 k mod 12) from k = 11 down.
        np.testing.assert_array_equal(band.median[:6], [149, 149, 163, 163, 177, 177])


def test_references_that_compare_nothing_are_refused(whole, tmp_path):
    with pytest.raises(SpecError, match="is no reference"):
        report(whole, tmp_path / "r.html", reference=[whole])
    live = complete(tmp_path, driver={"virtual_clock": False, "metadata": {}})
    with pytest.raises(SpecError, match="no counterfactual"):
        report(live, tmp_path / "r.html", reference=[random_run(tmp_path)])
    assert "a live instrument has no counterfactual" in page_of(live, tmp_path).text


def test_an_agent_without_a_model_has_no_maps(tmp_path):
    text = page_of(random_run(tmp_path, tracking={"register_every": 0}), tmp_path).text
    assert "random has no model" in text
    assert "No prediction preceded" in text
    assert "Tracking was off" in text


def test_the_smallest_is_best_where_the_agent_minimises(tmp_path):
    facts = Facts(complete(tmp_path, agent={"kind": "gp", "seed": 0, "direction": "min"}))
    assert facts.best.objective == 100.0
    np.testing.assert_array_equal(facts.best_so_far(), np.full(POINTS, 100.0))


def test_other_plans_have_no_report(tmp_path):
    run = Run.from_documents([("start", compose_run(metadata={"plan_name": "count"}).start_doc)])
    with pytest.raises(DataError, match="count"):
        report(run, tmp_path / "r.html")


def test_maps_lie_where_their_candidates_are(whole):
    facts = Facts(whole)
    problem = problem_of(whole)
    x, y, values = rastered(problem, facts.survey, np.arange(len(problem), dtype=float))
    for index in (0, 7, len(problem) - 1):
        row, column = np.argwhere(values == index)[0]
        assert (x[row, column], y[row, column]) == pytest.approx(problem.points[index])


def test_examples_are_best_median_and_failed(whole):
    chosen = choose_examples(Facts(whole))
    assert list(chosen) == ["best", "median", "failed"]
    assert chosen["failed"].index == FAILED


def test_the_survey_is_saved_as_a_picture(whole, tmp_path):
    path = save_survey(whole, tmp_path / "pictures" / "survey.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_colours_leave_out_broken_pixels():
    values = np.append(np.linspace(-1, 2, 999), 1e6)
    low, high = colour_range(values)
    assert (low, high) == pytest.approx((-1, 2), abs=0.02)
    assert colour_range(values, symmetric=True) == (-high, high)
    assert colour_range(np.full(3, np.nan)) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (measured(490.61, 8.53, "pm V"), "490.6 ± 8.5 pm V"),
        (measured(0.008648, 0.000046, "V^2"), "(8.648 ± 0.046) × 10⁻³ V²"),
        (measured(123456.0, 2345.0), "123500 ± 2300"),
        (measured(float("nan"), 1.0, "V"), "–"),
        (measured(2.0, float("nan"), "V"), "2 V"),
        (measured(0.0, 1.0, "counts"), "0.0 ± 1.0 counts"),
        (number(123456.0), "123500"),
        (number(1.5e-7, "A"), "1.5 × 10⁻⁷ A"),
        (duration(12.34), "12.3 s"),
        (duration(5400.0), "5400 s (90.0 min)"),
    ],
)
def test_numbers_have_sensible_digits_and_a_unit(text, expected):
    assert text == expected
