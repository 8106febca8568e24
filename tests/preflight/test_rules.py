"""For every rule a dataset that breaks only that rule, a clean one, and one that breaks many at once."""

from __future__ import annotations

from dataclasses import replace

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cellucid_core.dataset import View, choose, default_mapping, open_dataset
from cellucid_core.dataset.scale import scale_of
from cellucid_core.errors import InputError
from cellucid_core.preflight import RULES, Scope, apply_fixes, preflight
from tests.making import make_adata


def rules(view, scope=None):
    """The rules that find something, without the note on what the matrix holds, which every dataset gets."""
    return [f.rule for f in preflight(view, scope).findings if f.rule != "expression-scale"]


def finding(view, rule, scope=None):
    return next(f for f in preflight(view, scope).findings if f.rule == rule)


def after_fix(view, rule, scope=None):
    mapping = apply_fixes(view.dataset, view.mapping, [rule], scope)
    return View(view.dataset, mapping)


def tampered(tmp_path, change, adata=None):
    """A dataset whose file was changed by hand, as anndata itself would refuse to write it."""
    path = tmp_path / "tampered.h5ad"
    (adata or make_adata()).write_h5ad(path)
    with h5py.File(path, "r+") as file:
        change(file)
    dataset = open_dataset(path)
    return View(dataset, default_mapping(dataset))


def test_a_clean_dataset_raises_nothing(viewed):
    report = preflight(viewed(make_adata()))
    assert [(f.rule, f.severity) for f in report.findings] == [("expression-scale", "info")]
    assert (report.light, report.status) == ("green", "ready")


def test_the_demo_is_clean(demo_view):
    assert rules(demo_view) == []
    assert "log-normalized" in finding(demo_view, "expression-scale").title


def test_no_cells(viewed):
    view = viewed(make_adata()[:0].copy())
    assert rules(view) == ["no-cells"]
    everything_out = viewed(make_adata(), cells_out=np.arange(60))
    assert "no-cells" in rules(everything_out)


def test_embedding_missing_and_computed(viewed):
    adata = make_adata(80, 40)
    del adata.obsm["X_umap"]
    view = viewed(adata)
    assert rules(view) == ["embedding-missing"]
    fixed = after_fix(view, "embedding-missing")
    assert rules(fixed) == []
    assert fixed.embedding(2).shape == (80, 2)
    assert fixed.embedding(3).shape == (80, 3)
    assert "sc.tl.umap" in fixed.mapping.fixes[0].code


def test_embedding_missing_without_latent_space_computes_it_from_counts(viewed):
    rng = np.random.default_rng(0)
    adata = make_adata(80, 40)
    del adata.obsm["X_umap"], adata.obsm["X_pca"]
    adata.X = sparse.csr_matrix(rng.poisson(2, (80, 40)).astype(np.float32))
    view = viewed(adata, cells_out=np.array([7]))
    fixed = after_fix(view, "embedding-missing")
    assert rules(fixed) == []
    assert fixed.mapping.latent == "X_pca"
    assert fixed.latent().shape[0] == 79
    assert "normalized and logged" in fixed.mapping.fixes[0].sentence


def test_embedding_missing_without_expression(viewed):
    adata = make_adata()
    del adata.obsm["X_umap"]
    adata.obsm["X_code"] = adata.obsm.pop("X_pca")
    adata.X = None
    view = viewed(adata)
    assert rules(view) == ["embedding-missing", "expression-missing"]
    fixed = after_fix(view, "embedding-missing")
    np.testing.assert_array_equal(fixed.embedding(3), adata.obsm["X_code"][:, :3])


def test_embedding_shape(viewed):
    adata = make_adata()
    adata.obsm["X_umap_3d"] = np.zeros((60, 4)) + np.arange(60)[:, None]
    view = viewed(adata)
    assert rules(view) == ["embedding-shape"]
    assert finding(view, "embedding-shape").examples == ("X_umap_3d",)
    assert after_fix(view, "embedding-shape").dimensions == (2,)
    swapped = View(view.dataset, replace(view.mapping, embeddings={2: "X_pca"}))
    assert after_fix(swapped, "embedding-shape").mapping.embeddings == {2: "X_umap"}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_embedding_not_finite(viewed, value):
    adata = make_adata()
    adata.obsm["X_umap"][[3, 8], [0, 1]] = value
    view = viewed(adata)
    found = finding(view, "embedding-not-finite")
    assert rules(view) == ["embedding-not-finite"]
    assert (found.count, found.examples, found.severity) == (2, ("cell-3", "cell-8"), "error")
    fixed = after_fix(view, "embedding-not-finite")
    assert rules(fixed) == []
    assert fixed.cell_index.tolist() == [i for i in range(60) if i not in (3, 8)]
    assert fixed.mapping.fixes[0].sentence == "2 cells left out: embedding not finite"
    assert view.n_cells == 60  # undo is going back to the mapping from before


