"""An analysis as one HTML file: the sentence, figures, tables, genes, settings, and the Python that repeats it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cellucid_core import charts, dataset
from cellucid_core.dataset import View
from cellucid_core.errors import CellucidError
from cellucid_core.reports.page import Table, render
from cellucid_core.signature import (
    ABOUT,
    EveryMethod,
    SignatureRun,
    api_code,
    record_json,
    run_record,
    signature_quality,
)
from cellucid_core.signature.reporting import (
    MANY_PAGES,
    mixed_model_table,
    overall_sentence,
    pairs_table,
    split_sentence,
    split_table,
    tests_table,
)
from cellucid_core.signature.statistics import MixedPair

_STYLE = charts.FigureStyle(width=180, font_size=9, dpi=200)
#: An SVG of more bytes than this (with a mark per cell) is replaced by a PNG.
_MOST_DRAWN = 1_000_000


@dataclass(frozen=True)
class ReportFigure:
    """A figure of a report.

    Attributes
    ----------
    title
        What it shows, for readers who cannot see it.
    caption
        What its marks mean.
    draw
        Builds the chart for the room that names have.
    """

    title: str
    caption: str
    draw: Callable[[charts.Room], Any]

    def source(self) -> str:
        """Return the picture as a ``data:`` address: SVG, or PNG where the SVG would be larger than a million bytes."""
        chart = self.draw(_STYLE.room)
        picture, kind = charts.chart_image(chart, "svg", _STYLE), charts.MIME["svg"]
        if len(picture) > _MOST_DRAWN:
            picture, kind = charts.chart_image(chart, "png", _STYLE), charts.MIME["png"]
        return f"data:{kind};base64,{b64encode(picture).decode()}"


def signature_html(
    view: View,
    run: SignatureRun,
    *,
    scores: ReportFigure | None = None,
    made: Mapping[str, str] | None = None,
    replaced: Mapping[str, str] | None = None,
    every_method: EveryMethod | None = None,
    mixed_model: Sequence[MixedPair] | None = None,
    figure: Mapping[str, Any] | None = None,
    choices: dataset.Mapping | None = None,
) -> str:
    """Return an analysis as a self-contained HTML page that can be printed; it loads nothing from elsewhere.

    Parameters
    ----------
    view, run
        The dataset as mapped, and what was computed on it.
    scores
        The chart of the scores. None: a point per sample where there is a sample column, then violins, split by the
        second column where there is one.
    made, replaced, every_method, mixed_model, figure
        As for `run_record`; the record is the last part of the report.
    choices
        As for `api_code`.
    """
    quality = signature_quality(view, run.match, run.spoken)
    record = run_record(
        view,
        run,
        made=made,
        replaced=replaced,
        every_method=every_method,
        mixed_model=mixed_model,
        figure=figure,
    )
    try:
        lines = api_code(view, run, choices=choices)
    except CellucidError as error:  # the report is still useful without the lines
        lines = f"# {error.what} {error.fix}"
    figures = [scores] if scores is not None else [*_samples(run), _scores(run)]
    genes = ReportFigure(
        "Each gene in each page", charts.DOTS_CAPTION, lambda room: charts.dot_plot(quality.by_page, room=room)
    )
    split = run.split
    return render(
        "signature.html.jinja",
        name=view.dataset.name,
        run=run,
        record=record,
        record_text=record_json(record),
        lines=lines,
        figures=figures,
        places=[_embedding(view, run)] if 2 in view.dimensions else [],
        genes=genes,
        gene_table=Table.of(
            quality.genes.rename(columns={"share": "cells above 0 (share)", "correlation": "r with the others"})
        ),
        pages=Table.of(
            run.summary.assign(page=[page.label for page in run.pages]).rename(
                columns={"n": "cells", "n_valid": "with a score", "std": "SD"}
            )
        ),
        overall=overall_sentence(run.tests) if run.tests else "",
        pairs=_pairs(run) if len(run.pages) > MANY_PAGES and run.tests else None,
        tests=Table.of(tests_table(run.tests, run.pages)) if run.tests else None,
        within=None if split is None else Table.of(split_table(split, run.pages)),
        within_sentence="" if split is None else split_sentence(split, run.pages),
        methods=None if every_method is None else Table.of(every_method.effects(run.spoken).reset_index()),
        every_method=every_method,
        mixed=None if mixed_model is None else Table.of(mixed_model_table(mixed_model)),
        facts=_facts(view, run, record),
    )


def _pairs(run: SignatureRun) -> Table:
    table = pairs_table(run.tests, run.pages)
    words = table.words().rename_axis("Cohen's d").reset_index()
    return Table([str(name) for name in words.columns], words.astype(str).values.tolist(), [False] * words.shape[1])


def _samples(run: SignatureRun) -> list[ReportFigure]:
    """Return the chart of the samples; an empty list without a sample column."""
    title, owned, split = "Mean score of each sample", run.owned, run.split
    if split is not None and (within := split.owned) is not None:
        return [
            ReportFigure(
                title,
                charts.SPLIT_PER_SAMPLE_CAPTION,
                lambda room: charts.split_per_sample(run.spoken, split.values, within, run.title, split.key, room=room),
            )
        ]
    if owned is None:
        return []
    return [
        ReportFigure(
            title,
            charts.PER_SAMPLE_CAPTION,
            lambda room: charts.per_sample(run.spoken, owned, run.title, room=room),
        )
    ]


def _scores(run: SignatureRun) -> ReportFigure:
    split = run.split
    if split is None:
        return ReportFigure(
            run.headline,
            charts.VIOLIN_CAPTION,
            lambda room: charts.violin(run.spoken, run.scores, run.title, room=room),
        )
    caption = f"{charts.VIOLIN_CAPTION} · {charts.SPLIT_CAPTION}" if len(split.values) == 2 else charts.VIOLIN_CAPTION
    return ReportFigure(
        run.headline,
        caption,
        lambda room: charts.split_violin(run.spoken, split.values, split.scores, run.title, split.key, room=room),
    )


def _embedding(view: View, run: SignatureRun) -> ReportFigure:
    return ReportFigure(
        f"{run.title} on the embedding",
        "Each cell at its place on the embedding, coloured by its score",
        lambda room: charts.embedding(view.embedding(2), run.raw, run.title, room=room),
    )


def _facts(view: View, run: SignatureRun, record: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings in words."""
    mapping = record["mapping"]
    left_out = f" ({mapping['cells_left_out']:,} left out)" if mapping["cells_left_out"] else ""
    facts = {
        "Dataset": f"{view.dataset.name}: {view.n_cells:,} cells{left_out} × {view.n_genes:,} genes",
        "Matrix": f"{mapping['matrix']}: {mapping['matrix_holds']}",
        "Score": f"{run.title}. {ABOUT[run.method].sentence}",
        "Genes": f"{len(run.match.found):,} of {run.match.n_asked:,} found; a repeated gene counts "
        + record["genes"]["counted"],
        "p-values": f"{record['p_adjust']}, " + (f"by {run.sample_key}" if run.sample_key else "by cell"),
        "Seed": str(run.seed),
        "Content hash": view.dataset.content_hash,
        "Made": record["date"],
        "With": ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
    }
    if fixes := [fix["what"] for fix in mapping["fixes"]]:
        facts["Fixes"] = " ".join(fixes)
    return facts
