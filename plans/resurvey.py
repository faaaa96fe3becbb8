"""Finding a sample again that may have moved between two runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import bluesky.plan_stubs as bps

from ..analysis.channels import derive_channels
from ..analysis.rigid import RigidMotion, register_rigid
from ..catalog.surveying import SurveyImage
from ..core.errors import RefusedError
from .metadata import instrument_metadata
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


def check_identity(before: Any, instrument: Any, md: Mapping[str, Any], *, twin: bool) -> None:
    """Raise unless the instrument holds the sample and the probe of the start document ``before``.

    Two unknown ones are not the same one, except on a twin, which says itself what its world is.

    Parameters
    ----------
    before : mapping
        Start document of the run to go on from.
    instrument : SPM or STEM
        The one to go on with.
    md : mapping
        What the new start document says besides; it may name another sample.
    twin : bool
        Whether its world is stated and its clock virtual.

    Raises
    ------
    RefusedError
        Naming what has changed, or is not known.
    """
    now = {**instrument_metadata(instrument), **md}
    parts = {"sample": "id", "probe": "id"} if instrument.spec.kind == "spm" else {"sample": "id", "column": "model"}
    for part, key in parts.items():
        was, found = _name(before, part, key), _name(now, part, key)
        if was == found and (was is not None or twin):
            continue
        write = f"write `metadata: {{{part}: {{{key}: ...}}}}` into the instrument file"
        if was is None:
            raise RefusedError(
                f"resume was refused: the run does not say what {part}.{key} was, so nobody knows whether it is the "
                f"same now; {write} and begin a new run"
            )
        if found is None:
            raise RefusedError(
                f"resume was refused: {part}.{key} was {was!r} and is not known now; {write} if it is the same one"
            )
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


def _name(stated: Mapping[str, Any], part: str, key: str) -> Any:
    """Return what ``part`` is called, None where it is not."""
    given = stated.get(part)
    return (given.get(key) if isinstance(given, Mapping) else given) or None
