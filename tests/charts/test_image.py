"""Charts as picture files: whole, with text, on the right ground."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from cellucid_core.cell_pages import Page
from cellucid_core.charts import (
    FigureStyle,
    box,
    chart_image,
    cumulative,
    dot_plot,
    embedding,
    embedding_pair,
    histogram,
    page_sizes,
    signature_heatmap,
    split_violin,
    titles,
    violin,
)
from cellucid_core.errors import InputError
from tests.programs import run_program

ROOT = Path(__file__).parents[2]
PAGES = [Page("B & <b>", np.arange(9)), Page("Übrige", np.arange(9))]
SCORES = [np.arange(9.0), np.arange(9.0) ** 2]
LONG = "CD4+ effector memory T cells re-expressing CD45RA, of the tumour's margin, third cluster"


def millimetres(svg):
    """Width and height of a drawing."""
    return tuple(float(svg.get(side).removesuffix("mm")) for side in ("width", "height"))


def drawn(build, style):
    return ElementTree.fromstring(chart_image(build(PAGES, SCORES, "Mean expression", room=style.room), "svg", style))


@pytest.mark.parametrize("build", [violin, box, histogram, cumulative])
@pytest.mark.parametrize(("ground", "color"), [("white", "#FFFFFF"), ("dark", "#0E1117"), ("transparent", None)])
def test_svg(build, ground, color):
    chart = build(PAGES, SCORES, "Mean expression")
    before = chart.to_dict()
    tree = ElementTree.fromstring(chart_image(chart, "svg", FigureStyle(width=150, ground=ground)))
    text = [node.text or "" for node in tree.iter() if node.tag.endswith("text")]
    assert "Mean expression" in text
    assert any("B & <b>" in (node.text or "") for node in tree.iter())
    behind = [node.get("fill") for node in tree if node.tag.endswith("rect")]
    assert behind == ([] if color is None else [color])
    assert millimetres(tree)[0] == pytest.approx(150, abs=0.01)
    assert chart.to_dict() == before


@pytest.mark.parametrize("width", [60, 85, 180, 254])
@pytest.mark.parametrize("font_size", [6, 9, 14])
def test_a_picture_is_as_wide_as_asked_and_its_letters_are_as_large(width, font_size):
    tree = drawn(violin, FigureStyle(width=width, font_size=font_size))
    assert millimetres(tree)[0] == pytest.approx(width, abs=0.01)
    points = millimetres(tree)[0] / 25.4 * 72 / float(tree.get("viewBox").split()[2])
    sizes = {float(node.get("font-size").removesuffix("px")) * points for node in tree.iter() if node.get("font-size")}
    assert all(size == pytest.approx(font_size, rel=1e-3) for size in sizes)


def test_a_height_is_kept_and_plots_side_by_side_share_the_width():
    style = FigureStyle(width=100, height=70)
    assert millimetres(drawn(violin, style)) == pytest.approx((100, 70), abs=0.3)
    values = [("score", np.arange(30.0)), ("page", pd.Series(["a", LONG] * 15))]
    pair = embedding_pair(np.arange(60.0).reshape(30, 2), values, room=style.room)
    assert millimetres(ElementTree.fromstring(chart_image(pair, "svg", style)))[0] == pytest.approx(100, rel=0.1)


def test_png_and_pdf_are_of_the_same_size():
    style = FigureStyle(width=100, height=60, dpi=254)
    picture = chart_image(violin(PAGES, SCORES, "Mean expression", room=style.room), "png", style)
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", picture[16:24]) == pytest.approx((1000, 600), abs=4)
    paper = chart_image(violin(PAGES, SCORES, "Mean expression", room=style.room), "pdf", style)
    assert paper[:5] == b"%PDF-"
    page = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", paper)
    assert [float(side) for side in page.groups()] == pytest.approx([100 / 25.4 * 72, 60 / 25.4 * 72], abs=1)
    assert b"/Font" in paper  # letters are letters, not shapes
    wordless = chart_image(violin([Page(" ", np.arange(9))] * 2, SCORES, " "), "png", style)
    assert len(picture) > len(wordless)


def test_titles_are_found_and_replaced():
    style = FigureStyle(title="T <cells>", words={"Mean expression": "Score (a.u.)", "Share of cells": ""})
    chart = cumulative(PAGES, SCORES, "Mean expression", room=style.room)
    assert titles(chart) == ["Mean expression", "Share of cells"]
    text = {node.text for node in ElementTree.fromstring(chart_image(chart, "svg", style)).iter()}
    assert {"T <cells>", "Score (a.u.)"} <= text
    assert not {"Mean expression", "Share of cells"} & text


@pytest.mark.parametrize("width", [85, 180])
def test_long_names_stand_whole(width):
    style = FigureStyle(width=width)
    room = style.room
    pages = [Page("B", np.arange(9)), Page(LONG, np.arange(9))]
    names = ["B", LONG]
    table = pd.DataFrame({"gene": ["G"] * 2, "page": names, "mean": [1.0, 2.0], "share": [0.5, 1.0]})
    long = pd.DataFrame({"signature": [LONG] * 2, "page": names, "mean": [1.0, 2.0], "d": 1.0, "z": 1.0, "n": 3})
    for chart in (
        violin(pages, SCORES, "x", room=room),
        histogram(pages, SCORES, "x", room=room),
        cumulative(pages, SCORES, "x", room=room),
        split_violin(PAGES, pages, [SCORES, SCORES], "x", "column", room=room),
        embedding(np.arange(18.0).reshape(9, 2), pd.Series([LONG] * 9), "x", room=room),
        dot_plot(table, room=room),
        signature_heatmap(long, room=room),
        page_sizes(pages, room=room),
    ):
        tree = ElementTree.fromstring(chart_image(chart, "svg", style))
        text = "".join(node.text or "" for node in tree.iter() if node.tag.endswith(("text", "tspan")))
        assert "".join(LONG.split()) in "".join(text.split())
        assert "…" not in text


@pytest.mark.parametrize(
    ("kind", "style"),
    [
        ("gif", FigureStyle()),
        ("png", FigureStyle(ground="blue")),
        ("png", FigureStyle(width=0)),
        ("png", FigureStyle(height=float("nan"))),
        ("svg", FigureStyle(font_size=500)),
        ("png", FigureStyle(width=1000, height=1000, dpi=1200)),
    ],
)
def test_what_no_picture_can_be_is_refused(kind, style):
    with pytest.raises(InputError):
        chart_image(violin(PAGES, SCORES, "x"), kind, style)


_HOSTILE = """
import numpy as np, pandas as pd
from cellucid_core import charts
from cellucid_core.cell_pages import Page

