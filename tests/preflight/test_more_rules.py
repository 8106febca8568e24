"""Rules about kinds of columns, gene names, orientation, graphs, vectors and size: found alone, fixed, undone."""

from __future__ import annotations

from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from scipy import sparse

from cellucid_core.dataset import View, default_mapping
from cellucid_core.errors import InputError
from cellucid_core.preflight import Scope, apply_fixes, fix_all, overrule, preflight
from tests.making import make_adata
from tests.scales import dataset_of, scaled


def rules(view, scope=None):
    return [f.rule for f in preflight(view, scope).findings if f.rule != "expression-scale"]


def finding(view, rule, scope=None):
    return next(f for f in preflight(view, scope).findings if f.rule == rule)


def after_fix(view, asked, scope=None):
    """The view after a fix; the fix is complete, and going back to the old mapping brings the finding back."""
    before = rules(view, scope)
    mapping = apply_fixes(view.dataset, view.mapping, [asked], scope)
    fix = mapping.fixes[-1]
    assert fix.sentence
    assert fix.code
    again = apply_fixes(view.dataset, view.mapping, [fix.asked], scope)
    assert again.digest() == mapping.digest()
    assert rules(View(view.dataset, view.mapping), scope) == before
    return View(view.dataset, mapping)


def with_column(values, name="new", n_cells=200):
    adata = make_adata(n_cells)
    adata.obs[name] = pd.Series(np.asarray(values, dtype=object), index=adata.obs_names).infer_objects()
    return adata


def in_memory(viewed, name, values, n_cells=200):
    """A view with a column that anndata itself would not write."""
    view = viewed(make_adata(n_cells))
    obs = view.dataset.obs.copy()
    obs[name] = values
    dataset = replace(view.dataset, obs=obs)
    return View(dataset, default_mapping(dataset))


# ---- the cell table -----------------------------------------------------------------------------------------------


def test_cell_ids_are_made_unique(viewed):
    adata = make_adata()
    adata.obs_names = ["a", "a", "b", "a", *adata.obs_names[4:]]
    view = viewed(adata, cells_out=np.array([2]))
    assert rules(view) == ["cell-ids-duplicate"]
    fixed = after_fix(view, "cell-ids-duplicate")
    assert rules(fixed) == []
    assert fixed.cell_ids[:4].tolist() == ["a", "a-1", "a-2", "cell-4"]


@pytest.mark.parametrize("name", ["leiden", "seurat_clusters", "is_doublet", "RNA_snn_res.0.8"])
def test_obs_numeric_labels(viewed, name):
    view = viewed(with_column(np.arange(200) % 4, name))
    assert rules(view) == ["obs-numeric-labels"]
    assert finding(view, "obs-numeric-labels").examples == (name,)
    fixed = after_fix(view, "obs-numeric-labels")
    assert rules(fixed) == []
    assert fixed.obs(name).cat.categories.tolist() == [0, 1, 2, 3]


def test_labels_kept_as_floats_read_as_whole_numbers(viewed):
    values = (np.arange(200) % 3).astype(float)
    values[5] = np.nan
    view = viewed(with_column(values, "cluster"))
    assert rules(view) == ["obs-numeric-labels", "obs-not-finite"]
    fixed = after_fix(view, "obs-numeric-labels")
    assert [str(label) for label in fixed.obs("cluster").cat.categories] == ["0", "1", "2"]
    assert pd.isna(fixed.obs("cluster").iloc[5])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("n_genes", np.arange(200) % 5),
        ("age", 20 + np.arange(200) % 7),
        ("nCount_RNA", np.arange(200) % 9),
        ("array_row", np.arange(200) % 10),
        ("total_counts_mt", (np.arange(200) % 3).astype(float)),
        ("plain", np.arange(200)),
        ("cell_id", np.arange(200)),
        ("in_tissue", np.ones(200, int)),
        ("dose", np.arange(200) % 2 * 0.5),
    ],
)
def test_numbers_that_are_no_labels(viewed, name, values):
    assert rules(viewed(with_column(values, name))) == []


