"""What each gene does, from sums, against the plain arrays."""

from __future__ import annotations

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
