"""The gene-major store against numpy, from every layout a file can have."""

from __future__ import annotations

import time

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cellucid_core.dataset import View, default_mapping, open_dataset
from cellucid_core.errors import InputError
from cellucid_core.reading import matrix as matrix_module
from cellucid_core.store import build, gene_stats
from tests.making import make_adata


def random_matrix(n_cells=37, n_genes=11, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(n_cells, n_genes)).astype(dtype)
    dense[rng.random(dense.shape) < 0.7] = 0
    dense[:, 3] = 0
    return dense


LAYOUTS = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}


@pytest.fixture(params=["one block", "many blocks", "compiled"])
def block_bytes(request, monkeypatch):
    """Also run with blocks so small that every seam between them is crossed, and with the loops of large matrices."""
    if request.param == "compiled":
        for module in (matrix_module, build, gene_stats):
            monkeypatch.setattr(module, "COMPILED_FROM", 1)
    if request.param == "many blocks":
        monkeypatch.setattr(matrix_module, "BLOCK_BYTES", 64)
        monkeypatch.setattr("cellucid_core.store.gene_major.BLOCK_BYTES", 64)


def write(path, X):
    n_cells, n_genes = X.shape
    adata = anndata.AnnData(
        X=X,
        obs=pd.DataFrame(index=[f"c{i}" for i in range(n_cells)]),
        var=pd.DataFrame(index=[f"g{i}" for i in range(n_genes)]),
    )
    adata.write_h5ad(path)
    return path


