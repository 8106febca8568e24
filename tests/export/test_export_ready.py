"""Cellucid-ready AnnData: what is fixed, what is refused, and how a file comes to be."""

from __future__ import annotations

import sys
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import sparse

from cellucid_core.cli.program import main
from cellucid_core.dataset import View, default_mapping
from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.export import ExportSettings, GeneChoice, choose_genes, plan, verify, write
from cellucid_core.export.cellucid_ready import plan_ready
from cellucid_core.export.cellucid_ready.columns import Categories, stored
from cellucid_core.export.cellucid_ready.keys import clashes, fixed
from cellucid_core.export.cellucid_ready.layout import Deflater, raw_chunk
from cellucid_core.export.cellucid_ready.outliers import quantiles
from cellucid_core.export.cellucid_ready.record import shown
from tests.making import make_adata
from tests.programs import run_program

FORMATS = ("h5ad", "zarr.zip")


def read(path):
    if path.name.endswith(".h5ad"):
        return anndata.read_h5ad(path)
    return anndata.read_zarr(zarr.storage.ZipStore(path, mode="r"))


def export(view, folder, kind="h5ad", **settings):
    verified = settings.pop("verify", True)
    target = folder / f"out.{kind}"
    more = {"dataset_id": "it", "name": "It", **settings}
    return write(view, ExportSettings(format=kind, **more), target, verify=verified, force=True), read(target)


# ---- what a file holds ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_what_the_plan_cautions_of_is_told_with_the_result(viewed, tmp_path, kind):
    view = viewed(make_adata(), obs_keys=())
    settings = ExportSettings(format=kind, genes=GeneChoice("none"))
    result = write(view, settings, tmp_path / f"x.{kind}")
    foreseen = [str(caution) for caution in plan(view, settings).cautions]
    assert [words.split(" is exported")[0] for words in foreseen] == ["No gene", "No cell column"]
    assert list(result.warnings[-2:]) == foreseen


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("dense", [False, True])
def test_a_file_is_what_the_view_shows(viewed, tmp_path, kind, dense):
    adata = make_adata()
    adata.X = adata.X.toarray() if dense else adata.X
    view = viewed(adata, cells_out=np.array([0, 5]), obs_keys=("score", "cell_type"), renamed={"score": "a/b c"})
    result, written = export(view, tmp_path, kind, genes=GeneChoice("list", ids=("GENE7", "GENE0")))
    keep = np.setdiff1d(np.arange(60), [0, 5])
    assert result.verified
    assert (result.n_cells, result.n_genes, result.files) == (58, 2, 1 if kind == "h5ad" else result.files)
    assert list(written.obs.columns) == ["a_b c", "cell_type"]
    assert "'a/b c' → 'a_b c'" in " ".join(result.warnings)
    assert list(written.obs_names) == [f"cell-{i}" for i in keep]
    assert list(written.var_names) == ["GENE7", "GENE0"]
    matrix = written.X if dense else written.X.toarray()
    np.testing.assert_array_equal(matrix, view.dataset.matrices["X"].dtype.type(1) * _dense(adata)[keep][:, [7, 0]])
    np.testing.assert_array_equal(written.obsm["X_umap"], adata.obsm["X_umap"][keep].astype(np.float32))
    expected = adata.obsp["connectivities"][keep][:, keep].astype(np.float32)
    assert (written.obsp["connectivities"] != expected).nnz == 0
    assert written.uns["title"] == written.uns["cellucid"]["name"] == "It"


def _dense(adata):
    return adata.X.toarray() if sparse.issparse(adata.X) else adata.X


def test_genes_need_no_names_that_files_can_have(viewed, tmp_path):
    adata = make_adata()
    adata.var_names = ["a b", "a/b", "A B", "CON", *adata.var_names[4:-1], "a b"]
    result, written = export(viewed(adata), tmp_path)
    assert list(written.var_names[:4]) == ["a b", "a/b", "A B", "CON"]
    assert written.var_names[-1] == "a b-1"
    assert any("1 gene names" in warning for warning in result.warnings)


def test_no_genes_is_a_file_without_x(viewed, tmp_path):
    _, written = export(viewed(make_adata()), tmp_path, genes=GeneChoice("none"))
    assert written.X is None
    assert written.shape == (60, 0)


