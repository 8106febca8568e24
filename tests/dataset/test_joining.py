"""Several samples as one dataset, against anndata.concat and by hand."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cellucid_core.dataset import DatasetSource, View, default_mapping, open_dataset
from cellucid_core.errors import InputError


def make(n, genes, seed, *, dense=False, start=0):
    rng = np.random.default_rng(seed)
    x = sparse.random(n, len(genes), 0.3, random_state=seed, format="csr", dtype=np.float32)
    x.data = np.rint(x.data * 10) + 1
    obs = pd.DataFrame(
        {"kind": pd.Categorical(rng.choice(["a", "b"], n)), "depth": rng.normal(size=n)},
        index=[f"c{i}" for i in range(start, start + n)],
    )
    var = pd.DataFrame({"symbol": [gene.lower() for gene in genes]}, index=genes)
    adata = ad.AnnData(x.toarray() if dense else x, obs=obs, var=var)
    adata.obsm["X_umap"] = rng.normal(size=(n, 2))
    adata.obsp["connectivities"] = sparse.identity(n, format="csr", dtype=np.float32) * (seed + 1)
    return adata


GENES = [f"G{i}" for i in range(60)]


@pytest.fixture
def samples(tmp_path):
    made = {
        "a": make(20, GENES, 0),
        "b": make(30, [*GENES[10:], "ONLY"], 1, dense=True),
        "c": make(15, GENES[::-1], 2),
    }
    for name, adata in made.items():
        adata.write_h5ad(tmp_path / f"{name}.h5ad")
    return made, {name: tmp_path / f"{name}.h5ad" for name in made}


@pytest.mark.parametrize("join", ["shared", "all"])
def test_values_tables_and_statistics_are_those_of_concat(samples, join):
    made, paths = samples
    dataset = open_dataset(list(paths.values()), join=join)
    wanted = ad.concat(
        {name: adata.copy() for name, adata in made.items()},
        join="inner" if join == "shared" else "outer",
        label="sample",
        fill_value=0,
        index_unique="-",
    )
    view = View(dataset, default_mapping(dataset))
    expression = view.expression
    assert set(view.gene_ids) == set(wanted.var_names)
    values = wanted[:, view.gene_ids].X
    values = values.toarray() if sparse.issparse(values) else values
    np.testing.assert_array_equal(expression.block(np.arange(expression.n_genes)).T, values)
    np.testing.assert_allclose(expression.cell_total, values.sum(axis=1))
    np.testing.assert_array_equal(expression.cell_detected, (values > 0).sum(axis=1))
    np.testing.assert_array_equal(expression.stats.n_nonzero, (values != 0).sum(axis=0))
    np.testing.assert_array_equal(expression.stats.minimum, values.min(axis=0))
    np.testing.assert_array_equal(expression.stats.maximum, values.max(axis=0))
    assert list(dataset.obs["sample"]) == list(wanted.obs["sample"])
    assert list(dataset.obs["depth"]) == list(wanted.obs["depth"])
    assert list(dataset.obs["kind"]) == list(wanted.obs["kind"])
    np.testing.assert_array_equal(dataset.obsm["X_umap"], wanted.obsm["X_umap"])
    graph = dataset.graphs["connectivities"].read()
    assert graph.diagonal().tolist() == [1.0] * 20 + [2.0] * 30 + [3.0] * 15
    assert [part.own_genes for part in dataset.parts] == [0, 1, 0]
    assert list(dataset.variables["X"]["symbol"]) == [gene.lower() for gene in view.gene_ids]


def test_ids_that_repeat_are_told_apart_and_kept(samples):
    _, paths = samples
    dataset = open_dataset({"tumour": paths["a"], "blood": paths["c"]})
    assert dataset.obs.index[0] == "tumour:c0"
    assert dataset.obs.index[20] == "blood:c0"
    assert list(dataset.obs["barcode"][:2]) == ["c0", "c1"]
    assert dataset.obs.index.is_unique


def test_the_samples_may_be_called_as_the_ids_are(samples):
    _, paths = samples
    dataset = open_dataset({"tumour": paths["a"], "blood": paths["c"]}, sample_column="barcode")
    assert (dataset.obs["barcode"].iloc[0], dataset.obs["barcode_"].iloc[0]) == ("tumour", "c0")
    assert default_mapping(dataset).obs_keys == ("barcode", "kind", "depth")


def test_ids_that_do_not_repeat_stay(tmp_path):
    for name, start in (("a", 0), ("b", 100)):
        make(5, GENES, 3, start=start).write_h5ad(tmp_path / f"{name}.h5ad")
    dataset = open_dataset([tmp_path / "a.h5ad", tmp_path / "b.h5ad"])
    assert list(dataset.obs.index[4:6]) == ["c4", "c100"]
    assert "barcode" not in dataset.obs


def test_in_memory_and_in_files_give_the_same(samples):
    made, paths = samples
    here = open_dataset({"a": made["a"], "b": made["b"]})
    there = open_dataset({"a": paths["a"], "b": paths["b"]})
    pd.testing.assert_frame_equal(here.obs, there.obs)
    one, other = (View(dataset, default_mapping(dataset)).expression for dataset in (here, there))
    np.testing.assert_array_equal(one.block(range(5)), other.block(range(5)))


def test_columns_whose_kinds_clash_become_words_and_what_lacks_is_missing(tmp_path):
    one, other = make(3, GENES, 4), make(3, GENES, 5)
    one.obs["batch"], other.obs["batch"] = [1.0, 2.0, 1.0], ["x", "y", "x"]
    one.obs["flag"] = [True, False, True]
    one.write_h5ad(tmp_path / "a.h5ad")
    other.write_h5ad(tmp_path / "b.h5ad")
    dataset = open_dataset([tmp_path / "a.h5ad", tmp_path / "b.h5ad"])
    assert list(dataset.obs["batch"]) == ["1", "2", "1", "x", "y", "x"]
    assert list(dataset.obs["flag"][:3]) == [True, False, True]
    assert dataset.obs["flag"][3:].isna().all()
    said = " ".join(dataset.notes)
    assert "batch" in said
    assert "flag" in said


def test_two_files_of_one_name_and_wrong_names_of_samples(samples, tmp_path):
    _, paths = samples
    (tmp_path / "two").mkdir()
    twin = tmp_path / "two" / "a.h5ad"
    twin.write_bytes(paths["a"].read_bytes())
    joined = open_dataset([paths["a"], twin])
    assert len({part.name for part in joined.parts}) == 2
    assert any("are the same data" in note for note in joined.notes)
    with pytest.raises(InputError, match="no sample 'z'"):
        open_dataset(paths, samples=["z"])
    assert [part.name for part in open_dataset(paths, samples=["c", "a"]).parts] == ["c", "a"]


def test_a_sample_without_genes_is_named(tmp_path):
    make(3, ["A", "B"], 6).write_h5ad(tmp_path / "a.h5ad")
    make(3, [], 7).write_h5ad(tmp_path / "bare.h5ad")
    paths = [tmp_path / "a.h5ad", tmp_path / "bare.h5ad"]
    with pytest.raises(InputError, match=r"no genes in bare\. Leave out samples"):
        open_dataset(paths)
    assert open_dataset(paths, join="all").n_cells == 6


def test_samples_without_a_common_gene_are_refused(tmp_path):
    make(3, ["A", "B"], 6).write_h5ad(tmp_path / "a.h5ad")
    make(3, ["X", "Y"], 7).write_h5ad(tmp_path / "b.h5ad")
    with pytest.raises(InputError, match="share no gene"):
        open_dataset([tmp_path / "a.h5ad", tmp_path / "b.h5ad"])
    assert len(open_dataset([tmp_path / "a.h5ad", tmp_path / "b.h5ad"], join="all").variables["X"]) == 4


def test_genes_are_joined_by_the_column_that_names_them_alike(tmp_path):
    one, other = make(3, GENES, 8), make(3, GENES, 9)
    other.var["symbol"] = other.var_names
    other.var_names = [f"ENSG{i:011d}" for i in range(len(GENES))]
    one.write_h5ad(tmp_path / "a.h5ad")
    other.write_h5ad(tmp_path / "b.h5ad")
    dataset = open_dataset([tmp_path / "a.h5ad", tmp_path / "b.h5ad"])
    assert [part.gene_column for part in dataset.parts] == ["index", "symbol"]
    assert list(dataset.variables["X"].index) == GENES


def test_a_sample_without_cells_and_one_that_changes(samples, tmp_path):
    made, paths = samples
    made["a"][:0].write_h5ad(tmp_path / "none.h5ad")
    dataset = open_dataset({"a": paths["a"], "none": tmp_path / "none.h5ad"})
    view = View(dataset, default_mapping(dataset))
    assert view.expression.gene(0).shape == (20,)
    make(15, GENES[::-1], 98).write_h5ad(paths["c"])  # whose store nobody made yet
    again = open_dataset(paths)
    make(15, GENES[::-1], 99).write_h5ad(paths["c"])
    with pytest.raises(InputError, match="changed"):
        View(again, default_mapping(again)).expression.gene(0)


def test_a_source_of_plain_values_opens_the_same(samples):
    _, paths = samples
    parts = tuple(DatasetSource(str(path), name) for name, path in paths.items())
    source = DatasetSource("", "three", parts=parts, join="all")
    assert source.open().content_hash == open_dataset(paths, join="all").content_hash
    assert source.files == tuple(map(str, paths.values()))


def test_the_lines_that_do_it_again_open_the_same_samples(samples, tmp_path, monkeypatch):
    from cellucid_core.export import ExportSettings, do_again
    from cellucid_core.signature import run_signature
    from cellucid_core.signature.reporting import api_code

    _, paths = samples
    monkeypatch.chdir(paths["a"].parent)
    dataset = open_dataset({"one": "a.h5ad", "two": "b.h5ad"}, join="all")
    mapping = default_mapping(dataset)
    view = View(dataset, mapping)
    again = do_again(
        dataset, mapping, (), ExportSettings(), source="", target="x.zip", samples={"one": "a.h5ad", "two": "b.h5ad"}
    )
    assert "export a.h5ad b.h5ad" in again.command
    assert "--join all" in again.command
    assert "{'one': 'a.h5ad', 'two': 'b.h5ad'}, join='all'" in again.python
    code = api_code(view, run_signature(view, "G12, G30"))
    found = {}
    exec(compile(code, "lines", "exec"), found)
    assert found["data"].dataset.content_hash == dataset.content_hash