@pytest.mark.parametrize("value", [1e20, -1e20, -9999.0, 1e300])
@pytest.mark.parametrize("count", [1, 20])
def test_embedding_placeholder(viewed, value, count):
    adata = make_adata()
    adata.obsm["X_umap"][:count] = value
    view = viewed(adata)
    assert rules(view) == ["embedding-placeholder"]
    assert finding(view, "embedding-placeholder").count == count
    assert after_fix(view, "embedding-placeholder").n_cells == 60 - count


@pytest.mark.parametrize("seed", range(5))
def test_clusters_far_apart_are_no_placeholders(viewed, seed):
    rng = np.random.default_rng(seed)
    adata = make_adata(200, 10)
    centre = rng.choice([-20.0, 0.0, 35.0], (200, 1))
    adata.obsm["X_umap"] = centre + rng.normal(scale=0.5, size=(200, 2))
    adata.obsm["X_umap"][0] = 60
    assert rules(viewed(adata)) == []


def test_embedding_collapsed(viewed):
    adata = make_adata()
    adata.obsm["X_umap"][:] = 3.25
    assert rules(viewed(adata)) == ["embedding-collapsed"]


def test_one_cell_is_no_collapse(viewed):
    assert rules(viewed(make_adata()[:1].copy())) == []


def test_latent_missing(viewed):
    adata = make_adata(80, 40)
    del adata.obsm["X_pca"]
    view = viewed(adata)
    assert rules(view) == ["latent-missing"]
    assert preflight(view).light == "amber"
    np.testing.assert_array_equal(view.latent(), adata.obsm["X_umap"])
    fixed = after_fix(view, "latent-missing")
    assert rules(fixed) == []
    assert fixed.latent().shape == (80, 39)


def test_latent_not_finite(viewed):
    adata = make_adata()
    adata.obsm["X_pca"][5, 2] = np.nan
    view = viewed(adata)
    assert rules(view) == ["latent-not-finite"]
    assert finding(view, "latent-not-finite").examples == ("cell-5",)
    fixed = after_fix(view, "latent-not-finite")
    assert (rules(fixed), fixed.n_cells) == ([], 59)


def test_rows_misaligned(tmp_path):
    def shorten(file):
        pca = file["obsm"]["X_pca"][:-1]
        attrs = dict(file["obsm"]["X_pca"].attrs)
        del file["obsm"]["X_pca"]
        file["obsm"]["X_pca"] = pca
        file["obsm"]["X_pca"].attrs.update(attrs)

    view = tampered(tmp_path, shorten)
    assert rules(view) == ["rows-misaligned"]
    assert "59" in finding(view, "rows-misaligned").detail


def test_cell_ids_duplicate(viewed):
    adata = make_adata()
    adata.obs_names = ["a", "a", "b", "b", *adata.obs_names[4:]]
    view = viewed(adata)
    assert rules(view) == ["cell-ids-duplicate"]
    assert finding(view, "cell-ids-duplicate").examples == ("a", "b")


def test_obs_category_count(viewed):
    adata = make_adata()
    adata.obs["plate"] = pd.Categorical(["p1"] * 60, categories=["p1", *(f"x{i}" for i in range(65_534))])
    view = viewed(adata)
    assert rules(view) == ["obs-category-count"]
    fixed = after_fix(view, "obs-category-count")
    assert rules(fixed) == []
    assert "plate" not in fixed.obs_keys


def test_obs_category_count_of_forced_uint8(viewed):
    adata = make_adata()
    adata.obs["plate"] = pd.Categorical(["p1"] * 60, categories=["p1", *(f"x{i}" for i in range(254))])
    view, scope = viewed(adata), Scope(categorical_dtype="uint8")
    assert rules(view) == []
    assert rules(view, scope) == ["obs-category-count"]
    assert rules(after_fix(view, "obs-category-count", scope), scope) == []
    adata.obs["plate"] = adata.obs["plate"].cat.remove_categories(["x0"])
    assert rules(viewed(adata), scope) == []


@pytest.mark.parametrize("dtype", [str, "category"])
def test_obs_one_value_per_cell(viewed, dtype):
    adata = make_adata()
    adata.obs["barcode"] = pd.Series([f"AAAC{i}" for i in range(60)], index=adata.obs_names).astype(dtype)
    view = viewed(adata)
    assert rules(view) == ["obs-one-value-per-cell"]
    assert rules(after_fix(view, "obs-one-value-per-cell")) == []
    left_out = View(view.dataset, choose(view.dataset, view.mapping, obs_keys=["donor"]))
    assert rules(left_out) == []


