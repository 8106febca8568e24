"""Rules that compare the samples of a joined dataset: found alone, fixed where they can be."""

from __future__ import annotations

from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc

from cellucid_core.dataset import AppliedFix, View, default_mapping, open_dataset
from cellucid_core.preflight import apply_fixes, preflight

GENES = [f"{letter}{i}X" for letter in "QWZ" for i in range(20)]


def make(seed, genes=GENES, *, logged=False, layer=False, n=60):
    rng = np.random.default_rng(seed)
    adata = ad.AnnData(
        rng.poisson(2.0, (n, len(genes))).astype(np.float32),
        obs=pd.DataFrame(index=[f"c{seed}_{i}" for i in range(n)]),
        var=pd.DataFrame(index=list(genes)),
    )
    if layer:
        adata.layers["counts"] = adata.X.copy()
    if logged:
        sc.pp.normalize_total(adata, target_sum=1e4)
        sc.pp.log1p(adata)
    adata.obsm["X_umap"] = rng.normal(size=(n, 2)).astype(np.float32)
    return adata


def found(dataset, mapping=None):
    view = View(dataset, mapping or default_mapping(dataset))
    return {one.rule: one for one in preflight(view).findings if one.rule.startswith("parts-")}


def test_one_file_has_no_parts():
    assert found(open_dataset(make(0))) == {}


def test_equal_samples_are_only_counted_and_their_embedding_is_doubted():
    rules = found(open_dataset({"a": make(0), "b": make(1)}))
    assert {rule: one.severity for rule, one in rules.items()} == {"parts-genes": "info", "parts-embedding": "warning"}


@pytest.mark.parametrize("layer", [False, True])
def test_counts_beside_logs_block_and_a_common_matrix_fixes_it(layer):
    dataset = open_dataset({"a": make(0, layer=layer), "b": make(1, logged=True, layer=layer)})
    finding = found(dataset)["parts-scale"]
    assert finding.severity == "error"
    assert (finding.fix is not None) == layer
    if layer:
        mapping = apply_fixes(dataset, default_mapping(dataset), ["parts-scale"])
        assert mapping.matrix == "counts"
        assert "parts-scale" not in found(dataset, mapping)


def test_taking_a_common_matrix_keeps_only_fixes_that_still_hold():
    logged, counts = make(1, logged=True), make(0)
    for adata in (logged, counts):
        adata.raw = make(2, [f"R{i}X" for i in range(60)])
        adata.var["symbol"] = [f"S{i}" for i in range(60)]
    dataset = open_dataset({"a": counts, "b": logged})
    mapping = replace(default_mapping(dataset), gene_id="symbol")
    renamed = np.array([f"{i}" for i in range(60)], dtype=object)
    mapping = mapping.with_fix(AppliedFix("gene-ids-duplicate", "Renamed"), gene_ids=renamed)
    fixed = apply_fixes(dataset, mapping, ["parts-scale"])
    assert [(fix.rule, fix.code) for fix in fixed.fixes] == [("parts-scale", "adata = adata.raw.to_adata()")]
    assert (fixed.matrix, fixed.gene_id, fixed.gene_ids) == ("raw", "index", None)


def test_samples_of_two_species():
    human = ["ACTB", "GAPDH", "B2M", "CD74", *GENES]
    mouse = ["Actb", "Gapdh", "B2m", "Cd74", *GENES]
    assert found(open_dataset({"a": make(0, human), "b": make(1, mouse)}))["parts-species"].severity == "error"


def test_few_shared_genes_and_what_only_one_has():
    dataset = open_dataset({"a": make(0), "b": make(1, [*GENES[:10], *(f"Only{i}" for i in range(50))])})
    finding = found(dataset)["parts-genes"]
    assert (finding.severity, finding.count) == ("warning", 10)
    assert "a 50, b 50" in finding.detail.replace(" and ", ", ")


def test_an_embedding_of_all_samples_is_computed():
    dataset = open_dataset({"a": make(0), "b": make(1)})
    mapping = apply_fixes(dataset, default_mapping(dataset), ["parts-embedding"])
    assert mapping.embeddings == {2: "X_umap_2d", 3: "X_umap_3d"}
    assert View(dataset, mapping).embedding(2).shape == (120, 2)
    assert "parts-embedding" not in found(dataset, mapping)