@pytest.mark.parametrize("as_category", [False, True])
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("fraction", [f"{i / 7:.3f}" for i in range(200)]),
        ("weird", [f"{i % 40}.5" for i in range(200)]),
        ("n_counts", [str((i * 37) % 90) for i in range(199)] + ["nan"]),
    ],
)
def test_obs_numeric_text(viewed, name, values, as_category):
    adata = with_column(values, name)
    if as_category:
        adata.obs[name] = adata.obs[name].astype("category")
    view = viewed(adata)
    assert "obs-numeric-text" in rules(view)
    assert [rule for rule in rules(view) if rule != "obs-not-finite"] == ["obs-numeric-text"]
    fixed = after_fix(view, "obs-numeric-text")
    assert "obs-numeric-text" not in rules(fixed)
    assert fixed.kind(name) == "continuous"
    np.testing.assert_array_equal(fixed.obs(name).to_numpy(), [float(value) for value in values])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("leiden", [str(i % 23) for i in range(200)]),
        ("groups", [str(i % 23) for i in range(200)]),
        ("donor_id", [str(1000 + 7 * (i % 60)) for i in range(200)]),
        ("resolution", [str(0.5 * (i % 3)) for i in range(200)]),
        ("mixed_words", ["1" if i % 2 else "one" for i in range(200)]),
    ],
)
def test_labels_of_digits_are_no_numbers(viewed, name, values):
    assert rules(viewed(with_column(values, name))) == []


def test_obs_datetime_of_text(viewed):
    view = viewed(with_column([f"2024-02-{1 + i % 28:02d}" for i in range(200)], "collected"))
    assert rules(view) == ["obs-datetime"]
    fixed = after_fix(view, "obs-datetime")
    assert rules(fixed) == []
    np.testing.assert_array_equal(fixed.obs("collected"), np.arange(200) % 28)


def test_obs_datetime_of_timestamps_with_gaps(viewed):
    times = pd.Series(pd.date_range("2020-01-01", periods=200, freq="12h"))
    times[3] = pd.NaT
    view = in_memory(viewed, "taken", times.to_numpy())
    assert rules(view) == ["obs-datetime"]
    days = after_fix(view, "obs-datetime").obs("taken").to_numpy()
    assert np.isnan(days[3])
    assert days[5] == 2.5


def test_obs_mixed_types(viewed):
    view = in_memory(viewed, "mixed", np.array([1, "b", None, 2.5] * 50, dtype=object))
    assert rules(view) == ["obs-mixed-types"]
    fixed = after_fix(view, "obs-mixed-types")
    assert rules(fixed) == []
    assert fixed.obs("mixed").iloc[:2].tolist() == ["1", "b"]
    assert pd.isna(fixed.obs("mixed").iloc[2])


@pytest.mark.parametrize(
    "values", [np.full(200, np.nan), np.full(200, np.inf), pd.Categorical([None] * 200, categories=["a", "b"])]
)
def test_obs_all_missing(viewed, values):
    adata = make_adata(200)
    adata.obs["void"] = values
    view = viewed(adata)
    assert rules(view) == ["obs-all-missing"]
    fixed = after_fix(view, "obs-all-missing")
    assert rules(fixed) == []
    assert "void" not in fixed.obs_keys


def test_obs_not_finite_is_a_note(viewed):
    values = np.linspace(0, 1, 200)
    values[[3, 4]] = np.nan, np.inf
    view = viewed(with_column(values))
    assert rules(view) == ["obs-not-finite"]
    assert finding(view, "obs-not-finite").count == 2
    assert preflight(view).light == "green"


def test_key_reserved_name(viewed):
    adata = make_adata()
    adata.obs["aux"], adata.obs["nul.values"], adata.obs["aux-1"] = adata.obs["score"], adata.obs["score"], 0.5
    adata.var_names = ["CON", *adata.var_names[1:]]
    view = viewed(adata)
    assert rules(view) == ["key-reserved-name"]
    assert finding(view, "key-reserved-name").examples == ("aux", "nul.values", "CON")
    fixed = after_fix(view, "key-reserved-name")
    assert rules(fixed) == []
    assert [fixed.exported_name(key) for key in ("aux", "nul.values", "aux-1")] == ["aux-2", "nul-1.values", "aux-1"]
    assert fixed.gene_ids[0] == "CON-1"


# ---- orientation --------------------------------------------------------------------------------------------------


