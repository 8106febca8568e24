"""``import cellucid_core as cc``: the public API, against the command line's numbers and scanpy's."""

from __future__ import annotations

import inspect
import subprocess
import sys
import zipfile

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from scipy import sparse

import cellucid_core as cc
from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.export import ExportSettings
from cellucid_core.signature.reporting import api_code
from tests.making import make_adata

GENES = ["CD3D", "CD3E", "NKG7"]


@pytest.fixture
def adata():
    made = make_adata(200, 12)
    made.var_names = [*GENES, *(f"G{i}" for i in range(9))]
    made.obs["group"] = pd.Categorical(np.tile(["a", "b"], 100))
    made.obs["donor"] = np.repeat([f"d{i}" for i in range(10)], 20)
    return made


def test_importing_loads_nothing_heavy():
    loaded = "[m for m in ('numpy', 'pandas', 'anndata') if m in sys.modules]"
    code = f"import sys, cellucid_core as cc; dir(cc); print({loaded})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_packages_are_called_as_functions_whatever_was_imported_before():

    assert cc.preflight("demo").ready
    assert "export" in dir(cc)
    with pytest.raises(AttributeError):
        _ = cc.nothing


def test_a_dataset_shows_what_it_is():
    data = cc.open("demo")
    assert "700 cells, 765 genes" in repr(data)
    assert len(repr(data.dataset)) < 200
    assert "<b>PBMC 68k, reduced: 700 cells" in data._repr_html_()


@pytest.mark.parametrize("kind", ["dense", "csr", "csc", "view", "backed"])
def test_an_adata_in_memory_needs_no_file_and_is_not_modified(adata, kind, tmp_path):
    if kind in ("csr", "csc"):
        adata.X = getattr(sparse, f"{kind}_matrix")(adata.X)
    if kind == "view":
        adata = adata[10:150]
    if kind == "backed":
        adata.write_h5ad(tmp_path / "x.h5ad")
        adata = anndata.read_h5ad(tmp_path / "x.h5ad", backed="r")
    if not adata.is_view:
        adata.uns["kept"] = 1
    before = adata.to_memory() if kind == "backed" else adata.copy()
    data = cc.open(adata)
    assert data.cell_ids.tolist() == adata.obs_names.tolist()
    result = cc.score(adata, GENES)
    x = before[:, GENES].X
    x = x.toarray() if sparse.issparse(x) else x
    np.testing.assert_allclose(result.scores, np.asarray(x, float).mean(axis=1), rtol=1e-6)
    assert kind == "view" or adata.uns["kept"] == 1
    pd.testing.assert_frame_equal(adata.obs, before.obs)


def test_layers_raw_and_odd_names_of_an_adata(adata):
    adata.layers["double"] = adata.X * 2
    adata.raw = adata
    adata.obs["a/b"] = np.arange(200.0)
    plain, double = cc.score(adata, GENES), cc.score(adata, GENES, layer="double")
    np.testing.assert_allclose(double.scores, 2 * plain.scores, rtol=1e-6)
    np.testing.assert_allclose(cc.score(adata, GENES, use_raw=True).scores, plain.scores)
    assert "a/b" in cc.open(adata).obs_keys
    assert "a/b" in adata.obs
    with pytest.raises(InputError, match="layer or use_raw"):
        cc.open(adata, layer="double", use_raw=True)


def test_the_same_matrix_is_arranged_once(adata, home):
    cc.score(adata, GENES, key_added="first")
    kept = set((home / "stores").iterdir())
    cc.score(adata.copy(), GENES, key_added="second")
    assert set((home / "stores").iterdir()) == kept


def test_scores_are_written_to_the_adata_as_scanpy_does(adata):
    result = cc.score(adata, GENES, method="score_genes", key_added="T_score")
    expected = adata.copy()
    sc.tl.score_genes(expected, GENES, random_state=0, use_raw=False, score_name="T_score")
    np.testing.assert_allclose(adata.obs["T_score"], expected.obs["T_score"], atol=1e-6)
    np.testing.assert_array_equal(result.scores.to_numpy(), adata.obs["T_score"])
    with pytest.raises(InputError, match="key_added"):
        cc.score("demo", ["CD3D"], key_added="x")


def test_a_score_holds_tables_a_chart_and_a_csv(adata, tmp_path):
    result = cc.score(adata, "CD3D, CD3E", groupby="group", pages=["b", "a"], sample="donor", normalize="zscore")
    assert result.scores.index.tolist() == adata.obs_names.tolist()
    assert result.summary["page"].tolist() == ["b", "a"]
    assert len(result.tests)
    assert result.genes["found"] == ["CD3D", "CD3E"]
    for kind in ("violin", "box", "histogram"):
        assert result.plot(kind).to_dict()
    result.to_csv(tmp_path / "scores.csv")
    assert len(pd.read_csv(tmp_path / "scores.csv")) == 200
    assert len(repr(result)) < 2_000
    assert len(repr(result.run)) < 200
    assert "<table" in result._repr_html_()
    with pytest.raises(InputError, match="groupby"):
        cc.score(adata, GENES, pages=["a"])
    with pytest.raises(InputError, match="no chart"):
        result.plot("pie")


def test_preflight_prints_fixes_and_leaves_the_data(adata):
    adata.obsm["X_umap"] = np.random.default_rng(0).normal(size=(200, 2))
    adata.obsm["X_umap"][3] = np.nan
    found = cc.preflight(adata)
    assert not found.ready
    assert "embedding-not-finite" in repr(found)
    assert "<table" in found._repr_html_()
    fixed = found.fix("all")
    assert fixed.n_cells == 199
    assert cc.preflight(fixed).ready
    assert found.fix("embedding-not-finite").n_cells == 199
    assert np.isnan(adata.obsm["X_umap"][3]).all()
    with pytest.raises(WorkRefused, match="Preflight blocks"):
        cc.export(adata, "nowhere.zip")


