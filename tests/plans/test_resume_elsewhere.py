"""Resume where the sample may have moved: found again, or refused."""

from __future__ import annotations

import numpy as np
import pytest

from probeline import catalog as catalogs
from probeline.catalog import Run, decisions, load, replay
from probeline.core.errors import RefusedError
from probeline.devices.factory import instrument_spec
from probeline.devices.guard import Guard
from probeline.devices.instruments import assemble
from probeline.plans.explore import explore
from probeline.plans.resume import resumable, resume
from probeline.plans.resurvey import check_identity
from probeline.sim.pfm.driver import PFMDriver
from probeline.sim.pfm.world import PFMWorld

from .explorations import journalled

ARGUMENTS = {"size_nm": 2000.0, "pixels": 48, "patch_nm": 250.0, "seed_points": 3, "points": 5, "register_every": 0}
PACED = {"seed": 5, "pace": 1e6}  # a clock that does not stand still while nobody looks
SHIFT, ANGLE = np.array([120e-9, -70e-9]), np.deg2rad(2.0)
TURN = np.array([[np.cos(ANGLE), -np.sin(ANGLE)], [np.sin(ANGLE), np.cos(ANGLE)]])


class MovedWorld(PFMWorld):
    """The film of the seed, taken out and put back: shifted, and turned by 2 degrees."""

    def surface(self, x, y):
        return super().surface(*self._pristine(x, y))

    def loops(self, x, y, frequency):
        return super().loops(*self._pristine(x, y), frequency)

    @staticmethod
    def _pristine(x, y):
        u, v = np.asarray(x, float) - SHIFT[0], np.asarray(y, float) - SHIFT[1]
        return TURN[0, 0] * u + TURN[1, 0] * v, TURN[0, 1] * u + TURN[1, 1] * v


class Blackout(Exception):
    """What ends the first run."""