def symbols(n):
    return ["ACTB", "GAPDH", "B2M", "CD3D", "MALAT1", *(f"GENE{i}" for i in range(n - 5))]


def barcodes(n):
    rng = np.random.default_rng(0)
    return ["".join(rng.choice(list("ACGT"), 16)) + "-1" for _ in range(n)]


@pytest.mark.parametrize("layout", [sparse.csr_matrix, sparse.csc_matrix, lambda matrix: matrix.toarray()])
def test_expression_orientation(viewed, layout):
    upright = make_adata(70, 30)
    upright.obs_names, upright.var_names = barcodes(70), symbols(30)
    del upright.obsm["X_umap"]
    flat = anndata.AnnData(layout(upright.X).T, obs=upright.var, var=upright.obs, varm=dict(upright.obsm))
    view = viewed(flat)
    assert "expression-orientation" in rules(view)
    mapping = apply_fixes(view.dataset, view.mapping, ["expression-orientation"])
    fixed = View(view.dataset, mapping)
    assert "expression-orientation" not in rules(fixed)
    assert (fixed.n_cells, fixed.n_genes) == (70, 30)
    assert fixed.mapping.latent == "X_pca"  # came along as varm
    assert fixed.obs_keys == tuple(upright.obs.columns)
    np.testing.assert_array_equal(fixed.expression.block(range(30)), upright.X.toarray().T)
    np.testing.assert_array_equal(view.expression.block(range(70)), upright.X.toarray())  # a store of its own
    assert fixed.cell_ids.tolist() == list(upright.obs_names)
    assert View(fixed.dataset, view.mapping).n_cells == 30  # undone


def test_orientation_can_be_overruled(viewed):
    adata = make_adata(30, 70)
    adata.obs_names, adata.var_names = symbols(30), barcodes(70)
    view = viewed(adata)
    assert rules(view) == ["expression-orientation"]
    assert finding(view, "expression-orientation").overrulable
    overruled = View(view.dataset, overrule(view.mapping, "expression-orientation"))
    assert rules(overruled) == []
    assert "overruled" in overruled.mapping.fixes[0].sentence
    assert apply_fixes(view.dataset, view.mapping, ["expression-orientation=overrule"]).overruled
    with pytest.raises(InputError, match="not a guess"):
        overrule(view.mapping, "embedding-not-finite")


def test_lengths_that_fit_only_transposed(viewed):
    view = viewed(make_adata(60, 30))
    matrix = view.dataset.matrices["X"]
    flat = replace(matrix, layout="csc", shape=(30, 60))
    dataset = replace(view.dataset, matrices={"X": flat}, content_hash="f" * 64, scales={})
    wrong = View(dataset, view.mapping)
    assert rules(wrong) == ["expression-orientation"]
    fixed = after_fix(wrong, "expression-orientation")
    assert rules(fixed) == []
    np.testing.assert_array_equal(fixed.expression.gene(3), view.expression.gene(3))


def test_what_looks_swapped_but_is_not(viewed):
    pseudobulk = make_adata(60, 30)
    pseudobulk.obs_names, pseudobulk.var_names = [*symbols(30), *(f"x{i}" for i in range(30))], symbols(30)
    assert rules(viewed(pseudobulk)) == []
    guides = make_adata(60, 30)
    guides.obs_names, guides.var_names = barcodes(60), barcodes(30)
    assert rules(viewed(guides)) == []


# ---- genes --------------------------------------------------------------------------------------------------------


def test_most_expressed_of_equal_ids_is_kept(viewed):
    adata = make_adata()
    dense = adata.X.toarray()
    dense[:, 1] *= 3
    adata.X = sparse.csr_matrix(dense)
    adata.var_names = ["CD3D", "CD3D", *adata.var_names[2:]]
    adata.var["gene_ids"] = [f"ENSG{i:011d}" for i in range(30)]
    view = viewed(adata)
    assert rules(view) == ["gene-ids-duplicate"]
    assert [name for name, _ in finding(view, "gene-ids-duplicate").alternatives] == [
        "most-expressed", "symbol", "gene_ids",
    ]  # fmt: skip
    fixed = after_fix(view, "gene-ids-duplicate=most-expressed")
    assert rules(fixed) == []
    np.testing.assert_array_equal(fixed.expression.gene(0), dense[:, 1])
    assert after_fix(view, "gene-ids-duplicate=gene_ids").gene_ids[0] == "ENSG00000000000"
    with pytest.raises(InputError, match="no fix 'nope'"):
        apply_fixes(view.dataset, view.mapping, ["gene-ids-duplicate=nope"])