def test_chosen_embeddings_and_latent_space_are_told_only_where_they_are_chosen(viewed, tmp_path):
    adata = make_adata()
    adata.obsm["X_tsne"] = np.random.default_rng(5).normal(size=(60, 2))
    usual = viewed(adata)
    assert set(export(usual, tmp_path)[1].uns["cellucid"]) == {"schema", "id", "name"}
    other = View(usual.dataset, replace(usual.mapping, embeddings={2: "X_tsne"}, latent="X_umap"))
    record = export(other, tmp_path)[1].uns["cellucid"]
    assert record["defaults"] == {"embedding2d": "X_tsne", "latentKey": "X_umap"}
    assert set(record["outlierQuantiles"]["fields"]) == {"cell_type", "donor", "treated"}
    told = export(usual, tmp_path, launch=("embeddings", "latent", "gene_id"))[1].uns["cellucid"]["defaults"]
    assert told == {"embedding2d": "X_umap", "latentKey": "X_pca"}


def test_vector_fields_go_along_unless_they_are_left_out(viewed, tmp_path):
    adata = make_adata()
    adata.obsm["velocity_umap"] = np.ones((60, 2))
    adata.obsm["drift_umap_3d"] = np.ones((60, 3))  # there is no X_umap_3d
    view = viewed(adata)
    result, written = export(view, tmp_path)
    assert {"velocity_umap", "drift_umap_3d"} <= set(written.obsm)
    assert [w for w in result.warnings if "none fits drift_umap_3d" in w]
    assert set(export(view, tmp_path, vectors=False)[1].obsm) == {"X_pca", "X_umap"}


def test_other_arrays_that_the_viewer_cannot_take_are_left_out_and_told(viewed, tmp_path):
    adata = make_adata()
    adata.obsm["X_odd"] = np.full((60, 2), np.nan)
    result, written = export(viewed(adata), tmp_path)
    assert "X_odd" not in written.obsm
    assert any("X_odd (has values that are not finite)" in warning for warning in result.warnings)


def test_a_graph_is_made_symmetric_and_loses_its_diagonal(viewed, tmp_path):
    adata = make_adata()
    graph = sparse.lil_matrix((60, 60))
    graph[0, 1], graph[1, 0], graph[2, 3], graph[4, 4] = 0.5, 0.75, 0.25, 1.0
    adata.obsp["connectivities"] = graph.tocsr()
    result, written = export(viewed(adata), tmp_path)
    found = written.obsp["connectivities"].toarray()
    assert {(i, j): float(found[i, j]) for i, j in np.argwhere(found)} == {
        (0, 1): 0.75,
        (1, 0): 0.75,
        (2, 3): 0.25,
        (3, 2): 0.25,
    }
    assert len([w for w in result.warnings if "neighbour graph" in w]) == 2
    assert "connectivities" not in export(viewed(adata), tmp_path, graph=False)[1].obsp


def test_texts_are_shown_as_one_line_without_odd_characters():
    assert shown(" a\n\tb\x00c\u200b \u00a0") == "a b c"


# ---- columns --------------------------------------------------------------------------------------------------------


def test_columns_that_anndata_has_no_form_for_become_text():
    dates = stored(pd.Series(pd.to_datetime(["2026-01-02", None, "2026-01-01"])))
    assert dates.changed == "text"
    assert isinstance(dates.column, Categories)
    assert dates.column.codes.tolist() == [1, -1, 0]
    assert dates.column.labels.tolist()[0].startswith("2026-01-01")
    mixed = stored(pd.Series([1, "1", (2,), None], dtype=object))
    assert mixed.changed == "text"
    assert set(mixed.column.labels) == {"1", "(2,)"}
    assert stored(pd.Series([1 + 2j, 0j])).changed == "text"


