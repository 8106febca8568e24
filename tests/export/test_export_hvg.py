"""Highly variable genes against scanpy itself."""

from __future__ import annotations

import anndata
import numpy as np
import pytest
import scanpy
from scipy import sparse

from cellucid_core.dataset.log_rule import log_rule_of
from cellucid_core.errors import WorkRefused
from cellucid_core.ranking.variable_genes import highly_variable, variability
from tests.export.standin import ArrayExpression


def by_scanpy(X, n):
    adata = anndata.AnnData(X.copy())
    scanpy.pp.highly_variable_genes(adata, n_top_genes=n, flavor="seurat")
    return np.flatnonzero(adata.var["highly_variable"])


def most_variable_of(expression, n, **how):
    return highly_variable(expression, n, rule=expression.rule, **how)


def counts(seed=0, n_cells=200, n_genes=300):
    rng = np.random.default_rng(seed)
    means = rng.gamma(0.7, 2, n_genes)
    spread = rng.gamma(2, 0.6, (n_cells, n_genes))
    values = rng.poisson(means * spread).astype(np.float32)
    values[:, 5] = 0
    values[0, values.sum(axis=0) == 0] = 0
    return values


@pytest.mark.parametrize("n", [1, 20, 120])
@pytest.mark.parametrize("is_sparse", [True, False])
def test_log_values(n, is_sparse):
    X = counts()
    X = np.log1p(X / X.sum(axis=1, keepdims=True) * 1e4)
    found, warnings = most_variable_of(ArrayExpression(X, is_sparse), n, threads=2)
    np.testing.assert_array_equal(found, by_scanpy(sparse.csr_matrix(X) if is_sparse else X, n))
    assert warnings == []


def test_counts_are_normalized_first():
    X = counts(1)
    adata = anndata.AnnData(X.copy())
    scanpy.pp.normalize_total(adata)
    scanpy.pp.log1p(adata)
    found, warnings = most_variable_of(ArrayExpression(X, True), 50)
    np.testing.assert_array_equal(found, by_scanpy(adata.X, 50))
    assert "counts" in warnings[0]


def test_the_demo(demo, demo_view):
    # The demo is scaled; raw holds its log values.
    from dataclasses import replace

    from cellucid_core.dataset import View

    view = View(demo, replace(demo_view.mapping, matrix="raw")) if "raw" in demo.matrices else demo_view
    found, _ = highly_variable(view.expression, 50, rule=log_rule_of(view))
    dense = view.expression.block(range(view.n_genes)).T
    np.testing.assert_array_equal(found, by_scanpy(dense, 50))


def test_more_than_there_are():
    X = counts(2)[:, :10]
    X[:, 3] = 0
    found, warnings = most_variable_of(ArrayExpression(np.log1p(X), False), 50)
    assert 3 not in found
    assert len(found) <= 9
    assert "were asked for" in warnings[-1]


def test_gaps_are_left_out():
    X = np.log1p(counts(3))
    X[0, 0] = np.nan
    found, _ = most_variable_of(ArrayExpression(X, False), 20)
    without = np.delete(X, 0, axis=1)
    others = most_variable_of(ArrayExpression(without, False), 20)[0] + 1
    assert len(set(found) & set(others)) >= 19


def test_equal_scores_at_the_end_are_all_taken_as_scanpy_does():
    X = np.log1p(counts(4)).astype(np.float32)
    X[:, 10:14] = X[:, 20:21]  # five genes that vary equally
    order = np.argsort(-variability(ArrayExpression(X, True), rule=ArrayExpression(X, True).rule)[0])
    n = int(np.flatnonzero(np.isin(order, [10, 11, 12, 13, 20]))[1]) + 1
    found, warnings = most_variable_of(ArrayExpression(X, True), n)
    np.testing.assert_array_equal(found, by_scanpy(X, n))
    assert len(found) > n
    assert "vary equally" in warnings[-1]


def test_no_gene_varies():
    with pytest.raises(WorkRefused, match="No gene varies"):
        most_variable_of(ArrayExpression(np.zeros((5, 3), np.float32), True), 2)