def test_gene_ids_unlike(viewed):
    adata = make_adata()
    adata.var["feature_name"] = pd.Categorical(["", *adata.var_names[1:]])
    adata.var_names = [f"ENSG{i:011d}.{i % 3}" for i in range(30)]
    del adata.var["symbol"]
    view = viewed(adata)
    assert rules(view) == ["gene-ids-unlike"]
    fixed = after_fix(view, "gene-ids-unlike")
    assert rules(fixed) == []
    assert fixed.gene_ids[:2].tolist() == ["ENSG00000000000.0", "GENE1"]


def test_symbols_beside_ensembl_ids_are_as_they_should_be(viewed):
    adata = make_adata()
    adata.var["gene_ids"] = [f"ENSG{i:011d}" for i in range(30)]
    view = viewed(adata)
    assert rules(view) == []
    assert rules(View(view.dataset, replace(view.mapping, gene_id="gene_ids"))) == ["gene-ids-unlike"]


def test_gene_names_excel(viewed):
    adata = make_adata()
    adata.var_names = ["1-Mar", "2-Sep", "Mar-05", "2.31E+13", "SEPT7", *adata.var_names[5:]]
    view = viewed(adata)
    assert rules(view) == ["gene-names-excel"]
    fixed = after_fix(view, "gene-names-excel")
    assert fixed.gene_ids[:5].tolist() == ["1-Mar", "SEPT2", "MARCH5", "2.31E+13", "SEPT7"]
    left = finding(fixed, "gene-names-excel")
    assert (left.count, left.fix) == (2, None)


@pytest.mark.parametrize(
    "name", ["SEPT2", "MARCHF1", "2310009E13Rik", "HLA-A", "DEC1", "RP11-34P13.7", "7SK", "1-Sep-AS"]
)
def test_names_that_no_spreadsheet_touched(viewed, name):
    adata = make_adata()
    adata.var_names = [name, *adata.var_names[1:]]
    assert rules(viewed(adata)) == []


@pytest.mark.parametrize(
    "names",
    [
        [f"GRCh38_G{i}" for i in range(15)] + [f"mm10___G{i}" for i in range(15)],
        [f"ENSG{i:011d}" for i in range(15)] + [f"ENSMUSG{i:011d}" for i in range(15)],
        ["ACTB", "GAPDH", "B2M", "Vim", "Ubb", "Ubc", *(f"x{i}" for i in range(24))],
    ],
)
def test_gene_species_mixed(viewed, names):
    adata = make_adata()
    adata.var_names = names
    del adata.var["symbol"]
    view = viewed(adata)
    assert rules(view) == ["gene-species-mixed"]
    assert "human" in finding(view, "gene-species-mixed").title
    assert "mouse" in finding(view, "gene-species-mixed").title


def test_a_transgene_makes_no_second_species(viewed):
    adata = make_adata(60, 100)
    adata.var_names = [f"ENSMUSG{i:011d}" for i in range(99)] + ["ENSG00000000001"]
    del adata.var["symbol"]
    assert rules(viewed(adata)) == []


# ---- expression ---------------------------------------------------------------------------------------------------


def log1p_of(adata):
    matrix = adata.X.copy()
    matrix.data = np.log1p(matrix.data)
    return matrix


def test_expression_double_log(viewed):
    adata = make_adata()
    adata.layers["once"] = adata.X.copy()
    adata.X = log1p_of(adata)
    view = viewed(adata)
    assert rules(view) == ["expression-double-log"]
    fixed = after_fix(view, "expression-double-log")
    assert (rules(fixed), fixed.mapping.matrix) == ([], "once")
    del adata.layers["once"]
    alone = viewed(adata)
    assert finding(alone, "expression-double-log").fix is None


def test_expression_logged_after_scaling(viewed):
    adata = make_adata(200, 100)
    table = np.log1p(np.random.default_rng(0).poisson(0.15, (200, 100)))
    table = (table - table.mean(axis=0)) / table.std(axis=0)
    adata.X = np.log1p(table)
    assert rules(viewed(adata)) == ["expression-double-log"]
    adata.X = table
    assert rules(viewed(adata)) == []


