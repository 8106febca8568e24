"""The downloaded zip, read by the browser itself: a viewer needs no more than this."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.browser.test_walk import go, open_demo

pytestmark = pytest.mark.browser
DECODER = (Path(__file__).parent / "decode_export.js").read_text(encoding="utf-8")


def test_chromium_inflates_the_zip_and_finds_the_values(page, demo_view):
    open_demo(page)
    go(page, "Export", "Export for Cellucid")
    page.get_by_role("button", name="Export", exact=True).click()
    link = page.get_by_role("link", name="Download")
    link.wait_for()
    found = json.loads(page.evaluate(DECODER, link.get_attribute("href")))

    assert found["identity"]["stats"]["n_cells"] == demo_view.n_cells
    assert len(found["files"]) == len(set(found["files"])) > demo_view.n_genes
    xy = demo_view.embedding(2).astype(float)
    widest = np.ptp(xy, axis=0).max()
    expected = (xy - (xy.max(axis=0) + xy.min(axis=0)) / 2) * 2 / widest
    np.testing.assert_allclose(np.reshape(found["points"]["2d"], (-1, 2)), expected, atol=1e-6)

    assert sorted(found["obs"]) == sorted(demo_view.obs_keys)
    for key in demo_view.obs_keys:
        source = demo_view.obs(key)
        if demo_view.kind(key) == "categorical":
            assert found["obs"][key] == [str(label) for label in source], key
        else:
            values = source.to_numpy(float)
            assert np.abs(np.array(found["obs"][key]) - values).max() <= np.ptp(values) / 254 / 2 * (1 + 1e-6), key

    assert list(found["genes"]) == demo_view.gene_ids.tolist()
    for position, gene in enumerate(demo_view.gene_ids):
        values = demo_view.expression.gene(position).astype(float)
        assert np.abs(np.array(found["genes"][gene]) - values).max() <= np.ptp(values) / 254 / 2 * (1 + 1e-6), gene

    graph = demo_view.graph().toarray() != 0
    assert found["edges"] == np.argwhere(np.triu(graph | graph.T, 1)).tolist()
