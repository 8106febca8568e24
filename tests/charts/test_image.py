"""Charts as picture files: whole, with text, on the right ground."""

from __future__ import annotations

import struct
from xml.etree import ElementTree

import numpy as np
import pytest

from cellucid_core.cell_pages import Page
from cellucid_core.charts import box, chart_image, cumulative, histogram, violin
from cellucid_core.errors import InputError

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
