"""The page: sections in order, filled into the template."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from ..run import Run
from .drift import drift_section
from .facts import Facts
from .headline import headline
from .history import check_reference, history_section, prediction_section
from .maps import maps_section
from .spectra import spectra_section
from .survey import survey_section
from .tables import budget_section, outcomes_section, record_section, settings_section


def render(run: Run, reference: Sequence[Run]) -> str:
    """Return the report of a run as HTML; all text of the record is escaped.

    Raises
    ------
    DataError
        When the run is not one of ``explore``.
    SpecError
        When a reference run cannot be compared with it.
    """
    facts = Facts(run)
    others = check_reference(facts, reference)
    sections = [
        survey_section(facts),
        history_section(facts, others),
        maps_section(facts),
        spectra_section(facts),
        prediction_section(facts),
        drift_section(facts),
        outcomes_section(facts),
        budget_section(facts),
        settings_section(facts),
        record_section(facts),
    ]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("probeline.catalog.report").joinpath("template.html").read_text("utf-8"))
    version = str(facts.about.get("version", ""))
    return template.render(head=headline(facts), sections=sections, uid=run.uid, version=version)