name = "a\\x00\\x01\\x0b\\x1f\\ud800\\ufffeb"
pages, scores = [Page(name, np.arange(5)), Page("b", np.arange(5, 10))], [np.arange(5.0), np.arange(5.0) + 1]
groups = pd.Series(pd.Categorical.from_codes([0] * 5 + [1] * 5, pd.Index([name, "b"], dtype=object)))
values = [Page(name, np.arange(5)), Page("v", np.arange(5, 10))]
for chart in (
    charts.violin(pages, scores, name),
    charts.box(pages, scores, name, points=0, brackets=[charts.Bracket(0, 1, name)]),
    charts.split_violin(pages, values, [scores, scores], name, name),
    charts.histogram(pages, scores, name),
    charts.cumulative(pages, scores, name),
    charts.page_sizes(pages),
    charts.embedding(np.arange(20.0).reshape(10, 2), groups, name),
):
    for kind in ("png", "svg", "pdf"):
        style = charts.FigureStyle(title=name, words={name: name})
        assert charts.chart_image(chart, kind, style)
print("drawn")
"""


def test_characters_that_no_picture_holds_end_no_process():
    """vl-convert aborts over them, and takes the server along."""
    done = run_program(_HOSTILE)
    assert done.stdout == "drawn\n", done.stderr[-2000:]
