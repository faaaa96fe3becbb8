"""The instrument file: one YAML page that says what an instrument is and may do."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..core.envelope import Envelope
from ..core.errors import DataError, SpecError


class SurveyDefaults(BaseModel):
    """The overview frame that an experiment starts with unless told otherwise.

    Attributes
    ----------
    size_nm, pixels : float, int
        Edge (nm), and pixels per line.
    patch_nm : float
        Edge (nm) of the image patch that describes a candidate.
    roi : tuple of polygons
        ``((x, y), ...)`` in nm: where measurements at a point are possible; everywhere when empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    size_nm: float = Field(gt=0)
    pixels: int = Field(ge=8)
    patch_nm: float = Field(gt=0)
    roi: tuple[tuple[tuple[float, float], ...], ...] = ()


class InstrumentSpec(BaseModel):
    """One instrument: which back-end drives it, its envelope, its defaults, its metadata.

    Attributes
    ----------
    name : str
        Name of the assembled ophyd device and prefix of its data keys.
    kind : {"spm", "stem"}
        Which assembly: a sharp tip or a focused electron probe.
    backend : str
        Registered back-end, optionally with an argument: ``"sim-pfm"``,
        ``"replay:beacon-dkl"``.
    options : dict
        JSON options of the back-end.
    spectrum : str
        The measurement at a point that experiments use by default.
    objective : str
        The scalarizer that experiments use by default.
    objective_options : dict
        Options of that scalarizer.
    survey : SurveyDefaults
        Default overview frame.
    envelope : Envelope
        Limits and budgets (SI).
    hosted : bool
        Run the driver in a process of its own.
    register_every : int
        Measurements between two registrations to the survey by default; 0 where nothing drifts.
    imaging : dict
        Drive of the probe while it images, SI by driver key (``drive_amplitude``): what *make safe* switches off, and
        approaching switches on again where it is off.
    tip_changed_nm : float
        A larger jump of the tip's height (nm) over a measurement says that the tip has changed.
    idle_after_s : float
        Waiting longer than this (s, instrument idle) parks the probe.
    metadata : dict
        Sample, probe or column, environment; overrides what the driver says.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    kind: Literal["spm", "stem"]
    backend: str
    options: dict[str, Any] = Field(default_factory=dict)
    spectrum: str
    objective: str
    objective_options: dict[str, Any] = Field(default_factory=dict)
    survey: SurveyDefaults
    envelope: Envelope = Field(default_factory=Envelope)
    hosted: bool = False
    register_every: int = Field(default=0, ge=0)
    imaging: dict[str, float] = Field(default_factory=dict)
    tip_changed_nm: float = Field(default=2.0, gt=0)
    idle_after_s: float = Field(default=5.0, ge=0)
    metadata: dict[str, Any] = Field(default_factory=dict)


def read_instrument_file(path: str | Path) -> InstrumentSpec:
    """Return the instrument that the YAML file ``path`` describes.

    Raises
    ------
    DataError
        When the file cannot be read or is not YAML.
    SpecError
        When a key is missing, unknown or has a wrong value; the message names it.
    """
    try:
        content = yaml.safe_load(Path(path).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"cannot read the instrument file {path}: {error}") from error
    return parse_instrument(content, str(path))


def parse_instrument(content: Any, source: str) -> InstrumentSpec:
    """Return the instrument that ``content`` (from YAML or a back-end) describes.

    Raises
    ------
    SpecError
        Naming ``source`` and every key that is wrong.
    """
    try:
        return InstrumentSpec.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(map(_problem, error.errors()))
        raise SpecError(f"instrument file {source}: {problems}") from error


def _problem(error: Any) -> str:
    """Return one error of pydantic as field, value and what is wanted."""
    field = ".".join(map(str, error["loc"])) or "file"
    given = "" if isinstance(error["input"], dict) else f" = {error['input']!r}"
    return f"{field}{given}: {error['msg']}"
