"""The report of a study: one HTML page that opens anywhere, without a network."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import plotly.io
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from neuramosaic import seeds
from neuramosaic.analysis.clusters import Cluster, cluster
from neuramosaic.analysis.designs import describe, measurement, sample
from neuramosaic.analysis.effect_plots import effects_figure, interactions_figure, parallel_figure
from neuramosaic.analysis.effects import Effect, component_effects, component_interactions
from neuramosaic.analysis.leaderboard import compare_with_baseline, fidelity, leaderboard
from neuramosaic.analysis.map_plots import map_figure
from neuramosaic.analysis.paired import paired_comparison
from neuramosaic.analysis.payoff import source_shares
from neuramosaic.analysis.plots import (
    Curves,
    best_so_far_figure,
    cost_figure,
    loss_curves_figure,
)
from neuramosaic.analysis.predictions import assess_predictions
from neuramosaic.codegen.generate import generate
from neuramosaic.errors import NeuraMosaicError
from neuramosaic.space.architecture import Architecture
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.store.records import StudyRecord, TrialRecord, TrialState

TEMPLATES = Path(__file__).parent / "templates"
REASON_LENGTH = 400
#: Rows of the leaderboard, and of the trials that failed, at most.
ROWS = 300

SourceOf = Callable[[TrialRecord], str | None]


def write_report(
    study: StudyRecord,
    trials: Sequence[TrialRecord],
    curves: Curves,
    space: ArchitectureSpace,
    path: Path,
    *,
    source_of: SourceOf | None = None,
    literature: Sequence[str] = (),
) -> Path:
    """Write the report of a study.

    Args:
        study: The study.
        trials: Its trials, in any order and state; there may be none.
        curves: Metric rows by trial id.
        space: The space that was searched.
        path: The HTML file to write; its folder is made, an older report is replaced in one step.
        source_of: Returns the `model.py` of a trial as it was run; generated anew from the architecture if not given.
        literature: What papers say of what was observed, with citations, a line each.

    Returns:
        `path`.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.j2").render(
        **_context(study, trials, curves, space, source_of), literature=list(literature)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    draft.write_text(page, encoding="utf-8")
    draft.replace(path)
    return path


def _context(
    study: StudyRecord,
    trials: Sequence[TrialRecord],
    curves: Curves,
    space: ArchitectureSpace,
    source_of: SourceOf | None,
) -> dict[str, Any]:
    rows, paired = leaderboard(trials), paired_comparison(trials)
    unit = str(study.task.get("unit", "nats per token"))
    incumbent = rows[0].trial if rows else None
    # The pairs of a comparison say more than groups that forget which trial belongs to which.
    effects = [] if paired else component_effects(trials, rng=seeds.stream(0, "report", "effects"))
    figures, clusters = _figures(trials, curves, space, unit, effects) if rows else ([], [])
    failed = [t for t in trials if t.state in (TrialState.FAILED, TrialState.PRUNED)]
    return {
        "study": study,
        "unit": unit,
        "counts": Counter(str(trial.state) for trial in trials),
        "rows": rows[:ROWS],
        "left_out": max(len(rows) - ROWS, 0),
        "components": {row.trial.id: [name.split(":", 1)[-1] for name in row.trial.components] for row in rows[:ROWS]},
        "comparison": compare_with_baseline(trials),
        "paired": paired,
        "seeds": len({row.trial.seed for row in rows}),
        "incumbent": incumbent,
        "fidelity": fidelity,
        "effects": effects,
        "clusters": clusters,
        "sources": source_shares(trials),
        "predictions": assess_predictions(trials, rng=seeds.stream(0, "report", "predictions")),
        "unfinished_well": failed,
        "failures_shown": failed[:ROWS],
        "reason_length": REASON_LENGTH,
        "figures": figures,
        "plotlyjs": Markup(get_plotlyjs()) if figures else "",
        "source": (source_of or _generated(space))(incumbent) if incumbent else None,
        "facts": _facts(study, trials, space, incumbent),
        "config": json.dumps(dict(study.config), indent=2, sort_keys=True, default=str),
    }


def _figures(
    trials: Sequence[TrialRecord], curves: Curves, space: ArchitectureSpace, unit: str, effects: Sequence[Effect]
) -> tuple[list[tuple[str, Markup]], list[Cluster]]:
    """Return the figures by name, and the clusters that the map shows."""
    chosen = sample([measurement(trial) for trial in trials], rng=seeds.stream(0, "report", "map"))
    designs = describe(chosen, {trial.architecture_id: trial.architecture for trial in trials}, space.parameters)
    labels, clusters = cluster(designs)
    figures = {
        "best-so-far": best_so_far_figure(trials, unit),
        "loss-curves": loss_curves_figure(trials, curves, unit),
        "projection": map_figure(designs, unit, labels=labels if clusters else None, clusters=clusters),
        "cost": cost_figure(trials, unit),
        "parallel": parallel_figure(designs, unit),
        "effects": effects_figure(effects, unit),
    }
    if effects:
        figures["interactions"] = interactions_figure(component_interactions(trials), unit)
    return [(name, _html(name, figure)) for name, figure in figures.items() if figure.data], clusters


def _html(name: str, figure: go.Figure) -> Markup:
    text = plotly.io.to_html(
        figure,
        full_html=False,
        include_plotlyjs=False,
        div_id=f"figure-{name}",
        config={"displayModeBar": False, "responsive": True},
    )
    return Markup(text)


def _generated(space: ArchitectureSpace) -> SourceOf:
    def source(trial: TrialRecord) -> str | None:
        try:
            return generate(
                Architecture.from_json(trial.architecture),
                space.catalogue,
                vocab_size=space.vocab_size,
                sequence_length=space.sequence_length,
            )
        except NeuraMosaicError:
            return None

    return source


def _facts(
    study: StudyRecord, trials: Sequence[TrialRecord], space: ArchitectureSpace, incumbent: TrialRecord | None
) -> list[tuple[str, str]]:
    """Return what someone needs to know to believe or repeat the study, as (name, value)."""
    budget = f"{space.params_budget:,} within {space.tolerance:.0%}" if space.params_budget else "free"
    described = incumbent or next((trial for trial in trials if trial.outcome), None)
    facts = [
        ("task", str(study.config.get("task", "unknown"))),
        ("corpus", ", ".join(sorted({trial.corpus for trial in trials})) or str(study.task.get("corpus", "unknown"))),
        ("study seed", str(study.config.get("seed", "unknown"))),
        ("sampler", str(study.config.get("sampler", "unknown"))),
        ("parameter budget", budget),
        ("space", f"{study.space_version} ({space.parameters.dimension} dimensions)"),
        ("created", study.created),
        ("last changed", study.updated),
    ]
    facts += [(f"data: {key}", value) for key, value in _flat(study.task.get("facts", {}))]
    if described and described.outcome:
        facts += [
            (f"environment of {described.id}: {key}", value) for key, value in _flat(described.outcome.environment)
        ]
    return facts


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, item in sorted(value.items()):
        if isinstance(item, Mapping):
            yield from _flat(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(item)