def test_columns_keep_their_types():
    for values in (np.arange(3, dtype=np.uint16), np.array([True, False]), np.array([1.5, np.nan], np.float32)):
        column = stored(pd.Series(values)).column
        assert column.dtype == values.dtype
        np.testing.assert_array_equal(column, values)
    nullable = stored(pd.Series([1, None], dtype="Int8")).column
    assert isinstance(nullable, pd.arrays.IntegerArray)
    assert stored(pd.Series([1, 2], dtype="Int8")).column.dtype == np.int8
    assert stored(pd.Series([1.0, None], dtype="Float32")).column.dtype == np.float32
    infinite = stored(pd.Series([np.inf, 1.0, -np.inf]))
    assert infinite.changed == "infinite"
    np.testing.assert_array_equal(infinite.column, [np.nan, 1.0, np.nan])
    numbered = stored(pd.Series(pd.Categorical([3, 1, 3], ordered=True))).column
    assert numbered.labels.tolist() == [1, 3]
    assert numbered.ordered


@pytest.mark.parametrize("dtype", [object, "string"])
def test_text_becomes_categories_where_it_repeats_or_is_missing(dtype):
    assert stored(pd.Series(["b", "a"], dtype=dtype)).column.tolist() == ["b", "a"]
    for values, codes in ((["b", "a", "b"], [1, 0, 1]), (["b", None, "a"], [1, -1, 0])):
        column = stored(pd.Series(values, dtype=dtype)).column
        assert column.codes.tolist() == codes
        assert column.labels.tolist() == ["a", "b"]


# ---- names, chunks, quantiles ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("a b", "a b"),
        ("CD4/CD8", "CD4_CD8"),
        ("x. ", "x"),
        ("nul.txt", "nul_.txt"),
        ("_index", "index"),
        (".zarray", "zarray"),
        ("zarr.json", "zarr_json"),
        ("..", "unnamed"),
        ("", "unnamed"),
    ],
)
def test_keys_are_fixed(key, wanted):
    assert fixed(key) == wanted


@given(st.text(max_size=12))
def test_a_fixed_key_is_sound(key):
    new = fixed(key)
    assert new
    assert not set(new) & set('/\\<>:"|?*\n\t\0')
    assert not new.endswith((" ", "."))
    assert fixed(new) == new


def test_keys_that_differ_in_letter_case_clash():
    assert clashes(["a", "B", "A", "b", "c"]) == [["a", "A"], ["B", "b"]]


@given(
    arrays.arrays(
        st.sampled_from([np.dtype("<f4"), np.dtype("<i8"), np.dtype("u1"), np.dtype("?")]),
        arrays.array_shapes(min_dims=1, max_dims=2, max_side=9),
    ),
    st.booleans(),
)
def test_hdf5_and_numcodecs_read_a_chunk_as_it_was(values, shuffle):
    import numcodecs

    chunks = tuple(n + 1 for n in values.shape)
    raw = raw_chunk(values, chunks, values.dtype, shuffle)
    deflater = Deflater()
    assert deflater.learn(raw) == deflater.compress(raw)
    data = numcodecs.Zlib().decode(deflater.compress(raw))
    if shuffle and values.dtype.itemsize > 1:
        data = numcodecs.Shuffle(values.dtype.itemsize).decode(data)
    inside = tuple(slice(0, n) for n in values.shape)
    whole = np.frombuffer(data, values.dtype).reshape(chunks)
    assert whole[inside].tobytes() == values.tobytes()
    assert not np.delete(whole, np.arange(values.shape[0]), axis=0).any()


def test_outlier_quantiles_against_counting():
    rng = np.random.default_rng(0)
    latent, codes = rng.normal(size=(50, 3)).astype(np.float32), rng.integers(-1, 4, 50)
    latent[10] = latent[11]
    found = quantiles(latent, codes, 5, 8)
    for cell in range(50):
        mates = np.flatnonzero(codes == codes[cell])
        if codes[cell] < 0 or len(mates) < 8:
            assert np.isnan(found[cell])
            continue
        distances = np.linalg.norm(latent[mates].astype(float) - latent[mates].astype(float).mean(axis=0), axis=1)
        own = distances[list(mates).index(cell)]
        assert found[cell] == np.float32((distances <= own + 1e-12).sum() / len(mates))


# ---- refusals -------------------------------------------------------------------------------------------------------


