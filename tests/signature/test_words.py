"""The summary, the sentence and the warnings."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cellucid_core.cell_pages import Page
from cellucid_core.genes import match_genes
from cellucid_core.signature import cautions, headline, score_cells, summarize
from cellucid_core.signature.reporting.cautions import variance_shares
from cellucid_core.signature.statistics.effects import Sample
from tests.signature.comparing import compare
from tests.signature.signature_values import as_adata, values


def say(**groups: np.ndarray) -> str:
    return headline([name.replace("_", " ") for name in groups], [Sample.of(np.asarray(g)) for g in groups.values()])


def test_summary_as_pandas():
    scores = np.array([3.0, np.nan, 1, 2, 7, np.inf])
    row = summarize([Page("A", np.arange(6))], [scores]).iloc[0]
    want = pd.Series([3.0, 1, 2, 7])
    assert (row["page"], row["n"], row["n_valid"]) == ("A", 6, 4)
    assert (row["mean"], row["median"], row["std"]) == pytest.approx((want.mean(), want.median(), want.std()))
    assert (row["q1"], row["q3"]) == pytest.approx((want.quantile(0.25), want.quantile(0.75)))
    assert (row["min"], row["max"]) == (1, 7)


def test_summary_of_pages_without_scores():
    table = summarize([Page("A", np.arange(2)), Page("B", np.arange(1))], [np.full(2, np.nan), np.ones(1)])
    assert table["n_valid"].tolist() == [0, 1]
    assert np.isnan(table.loc[0, "mean"])
    assert np.isnan(table.loc[1, "std"])


def test_sentence_for_two_pages():
    rng = np.random.default_rng(0)
    a, b = rng.normal(2, 1, 500), rng.normal(0, 1, 500)
    d = (a.mean() - b.mean()) / np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
    auc = stats.mannwhitneyu(a, b).statistic / 250_000
    want = f"A scores higher than B: d = {d:.1f}, AUC {auc:.2f}"
    assert say(A=a, B=b) == want
    assert say(B=b, A=a) == want
    assert say(A=a, Rest_of_A=b) == f"A scores higher than the rest: d = {d:.1f}, AUC {auc:.2f}"
    assert say(B=b, Rest_of_B=a) == f"B scores lower than the rest: d = −{d:.1f}, AUC {1 - auc:.2f}"


def test_sentence_when_nothing_differs():
    rng = np.random.default_rng(1)
    same = say(A=rng.normal(size=4000), B=rng.normal(size=4000))
    assert "about the same" in same
    assert "All 3 pages score about the same" in say(**{n: rng.normal(size=4000) for n in "ABC"})
    assert say(A=np.ones(4), B=np.ones(3)) == "A and B have the same score, 1"


def test_sentence_for_many_pages_names_the_one_that_stands_out():
    rng = np.random.default_rng(2)
    groups = {name: rng.normal(0, 1, 800) for name in "ABCD"}
    assert say(**(groups | {"C": rng.normal(2, 1, 800)})).startswith("C scores highest: d = ")
    low = say(**(groups | {"B": rng.normal(-3, 1, 60)}))
    assert low.startswith("B scores lowest: d = −")
    assert "against the rest" in low


@pytest.mark.parametrize(
    "groups",
    [{}, {"A": []}, {"A": [1.0]}, {"A": [1.0], "B": []}, {"A": [1.0], "B": [2.0]}, {"A": [1.0] * 3, "B": [2.0] * 3}],
)
def test_sentence_for_next_to_nothing(groups):
    sentence = say(**groups)
    assert sentence
    assert "nan" not in sentence
    assert "significant" not in sentence


@pytest.fixture
def scored(viewed):
    """400 cells, 40 genes; g0 is far stronger than all others."""
    x = values(400, 40, seed=3)
    x[:, 0] *= 20
    view = viewed(as_adata(x, "sparse"))
    return view, x


def warned(view, genes, pages, method="mean"):
    match = match_genes(genes, view.gene_ids)
    raw = score_cells(view.expression, match, method)
    scores = [raw[p.cells] for p in pages]
    return cautions(pages, scores, compare(pages, scores), match, view.expression, raw)


HALVES = [Page("A", np.arange(200)), Page("B", np.arange(200, 400))]


def test_nothing_to_warn_about(scored):
    assert warned(scored[0], ["g1", "g2", "g3", "g4"], HALVES) == []


def test_genes(scored):
    both = " ".join(warned(scored[0], ["g1", "g2", "x", "y", "z"], HALVES))
    assert "2 of 5 genes" in both
    assert "fewer than 3" in both


def test_overlap_small_and_flat_pages(scored):
    view, x = scored
    raw = x[:, [1, 2, 3]].mean(axis=1)
    flat = np.flatnonzero(raw == np.median(raw))[:10]
    pages = [Page("A", np.arange(200)), Page("B", np.arange(190, 400)), Page("C", flat)]
    text = " ".join(warned(view, ["g1", "g2", "g3"], pages))
    assert "A and B share 10 cells" in text
    assert "C (10) has fewer than 50 cells" in text
    assert "no variance in C" in text


def test_one_gene_that_carries_the_score(scored):
    view, x = scored
    assert any(w.startswith("g0 alone carries 9") for w in warned(view, ["g1", "g0", "g2"], HALVES))
    match = match_genes(["g0", "g1", "g2"], view.gene_ids)
    raw = score_cells(view.expression, match, "sum")
    inside = np.arange(400) < 300
    shares = variance_shares(raw, inside, match, view.expression)
    block = x[:300, [0, 1, 2]].astype(np.float32).astype(float)
    want = [np.cov(block[:, i], block.sum(axis=1))[0, 1] for i in range(3)] / np.var(block.sum(axis=1), ddof=1)
    np.testing.assert_allclose(shares, want, rtol=1e-9)


def test_a_score_that_follows_library_size(scored):
    view, _ = scored
    text = " ".join(warned(view, [f"g{i}" for i in range(1, 40)], HALVES))
    rho = stats.spearmanr(
        score_cells(view.expression, match_genes([f"g{i}" for i in range(1, 40)], view.gene_ids), "mean"),
        view.expression.cell_detected,
    ).statistic
    assert f"number of detected genes (Spearman {rho:.2f})" in text


def test_small_effects_with_small_p():
    rng = np.random.default_rng(0)
    pages = [Page("A", np.arange(20_000)), Page("B", np.arange(20_000, 40_000))]
    from cellucid_core.signature.reporting.cautions import about_small_effects

    scores = [rng.normal(0.08, 1, 20_000), rng.normal(0, 1, 20_000)]
    assert "many cells" in about_small_effects(compare(pages, scores))[0]
    assert about_small_effects(compare(pages, [scores[0] + 1, scores[1]])) == []