def test_export_and_verify(adata, tmp_path):
    adata.obsm["X_umap"] = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    data = cc.open(adata)
    result = cc.export(data, tmp_path / "a.zip", genes=GENES, var_quantization=16, name="Mine")
    assert (result.n_genes, result.verified) == (3, True)
    assert zipfile.is_zipfile(tmp_path / "a.zip")
    assert cc.verify(tmp_path / "a.zip", against=data).ok
    assert cc.export(data, tmp_path / "a.h5ad", genes=GENES).n_genes == 3
    with pytest.raises(InputError, match="not a setting"):
        cc.export(data, tmp_path / "b.zip", colour=3)


def test_several_files_become_one_dataset():
    one, other = make_adata(20, 8), make_adata(30, 8)
    several = cc.open({"tumour": one, "blood": other})
    assert several.n_cells == 50
    assert several.dataset.obs["sample"].value_counts().to_dict() == {"blood": 30, "tumour": 20}
    assert cc.open(["demo"]).n_cells == 700


def test_joined_samples_are_the_replicates_unless_they_are_compared():
    several = cc.open({name: make_adata(40, 8, seed=seed) for seed, name in enumerate(["one", "two", "three"])})
    by_type = cc.score(several, ["GENE1"], groupby="cell_type")
    assert by_type.run.sample_key == "sample"
    assert by_type.tests["unit"][0] == "sample"
    assert cc.score(several, ["GENE1"], groupby="sample").run.sample_key is None
    without = cc.score(several, ["GENE1"], groupby="cell_type", sample="")
    assert without.run.sample_key is None
    assert "sample=''" in api_code(several, without.run)
    assert "sample='sample'" in api_code(several, by_type.run)
    assert "sample=" not in api_code(cc.open("demo"), cc.score("demo", ["CD3D"]).run)
    assert cc.score(several, ["GENE1"], groupby="sample", rest_of="two").run.sample_key is None


def test_a_split_without_pages_is_refused():
    with pytest.raises(InputError, match="compared within pages"):
        cc.score("demo", ["CD3D"], split="phase")


@pytest.mark.parametrize(
    "given", [{"modality": "rna"}, {"samples": ["a"]}, {"join": "all"}, {"sample_column": "donor"}]
)
def test_what_only_opening_can_do_is_refused_for_what_is_open(given):
    view = cc.open(make_adata(20, 8))
    assert cc.open(view).n_cells == 20
    with pytest.raises(InputError, match=f"open already. Give {next(iter(given))} with its path"):
        cc.open(view, **given)


def test_the_demo_is_written_to_a_path_in_words(tmp_path):
    assert cc.write_demo(str(tmp_path / "demo.h5ad")) == tmp_path / "demo.h5ad"


def test_the_version_comes_from_one_place():
    assert cc.__version__.count(".") == 2


def test_help_names_every_setting():
    shown = inspect.signature(cc.export).parameters
    assert set(inspect.signature(ExportSettings).parameters) <= set(shown)
    assert shown["compression"].default == 6
    assert list(inspect.signature(cc.preflight).parameters) == ["data"]


def test_use_raw_says_which_matrix_whatever_was_chosen(adata):
    adata.raw = adata
    adata.X = adata.X * 3
    raw = cc.open(adata, use_raw=True)
    assert [cc.score(raw, GENES, use_raw=which).view.mapping.matrix for which in (None, True, False)] == [
        "raw",
        "raw",
        "X",
    ]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"pages": ["a"]}, "Give groupby"),
        ({"pages": [cc.Page("a", np.arange(3))], "groupby": "donor"}, "cannot be combined"),
        ({"random_state": -1}, "seed cannot be -1"),
        ({"use_raw": True}, "no matrix 'raw'"),
    ],
)
def test_a_score_refuses_what_makes_no_sense(adata, given, words):
    with pytest.raises(cc.CellucidError, match=words):
        cc.score(adata, GENES, **given)


def test_one_page_may_be_text_and_none_are_all(adata):
    adata.obs["kind"] = ["one" if i % 3 else "other" for i in range(adata.n_obs)]
    assert list(cc.score(adata, GENES, groupby="kind", pages="other").summary["page"]) == ["other"]
    assert list(cc.score(adata, GENES, groupby="kind", pages=[]).summary["page"]) == ["one", "other"]


def test_the_lines_of_a_run_keep_kinds_and_name_the_adata(adata):
    adata.obs["level"] = np.where(np.arange(adata.n_obs) % 2, 0.5, 1.5)
    view = cc.open(adata, kinds={"level": "categorical"})
    code = api_code(view, cc.score(view, GENES, groupby="level").run)
    assert "cc.open(adata, kinds={'level': 'categorical'})" in code
    names = {"adata": adata}
    exec(code, names)
    assert list(names["score"].summary["page"]) == ["0.5", "1.5"]


def test_a_report_and_a_table_are_written_whole_and_never_over_the_input(tmp_path):
    file = tmp_path / "data.h5ad"
    make_adata().write_h5ad(file)
    before = file.read_bytes()
    score = cc.score(file, ["GENE1", "GENE2"], groupby="cell_type")
    score.to_html(tmp_path / "a.html")
    assert score.run.headline in (tmp_path / "a.html").read_text(encoding="utf-8")
    for write in (score.to_html, score.to_csv, cc.preflight(file).to_html):
        with pytest.raises(InputError, match="never replaced"):
            write(file)
        with pytest.raises(InputError, match="no folder"):
            write(tmp_path / "nowhere" / "x")
    assert file.read_bytes() == before
