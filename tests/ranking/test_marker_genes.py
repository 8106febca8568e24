"""Marker genes against scanpy itself."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy
from scipy import sparse

from cellucid_core.errors import WorkRefused
from cellucid_core.ranking.marker_genes import marker_genes
from tests.export.standin import ArrayExpression


def logged(seed=0, n_cells=300, n_genes=120, n_groups=4):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_groups, n_cells)
    means = rng.gamma(0.7, 1, (n_groups, n_genes))
    counts = rng.poisson(means[codes]).astype(np.float32)
    counts[:, 0] += 1
    return counts, np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4).astype(np.float32), codes


def markers_of(expression, *what, **how):
    return marker_genes(expression, *what, rule=expression.rule, **how)


def by_scanpy(X, codes, n):
    names = pd.Categorical.from_codes(codes, categories=[f"group {i}" for i in range(codes.max() + 1)])
    adata = anndata.AnnData(X.copy(), obs=pd.DataFrame({"g": names}, index=[f"c{i}" for i in range(len(codes))]))
    scanpy.tl.rank_genes_groups(adata, "g", method="t-test", use_raw=False, n_genes=n)
    found = adata.uns["rank_genes_groups"]
    order = [f"group {i}" for i in range(codes.max() + 1)]
    return [
        [int(gene) for gene, score in zip(found["names"][g], found["scores"][g], strict=True) if score > 0]
        for g in order
    ]


@pytest.mark.parametrize("n", [1, 10, 120])
@pytest.mark.parametrize("is_sparse", [True, False])
def test_log_values(n, is_sparse):
    _, X, codes = logged()
    found, warnings = markers_of(ArrayExpression(X, is_sparse), codes, 4, n, threads=2)
    assert [genes.tolist() for genes in found] == by_scanpy(sparse.csr_matrix(X) if is_sparse else X, codes, n)
    assert warnings == []


def test_cells_without_a_group_are_among_the_others():
    _, X, codes = logged(1)
    codes[::7] = -1
    found, _ = markers_of(ArrayExpression(X, True), codes, 4, 15)
    assert [genes.tolist() for genes in found] == by_scanpy(sparse.csr_matrix(X), codes, 15)


def test_many_genes_are_ranked_across_blocks(monkeypatch):
    monkeypatch.setattr("cellucid_core.ranking.marker_genes._HELD_SCORES", 400)  # two blocks of 64 genes
    _, X, codes = logged(2, n_genes=333)
    seen = []
    found, _ = markers_of(ArrayExpression(X, True), codes, 4, 20, report=lambda done, total: seen.append(done))
    assert [genes.tolist() for genes in found] == by_scanpy(sparse.csr_matrix(X), codes, 20)
    assert len(seen) == 6
    assert seen == sorted(seen)
    assert seen[-1] == 333


def test_counts_are_normalized_and_logged_first():
    counts, _, codes = logged(3)
    adata = anndata.AnnData(counts.copy())
    scanpy.pp.normalize_total(adata)
    scanpy.pp.log1p(adata)
    found, warnings = markers_of(ArrayExpression(counts, True), codes, 4, 12)
    assert [genes.tolist() for genes in found] == by_scanpy(sparse.csr_matrix(adata.X), codes, 12)
    assert "counts" in warnings[0]


def test_values_that_are_not_finite_are_left_out():
    _, X, codes = logged(4)
    codes = np.append(codes, codes[:30])
    gaps = np.vstack([X, np.full((30, X.shape[1]), np.nan, np.float32)])
    found, _ = markers_of(ArrayExpression(gaps, True), codes, 4, 15)
    assert [genes.tolist() for genes in found] == by_scanpy(sparse.csr_matrix(X), codes[:300], 15)


def test_small_empty_and_single_groups():
    _, X, codes = logged(5)
    codes[:] = 0
    codes[:100] = 1
    codes[7] = 2  # one cell; group 3 has none
    found, warnings = markers_of(ArrayExpression(X, True), codes, 4, 5)
    assert [len(genes) for genes in found] == [5, 5, 0, 0]
    assert warnings == [
        "Groups of fewer than two cells, or with fewer than two cells outside, have no marker genes (1 left out)."
    ]
    with pytest.raises(WorkRefused, match="No group"):
        markers_of(ArrayExpression(X, True), np.zeros(300, int), 1, 5)
    with pytest.raises(WorkRefused, match="No group"):
        markers_of(ArrayExpression(X, True), np.full(300, -1), 3, 5)


def test_a_gene_that_does_not_vary_marks_nothing():
    _, X, codes = logged(6, n_genes=5)
    X[:, 2] = 3
    found, _ = markers_of(ArrayExpression(X, False), codes, 4, 5)
    assert all(2 not in genes for genes in found)
