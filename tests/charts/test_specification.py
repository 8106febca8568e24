"""What a page sends is what Altair itself would have sent, without its checks."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from cellucid_core import charts
from cellucid_core.cell_pages import Page

PAGES = [Page("A", np.arange(4)), Page("a.b[c] <b>", np.arange(4, 9))]
SCORES = [np.array([0.0, 1, 2, 3]), np.array([1.0, 1, 4, 5, np.nan])]
CHARTS = {
    "violin": charts.violin(PAGES, SCORES, "Score"),
    "box": charts.box(PAGES, SCORES, "Score"),
    "histogram": charts.histogram(PAGES, SCORES, "Score"),
    "embedding": charts.embedding(np.random.default_rng(0).normal(size=(50, 2)), np.arange(50.0), "score"),
    "heatmap": charts.correlation_heatmap(pd.DataFrame(np.eye(3), list("abc"), list("abc"))),
}


@pytest.mark.parametrize("name", CHARTS)
def test_it_says_what_altair_says(name):
    expected = CHARTS[name].to_dict()
    # Altair's default theme; Streamlit lays its own over what a page sends.
    expected["config"]["view"].pop("continuousWidth")
    expected["config"]["view"].pop("continuousHeight")
    found = charts.specification(CHARTS[name])
    found.setdefault("config", {}).setdefault("view", {})
    assert json.loads(json.dumps(found)) == json.loads(json.dumps(expected))
    assert sum(map(len, found["datasets"].values())) > 0