def black_out_at(decision):
    def watch(_, doc):
        if doc.get("data", {}).get("decision") == decision and "candidate" in doc["data"]:
            raise Blackout

    return watch


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Return a catalogue folder with an exploration that ended at its fourth decision, on a paced twin."""
    root = tmp_path_factory.mktemp("ended") / "catalog"
    with journalled(root, options=PACED) as session:
        session.RE.subscribe(black_out_at(3), "event")
        with pytest.raises(Blackout):
            session.RE(explore(session.instrument, **ARGUMENTS))
    return root


def instrument_over(world, root):
    spec = instrument_spec("sim-pfm")
    return assemble(Guard(PFMDriver(world), spec.envelope), spec, root / "data")


def test_a_sample_that_was_moved_is_found_again(ended):
    with journalled(ended, instrument=instrument_over(MovedWorld(5, pace=1e6), ended)) as session:
        parent = resumable(_ended_uid(session.catalog), session.catalog)
        (uid,) = session.RE(resume(session.instrument, parent))
        child = session.catalog[uid]
    assert child.stop["exit_status"] == "success"
    (found,) = child.stream("registration").to_dataframe().to_dict("records")
    step = ARGUMENTS["size_nm"] / ARGUMENTS["pixels"]
    assert found["applied"]
    assert found["rotation"] == pytest.approx(2.0, abs=0.5)
    assert [found["shift_x"], found["shift_y"]] == pytest.approx(1e9 * SHIFT, abs=step / 2)
    table = decisions(child)
    # The decision that was open had not been begun, so it is followed.
    assert list(table["status"]) == ["ok"] * 5
    assert list(table["inherited"]) == [True] * 4 + [False]
    (last,) = table[~table["inherited"]].to_dict("records")
    expected = TURN @ [last["x"], last["y"]] + 1e9 * SHIFT - [last["x"], last["y"]]
    assert [last["offset_x"], last["offset_y"]] == pytest.approx(expected, abs=step)
    assert replay(child).identical == 5
    assert set(load(child).children) >= {"survey", "resurvey", "registration"}


def test_another_film_is_refused(ended):
    with journalled(ended, instrument=instrument_over(PFMWorld(6, pace=1e6), ended)) as session:
        parent = _ended_uid(session.catalog)
        with pytest.raises(RefusedError, match="bring the same place"):
            session.RE(resume(session.instrument, parent, session.catalog))
        run = session.catalog[-1]
        assert run.stop["exit_status"] == "fail"
        assert not run.last("registration", "applied")
        assert "primary" not in run.streams()
        values = session.instrument.link.driver.get_many(["bias", "drive_amplitude", "tip"])
        assert values == {"bias": 0.0, "drive_amplitude": 0.0, "tip": "withdrawn"}
        # What was refused measured nothing: the run before it is the one to go on from.
        assert resumable(run, session.catalog).uid == parent


def _ended_uid(catalog):
    return next(info.uid for info in catalog.runs() if catalog[info.uid].start["probeline"]["parent"] is None)


@pytest.mark.parametrize("part", ["sample", "probe"])
def test_another_sample_or_tip_is_refused_before_anything_moves(ended, part):
    spec = instrument_spec("sim-pfm")
    metadata = {**spec.metadata, part: {**spec.metadata[part], "id": "B-7"}}
    with journalled(ended, spec.model_copy(update={"metadata": metadata}), options=PACED) as session:
        runs = len(session.catalog)
        parent = _ended_uid(session.catalog)
        with pytest.raises(RefusedError, match=f"{part}.id was 'simulated' and is 'B-7'"):
            session.RE(resume(session.instrument, parent, session.catalog))
        assert len(session.catalog) == runs
        assert session.instrument.z.readback.get() == pytest.approx(2000)  # withdrawn


def test_what_cannot_be_resumed_is_refused(tmp_path):
    with journalled(tmp_path / "catalog", options={"seed": 5}) as session:
        (uid,) = session.RE(explore(session.instrument, **{**ARGUMENTS, "points": 1, "pixels": 32}))
        with pytest.raises(RefusedError, match="is complete"):
            session.RE(resume(session.instrument, uid, session.catalog))
        with pytest.raises(RefusedError, match="give the catalogue"):
            session.RE(resume(session.instrument, uid))


@pytest.fixture
def unnamed(ended, tmp_path):
    """Return what changes the start document of the run that ended, and gives the run."""
    with catalogs.open(ended) as catalog:
        documents = list(catalog[_ended_uid(catalog)].documents())

    def with_parts(**parts):
        (_, start), *others = documents
        return Run.from_documents([("start", {**start, **parts}), *others])

    return with_parts


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (None, None, "does not say what sample.id was.*write `metadata: {sample: {id: ...}}` into the instrument file"),
        ("", "F3", "does not say what sample.id was.*begin a new run"),
        ("F3", None, "sample.id was 'F3' and is not known now; write `metadata: {sample: {id: ...}}` into the instr"),
        ("F3", "F4", "sample.id was 'F3' and is 'F4'; points of another sample cannot be taken over"),
    ],
)
def test_two_unknown_samples_are_not_the_same_one(ended, unnamed, before, now, words):
    run = unnamed(sample={"id": before, "material": None, "mount": None})
    with journalled(ended, options=PACED) as session:
        plan = resume(session.instrument, run, session.catalog, md={"sample": {"id": now}})
        with pytest.raises(RefusedError, match=words):
            session.RE(plan)


def test_an_unknown_tip_is_refused_too(ended, unnamed):
    with journalled(ended, spec_without("probe"), options=PACED) as session:
        plan = resume(session.instrument, unnamed(probe={"id": None}), session.catalog)
        with pytest.raises(RefusedError, match=r"does not say what probe\.id was, so nobody knows"):
            session.RE(plan)


def spec_without(part):
    spec = instrument_spec("sim-pfm")
    return spec.model_copy(update={"metadata": {**spec.metadata, part: {"id": None}}})


def test_a_twin_says_itself_what_its_world_is(ended, unnamed):
    with journalled(ended, spec_without("probe"), options={"seed": 5}) as session:  # its clock is virtual
        check_identity(unnamed(probe={"id": None}).start, session.instrument, {}, twin=True)
        with pytest.raises(RefusedError, match=r"probe\.id was 'simulated' and is not known now"):
            check_identity(unnamed().start, session.instrument, {}, twin=True)