def test_refused_with_a_sentence(viewed, tmp_path):
    def why(adata, kind=WorkRefused, changes=None, **settings):
        with pytest.raises(kind) as caught:
            export(viewed(adata, **(changes or {})), tmp_path, **settings)
        assert not list(tmp_path.glob("*out*"))
        assert caught.value.fix
        return caught.value.what

    adata = make_adata()
    adata.obs["Donor"] = 1
    assert "'donor' and 'Donor'" in why(adata)
    adata = make_adata()
    adata.X.data[4] = np.nan
    assert "1 values in 1 genes" in why(adata)
    assert "not finite" in why(adata, changes={"cells_out": np.array([59])})
    adata = make_adata()
    adata.X = adata.X.astype(np.float64)
    adata.X.data[4] = 1e300
    assert "beyond float32" in why(adata)
    adata = make_adata()
    adata.obsm["X_umap"][3] = np.inf
    assert "obsm['X_umap'] has values that are not finite" in why(adata)
    adata = make_adata()
    adata.obsp["connectivities"].data[0] = -1
    assert "negative" in why(adata)
    assert "no embedding" in why(make_adata(), changes={"embeddings": {}})
    assert "id '-x'" in why(make_adata(), InputError, dataset_id="-x")
    assert "not a web address" in why(make_adata(), InputError, source_name="a", source_url="ftp://x")
    assert "no name" in why(make_adata(), InputError, source_url="https://x.org")


