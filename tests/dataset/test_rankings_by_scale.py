"""Highly variable genes and markers of counts, normalized, logged and scaled values: as scanpy finds them of logs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scanpy as sc

from cellucid_core.dataset import View
from cellucid_core.dataset.log_rule import log_rule_of
from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.export import ExportSettings, GeneChoice, choose_genes
from cellucid_core.library import BuildSettings, build_signature
from cellucid_core.ranking.gene_rankings import kept_markers, kept_variability
from cellucid_core.ranking.variable_genes import highly_variable, most_variable, variability
from tests.scales import dataset_of, scaled

KINDS = ["counts", "fractional", "normalized", "own factors", "TPM", "log", "log2", "log10"]
FLAVORS = ["seurat", "cell_ranger"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flavor", FLAVORS)
@pytest.mark.parametrize("is_sparse", [True, False])
def test_variable_genes_are_scanpys(viewed, kind, flavor, is_sparse):
    adata, wanted = dataset_of(kind, is_sparse)
    view = viewed(adata)
    held = {"own factors": "normalized", "log2": "log", "log10": "log"}.get(kind, kind)
    assert view.dataset.scale("X").kind == held
    expected = sc.pp.highly_variable_genes(wanted, flavor=flavor, n_top_genes=100, inplace=False)
    score, warnings = variability(view.expression, rule=log_rule_of(view), flavor=flavor)
    np.testing.assert_allclose(score, expected["dispersions_norm"], rtol=2e-3, atol=2e-4)
    found, _ = most_variable(score, 100)
    np.testing.assert_array_equal(found, np.flatnonzero(expected["highly_variable"]))
    assert all("vary" not in text for text in warnings)
    assert bool(warnings) is (held != "log")


@pytest.mark.parametrize("kind", KINDS)
def test_the_exports_choice_is_scanpys(viewed, kind):
    adata, wanted = dataset_of(kind, seed=5)
    view = viewed(adata)
    expected = sc.pp.highly_variable_genes(wanted, n_top_genes=100, inplace=False)["highly_variable"]
    found = choose_genes(view, ExportSettings(genes=GeneChoice("hvg", n=100)))
    assert found.ids == tuple(adata.var_names[expected])
    assert not any(text.startswith("Only") for text in found.warnings)


@pytest.mark.filterwarnings("ignore:invalid value encountered in log2")  # scanpy's fold changes of scaled values
@pytest.mark.parametrize("kind", [*KINDS, "scaled"])
def test_markers_are_scanpys(viewed, kind):
    adata, wanted = dataset_of("log" if kind == "scaled" else kind, seed=7)
    if kind == "scaled":
        adata.X = adata.X.toarray()
        sc.pp.scale(adata)
        wanted = adata.copy()
    view = viewed(adata)
    sc.tl.rank_genes_groups(wanted, "group", method="t-test", use_raw=False, n_genes=25)
    expected = wanted.uns["rank_genes_groups"]["names"]
    found, warnings = kept_markers(view, view.obs("group").cat.codes.to_numpy(), 3, 25)
    for group, genes in zip("ABC", found, strict=True):
        assert [adata.var_names[gene] for gene in genes] == list(expected[group])
    assert bool(warnings) is not kind.startswith("log")


@pytest.mark.parametrize("flavor", FLAVORS)
def test_scaled_values_are_refused_and_the_layer_that_would_do_is_named(viewed, flavor):
    adata, wanted = scaled()
    view = viewed(adata)
    assert view.dataset.scale("X").kind == "scaled"
    with pytest.raises(WorkRefused, match="scaled") as refused:
        kept_variability(view)
    assert "Choose such a matrix: logged." in str(refused.value)
    with pytest.raises(WorkRefused, match="scaled"):
        highly_variable(view.expression, 9, rule=log_rule_of(view), flavor=flavor)
    with pytest.raises(WorkRefused, match="scaled"):
        build_signature(view, ["group"], BuildSettings(flavor=flavor, generations=1))
    logged = View(view.dataset, replace(view.mapping, matrix="logged"))
    expected = sc.pp.highly_variable_genes(wanted, flavor=flavor, n_top_genes=50, inplace=False)["highly_variable"]
    found, _ = highly_variable(logged.expression, 50, rule=log_rule_of(logged), flavor=flavor)
    np.testing.assert_array_equal(found, np.flatnonzero(expected))


def test_values_that_were_logged_twice_are_refused(viewed):
    adata, _ = dataset_of("log")
    adata.X = adata.X.log1p()
    view = viewed(adata)
    assert view.dataset.scale("X").kind == "double-log"
    with pytest.raises(WorkRefused, match="logged twice"):
        kept_variability(view)
    _, warnings = kept_markers(view, view.obs("group").cat.codes.to_numpy(), 3, 5)
    assert "as they are" in warnings[0]


def test_logged_counts_are_taken_as_they_are_and_it_is_said(viewed):
    adata, _ = dataset_of("counts")
    adata.X = adata.X.log1p()
    view = viewed(adata)
    expected = sc.pp.highly_variable_genes(adata, n_top_genes=60, inplace=False)["highly_variable"]
    found, warnings = highly_variable(view.expression, 60, rule=log_rule_of(view))
    np.testing.assert_array_equal(found, np.flatnonzero(expected))
    assert "Normalize before logging" in warnings[0]


def test_the_signature_of_values_that_stay_unlogged_has_the_variable_genes_of_logs(viewed):
    adata, wanted = dataset_of("normalized")
    settings = BuildSettings(n_hvg=60, n_degs=10, generations=1, normalize=False)
    level = build_signature(viewed(adata), ["group"], settings).levels[0]
    expected = sc.pp.highly_variable_genes(wanted, n_top_genes=60, inplace=False)["highly_variable"]
    assert level.hvgs == list(adata.var_names[expected])


def test_without_expression(viewed):
    adata, _ = dataset_of("log")
    with pytest.raises(InputError, match="no expression"):
        log_rule_of(viewed(adata, matrix=None))