def test_cells_unfiltered(viewed):
    adata = make_adata(300, 100)
    dense = adata.X.toarray()
    dense[40:, 4:] = 0
    adata.X = sparse.csr_matrix(dense)
    view = viewed(adata)
    assert rules(view) == ["cells-unfiltered"]
    assert "10 detected genes" in finding(view, "cells-unfiltered").fix
    fixed = after_fix(view, "cells-unfiltered")
    assert (rules(fixed), fixed.n_cells) == ([], 40)


def test_a_small_panel_is_no_unfiltered_matrix(viewed):
    rng = np.random.default_rng(0)
    adata = make_adata(300, 100)
    adata.X = sparse.csr_matrix(rng.poisson(0.08, (300, 100)).astype(np.float32))
    assert rules(viewed(adata)) == []


def test_genes_all_zero(viewed):
    adata = make_adata()
    dense = adata.X.toarray()
    dense[:, [4, 9]] = 0
    adata.X = sparse.csr_matrix(dense)
    view = viewed(adata)
    found = finding(view, "genes-all-zero")
    assert (rules(view), found.count, found.examples) == (["genes-all-zero"], 2, ("GENE4", "GENE9"))
    assert rules(view, Scope(genes=frozenset(["GENE1"]))) == []
    fixed = after_fix(view, "genes-all-zero")
    assert (rules(fixed), fixed.n_genes) == ([], 28)
    both = apply_fixes(view.dataset, view.mapping, ["genes-all-zero", "gene-ids-duplicate"])
    assert View(view.dataset, both).gene_ids[4] == "GENE5"


def test_expression_size(viewed, monkeypatch):
    from cellucid_core.preflight.rules import expression

    monkeypatch.setattr(expression, "_MANY_FILES", 30)
    monkeypatch.setattr(expression, "N_VARIABLE", 10)
    view = viewed(make_adata())
    assert rules(view) == ["expression-size"]
    assert rules(view, Scope(n_genes=20)) == []
    fixed = after_fix(view, "expression-size")
    assert (rules(fixed), fixed.n_genes) == ([], 10)


@pytest.mark.parametrize("kind", ["log", "counts", "normalized", "log2"])
def test_expression_size_keeps_the_genes_that_its_lines_keep(viewed, monkeypatch, kind):
    from cellucid_core.preflight.rules import expression

    monkeypatch.setattr(expression, "_MANY_FILES", 30)
    monkeypatch.setattr(expression, "N_VARIABLE", 40)
    adata, _ = dataset_of(kind)
    view = viewed(adata)
    fixed = after_fix(view, "expression-size")
    names = {"sc": sc, "adata": adata}
    exec(fixed.mapping.fixes[-1].code, names)
    assert fixed.gene_ids.tolist() == names["adata"].var_names.tolist()


def test_expression_size_of_scaled_values_offers_no_ranking(viewed, monkeypatch):
    from cellucid_core.preflight.rules import expression

    monkeypatch.setattr(expression, "_MANY_FILES", 30)
    monkeypatch.setattr(expression, "N_VARIABLE", 10)
    found = finding(viewed(scaled()[0]), "expression-size")
    assert found.fix is None
    assert "a list of genes" in found.detail


def test_switching_to_a_matrix_of_other_genes_drops_fixes_of_genes(viewed):
    adata = make_adata()
    adata.raw = adata.copy()
    adata = adata[:, :20].copy()
    adata.X = log1p_of(adata)
    adata.var_names = ["A", "A", *adata.var_names[2:]]
    view = viewed(adata)
    mapping = apply_fixes(view.dataset, view.mapping, ["gene-ids-duplicate", "expression-double-log"])
    assert [fix.rule for fix in mapping.fixes] == ["expression-double-log"]
    assert View(view.dataset, mapping).gene_ids.tolist() == [f"GENE{i}" for i in range(30)]