@pytest.mark.parametrize("name", ["out.zip", "out", ".h5ad", "out.zarr", "out.h5"])
def test_the_targets_name_must_fit(demo_view, tmp_path, name):
    with pytest.raises(InputError, match="h5ad"):
        write(demo_view, ExportSettings(format="h5ad"), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_unknown_formats_and_choices_are_refused():
    with pytest.raises(InputError):
        ExportSettings(format="h5mu")  # type: ignore[arg-type]
    with pytest.raises(InputError):
        ExportSettings(launch=("colours",))


# ---- how a file comes to be -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_two_runs_write_the_same_bytes(demo_view, tmp_path, kind):
    settings = ExportSettings(format=kind, threads=3)
    paths = [tmp_path / f"{i}.{kind}" for i in range(2)]
    for path in paths:
        write(demo_view, settings, path, verify=False)
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("kind", FORMATS)
def test_cancelled_at_any_step_it_leaves_nothing(viewed, tmp_path, kind):
    view, settings, steps = viewed(make_adata()), ExportSettings(format=kind), []
    target = tmp_path / "new" / f"x.{kind}"
    target.parent.mkdir()
    write(view, settings, target, progress=steps.append)
    assert [s.done for s in steps] == sorted(s.done for s in steps)
    assert steps[-1].done == steps[-1].total
    before = target.read_bytes()
    for at in range(0, len(steps) - 1, 7):
        seen = []

        def stop(step, seen=seen, at=at):
            seen.append(step)
            if len(seen) > at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write(view, settings, target, progress=stop, force=True)
        assert list(target.parent.iterdir()) == [target]
        assert target.read_bytes() == before
    with pytest.raises(InputError, match="exists already"):
        write(view, settings, target)


FULL = """
import resource, signal, sys
from cellucid_core.cli.program import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
sys.exit(main(["export", sys.argv[3], "--out", sys.argv[1], "--format", "h5ad"]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on file sizes")
@pytest.mark.parametrize("limit", [1000, 100_000, 400_000])
def test_a_full_disk_is_told_and_leaves_nothing(demo, tmp_path, limit):
    demo.store("X")  # it is written, too, else
    done = run_program(FULL, tmp_path / "x.h5ad", limit, demo.path)
    assert done.returncode == 2, done.stderr
    assert "could not be written (File too large)" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_input_is_never_replaced(viewed, tmp_path):
    view = viewed(make_adata())
    with pytest.raises(InputError, match="never replaced"):
        write(view, ExportSettings(format="h5ad"), view.dataset.path, force=True)


def test_a_zip_is_stored_with_the_consolidated_description_last(demo_view, tmp_path):
    result = write(demo_view, ExportSettings(format="zarr.zip"), tmp_path / "x.zarr.zip", verify=False)
    with zipfile.ZipFile(result.path) as archive:
        entries = archive.infolist()
    names = [entry.filename for entry in entries]
    assert len(set(names)) == len(names) == result.files
    assert names[-1] == ".zmetadata"
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert not any(".z" in name for name in names[: names.index("X/data/1")])


def test_many_chunks_are_put_together_again(viewed, tmp_path, monkeypatch):
    from cellucid_core.export.cellucid_ready import check, expression, layout

    monkeypatch.setattr(layout, "SLICED", 37)
    monkeypatch.setattr(layout, "WHOLE", 50)
    monkeypatch.setattr(expression, "_RELEASE", 100)
    monkeypatch.setattr(check, "_BLOCK", 64)
    for dense in (False, True):
        adata = make_adata()
        adata.X = adata.X.toarray() if dense else adata.X
        for kind in FORMATS:
            result, written = export(viewed(adata), tmp_path, kind)
            assert result.verified
            np.testing.assert_array_equal(_dense(written), _dense(adata))
            np.testing.assert_array_equal(written.obsm["X_pca"], adata.obsm["X_pca"].astype(np.float32))
            assert list(written.obs_names) == list(adata.obs_names)


# ---- reading back ---------------------------------------------------------------------------------------------------


@pytest.fixture
def exported(viewed, tmp_path):
    view = viewed(make_adata())
    path = tmp_path / "x.h5ad"
    write(view, ExportSettings(format="h5ad"), path)
    return SimpleNamespace(view=view, path=path)


def _put(file, path, values):
    attributes = dict(file[path].attrs)
    del file[path]
    file[path] = values
    file[path].attrs.update(attributes)


def _swap(file):
    values = file["X/indices"][...]
    values[[0, 1]] = values[[1, 0]]
    file["X/indices"][...] = values


DAMAGE = {
    "a stored zero": (lambda f: f["X/data"].__setitem__(3, 0), "values that are 0"),
    "a NaN": (lambda f: f["X/data"].__setitem__(3, np.nan), "not finite"),
    "cells out of order": (_swap, "not in order"),
    "a cell beyond the last": (lambda f: f["X/indices"].__setitem__(0, 60), "out of range"),
    "pointers that go back": (lambda f: f["X/indptr"].__setitem__(1, 10**6), "pointers of X"),
    "another matrix": (lambda f: f["X"].attrs.__setitem__("encoding-type", "csr_matrix"), "not by genes"),
    "wide embeddings": (lambda f: _put(f, "obsm/X_umap", f["obsm/X_umap"][...].astype("f8")), "not a float32"),
    "half an embedding": (lambda f: _put(f, "obsm/X_umap", f["obsm/X_umap"][:30]), "row for each cell"),
    "no record": (lambda f: f["uns"].__delitem__("cellucid"), r"uns\['cellucid'\] is missing"),
    "no title": (lambda f: f["uns"].__delitem__("title"), r"uns\['title'\]"),
    "no cells": (lambda f: f.__delitem__("obs"), "obs is missing"),
    "no AnnData": (lambda f: f.attrs.__setitem__("encoding-type", "dict"), "not an AnnData"),
    "a broken column": (lambda f: f["obs/score"].attrs.__setitem__("encoding-type", "surprise"), "obs cannot be read"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_found(exported, what):
    damage, words = DAMAGE[what]
    with h5py.File(exported.path, "r+") as file:
        damage(file)
    report = verify(exported.path)
    assert not report.ok
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(" ".join(report.problems))


CHANGES = {
    "a value": (lambda f: f["X/data"].__setitem__(3, 77), "Gene 1 of X"),
    "a number": (lambda f: f["obs/score"].__setitem__(3, 77), "'score'"),
    "a category": (lambda f: f["obs/donor/codes"].__setitem__(0, (f["obs/donor/codes"][0] + 1) % 3), "'donor'"),
    "a cell's name": (lambda f: f["obs/_index"].__setitem__(0, "nobody"), "Row names of obs"),
    "a gene's name": (lambda f: f["var/_index"].__setitem__(0, "nothing"), "no gene nothing"),
    "a coordinate": (lambda f: f["obsm/X_umap"].__setitem__((3, 1), 77), "X_umap"),
    "an edge": (lambda f: f["obsp/connectivities/data"].__setitem__(0, 77), "graph differs"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_differences_from_the_source_are_found(exported, what):
    change, words = CHANGES[what]
    assert verify(exported.path, exported.view).ok
    with h5py.File(exported.path, "r+") as file:
        change(file)
    assert verify(exported.path).ok
    problems = verify(exported.path, exported.view).problems
    assert any(words in problem for problem in problems), problems


def test_a_damaged_entry_of_a_zip_is_found(demo_view, tmp_path):
    path = tmp_path / "x.zarr.zip"
    write(demo_view, ExportSettings(format="zarr.zip"), path)
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("X/data/0").header_offset + 100
    raw = bytearray(path.read_bytes())
    raw[start : start + 8] = b"\xff" * 8
    path.write_bytes(raw)
    report = verify(path)
    assert any(problem.startswith("X cannot be read") for problem in report.problems), report.problems


def test_another_dataset_is_not_the_source(exported, demo_view):
    problems = verify(exported.path, demo_view).problems
    assert any("700" in problem for problem in problems), problems


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\nrest", b"PK\x05\x06" + bytes(18), b"hello"])
def test_what_is_no_export_is_refused_with_a_sentence(tmp_path, content):
    path = tmp_path / "x.h5ad"
    path.write_bytes(content)
    with pytest.raises(InputError):
        verify(path)


# ---- plan and command line ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_the_plan_foresees_the_size(demo_view, tmp_path, kind):
    settings = ExportSettings(format=kind)
    artefacts, seconds = plan_ready(demo_view, settings, choose_genes(demo_view, settings))
    result = write(demo_view, settings, tmp_path / f"x.{kind}", verify=False)
    assert 0.5 < sum(item.estimated_bytes for item in artefacts) / result.bytes < 1.5
    assert sum(item.files for item in artefacts) == 1
    assert seconds > 0


def test_the_plan_counts_arrays_that_a_fix_computed(viewed):
    view = viewed(make_adata(60, 20))
    made = {"X_made": np.zeros((60, 50), np.float32)}
    more = View(view.dataset, replace(view.mapping, computed=made))
    settings = ExportSettings(format="h5ad", genes=GeneChoice("none"))
    (before, *_), _ = plan_ready(view, settings, choose_genes(view, settings))
    (after, *_), _ = plan_ready(more, settings, choose_genes(more, settings))
    assert after.raw_bytes - before.raw_bytes == 4 * 60 * 50


def test_a_plan_of_nothing_is_one_empty_file():
    nothing = SimpleNamespace(
        n_cells=0, n_genes=0, obs_keys=(), dataset=SimpleNamespace(obsm={}), mapping=SimpleNamespace(computed={})
    )
    artefacts, _ = plan_ready(nothing, ExportSettings(format="h5ad", graph=False), SimpleNamespace(ids=()))
    assert [(item.files, item.raw_bytes) for item in artefacts] == [(1, 0)]


@pytest.mark.parametrize("kind", FORMATS)
def test_on_the_command_line(tmp_path, capsys, kind):
    import json

    target = str(tmp_path / f"x.{kind}")
    command = [
        "export",
        "demo",
        "--out",
        target,
        "--format",
        kind,
        "--genes",
        "CD3D,CD79A",
        "--latent",
        "X_pca",
        "--json",
    ]
    assert main(command) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["verified"]
    assert (result["n_genes"], result["max_error_steps"]) == (2, 0.0)
    assert main(["verify", target, "--against", "demo", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"]
    assert report["checked_files"] == result["files"]
    assert "outlierQuantiles" in read(tmp_path / f"x.{kind}").uns["cellucid"]
    assert main(["export", "demo", "--out", str(tmp_path / "x.zip"), "--format", kind]) == 2


def test_names_that_no_two_files_can_have_do_not_block_an_anndata(viewed, tmp_path, capsys):
    adata = make_adata()
    adata.var_names = ["HLA A", "HLA/A", "hla a", *adata.var_names[3:]]
    source = viewed(adata).dataset.path
    assert main(["export", str(source), "--out", str(tmp_path / "x.zip")]) == 1
    assert main(["export", str(source), "--out", str(tmp_path / "x.h5ad"), "--format", "h5ad"]) == 0


def test_the_mapping_of_a_written_file_is_the_usual_one(demo_view, tmp_path):
    from cellucid_core.dataset import open_dataset

    write(demo_view, ExportSettings(format="zarr.zip"), tmp_path / "x.zarr.zip")
    again = open_dataset(tmp_path / "x.zarr.zip")
    assert default_mapping(again).embeddings == demo_view.mapping.embeddings
    assert again.obs.shape == demo_view.dataset.obs.shape
