"""Finding a sample again that may have moved between two runs."""

from __future__ import annotations

from typing import Any

import bluesky.plan_stubs as bps

from ..analysis.channels import derive_channels
from ..analysis.rigid import RigidMotion, register_rigid
from ..catalog.surveying import SurveyImage
from ..core.errors import RefusedError
from .records import emit, registration_record
from .settings import SurveySettings
from .stubs import Plan

# Below this correlation the sample is not believed to be the same place (0 to 1). Surveys of different films reached
# 0.6 by chance at 32 pixels and 0.3 at 64; the same film, turned by 3 degrees and noisy, kept 0.90 and 0.97.
MIN_CONFIDENCE = 0.7


def find_again(survey: SurveyImage, frame: SurveyImage, settings: SurveySettings) -> Plan:
    """Plan stub: register a new survey to the one of the run before, record it, refuse what is not clear.

    Parameters
    ----------
    survey, frame : SurveyImage
        The first survey and the new one, of the same size and scanner coordinates.
    settings : SurveySettings
        How they were taken.

    Returns
    -------
    RigidMotion
        How the sample has moved, in the frame of the first survey.

    Raises
    ------
    RefusedError
        Below ``MIN_CONFIDENCE``: another place, another sample or another tip.
    """
    motion = motion_between(survey, frame, settings)
    believed = motion.confidence >= MIN_CONFIDENCE
    yield from emit(
        registration_record(), "registration",
        shift_x=motion.dx_nm, shift_y=motion.dy_nm, rotation=motion.angle_deg, confidence=motion.confidence,
        applied=believed,
    )  # fmt: skip
    yield from bps.checkpoint()
    if not believed:
        raise RefusedError(
            f"resume was refused: the new survey agrees with that of the run before by {motion.confidence:.2f} only, "
            f"the limit is {MIN_CONFIDENCE:g}; bring the same place of the same sample back under the same probe, or "
            "begin a new run"
        )
    return motion


def motion_between(survey: SurveyImage, frame: SurveyImage, settings: SurveySettings) -> RigidMotion:
    """Return how the sample has moved from ``survey`` to ``frame``."""
    references, _ = derive_channels(survey.images, survey.channels)
    movings, _ = derive_channels(frame.images, frame.channels)
    upside_down = survey.y[0, 0] > survey.y[-1, 0]  # the slow direction: row 0 may be the highest line
    if upside_down:
        references, movings = references[:, ::-1], movings[:, ::-1]
    center = (settings.center_x_nm, settings.center_y_nm)
    return register_rigid(list(references), list(movings), survey.step_nm, center_nm=center)


def check_identity(before: Any, instrument: Any) -> None:
    """Raise unless the instrument holds the sample and the probe of the start document ``before``.

    Raises
    ------
    RefusedError
        Naming what has changed.
    """
    now = {**instrument.description["metadata"], **instrument.spec.metadata}
    for part, key in (("sample", "id"), ("probe", "id"), ("column", "model")):
        was, found = (before.get(part) or {}).get(key), (now.get(part) or {}).get(key)
        if was != found:
            raise RefusedError(
                f"resume was refused: {part}.{key} was {was!r} and is {found!r}; points of another {part} cannot be "
                "taken over, begin a new run"
            )
    about = before["probeline"]
    if about["keys"] != instrument.keys or about["instrument"]["kind"] != instrument.spec.kind:
        raise RefusedError(
            f"resume was refused: the run is of the {about['instrument']['kind']} {about['instrument']['name']!r} and "
            f"this is the {instrument.spec.kind} {instrument.spec.name!r}; open the instrument of the run"
        )