def expression(path, **changes):
    from dataclasses import replace

    dataset = open_dataset(path)
    return View(dataset, replace(default_mapping(dataset), **changes)).expression


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.uint8, bool])
def test_every_gene_is_the_column_of_the_matrix(tmp_path, layout, dtype, block_bytes):
    dense = np.abs(random_matrix()).astype(dtype) if np.dtype(dtype).kind in "bu" else random_matrix(dtype=dtype)
    found = expression(write(tmp_path / "x.h5ad", LAYOUTS[layout](dense)))
    assert (found.n_cells, found.n_genes) == dense.shape
    assert found.is_sparse == (layout != "dense")
    for gene in range(dense.shape[1]):
        np.testing.assert_array_equal(found.gene(gene), dense[:, gene])
    np.testing.assert_array_equal(found.block([4, 0, 3]), dense[:, [4, 0, 3]].T)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_statistics_against_numpy(tmp_path, layout, block_bytes):
    dense = random_matrix()
    dense[2, 5], dense[3, 5], dense[4, 6] = np.nan, np.inf, -np.inf
    dense[:, 7] = np.nan
    found = expression(write(tmp_path / "x.h5ad", LAYOUTS[layout](dense)))
    finite = np.isfinite(dense)
    masked = np.where(finite, dense, np.nan).astype(np.float64)
    stats = found.stats
    np.testing.assert_array_equal(stats.n_not_finite, (~finite).sum(axis=0))
    np.testing.assert_array_equal(stats.n_nonzero, ((dense != 0) & finite).sum(axis=0))
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning):
        low, high = np.nanmin(masked, axis=0), np.nanmax(masked, axis=0)
    np.testing.assert_array_equal(stats.minimum, low)
    np.testing.assert_array_equal(stats.maximum, high)
    np.testing.assert_allclose(stats.total, np.nansum(masked, axis=0), rtol=1e-12)
    np.testing.assert_allclose(stats.square_total, np.nansum(masked**2, axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.cell_total, np.nansum(masked, axis=1), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(found.cell_detected, ((dense > 0) & finite).sum(axis=1))
    mean = stats.mean(found.n_cells)
    assert np.isnan(mean[7])
    np.testing.assert_allclose(mean[0], masked[:, 0].mean(), rtol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_cells_and_genes_left_out(tmp_path, layout):
    dense = random_matrix()
    dense[1, 2] = np.nan
    out, genes = np.array([0, 5, 36]), np.array([2, 3, 9])
    found = expression(write(tmp_path / "x.h5ad", LAYOUTS[layout](dense)), cells_out=out, genes_kept=genes)
    kept = np.delete(dense, out, axis=0)[:, genes]
    np.testing.assert_array_equal(found.block(range(3)), kept.T)
    finite = np.isfinite(kept)
    np.testing.assert_array_equal(found.stats.n_not_finite, (~finite).sum(axis=0))
    np.testing.assert_allclose(found.stats.total, np.where(finite, kept, 0).astype(float).sum(axis=0), rtol=1e-12)
    cells, values = found.gene_stored(0)
    assert np.all(np.diff(cells) > 0)
    again = np.zeros(len(kept), np.float32)
    again[cells] = values
    np.testing.assert_array_equal(again, kept[:, 0])
    with pytest.raises(IndexError):
        found.gene(3)


@pytest.mark.parametrize("layout", ["csr_matrix", "csc_matrix"])
def test_stored_zeros_repeats_and_disorder_are_resolved(tmp_path, layout, block_bytes):
    """A file may hold zeros, the same place twice (they add up) and unsorted indices."""
    path = tmp_path / "x.h5ad"
    write(path, getattr(sparse, layout)(np.zeros((4, 3), np.float32)))
    with h5py.File(path, "r+") as file:
        for name, values in {
            "data": np.array([1, 2, 0, 5, 7, 3], np.float32),
            "indices": np.array([2, 0, 1, 1, 1, 0]),
            "indptr": np.array([0, 3, 5, 6, 6] if layout == "csr_matrix" else [0, 3, 5, 6]),
        }.items():
            del file["X"][name]
            file["X"][name] = values
    dense = np.array([[2, 0, 1], [0, 12, 0], [3, 0, 0], [0, 0, 0]], np.float32)
    if layout == "csc_matrix":
        dense = np.array([[2, 0, 3], [0, 12, 0], [1, 0, 0], [0, 0, 0]], np.float32)
    found = expression(path)
    np.testing.assert_array_equal(found.block(range(3)).T, dense)
    assert found.gene_stored(1)[0].tolist() == [1]
    assert found.stats.n_nonzero.tolist() == (dense != 0).sum(axis=0).tolist()


def test_float64_is_kept_only_where_it_matters(tmp_path):
    exact = np.array([[0.5, 3.0], [0.0, 2.0**24]])
    fine = np.array([[0.1, 3.0], [0.0, 2.0]])
    large = np.array([[2**24 + 1, 0], [0, 1]], dtype=np.int64)
    assert expression(write(tmp_path / "a.h5ad", exact)).dtype == np.float32
    assert expression(write(tmp_path / "b.h5ad", sparse.csr_matrix(fine))).dtype == np.float64
    found = expression(write(tmp_path / "c.h5ad", sparse.csr_matrix(large)))
    assert found.dtype == np.float64
    assert found.gene(0)[0] == 2**24 + 1


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (1, 1), (0, 0)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_empty_and_tiny(tmp_path, shape, layout):
    found = expression(write(tmp_path / "x.h5ad", LAYOUTS[layout](np.zeros(shape, np.float32))))
    assert (found.n_cells, found.n_genes) == shape
    assert len(found.stats.total) == shape[1]
    assert len(found.cell_total) == shape[0]
    if shape[1]:
        np.testing.assert_array_equal(found.gene(0), np.zeros(shape[0]))


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ("indptr", [0, 1, 1, 9]),
        ("indptr", [0, 2, 1, 2]),
        ("indptr", [0, 2]),
        ("indices", [0, 7]),
        ("indices", [-1, 0]),
    ],
)
def test_damaged_sparse_matrix_is_a_sentence(tmp_path, part, values):
    path = write(tmp_path / "x.h5ad", sparse.csr_matrix(np.diag([1.0, 2.0, 0.0]).astype(np.float32)))
    with h5py.File(path, "r+") as file:
        del file["X"][part]
        file["X"][part] = np.array(values)
    with pytest.raises(InputError, match="damaged"):
        expression(path)


def test_a_matrix_of_text_is_a_sentence(tmp_path):
    path = write(tmp_path / "x.h5ad", np.zeros((2, 2), np.float32))
    with h5py.File(path, "r+") as file:
        del file["X"]
        file["X"] = np.array([[b"a", b"b"], [b"c", b"d"]])
        file["X"].attrs["encoding-type"] = "string-array"
    with pytest.raises(InputError, match="not numbers"):
        expression(path)


def test_an_interrupted_build_leaves_nothing_and_the_next_works(tmp_path, monkeypatch, home):
    path = write(tmp_path / "x.h5ad", sparse.csr_matrix(random_matrix(seed=99)))
    dataset = open_dataset(path)

    class Stopped(BaseException):
        pass

    def stop(share):
        raise Stopped

    before = set((home / "stores").iterdir()) if (home / "stores").exists() else set()
    with pytest.raises(Stopped):
        dataset.store("X", stop)
    left = {entry for entry in set((home / "stores").iterdir()) - before if entry.suffix != ".lock"}
    assert left == set()
    np.testing.assert_array_equal(dataset.store("X").indptr[-1], np.count_nonzero(random_matrix(seed=99)))


def test_the_same_content_is_turned_once(tmp_path, monkeypatch):
    first = open_dataset(write(tmp_path / "a.h5ad", sparse.csr_matrix(random_matrix(seed=5))))
    (tmp_path / "b.h5ad").write_bytes((tmp_path / "a.h5ad").read_bytes())
    second = open_dataset(tmp_path / "b.h5ad")
    assert first.store("X").folder == second.store("X").folder
    monkeypatch.setattr("cellucid_core.store.gene_major.build_store", None)  # would fail if it were called again
    assert second.store("X").n_genes == 11


# ---- damage -------------------------------------------------------------------------------------------------------


def _store_folder(home):
    return next(path for path in (home / "stores").iterdir() if path.is_dir() and not path.name.startswith("."))


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("part", ["data.npy", "indices.npy", "indptr.npy", "genes.npz", "cell_total.npy", "meta.json"])
@pytest.mark.parametrize("damage", ["bit", "cut", "gone"])
def test_a_damaged_store_is_noticed_and_built_again(own_home, opened, part, damage):
    adata = make_adata()
    dataset = opened(adata)
    dataset.store("X")
    file = _store_folder(own_home) / part
    data = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    else:
        data[len(data) // 2] ^= 4
        file.write_bytes(data if damage == "bit" else data[:-3])
    store = dataset.store("X")
    built = sparse.csc_matrix((store.data, store.indices, store.indptr), shape=adata.shape)
    assert (built != adata.X.tocsc()).nnz == 0
    np.testing.assert_allclose(store.cell_total, np.asarray(adata.X.sum(axis=1)).ravel(), rtol=1e-6)
    assert [path.name for path in (own_home / "stores").iterdir() if path.name.startswith(".")] == []


def test_a_sound_store_is_not_built_again(own_home, opened):
    dataset = opened(make_adata())
    dataset.store("X")
    before = (_store_folder(own_home) / "data.npy").stat().st_ino
    dataset.store("X")
    assert (_store_folder(own_home) / "data.npy").stat().st_ino == before


def test_large_files_are_read_again_when_they_changed_or_after_a_day(tmp_path, monkeypatch):
    from cellucid_core.cache import seals as seal_module

    monkeypatch.setattr(seal_module, "_SMALL", 10)
    (tmp_path / "large").write_bytes(bytes(1000))
    seal_module.seal([tmp_path / "large"], tmp_path / "seal.json")
    read = []
    crc = seal_module._crc
    monkeypatch.setattr(seal_module, "_crc", lambda path: read.append(path.name) or crc(path))
    now = time.time()
    assert seal_module.is_sound(tmp_path / "seal.json", now)
    assert read == []
    assert seal_module.is_sound(tmp_path / "seal.json", now + 2 * 86400)
    assert read == ["large"]
    assert seal_module.is_sound(tmp_path / "seal.json", now + 2 * 86400)
    assert read == ["large"]
    (tmp_path / "large").write_bytes(bytes(999) + b"x")
    assert not seal_module.is_sound(tmp_path / "seal.json", now + 2 * 86400)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"x": 1}', '{"../../etc/passwd": {"size": 1}}'])
def test_a_damaged_record_vouches_for_nothing(tmp_path, text):
    from cellucid_core.cache.seals import is_sound

    (tmp_path / "seal.json").write_text(text)
    assert not is_sound(tmp_path / "seal.json")
    assert not is_sound(tmp_path / "nowhere.json")


def test_a_damaged_rewritten_file_is_written_again(own_home, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("cell,CD3D,CD3E\n" + "".join(f"c{i},{i},{i + 1}\n" for i in range(50)))
    first = open_dataset(path).obs.index.tolist()
    rewritten = next((own_home / "rewritten").glob("*.h5ad"))
    data = bytearray(rewritten.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    rewritten.write_bytes(data)
    assert open_dataset(path).obs.index.tolist() == first
