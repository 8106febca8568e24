"""Genes × pages as dots, signatures × pages as a heatmap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cellucid_core.charts.embedding import SEQUENTIAL
from cellucid_core.charts.labels import PIXELS_PER_LETTER, left_room, name_axis, row_step
from cellucid_core.charts.layout import SCREEN, Room, inline, wrap

#: Blue to orange through a grey that can be seen on light and on dark.
DIVERGING = ("#2166AC", "#6BA3D0", "#B8BCC2", "#E8A25C", "#C2570C")
DOTS_CAPTION = "Colour: mean expression · size: share of the page's cells above 0"
HEATMAP_CAPTION = "Colour: mean score of a page, z-scored over each signature's pages"
MEANS_CAPTION = "Colour: mean score of a page"
_ROW = 20
_DOT_ROW = 24
#: In a chart narrower than this, in pixels, the legend's four sizes of dots stand in two rows.
_NARROW = 480
_MOST_GENES, _MOST_SIGNATURES = 50, 100


def dot_plot(by_page: pd.DataFrame, *, room: Room = SCREEN) -> Any:
    """Draw genes × pages: mean as colour, share of cells above 0 as size.

    Parameters
    ----------
    by_page
        Columns ``gene``, ``page``, ``mean``, ``share``, from `signature_quality`; genes and pages in order. Of more
        than 50 genes the first 50 are drawn.
    room
        What room names have.

    Returns
    -------
    altair.LayerChart
        As wide as its container; genes are rows.
    """
    import altair as alt

    genes, pages, gene_at, page_at = _places(by_page, "gene")
    shown = genes[:_MOST_GENES]
    rows = [
        {"x": p, "y": g, "gene": gene, "page": page, "mean": _plain(mean), "share": _plain(share)}
        for g, p, gene, page, mean, share in zip(
            gene_at, page_at, by_page["gene"], by_page["page"], by_page["mean"], by_page["share"], strict=True
        )
        if g < _MOST_GENES
    ]
    scale = alt.Scale(range=list(SEQUENTIAL), interpolate="lab", nice=False, zero=False)
    legend: dict[str, Any] = {
        "orient": "bottom",
        "direction": "horizontal",
        "titleLimit": 160,
        "labelLimit": 80,
        "titleOrient": "top",
    }
    # No dot is wider than its column or its row.
    widest = 0.86 * min(_DOT_ROW, _column_width(shown, pages, room))
    chart = (
        alt.Chart(inline(alt, rows))
        .mark_circle(opacity=1, stroke="#8C939A", strokeWidth=0.6)
        .encode(
            **_axes(alt, shown, pages, _DOT_ROW, room),
            color=alt.Color(
                "mean:Q",
                scale=scale,
                legend=alt.Legend(title="Mean", gradientLength=150, gradientThickness=10, **legend),
            ),
            size=alt.Size(
                "share:Q",
                scale=alt.Scale(domain=[0, 1], range=[0, widest * widest]),
                legend=alt.Legend(
                    title="Cells above 0",
                    format=".0%",
                    values=[0.1, 0.25, 0.5, 1],
                    symbolFillColor="#8C939A",
                    columns=2 if room.width < _NARROW else 4,
                    **legend,
                ),
            ),
            tooltip=[
                alt.Tooltip("gene:N", title="gene"),
                alt.Tooltip("page:N", title="page"),
                alt.Tooltip("mean:Q", format=".4~g", title="mean"),
                alt.Tooltip("share:Q", format=".1%", title="cells above 0"),
            ],
        )
    )
    return _finish(alt, chart, shown, _DOT_ROW, room)


def signature_heatmap(long: pd.DataFrame, *, standardized: bool = True, room: Room = SCREEN) -> Any:
    """Draw signatures × pages: colour is the mean score, as it is or z-scored over the pages of each signature.

    Parameters
    ----------
    long
        Columns ``signature``, ``page``, ``mean``, ``d``, ``z``, ``n``, from `score_many`; in order. Of more than
        100 signatures the first 100 are drawn.
    standardized
        Whether the colour is ``z``, each signature's means z-scored over its pages; else the means.
    room
        What room names have.

    Returns
    -------
    altair.LayerChart
        As wide as its container; signatures are rows.
    """
    import altair as alt

    names, pages, name_at, page_at = _places(long, "signature")
    rows = [
        {"x": p, "y": s, "signature": name, "page": page, "mean": _plain(m), "d": _plain(d), "z": _plain(z), "cells": n}
        for s, p, name, page, m, d, z, n in zip(
            name_at,
            page_at,
            long["signature"],
            long["page"],
            long["mean"],
            long["d"],
            long["z"],
            long["n"].tolist(),
            strict=True,
        )
        if s < _MOST_SIGNATURES
    ]
    shown = names[:_MOST_SIGNATURES]
    title = "Mean score, z-scored over the pages" if standardized else "Mean score"
    most = int(0.4 * room.width / PIXELS_PER_LETTER)
    field = "z" if standardized else "mean"
    known = [row[field] for row in rows if row[field] is not None]
    reach = max(map(abs, known), default=1.0) or 1.0
    for row in rows:
        row |= {"x1": row["x"] - 0.5, "x2": row["x"] + 0.5, "y1": row["y"] - 0.5, "y2": row["y"] + 0.5}
    axes = _axes(alt, shown, pages, _ROW, room)
    if standardized or min(known, default=0.0) < 0:
        domain, colors = [-reach, -reach / 2, 0, reach / 2, reach], list(DIVERGING)
        scale = alt.Scale(domain=domain, range=colors, interpolate="lab", clamp=True)
    else:
        scale = alt.Scale(range=list(SEQUENTIAL), interpolate="lab", nice=False, zero=False)
    chart = (
        alt.Chart(inline(alt, rows))
        .mark_rect(stroke="#8C939A", strokeWidth=0.3)
        .encode(
            x=_edge(alt, axes["x"], "x1"),
            x2="x2:Q",
            y=_edge(alt, axes["y"], "y1"),
            y2="y2:Q",
            color=alt.condition(
                f"isValid(datum.{field})",
                alt.Color(
                    f"{field}:Q",
                    scale=scale,
                    legend=alt.Legend(
                        title=title if len(title) <= most else wrap(title, most),
                        orient="bottom",
                        direction="horizontal",
                        titleLimit=300,
                        gradientLength=min(200, 0.4 * room.width),
                        gradientThickness=10,
                        tickCount=5,
                    ),
                ),
                alt.value("#9AA0A600"),
            ),
            tooltip=[
                alt.Tooltip("signature:N", title="signature"),
                alt.Tooltip("page:N", title="page"),
                alt.Tooltip("mean:Q", format=".4~g", title="mean score"),
                alt.Tooltip("d:Q", format=".3~g", title="d against the rest"),
                alt.Tooltip("cells:Q", format=",", title="cells"),
            ],
        )
    )
    return _finish(alt, chart, shown, _ROW, room)


def _places(table: pd.DataFrame, key: str) -> tuple[list[str], list[str], list[int], list[int]]:
    """Return the names of rows and of columns, and the row and column of each line of the table; names may repeat."""
    pages, names = table["page"].tolist(), table[key].tolist()
    # The table has one block per name, each with all pages; the shortest block that fits is taken.
    n_pages = next(
        (n for n in range(1, len(table) + 1) if len(table) % n == 0 and _in_blocks(pages, names, n)), max(len(table), 1)
    )
    count = len(table) // n_pages
    return (
        [str(names[i * n_pages]) for i in range(count)],
        [str(page) for page in pages[:n_pages]],
        np.repeat(np.arange(count), n_pages).tolist(),
        np.tile(np.arange(n_pages), count).tolist(),
    )


def _in_blocks(pages: Sequence[str], names: Sequence[str], n: int) -> bool:
    """Tell whether a table is made of blocks of n lines with the same pages, each of one name."""
    return pages[n : 2 * n] in (pages[:n], []) and all(
        pages[i : i + n] == pages[:n] and len(set(names[i : i + n])) == 1 for i in range(0, len(pages), n)
    )


def _axes(alt: Any, rows: Sequence[str], columns: Sequence[str], step: int, room: Room) -> dict[str, Any]:
    """Return the encodings of both axes; the first row is on top."""
    width = _column_width(rows, columns, room)
    return {
        "x": alt.X(
            "x:Q",
            scale=alt.Scale(domain=[-0.5, max(len(columns), 1) - 0.5], nice=False, zero=False),
            axis=name_axis(alt, columns, step=width, columns=True, room=room),
        ),
        "y": alt.Y(
            "y:Q",
            scale=alt.Scale(domain=[max(len(rows), 1) - 0.5, -0.5], nice=False, zero=False),
            axis=name_axis(alt, rows, step=step, columns=False, room=room),
        ),
    }


def _column_width(rows: Sequence[str], columns: Sequence[str], room: Room) -> float:
    """Return the width in pixels that a column has in a chart of the room's width."""
    return max(room.width - left_room(rows, room), 100) / max(len(columns), 1)


def _edge(alt: Any, encoded: Any, field: str) -> Any:
    """Return an axis's encoding for the edge of a tile."""
    make = alt.X if field.startswith("x") else alt.Y
    return make(f"{field}:Q", scale=encoded["scale"], axis=encoded["axis"])


def _plain(value: Any) -> float | None:
    """Return a number rounded to six digits, None for what is not finite."""
    return float(f"{value:.6g}") if np.isfinite(value) else None


def _finish(alt: Any, chart: Any, rows: Sequence[str], step: int, room: Room) -> Any:
    return chart.properties(
        width="container",
        height=max(len(rows), 1) * row_step(rows, step, room),
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
    ).configure_view(strokeWidth=0)
