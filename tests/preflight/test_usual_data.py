"""Data sets as they usually are raise nothing: 10x, Smart-seq, CELLxGENE, Seurat conversions, spatial."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cellucid_core.preflight import preflight
from tests.making import make_adata


def tenx():
    adata = make_adata(300, 60)
    rng = np.random.default_rng(1)
    adata.X = sparse.csr_matrix(
        rng.poisson(rng.gamma(0.5, 3, 60), (300, 60)).astype(np.float32) + np.eye(300, 60, dtype=np.float32)
    )
    adata.obs_names = ["".join(rng.choice(list("ACGT"), 16)) + "-1" for _ in range(300)]
    adata.var["gene_ids"] = [f"ENSG{i:011d}" for i in range(60)]
    adata.var["feature_types"] = "Gene Expression"
    adata.var["genome"] = "GRCh38"
    adata.obs["n_genes_by_counts"] = rng.integers(5, 12, 300)
    adata.obs["total_counts"] = rng.integers(100, 120, 300).astype(np.float32)
    adata.obs["total_counts_mt"] = rng.integers(0, 9, 300).astype(np.float32)
    adata.obs["pct_counts_mt"] = rng.random(300) * 100
    adata.obs["doublet_score"] = rng.random(300)
    adata.obs["leiden"] = pd.Categorical([str(i % 14) for i in range(300)])
    return adata


def smartseq():
    adata = make_adata(300, 60)
    rng = np.random.default_rng(1)
    rates = rng.gamma(0.6, 3, (300, 60)) * (rng.random((300, 60)) < 0.5)
    rates[:, 0] += 1
    adata.X = np.log2(rates / rates.sum(axis=1, keepdims=True) * 1e6 + 1).astype(np.float32)
    adata.obs_names = [f"SRR{8000000 + i}" for i in range(300)]
    adata.obs["plate"] = pd.Categorical([f"P{i % 4}" for i in range(300)])
    adata.obs["plate_row"] = np.arange(300) % 16
    adata.obs["ERCC_reads"] = rng.integers(0, 9, 300)
    return adata


def cellxgene():
    adata = make_adata(300, 60)
    adata.raw = adata.copy()
    adata.var_names = [f"ENSG{i:011d}" for i in range(60)]
    adata.var["feature_name"] = pd.Categorical([f"GENE{i}" for i in range(60)])
    adata.var["feature_biotype"] = pd.Categorical(["gene"] * 60)
    adata.var["feature_reference"] = pd.Categorical(["NCBITaxon:9606"] * 60)
    adata.var["feature_length"] = pd.Categorical([str(300 + i) for i in range(60)])
    del adata.var["symbol"]
    adata.obs["is_primary_data"] = True
    adata.obs["donor_id"] = pd.Categorical([str(101 + i % 7) for i in range(300)])
    adata.obs["development_stage"] = pd.Categorical([f"{20 + i % 30}-year-old stage" for i in range(300)])
    adata.obs["cell_type_ontology_term_id"] = pd.Categorical(["CL:0000236"] * 300)
    adata.obs["disease"] = pd.Categorical(["normal"] * 300)
    return adata


def seurat():
    adata = make_adata(300, 60)
    adata.layers["counts"] = adata.X.copy()
    adata.layers["counts"].data = np.ceil(adata.layers["counts"].data)
    adata.obs["orig.ident"] = pd.Categorical(["pbmc"] * 300)
    adata.obs["nCount_RNA"] = np.arange(300) % 11 + 500.0
    adata.obs["nFeature_RNA"] = np.arange(300) % 9 + 200
    adata.obs["percent.mt"] = np.random.default_rng(0).random(300)
    adata.obs["RNA_snn_res.0.8"] = pd.Categorical([str(i % 9) for i in range(300)])
    return adata


def visium():
    adata = make_adata(300, 60)
    adata.obsm["spatial"] = np.random.default_rng(0).integers(0, 20_000, (300, 2))
    adata.obs["in_tissue"] = 1
    adata.obs["array_row"] = np.arange(300) % 12
    adata.obs["array_col"] = np.arange(300) % 9
    return adata


@pytest.mark.parametrize(
    ("make", "notes"),
    [(tenx, []), (smartseq, []), (cellxgene, ["gene-ids-unlike"]), (seurat, []), (visium, [])],
)
def test_usual_data(viewed, make, notes):
    report = preflight(viewed(make()))
    assert [f.rule for f in report.findings if f.rule != "expression-scale"] == notes
    assert report.light == "green"
