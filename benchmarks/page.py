"""From results to the page: one section per question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from platform import python_version

import probeline

from .admission import admission_tables
from .claim_tables import claims_table, published_table, relation_table
from .claims import CLAIMS, NET_CLAIMS
from .contest_tables import audit_table, net_advice, net_table
from .functions import function_table
from .goal_times import goal_table
from .law_toy import toy_table
from .loops import AUDITED, REGRESSION
from .spectra import spectra_table
from .suite import collect
from .tables import Table
from .task_tables import AGENTS, lost_table, spec_table, task_table
from .tasks import task_names
from .trial_nulls import null_table, savings_table
from .work import Done, Part, results

PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "botorch")
SEARCHERS = tuple(agent for agent in AGENTS if agent not in (REGRESSION, AUDITED))
CHANCE_TRIALS = 100
INTRODUCTION = """\
Written by `make bench`; do not edit. What is compared, and which claims were fixed beforehand, stands in
[evidence](../explanation/evidence.md). Cells are means with half the width of their 95 % interval over
seeds; `n` counts all measurements, ten seed points included; differences are paired by seed, with 95 % bootstrap
intervals. CPU seconds are those of `suggest` and `ingest`, one thread, from the same loops; instrument seconds those
of approach, survey, moves and measurements so far, drift registrations left out."""
CELLS = """\
Regret of the films is in standard deviations of the truth, otherwise in the unit of the objective. RMSE, NLPD and
coverage are of candidates that were not measured. Coverage is of intervals of 90 %: of the truth by the belief about
it (on `stem-eds-particles`, whose truth is itself a count, with the Poisson noise of the predicted mean), and of
outcomes at 200 candidates that nobody is told of, with the noise that they state and that the agent has learned.
The goal for outcomes is 0.85 to 0.95; **bold** where it is missed. `random` predicts the mean of what it measured:
the mean predictor. `channel_regression` is a straight line through the image channels, on the points of `random`.
Ceilings: no regret, all of the best 1 %, and the floor of the RMSE that the title states where the truth is noisy."""


@dataclass(frozen=True)
class Section:
    """A heading, some words, and tables."""

    heading: str
    text: str
    tables: Sequence[Table]

    def markdown(self) -> str:
        """Return the section for a page."""
        words = [self.text, ""] if self.text else []
        return "\n".join([f"## {self.heading}", "", *words, *(table.markdown() for table in self.tables)])


def make_sections(done: Sequence[Done], parts: Sequence[Part], first_seed: int) -> list[Section]:
    """Return all sections of the page."""
    records, checks = collect(results(done, "loops"))
    run = {record.task for record in records}
    tasks = [task for task in task_names() if task in run]
    return [
        Section("Claims", "", [
            claims_table(records, CLAIMS, "The default agent against what is simpler"),
            claims_table(records, NET_CLAIMS, "dkl against patch_gp"),
            published_table(records),
            relation_table(checks),
        ]),
        Section("patch_gp or dkl: when to use which", net_advice(records), [net_table(records)]),
        Section("Time to the goal", "", [goal_table(records, SEARCHERS)]),
        Section("What audits cost", "", [audit_table(records)]),
        Section("Strategies beside the default", "", admission_tables(results(done, "admission"))),
        Section("Test functions", "", [function_table(results(done, "functions"))]),
        Section("Whole spectra", "What `catalog.predict_spectra` does: [how](../how-to/predict-spectra.md). RMSE in "
                "pm, or in counts, of spectra that are noisy themselves.", [spectra_table(results(done, "spectra"))]),
        Section("Which law holds", "All rules and worlds: [hypotheses](hypotheses.md).",
                [toy_table(results(done, "laws"))]),
        Section("Worlds without a relation", "What `probeline trial` says of them: [try your data]"
                "(../how-to/try-your-data.md).", [null_table(results(done, "nulls")), savings_table(CHANCE_TRIALS)]),
        Section("Tasks", CELLS, [task_table(records, task, first_seed) for task in tasks]),
        Section("What the default agent lost", "", [lost_table(records)]),
        Section("Specifications and cost", "", [spec_table(records), cost_table(done, parts)]),
    ]  # fmt: skip


def cost_table(done: Sequence[Done], parts: Sequence[Part]) -> Table:
    """Return the CPU-seconds of this page by part."""
    spent = {part.name: [one.cpu_s for one in done if one.part == part.name] for part in parts}
    rows = [(name, str(len(cpu)), f"{sum(cpu):.0f}", f"{max(cpu, default=0):.1f}") for name, cpu in spent.items()]
    rows.append(("all", str(len(done)), f"{sum(one.cpu_s for one in done):.0f}", ""))
    return Table("What this page took", ("part", "jobs", "CPU s", "longest job"), tuple(rows))


def render(sections: Sequence[Section], seeds: str) -> str:
    """Return the page."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return "\n".join([
        "# Benchmarks",
        "",
        INTRODUCTION,
        "",
        f"{seeds}; probeline {probeline.__version__}, Python {python_version()}, {versions}.",
        "",
        *(section.markdown() for section in sections),
    ])  # fmt: skip