@pytest.mark.parametrize(
    ("rule", "names", "cells"),
    [
        ("names-spaces", ["A ", "B"], []),
        ("names-spaces", ["A ", "B"], [" c"]),
        ("key-case-collision", ["a1", "A1"], []),
        ("key-reserved-name", ["CON", "B"], []),
    ],
)
def test_fixes_of_names_are_dropped_with_them_unless_they_also_changed_cells(viewed, rule, names, cells):
    adata = make_adata()
    adata.raw = adata.copy()
    adata = adata[:, :20].copy()
    adata.X = log1p_of(adata)
    adata.var_names = [*names, *adata.var_names[2:]]
    adata.obs_names = [*cells, *adata.obs_names[len(cells) :]]
    view = viewed(adata)
    mapping = apply_fixes(view.dataset, view.mapping, [rule, "expression-double-log"])
    assert [fix.rule for fix in mapping.fixes] == [*([rule] if cells else []), "expression-double-log"]


# ---- graph and vectors --------------------------------------------------------------------------------------------


def edge(graph, weights):
    graph = graph.tolil()
    for (a, b), weight in weights.items():
        graph[a, b] = weight
    return graph.tocsr()


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({(3, 3): 1.0}, "1 edges from a cell to itself"),
        ({(0, 1): -0.5, (1, 0): -0.5}, "2 negative weights"),
        ({(0, 1): np.nan, (1, 0): 0.5}, "1 NaN"),
        ({(0, 1): 0.5, (1, 0): 0.0}, "1 edges in one direction"),
    ],
)
def test_connectivity_values(viewed, weights, words):
    adata = make_adata()
    adata.obsp["connectivities"] = edge(adata.obsp["connectivities"], weights)
    view = viewed(adata)
    assert rules(view) == ["connectivity-values"]
    assert words in finding(view, "connectivity-values").detail


def test_vector_shape(viewed):
    adata = make_adata()
    adata.obsm["velocity_umap"] = np.ones((60, 4))
    adata.obsm["T_umap_2d"] = np.ones((60, 3))
    adata.obsm["good_umap"] = np.ones((60, 2))
    view = viewed(adata)
    assert rules(view) == ["vector-shape"]
    assert finding(view, "vector-shape").examples == ("T_umap_2d", "velocity_umap")
    fixed = after_fix(view, "vector-shape")
    assert (rules(fixed), list(fixed.vectors())) == ([], ["good_umap"])


def test_vector_id(viewed):
    adata = make_adata()
    adata.obsm["RNA velocity_umap"] = np.ones((60, 2))
    view = viewed(adata)
    assert rules(view) == ["vector-id"]
    fixed = after_fix(view, "vector-id")
    assert (rules(fixed), list(fixed.vectors())) == ([], ["RNA_velocity_umap"])


def test_the_field_that_the_viewer_takes_by_itself_keeps_its_name(viewed):
    adata = make_adata()
    adata.obsm["velocity_UMAP"] = np.ones((60, 2))
    adata.obsm["velocity_umap"] = np.full((60, 2), 2.0)
    fixed = after_fix(viewed(adata), "vector-id")
    assert (fixed.vectors()["velocity_umap"] == 2).all()
    assert len(fixed.vectors()) == 2


def test_vector_without_points(viewed):
    adata = make_adata()
    adata.obsm["velocity_umap"] = np.ones((60, 3))
    view = viewed(adata)
    assert rules(view) == ["vector-without-points"]
    fixed = after_fix(view, "vector-without-points")
    assert (rules(fixed), fixed.mapping.vectors) == ([], ())


def test_velocity_in_pca_space_is_not_taken(viewed):
    adata = make_adata()
    adata.obsm["velocity_pca"] = np.ones((60, 8))
    assert rules(viewed(adata)) == []


# ---- several fixes, alternatives ----------------------------------------------------------------------------------


def test_first_columns_instead_of_computing(viewed):
    adata = make_adata()
    del adata.obsm["X_umap"]
    view = viewed(adata)
    fixed = after_fix(view, "embedding-missing=first-columns")
    assert rules(fixed) == []
    np.testing.assert_array_equal(fixed.embedding(2), adata.obsm["X_pca"][:, :2])


def test_latent_space_is_chosen_before_it_is_computed(viewed):
    adata = make_adata()
    adata.obsm["X_code"] = adata.obsm.pop("X_pca")
    view = viewed(adata)
    assert rules(view) == ["latent-missing"]
    assert [name for name, _ in finding(view, "latent-missing").alternatives] == ["pca"]
    fixed = after_fix(view, "latent-missing")
    assert (rules(fixed), fixed.mapping.latent) == ([], "X_code")


