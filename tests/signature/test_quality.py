"""What each gene does, from sums, against the plain arrays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from cellucid_core.cell_pages import Page
from cellucid_core.errors import InputError
from cellucid_core.genes import GeneSet
from cellucid_core.signature import contributions, match_in_view, score_cells, signature_quality
from cellucid_core.signature.statistics import library_size
from cellucid_core.signature.statistics.effects import Sample, cohens_d
from tests.signature.signature_values import as_adata, store_kinds, values

GENES, WEIGHTS = ("g3", "g0", "g7", "g5"), (2.0, 1.0, 0.5, 1.0)
#: A and B share cells, C is apart, and some cells are in none.
PAGES = [Page("A", np.arange(0, 60)), Page("B", np.arange(40, 100)), Page("C", np.arange(110, 140))]


def d(a: np.ndarray, b: np.ndarray) -> float:
    return cohens_d(Sample.of(a), Sample.of(b))


@pytest.fixture(params=["clean", "dirty"])
def dirty(request):
    return request.param == "dirty"


def prepared(viewed, store_kind, dirty):
    x = values(150, 10, seed=5, negative=True, dirty=dirty)
    view = viewed(as_adata(x, store_kind))
    block = x.astype(np.float32)[:, [3, 0, 7, 5]].astype(float)
    block[~np.isfinite(block)] = np.nan
    return view, match_in_view(view, GeneSet("s", GENES, WEIGHTS)), block


def mean_of(block: np.ndarray, weights: np.ndarray) -> np.ndarray:
    whole = (~np.isnan(block) * weights).sum(axis=1)
    return np.divide(np.nansum(block * weights, axis=1), whole, out=np.full(len(block), np.nan), where=whole > 0)


@store_kinds
def test_each_gene_in_each_page(viewed, store_kind, dirty):
    view, match, block = prepared(viewed, store_kind, dirty)
    quality = signature_quality(view, match, PAGES)
    inside = np.unique(np.concatenate([page.cells for page in PAGES]))
    for g, gene in enumerate(GENES):
        rows = quality.by_page[quality.by_page["gene"] == gene]
        assert rows["page"].tolist() == ["A", "B", "C"]
        for row, page in zip(rows.to_dict("records"), PAGES, strict=True):
            mine = block[page.cells, g]
            mine = mine[~np.isnan(mine)]
            assert (row["mean"], row["share"]) == pytest.approx((mine.mean(), (mine > 0).mean()))
        others = mean_of(np.delete(block, g, axis=1), np.delete(WEIGHTS, g))[inside]
        x = block[inside, g]
        both = ~np.isnan(x) & ~np.isnan(others)
        row = quality.genes.iloc[g]
        assert row["gene"] == gene
        assert row["mean"] == pytest.approx(np.nanmean(x))
        assert row["correlation"] == pytest.approx(stats.pearsonr(x[both], others[both]).statistic)


@store_kinds
@pytest.mark.parametrize("other", [PAGES[2], None], ids=["page", "rest"])
def test_contributions(viewed, store_kind, dirty, other):
    view, match, block = prepared(viewed, store_kind, dirty)
    a = PAGES[0].cells
    b = other.cells if other else np.setdiff1d(np.arange(150), a)
    table = contributions(view, match, PAGES[0], other).set_index("gene")
    score = mean_of(block, np.array(WEIGHTS))
    assert table.attrs["d"] == pytest.approx(d(score[a], score[b]))
    if not dirty:
        assert table["contribution"].sum() == pytest.approx(score[a].mean() - score[b].mean())
    assert table["share"].sum() == pytest.approx(1)
    for g, gene in enumerate(GENES):
        want = WEIGHTS[g] / sum(WEIGHTS) * (np.nanmean(block[a, g]) - np.nanmean(block[b, g]))
        others = mean_of(np.delete(block, g, axis=1), np.delete(WEIGHTS, g))
        row = table.loc[gene]
        assert row["contribution"] == pytest.approx(want)
        assert row["d"] == pytest.approx(d(block[a, g], block[b, g]))
        assert row["d_without"] == pytest.approx(d(others[a], others[b]))
        assert row["change"] == pytest.approx(table.attrs["d"] - row["d_without"])


def test_genes_that_count_against_the_signature(viewed):
    """By hand: up g0, down g1; each mean of three genes is (g0 + g2 − g1)/3."""
    x = np.array([[4, 0, 1], [6, 2, 1], [5, 1, 4], [1, 3, 2], [3, 5, 0], [2, 4, 4]], dtype=float)
    view, a, b = viewed(as_adata(x, "dense")), Page("A", np.arange(3)), Page("B", np.arange(3, 6))
    match = match_in_view(view, GeneSet("s", ("g0", "g2", "g1"), (1.0, 1.0, -1.0), halves=("up", "down")))
    table = contributions(view, match, a, b).set_index("gene")
    # Means in A: 5, 1, 2; in B: 2, 4, 2.
    assert table["contribution"].to_dict() == pytest.approx({"g0": 1, "g1": 1, "g2": 0})
    assert table["share"].to_dict() == pytest.approx({"g0": 0.5, "g1": 0.5, "g2": 0})
    assert table.loc["g1", "d_without"] == pytest.approx(d((x[:3, 0] + x[:3, 2]) / 2, (x[3:, 0] + x[3:, 2]) / 2))
    mean, total = (score_cells(view.expression, match, method) for method in ("mean", "sum"))
    assert table["contribution"].sum() == pytest.approx(mean[:3].mean() - mean[3:].mean())
    for score in (mean, total):  # they share one d
        assert table.attrs["d"] == pytest.approx(d(score[:3], score[3:]))
    genes = signature_quality(view, match, [a, b]).genes.set_index("gene")
    assert genes["weight"].to_dict() == {"g0": 1, "g2": 1, "g1": -1}
    for gene, others in {"g0": x[:, 2] - x[:, 1], "g1": x[:, 0] + x[:, 2], "g2": x[:, 0] - x[:, 1]}.items():
        assert genes.loc[gene, "correlation"] == pytest.approx(stats.pearsonr(x[:, int(gene[1])], others).statistic)


def test_signs_where_values_are_missing(viewed):
    view, match, block = prepared(viewed, "sparse", dirty=True)
    signs = np.array([1, -1, 1, -1])
    match = replace(match, signs=signs.astype(np.int8))
    a, b = (page.cells for page in PAGES[:2])

    def mean(kept: list[int]) -> np.ndarray:
        some, weights = block[:, kept], np.array(WEIGHTS)[kept]
        whole = (~np.isnan(some) * weights).sum(axis=1)
        total = np.nansum(some * weights * signs[kept], axis=1)
        return np.divide(total, whole, out=np.full(len(some), np.nan), where=whole > 0)

    table = contributions(view, match, *PAGES[:2]).set_index("gene")
    assert table.attrs["d"] == pytest.approx(d(mean([0, 1, 2, 3])[a], mean([0, 1, 2, 3])[b]))
    for g, gene in enumerate(GENES):
        others = mean([i for i in range(4) if i != g])
        assert table.loc[gene, "d_without"] == pytest.approx(d(others[a], others[b]))


def test_one_gene_constant_genes_and_none(viewed):
    x = values(60, 5, seed=0)
    x[:, 1] = 0.3
    view = viewed(as_adata(x, "dense"))
    one = signature_quality(view, match_in_view(view, ["g2"]), PAGES[:1])
    assert np.isnan(one.genes["correlation"][0])
    assert np.isnan(
        contributions(view, match_in_view(view, ["g2"]), PAGES[0], Page("B", np.arange(50, 60)))["d_without"][0]
    )
    flat = signature_quality(view, match_in_view(view, ["g1", "g2", "g3"]), [Page("A", np.arange(60))])
    assert np.isnan(flat.genes["correlation"][0])
    assert np.isfinite(flat.genes["correlation"][1:]).all()
    empty = signature_quality(view, match_in_view(view, ["g1", "g2"]), [Page("none", np.empty(0, np.int64))])
    assert empty.by_page["mean"].isna().all()
    with pytest.raises(InputError):
        signature_quality(view, match_in_view(view, ["nope"]), PAGES[:1])


def test_library_size(viewed):
    x = values(3000, 30, seed=8)
    x[5, 1] = np.nan
    view = viewed(as_adata(x, "sparse"))
    match = match_in_view(view, [f"g{i}" for i in range(4)])
    raw = score_cells(view.expression, match, "sum")
    pages = [Page("A", np.arange(0, 2000)), Page("B", np.arange(1500, 2500))]
    result = library_size(view, raw, pages)
    cells = np.arange(2500)
    for measure, size in (("total", view.expression.cell_total), ("detected", view.expression.cell_detected)):
        want = stats.spearmanr(raw[cells], size[cells]).statistic
        assert getattr(result, measure) == pytest.approx(want)
        trend = result.trend[result.trend["measure"] == measure]
        assert trend["cells"].sum() == 2500
        assert (trend["cells"] * trend["mean"]).sum() == pytest.approx(raw[cells].sum())
        assert (np.diff(trend["middle"]) > 0).all()
        assert len(trend) <= 30
    nothing = library_size(view, np.full(3000, np.nan), pages)
    assert (nothing.n_cells, len(nothing.trend), nothing.total) == (0, 0, 0)