def test_key_collision_in_obs(viewed):
    adata = make_adata()
    adata.obs["n genes"] = adata.obs["score"]
    adata.obs["n+genes"] = adata.obs["score"] + 1
    view = viewed(adata)
    assert rules(view) == ["key-collision"]
    assert finding(view, "key-collision").examples == ("n genes and n+genes (obs)",)
    fixed = after_fix(view, "key-collision")
    assert rules(fixed) == []
    assert fixed.exported_name("n genes") == "n genes"
    assert fixed.exported_name("n+genes") == "n+genes-2"


def test_key_collision_in_genes_follows_what_is_exported(viewed):
    adata = make_adata()
    adata.var_names = ["HLA A", "HLA/A", *adata.var_names[2:]]
    view = viewed(adata)
    assert rules(view) == ["key-collision"]
    assert rules(view, Scope(genes=frozenset(["HLA A", "GENE5"]))) == []
    fixed = after_fix(view, "key-collision")
    assert rules(fixed) == []
    assert fixed.gene_ids[:3].tolist() == ["HLA A", "HLA/A-2", "GENE2"]


def test_key_case_collision(viewed):
    adata = make_adata()
    adata.obs["Donor"] = adata.obs["donor"]
    view = viewed(adata)
    assert rules(view) == ["key-case-collision"]
    assert rules(after_fix(view, "key-case-collision")) == []


def test_expression_missing(viewed):
    adata = make_adata()
    adata.X = None
    view = viewed(adata)
    assert rules(view) == ["expression-missing"]
    assert preflight(view).light == "green"


def test_var_length(tmp_path):
    def widen(file):
        file["X"].attrs["shape"] = np.array([60, 31])

    assert rules(tampered(tmp_path, widen)) == ["var-length"]


def test_gene_id_column(viewed):
    adata = make_adata()
    adata.var["symbol"] = ["", *adata.var["symbol"][1:]]
    view = viewed(adata, gene_id="symbol")
    assert rules(view) == ["gene-id-column"]
    assert rules(after_fix(view, "gene-id-column")) == []
    assert rules(viewed(adata, gene_id="nope")) == ["gene-id-column"]


def test_gene_ids_duplicate(viewed):
    adata = make_adata()
    adata.var_names = ["CD3D", "CD3D", "CD3D", "CD3D-1", *adata.var_names[4:]]
    view = viewed(adata)
    assert rules(view) == ["gene-ids-duplicate"]
    assert rules(view, Scope(genes=frozenset(["GENE7"]))) == []
    fixed = after_fix(view, "gene-ids-duplicate")
    assert rules(fixed) == []
    assert fixed.gene_ids[:4].tolist() == ["CD3D", "CD3D-2", "CD3D-3", "CD3D-1"]


def test_expression_not_finite(viewed):
    adata = make_adata()
    dense = adata.X.toarray()
    dense[4, 6], dense[5, 6], dense[0, 2] = np.nan, np.inf, np.nan
    adata.X = sparse.csr_matrix(dense)
    view = viewed(adata)
    found = finding(view, "expression-not-finite")
    assert rules(view) == ["expression-not-finite"]
    assert (found.count, found.examples, found.severity) == (3, ("GENE6", "GENE2"), "warning")


def test_expression_scale_offers_the_logged_layer(viewed):
    adata = make_adata()
    adata.layers["logged"] = adata.X.copy()
    adata.X = sparse.csr_matrix(np.random.default_rng(0).poisson(1, (60, 30)).astype(np.float32))
    view = viewed(adata)
    found = finding(view, "expression-scale")
    assert (found.title, found.fix) == ("X holds counts", "Use logged")
    assert "logged holds log-normalized values (base e, 10,000 per cell)" in found.detail
    assert after_fix(view, "expression-scale").mapping.matrix == "logged"


def test_connectivity_shape(tmp_path):
    def narrow(file):
        file["obsp"]["connectivities"].attrs["shape"] = np.array([59, 60])

    view = tampered(tmp_path, narrow)
    assert rules(view) == ["connectivity-shape"]
    assert rules(after_fix(view, "connectivity-shape")) == []


