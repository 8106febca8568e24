"""The same genes by every method: effects, ranks, correlations, and the sentence."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy.stats import spearmanr

from cellucid_core.cell_pages import choose_pages
from cellucid_core.errors import InputError
from cellucid_core.genes import match_genes
from cellucid_core.signature import ABOUT, METHODS, every_method, match_in_view, score_cells
from tests.making import make_adata


def test_each_method_is_as_alone(demo_view):
    pages = choose_pages(demo_view, "bulk_labels")
    match = match_in_view(demo_view, ["CD79A", "MS4A1", "CD79B"])
    shares = []
    found = every_method(demo_view, match, pages, progress=shares.append)
    assert set(found.table["method"]) == {ABOUT[method].label for method in METHODS}
    assert not found.notes
    for method in METHODS:
        label = ABOUT[method].label
        raw = score_cells(demo_view.expression, match, method, gene_ids=demo_view.gene_ids)
        mine = found.table[found.table["method"] == label].set_index("page")
        for page in pages:
            rest = np.setdiff1d(np.arange(demo_view.n_cells), page.cells)
            a, b = raw[page.cells], raw[rest]
            n = len(a) + len(b) - 2
            pooled = np.sqrt((a.var(ddof=1) * (len(a) - 1) + b.var(ddof=1) * (len(b) - 1)) / n)
            np.testing.assert_allclose(mine.loc[page.name, "d"], (a.mean() - b.mean()) / pooled, rtol=1e-6)
        assert list(mine.sort_values("rank")["d"]) == sorted(mine["d"], reverse=True)
    first, second = (score_cells(demo_view.expression, match, method) for method in ("mean", "ucell"))
    found_r = found.correlation.loc[ABOUT["mean"].label, ABOUT["ucell"].label]
    assert found_r == pytest.approx(spearmanr(first, second).statistic)
    agree = list(found.highest.values()).count("CD19+ B")
    assert found.sentence.startswith(("All 9 methods put CD19+ B highest", f"{agree} of 9 methods put CD19+ B highest"))
    assert shares == sorted(shares)


def test_two_pages_are_compared_with_each_other(demo_view):
    pages = choose_pages(demo_view, "bulk_labels", ["CD14+ Monocyte", "Dendritic"])
    match = match_in_view(demo_view, ["CD79A", "LYZ"])
    found = every_method(demo_view, match, pages).table
    raw = score_cells(demo_view.expression, match, "mean")
    a, b = (raw[page.cells] for page in pages)
    pooled = np.sqrt((a.var(ddof=1) * (len(a) - 1) + b.var(ddof=1) * (len(b) - 1)) / (len(a) + len(b) - 2))
    mine = found[found["method"] == ABOUT["mean"].label].set_index("page")["d"]
    np.testing.assert_allclose(mine, [(a.mean() - b.mean()) / pooled, (b.mean() - a.mean()) / pooled], rtol=1e-9)


def test_a_single_method_with_a_score_is_not_called_all(demo_view, monkeypatch):
    monkeypatch.setattr(sys.modules["cellucid_core.signature.every_method"], "METHODS", ("mean",))
    pages = choose_pages(demo_view, "bulk_labels", ["CD14+ Monocyte", "Dendritic"])
    found = every_method(demo_view, match_in_view(demo_view, ["LYZ"]), pages)
    assert found.sentence == f"Only Mean has a score that varies; it puts {found.highest['Mean']} highest."


def test_what_a_method_cannot_score_is_said(viewed):
    adata = make_adata(60, 4, seed=2)
    view = viewed(adata)
    pages = choose_pages(view, "cluster" if "cluster" in adata.obs else adata.obs.columns[0])
    match = match_genes(list(view.gene_ids), view.gene_ids)  # every gene: nothing is left to compare with
    found = every_method(view, match, pages)
    assert any(note.startswith(ABOUT["score_genes"].label) for note in found.notes)
    assert ABOUT["ssgsea"].label not in found.highest
    with pytest.raises(InputError, match="tells these pages apart"):
        every_method(view, match, [pages[0].__class__("All", np.arange(view.n_cells))])
