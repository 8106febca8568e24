"""Charts as picture files: whole, with text, on the right ground."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from cellucid_core.cell_pages import Page
from cellucid_core.charts import box, chart_image, cumulative, histogram, violin
from cellucid_core.errors import InputError

ROOT = Path(__file__).parents[2]
PAGES = [Page("B & <b>", np.arange(9)), Page("Übrige", np.arange(9))]
SCORES = [np.arange(9.0), np.arange(9.0) ** 2]


@pytest.mark.parametrize("build", [violin, box, histogram, cumulative])
@pytest.mark.parametrize(("theme", "ground"), [("light", "#FFFFFF"), ("dark", "#0E1117")])
def test_svg(build, theme, ground):
    chart = build(PAGES, SCORES, "Mean expression")
    before = chart.to_dict()
    tree = ElementTree.fromstring(chart_image(chart, "svg", theme, width=500))
    text = [node.text or "" for node in tree.iter() if node.tag.endswith("text")]
    assert "Mean expression" in text
    assert any("B & <b>" in (node.text or "") for node in tree.iter())
    assert any(node.get("fill") == ground for node in tree.iter())
    assert tree.get("width") == "500"
    assert chart.to_dict() == before


def test_png_is_larger_than_the_screen_and_holds_text():
    picture = chart_image(violin(PAGES, SCORES, "Mean expression"), "png", width=400)
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    width = struct.unpack(">I", picture[16:20])[0]
    assert width == 3 * 400
    wordless = chart_image(violin([Page(" ", np.arange(9))] * 2, SCORES, " "), "png", width=400)
    assert len(picture) > len(wordless)  # letters are drawn


def test_unknown_kinds_are_refused():
    chart = violin(PAGES, SCORES, "x")
    with pytest.raises(InputError):
        chart_image(chart, "gif")
    with pytest.raises(InputError):
        chart_image(chart, "png", "blue")


_HOSTILE = """
import numpy as np, pandas as pd
from cellucid_core import charts
from cellucid_core.cell_pages import Page

name = "a\\x00\\x01\\x0b\\x1f\\ud800\\ufffeb"
pages, scores = [Page(name, np.arange(5)), Page("b", np.arange(5, 10))], [np.arange(5.0), np.arange(5.0) + 1]
groups = pd.Series([name] * 5 + ["b"] * 5).astype("category")
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
    for kind in ("png", "svg"):
        assert charts.chart_image(chart, kind)
print("drawn")
"""


def test_characters_that_no_picture_holds_end_no_process():
    """vl-convert aborts over them, and takes the server along."""
    done = subprocess.run([sys.executable, "-c", _HOSTILE], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.stdout == "drawn\n", done.stderr[-2000:]
