"""An AnnData in memory gives what the same AnnData gives that was written to a file, and stays as it was."""

from __future__ import annotations

import itertools
import shutil

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cellucid_core.dataset import View, default_mapping, open_dataset
from cellucid_core.errors import InputError
from cellucid_core.preflight import preflight
from cellucid_core.signature import run_signature
from tests.making import make_adata

KINDS = {
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_matrix,
    "csr_array": sparse.csr_array,
    "dense": lambda x: np.ascontiguousarray(x.toarray()),
    "fortran": lambda x: np.asfortranarray(x.toarray()),
    "integers": lambda x: sparse.csr_matrix(np.rint(x.toarray()).astype(np.int32)),
    "float64": lambda x: sparse.csr_matrix(x.astype(np.float64) * 1.1),
}


def rich(kind: str) -> anndata.AnnData:
    """Make a dataset with raw of other genes, layers, text columns, and indices out of order."""
    adata = make_adata(80, 30, seed=2)
    wide = make_adata(80, 40, seed=3)
    adata.raw = wide
    adata.X = KINDS[kind](adata.X)
    adata.layers["de'tail"] = sparse.csc_matrix(wide.X[:, :30] * 2)
    adata.layers["scaled"] = np.random.default_rng(0).normal(size=(80, 30))
    adata.obs["site"] = [f"site {i % 12}" for i in range(80)]
    adata.obs["count"] = pd.array([None, *range(79)], dtype="Int64")
    adata.obsm["table"] = pd.DataFrame({"a": np.arange(80.0)}, index=adata.obs_names)
    if kind == "csr":  # as scipy allows it, and as must not be put right in place
        ends = itertools.pairwise(adata.X.indptr)
        order = np.concatenate([np.arange(begin, end)[::-1] for begin, end in ends])
        adata.X = sparse.csr_matrix((adata.X.data[order], adata.X.indices[order], adata.X.indptr), adata.X.shape)
    return adata


def view_of(source, **choices) -> View:
    dataset = open_dataset(source)
    return View(dataset, default_mapping(dataset))


def frozen(adata: anndata.AnnData) -> list:
    """Return everything that could be changed by mistake."""
    parts = [adata.obs.copy(), adata.var.copy(), *(np.array(value) for value in adata.obsm.values())]
    for matrix in (adata.X, *adata.layers.values(), adata.obsp["connectivities"]):
        kept = (matrix.indptr, matrix.indices, matrix.data) if sparse.issparse(matrix) else (matrix,)
        parts += [np.array(part) for part in kept]
    return parts


def equal(first: View, second: View) -> None:
    assert list(first.dataset.matrices) == list(second.dataset.matrices)
    assert list(first.dataset.obsm) == list(second.dataset.obsm)
    pd.testing.assert_frame_equal(first.dataset.obs, second.dataset.obs, check_names=False)
    for name in first.dataset.matrices:
        one, other = first.dataset.store(name), second.dataset.store(name)
        assert (one.is_sparse, one.dtype, one.n_stored) == (other.is_sparse, other.dtype, other.n_stored)
        for part in ("indptr", "indices", "data") if one.is_sparse else ("values",):
            np.testing.assert_array_equal(getattr(one, part), getattr(other, part))
        pd.testing.assert_frame_equal(first.dataset.variables[name], second.dataset.variables[name], check_names=False)
    assert preflight(first) == preflight(second)
    assert (first.graph() != second.graph()).nnz == 0


@pytest.mark.parametrize("kind", list(KINDS))
def test_memory_and_file_are_the_same(kind, tmp_path):
    adata = rich(kind)
    before = frozen(adata)
    here = view_of(adata)
    scores = run_signature(here, ["GENE1", "GENE3"]).raw
    preflight(here)
    for name in here.dataset.matrices:
        here.dataset.store(name)
    for one, other in zip(before, frozen(adata), strict=True):
        if isinstance(one, pd.DataFrame):
            pd.testing.assert_frame_equal(one, other)
        else:
            np.testing.assert_array_equal(one, other)
    adata.copy().write_h5ad(tmp_path / "same.h5ad")
    there = view_of(tmp_path / "same.h5ad")
    equal(here, there)
    np.testing.assert_array_equal(scores, run_signature(there, ["GENE1", "GENE3"]).raw)