def test_latent_that_is_not_finite_gives_way_to_another(viewed):
    adata = make_adata()
    adata.obsm["X_pca"][5, 2] = np.nan
    adata.obsm["X_code"] = np.random.default_rng(0).normal(size=(60, 6))
    view = viewed(adata)
    fixed = after_fix(view, "latent-not-finite")
    assert (fixed.n_cells, fixed.mapping.latent) == (60, "X_code")
    assert after_fix(view, "latent-not-finite=leave-out").n_cells == 59


def test_fix_all_applies_what_is_safe_and_each_can_be_undone(viewed):
    adata = with_column([f"{i / 7:.3f}" for i in range(200)], "fraction")
    adata.obs["leiden"] = np.arange(200) % 4
    adata.obs["barcode"] = [f"b{i}" for i in range(200)]
    adata.obsm["X_umap"][3] = np.nan
    adata.obsm["velocity_umap"] = np.ones((200, 5))
    adata.var_names = ["G", "G", *adata.var_names[2:]]
    dense = adata.X.toarray()
    dense[:, 7] = 0
    adata.X = sparse.csr_matrix(dense)
    view = viewed(adata)
    mapping = fix_all(view.dataset, view.mapping)
    assert rules(View(view.dataset, mapping)) == ["genes-all-zero"]
    asked = [fix.asked for fix in mapping.fixes]
    assert asked == [
        "embedding-not-finite", "obs-one-value-per-cell", "obs-numeric-labels", "obs-numeric-text",
        "gene-ids-duplicate", "vector-shape",
    ]  # fmt: skip
    for undone, rule in enumerate(asked):
        others = apply_fixes(view.dataset, view.mapping, [*asked[:undone], *asked[undone + 1 :]])
        assert rule in rules(View(view.dataset, others))
    assert apply_fixes(view.dataset, view.mapping, ["all"]).digest() == mapping.digest()
    assert fix_all(view.dataset, mapping) is mapping


def test_fix_all_cuts_an_embedding_rather_than_computing_one(viewed):
    adata = make_adata()
    del adata.obsm["X_umap"]
    view = viewed(adata)
    assert [fix.choice for fix in fix_all(view.dataset, view.mapping).fixes] == ["first-columns"]


def test_computing_says_what_it_does_and_is_kept(viewed, monkeypatch):
    from cellucid_core.preflight import compute

    rng = np.random.default_rng(0)
    adata = make_adata(80, 40)
    del adata.obsm["X_pca"]
    adata.X = sparse.csr_matrix(rng.poisson(2, (80, 40)).astype(np.float32))
    view, said = viewed(adata), []
    scope = Scope(progress=lambda what, share: said.append((what, share)))
    mapping = apply_fixes(view.dataset, view.mapping, ["latent-missing"], scope)
    steps = ["Arranging the matrix by gene", "Reading genes", "Computing the PCA"]
    assert list(dict.fromkeys(what for what, _ in said)) == steps
    monkeypatch.setattr(compute, "_pca", None)  # would fail if it were computed again
    again = apply_fixes(view.dataset, view.mapping, ["latent-missing"], scope)
    np.testing.assert_array_equal(again.computed["X_pca"], mapping.computed["X_pca"])


def test_pca_of_many_genes_is_scanpys(viewed, monkeypatch):
    import scanpy as sc

    from cellucid_core.preflight import compute

    monkeypatch.setattr(compute, "N_HVG", 20)
    rng = np.random.default_rng(0)
    adata = make_adata(80, 120)
    del adata.obsm["X_pca"]
    adata.X = sparse.csr_matrix(rng.poisson(rng.gamma(1, 2, 120), (80, 120)).astype(np.float32))
    mapping = after_fix(viewed(adata), "latent-missing").mapping
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    sc.pp.highly_variable_genes(adata, n_top_genes=20)
    sc.pp.pca(adata, n_comps=19, random_state=0)
    np.testing.assert_allclose(np.abs(mapping.computed["X_pca"]), np.abs(adata.obsm["X_pca"]), atol=2e-3)
