"""Points land on the feature that was chosen, at the drift of a microscope in air."""

from __future__ import annotations

import numpy as np

from probeline.catalog import decisions
from probeline.catalog.replaying import problem_of
from probeline.catalog.surveying import survey_image
from probeline.plans.explore import explore
from probeline.plans.session import open_session
from probeline.sim.pfm.truth import open_truth

POINTS = 100


def _misses(folder, register_every: int | None) -> np.ndarray:
    """Return how far (survey pixels) each of 100 points landed from the feature that was meant, by the twin's truth."""
    with open_session("sim-pfm", folder, {"seed": 11}) as session:
        plan = explore(
            session.instrument, agent="random", points=POINTS, register_every=register_every, agent_options={"seed": 11}
        )
        session.RE(plan)
        run = session.catalog[-1]
        survey, table = survey_image(run), decisions(run)
        rows = problem_of(run).pixel[table["candidate"].to_numpy(int), 0]
        clock = run.start["probeline"]["keys"]["clock"]
        # The sample under the probe is at probe + drift: the same sum must hold then and now.
        drift = open_truth({"seed": 11}).drift
        then = drift(survey.line_clock[rows]) * 1e9
        now = drift(table[clock].to_numpy()) * 1e9
        meant = table[["x", "y"]].to_numpy().T + then
        hit = table[["spm_probe_x", "spm_probe_y"]].to_numpy().T + now
        return np.hypot(*(hit - meant)) / survey.step_nm


def test_tracking_keeps_95_of_100_points_within_a_pixel(tmp_path):
    tracked = _misses(tmp_path / "tracked", register_every=None)
    assert len(tracked) == POINTS
    assert np.mean(tracked < 1) >= 0.95


def test_without_tracking_they_miss(tmp_path):
    untracked = _misses(tmp_path / "untracked", register_every=0)
    assert np.mean(untracked < 1) < 0.95
    assert np.isfinite(untracked).all()