def test_a_view_is_what_it_shows(tmp_path):
    adata = rich("csr")
    part = adata[10:60:2, 3:20]
    assert part.is_view
    equal(view_of(part), view_of(part.copy()))
    assert part.is_view


@pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
@pytest.mark.parametrize("mode", ["r", "r+"])
def test_backed(kind, mode, tmp_path):
    path, copy = tmp_path / "data.h5ad", tmp_path / "copy.h5ad"
    rich(kind).write_h5ad(path)
    shutil.copyfile(path, copy)  # HDF5 opens no file for writing that is open
    there = view_of(copy)
    content = path.read_bytes()
    backed = anndata.read_h5ad(path, backed=mode)
    here = view_of(backed)
    assert here.dataset.path.name == "data.h5ad"  # an export must not replace it
    equal(here, there)
    if mode == "r":
        equal(view_of(backed[5:50]), view_of(backed.to_memory()[5:50].copy()))
        assert here.dataset.store("X").folder == there.dataset.store("X").folder
    backed.file.close()
    assert path.read_bytes() == content


def test_the_same_matrix_is_arranged_once():
    adata = rich("csr")
    first = open_dataset(adata)
    adata.obs["more"] = 1.0
    second = open_dataset(adata)
    assert first.content_hash != second.content_hash
    assert first.content_hash == open_dataset(rich("csr")).content_hash
    assert first.store("X").folder == second.store("X").folder


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.X.data.__setitem__(3, 9.0),
        lambda a: a.obs.__setitem__("score", 0.0),
        lambda a: setattr(a, "obs_names", [f"x{i}" for i in range(80)]),
        lambda a: a.obsm["X_umap"].__setitem__((0, 0), 5.0),
        lambda a: a.obsp["connectivities"].data.__setitem__(0, 0.5),
        lambda a: a.layers["scaled"].__setitem__((1, 1), 0.25),
        lambda a: a.var.__setitem__("symbol", "x"),
    ],
)
def test_another_content_has_another_hash(change):
    adata = rich("csr")
    before = open_dataset(adata).content_hash
    change(adata)
    assert open_dataset(adata).content_hash != before


def test_values_that_change_after_opening_are_not_kept_under_the_old_hash():
    adata = rich("csr")
    dataset = open_dataset(adata)
    adata.X.data[0] += 1
    with pytest.raises(InputError, match="changed since it was opened"):
        dataset.store("X")
    assert dataset.store("scaled").n_genes == 30


def test_what_is_no_anndata(monkeypatch):
    adata = rich("csr")
    for wrong, words in ((3, "A int"), (adata.X, "csr_matrix"), (None, "NoneType")):
        with pytest.raises(InputError, match=words):
            open_dataset(wrong)
    with pytest.raises(InputError, match="several modalities"):
        open_dataset(adata, modality="rna")
    with pytest.raises(InputError, match="Join it yourself"):
        open_dataset(adata, cell_metadata="cells.csv")
    monkeypatch.setattr(anndata.AnnData, "X", range(3))  # as good as dask, which is not installed
    with pytest.raises(InputError, match="to_memory"):
        open_dataset(adata)


def test_without_a_matrix_and_without_cells():
    adata = make_adata()
    bare = anndata.AnnData(obs=adata.obs, obsm=dict(adata.obsm))
    view = view_of(bare)
    assert (view.n_cells, view.n_genes, view.expression) == (60, 0, None)
    assert "no-cells" in {finding.rule for finding in preflight(view_of(adata[:0])).findings}


def test_lists_in_a_column_and_names_that_are_numbers():
    adata = make_adata()
    adata.obs["lists"] = [[i] for i in range(60)]
    adata.obs[3] = 1.0
    adata.obsm["broken"] = pd.DataFrame({"t": ["x"] * 60}, index=adata.obs_names)
    dataset = open_dataset(adata, "my cells")
    assert (dataset.id, dataset.name) == ("my_cells", "my cells")
    assert "3" in dataset.obs.columns
    assert 3 in adata.obs.columns
    assert list(dataset.unreadable) == ["obsm['broken']"]