def test_ten_things_at_once_are_all_found_in_one_pass(tmp_path):
    adata = make_adata()
    adata.obsm["X_umap"][0] = np.nan
    adata.obsm["X_umap"][1] = 1e20
    adata.obsm["X_umap_3d"] = np.ones((60, 5))
    adata.obsm["X_pca"][2] = np.nan
    adata.obs_names = [*adata.obs_names[:58], "same", "same"]
    adata.obs["barcode"] = [f"b{i}" for i in range(60)]
    adata.obs["cell type"] = adata.obs["cell_type"]
    adata.obs["DONOR"] = adata.obs["donor"]
    adata.var_names = ["G", "G", *adata.var_names[2:]]
    dense = adata.X.toarray()
    dense[9, 9] = np.nan
    adata.X = sparse.csr_matrix(dense)

    def narrow(file):
        file["obsp"]["connectivities"].attrs["shape"] = np.array([59, 60])

    view = tampered(tmp_path, narrow, adata)
    expected = [
        "embedding-shape",
        "embedding-not-finite",
        "latent-not-finite",
        "gene-ids-duplicate",
        "key-collision",
        "connectivity-shape",
        "embedding-placeholder",
        "cell-ids-duplicate",
        "obs-one-value-per-cell",
        "key-case-collision",
        "expression-not-finite",
    ]
    assert rules(view) == expected
    fixable = [r.id for r in RULES if r.fix and r.id in expected]
    fixed = View(view.dataset, apply_fixes(view.dataset, view.mapping, fixable))
    assert preflight(fixed).status == "ready"
    assert rules(fixed) == ["expression-not-finite"]
    assert fixed.n_cells == 57
    assert [fix.rule for fix in fixed.mapping.fixes] == fixable


def test_every_finding_is_complete(viewed):
    adata = make_adata()
    adata.obsm["X_umap"][:20] = np.nan
    found = finding(viewed(adata), "embedding-not-finite")
    assert len(found.examples) == 10
    assert found.to_json() == {
        "rule": "embedding-not-finite",
        "severity": "error",
        "title": "20 cells have no place in the embedding",
        "detail": found.detail,
        "count": 20,
        "examples": [f"cell-{i}" for i in range(10)],
        "fix": "Leave those cells out, everywhere",
        "alternatives": [],
        "overrulable": False,
    }


def test_fixes_that_cannot_be_applied(viewed):
    view = viewed(make_adata())
    with pytest.raises(InputError, match="no preflight rule"):
        apply_fixes(view.dataset, view.mapping, ["nope"])
    with pytest.raises(InputError, match="no automatic fix"):
        apply_fixes(view.dataset, view.mapping, ["no-cells"])
    assert apply_fixes(view.dataset, view.mapping, ["latent-missing"]) is view.mapping


# ---- what a matrix holds ------------------------------------------------------------------------------------------


def counts(seed=0):
    return np.random.default_rng(seed).poisson(1.0, (100, 200)).astype(float) + np.eye(100, 200)


def tpm():
    rates = counts(1) / np.random.default_rng(2).uniform(0.3, 9, 200)
    return rates / rates.sum(axis=1, keepdims=True) * 1e6


def zscored():
    table = np.log1p(normalized())
    return (table - table.mean(axis=0)) / table.std(axis=0)


def normalized(target=1e4):
    table = counts()
    return table / table.sum(axis=1, keepdims=True) * target


@pytest.mark.parametrize(
    ("values", "kind", "base", "target"),
    [
        (counts(), "counts", None, None),
        (normalized(), "normalized", None, 1e4),
        (normalized(1e6), "normalized", None, 1e6),  # CPM: whole counts lie behind it
        (tpm(), "TPM", None, 1e6),
        (np.log1p(normalized()), "log", "e", 1e4),
        (np.log2(normalized(1e6) + 1), "log", "2", 1e6),
        (np.log10(normalized() + 1), "log", "10", 1e4),
        (np.log1p(normalized())[:, :50], "log", "e", None),
        (np.log1p(counts()), "log", "e", None),
        (np.log1p(np.log1p(normalized())), "double-log", "e", 1e4),
        (np.log2(np.log2(tpm() + 1) + 1), "double-log", "2", 1e6),
        (normalized(1.0), "normalized", None, 1.0),  # proportions are no counts
        (tpm() / 7 * np.linspace(1, 9, 100)[:, None], "fractional", None, None),
        (np.round(np.log1p(normalized()), 3), "log", "e", 1e4),
        (zscored(), "scaled", None, None),
        (counts() - 1.5, "signed", None, None),
        (np.zeros((5, 4)), "empty", None, None),
    ],
)
@pytest.mark.parametrize("kind_of", [np.asarray, sparse.csr_matrix])
def test_scale(values, kind, base, target, kind_of):
    scale = scale_of(kind_of(values))
    assert (scale.kind, scale.base, scale.target_sum) == (kind, base, target)


def test_scale_ignores_what_is_not_finite():
    values = counts()
    values[0, 0], values[1, 1] = np.nan, np.inf
    assert scale_of(values).kind == "counts"


def test_scale_of_scanpys_own_pipeline():
    import scanpy as sc

    adata = anndata.AnnData(sparse.csr_matrix(counts().astype(np.float32)))
    sc.pp.normalize_total(adata, target_sum=1e4)
    assert scale_of(adata.X).kind == "normalized"
    sc.pp.log1p(adata)
    assert scale_of(adata.X).words == "log-normalized values (base e, 10,000 per cell)"
    sc.pp.scale(adata)
    assert scale_of(adata.X).kind == "scaled"
