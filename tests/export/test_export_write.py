"""Whole exports: decoded by a reader of the tests' own, compared with the source; refusals; nothing left behind."""

from __future__ import annotations

import hashlib
import json
import zipfile

import numpy as np
import pandas as pd
import pytest

from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.export import ExportSettings, GeneChoice, plan, verify, write
from tests.export.standin import ArrayView, decode, small_view

PRECISIONS = [(8, 8, 6), (16, 16, 1), (None, None, 0), (8, None, 9), (None, 16, 0)]


@pytest.mark.parametrize(("var", "obs", "compression"), PRECISIONS)
@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("target", ["x.zip", "folder"])
def test_everything_decodes_to_the_source(tmp_path, var, obs, compression, sparse, target):
    view = small_view(sparse=sparse)
    settings = ExportSettings(var_quantization=var, obs_quantization=obs, compression=compression, threads=2)
    result = write(view, settings, tmp_path / target)
    assert result.verified
    assert result.max_error_steps <= 0.5
    found = decode(result.path)
    for position, gene in enumerate(view.gene_ids):
        cells, values = view.expression.gene_stored(position)
        source = np.zeros(view.n_cells)
        source[cells] = values
        tolerance = np.ptp(source) / {8: 254, 16: 65534, None: np.inf}[var] / 2 * (1 + 1e-9)
        np.testing.assert_allclose(found["values"][f"var/{gene}"], source, rtol=0, atol=tolerance)
    depth = view.obs("depth").to_numpy()
    tolerance = np.ptp(depth) / {8: 254, 16: 65534}.get(obs, 1) / 2 * (1 + 1e-9) if obs else 0.001
    np.testing.assert_allclose(found["values"]["obs/depth"], depth, rtol=0, atol=tolerance)
    assert found["labels"]["cell type"] == list(view.obs("cell type"))
    assert found["labels"]["treated"] == [str(v) for v in view.obs("treated")]
    dense = view.graph().toarray()
    pairs = np.argwhere(np.triu((dense != 0) | (dense.T != 0), 1)).tolist()
    assert [list(edge) for edge in found["edges"]] == pairs
    identity = found["manifests"]["dataset_identity.json"]
    assert identity["stats"]["n_edges"] == len(pairs)
    assert identity["stats"]["n_genes"] == view.n_genes == result.n_genes
    scale = 2 / np.ptp(view.embedding(2).astype(np.float32), axis=0).max()
    np.testing.assert_allclose(
        found["vectors"]["vectors/velocity_umap_2d.bin"].reshape(-1, 2),
        view.vectors()["velocity_umap"] * scale,
        rtol=1e-5,
    )


def test_demo_from_its_own_file(demo_view, tmp_path):
    result = write(demo_view, ExportSettings(genes=GeneChoice("hvg", n=40)), tmp_path / "demo.zip")
    assert (result.n_cells, result.n_genes, result.verified) == (700, 40, True)
    assert result.bytes == (tmp_path / "demo.zip").stat().st_size
    with zipfile.ZipFile(tmp_path / "demo.zip") as archive:
        assert len(archive.namelist()) == result.files
        assert {name.split("/")[0] for name in archive.namelist()} == {demo_view.dataset.id}
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
    assert verify(tmp_path / "demo.zip", demo_view).ok
    assert json.dumps(result.to_json())
    foreseen = plan(demo_view, ExportSettings(genes=GeneChoice("hvg", n=40)))
    assert foreseen.files == result.files


def test_without_graph_vectors_genes_and_latent(tmp_path):
    view = small_view(X=None, genes=None, graph=None, vectors=None, latent=None)
    result = write(view, ExportSettings(), tmp_path / "x.zip")
    found = decode(tmp_path / "x.zip")
    assert sorted(found["manifests"]) == ["dataset_identity.json", "obs_manifest.json"]
    stats = found["manifests"]["dataset_identity.json"]["stats"]
    assert (stats["n_genes"], stats["has_connectivity"], stats["n_edges"]) == (0, False, None)
    assert "vector_fields" not in found["manifests"]["dataset_identity.json"]
    assert "source" not in found["manifests"]["dataset_identity.json"]
    assert result.n_genes == 0


def test_what_the_plan_cautions_of_is_told_with_the_result(tmp_path):
    obs = pd.DataFrame({"barcode": [f"cell {i}" for i in range(120)], "group": ["a", "b"] * 60})
    view, settings = small_view(obs=obs), ExportSettings(genes=GeneChoice("none"))
    foreseen = [str(caution) for caution in plan(view, settings).cautions]
    result = write(view, settings, tmp_path / "x.zip")
    assert len(foreseen) == 2
    assert list(result.warnings[-2:]) == foreseen
    assert any("barcode" in warning for warning in result.to_json()["warnings"])


def test_graph_and_vectors_can_be_left_out(tmp_path):
    write(small_view(), ExportSettings(graph=False, vectors=False, genes=GeneChoice("none")), tmp_path / "x.zip")
    found = decode(tmp_path / "x.zip")
    assert "edges" not in found
    assert not found["vectors"]


def test_genes_in_the_order_asked_for_with_the_missing_told(tmp_path):
    view = small_view()
    genes = GeneChoice("list", ids=("G7", "nope", "G2", "G7"))
    result = write(view, ExportSettings(genes=genes), tmp_path / "x.zip")
    fields = decode(tmp_path / "x.zip")["manifests"]["var_manifest.json"]["fields"]
    assert [field[0] for field in fields] == ["G7", "G2"]
    assert "nope" in result.warnings[0]
    assert "repeated" in result.warnings[1]
    with pytest.raises(InputError, match="The gene 'nope' is not"):
        write(view, ExportSettings(genes=GeneChoice("list", ids=("nope",))), tmp_path / "y.zip")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.zip"]


def test_two_runs_with_a_fixed_time_are_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    digests = set()
    for number, threads in enumerate((1, 2, 3)):
        view = small_view(n_cells=20_000, n_genes=8, graph=None)
        write(view, ExportSettings(threads=threads), tmp_path / f"{number}.zip", verify=False)
        digests.add(hashlib.sha256((tmp_path / f"{number}.zip").read_bytes()).hexdigest())
    assert len(digests) == 1
    identity = decode(tmp_path / "0.zip")["manifests"]["dataset_identity.json"]
    assert identity["created_at"] == "2023-11-14T22:13:20Z"
    with zipfile.ZipFile(tmp_path / "0.zip") as archive:
        assert archive.infolist()[0].date_time == (2023, 11, 14, 22, 13, 20)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    with pytest.raises(InputError, match="SOURCE_DATE_EPOCH"):
        write(small_view(), ExportSettings(), tmp_path / "n.zip")


def test_without_a_fixed_time_zip_entries_are_of_1980(tmp_path):
    write(small_view(), ExportSettings(), tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def columns(*names, n=60):
    return pd.DataFrame({name: np.arange(n, dtype=float) for name in names})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"obs": columns("a b", "a_b", n=120)}, "'a b' and 'a_b' would be written to the same file"),
        ({"obs": columns("Batch", "batch", n=120)}, "'Batch' and 'batch' differ only in letter case"),
        ({"genes": ["x/y", "x y", *"abcdefghij"]}, "'x/y' and 'x y'"),
        ({"genes": ["Cd4", "CD4", *"abcdefghij"]}, "'Cd4' and 'CD4' differ only"),
        ({"genes": ["same", "same", *"abcdefghij"]}, "'same' and 'same'"),
        ({"genes": ["", *"abcdefghijk"]}, "without an id"),
        ({"genes": ["x" * 300, *"abcdefghijk"]}, "too long"),
        ({"embeddings": {}, "vectors": None}, "no embedding"),
        ({"embeddings": {2: np.full((120, 2), np.nan)}}, "not finite"),
        ({"latent": np.full((120, 2), np.nan)}, "latent space"),
    ],
)
def test_what_cannot_be_written_is_refused_and_nothing_is_left(tmp_path, changes, message):
    view = small_view(**changes)
    with pytest.raises(WorkRefused, match=message):
        write(view, ExportSettings(), tmp_path / "x.zip")
    assert list(tmp_path.iterdir()) == []
    if "would be" in message or "letter case" in message:
        assert any(message.split(" and ")[0] in reason for reason in plan(view, ExportSettings()).refusals)


def test_a_rename_fixes_a_collision(tmp_path):
    view = small_view(obs=columns("a b", "a_b", n=120))
    view.renamed = {"a_b": "a_b-1"}
    write(view, ExportSettings(), tmp_path / "x.zip")
    assert verify(tmp_path / "x.zip", view).ok
    fields = decode(tmp_path / "x.zip")["manifests"]["obs_manifest.json"]["_continuousFields"]
    assert [field[0] for field in fields] == ["a b", "a_b-1"]


def test_too_many_categories_for_uint8(tmp_path):
    obs = pd.DataFrame({"k": pd.Categorical(np.arange(300).astype(str))})
    view = ArrayView(obs, {2: np.random.default_rng(0).normal(size=(300, 2))})
    with pytest.raises(WorkRefused, match="300 categories"):
        write(view, ExportSettings(categorical_dtype="uint8"), tmp_path / "x.zip")
    write(view, ExportSettings(), tmp_path / "x.zip")
    assert decode(tmp_path / "x.zip")["raw"]["codes/k"].dtype == np.dtype("<u2")


def test_progress_counts_up_to_its_total(tmp_path):
    seen = []
    write(small_view(), ExportSettings(), tmp_path / "x.zip", progress=seen.append)
    assert {step.what for step in seen} >= {"Writing genes", "Writing columns", "Reading back", "Done"}
    assert seen[-1].done == seen[-1].total
    counted = [step.done / step.total for step in seen[1:]]
    assert counted == sorted(counted)


class Stop(BaseException):
    """Like the exceptions by which Streamlit stops a script: no `Exception`."""


@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("target", ["x.zip", "folder"])
@pytest.mark.parametrize("when", ["Writing columns", "Writing genes", "Reading back"])
@pytest.mark.parametrize("threads", [1, 2])
def test_cancelled_at_any_moment_the_target_is_as_it_was(tmp_path, error, target, when, threads):
    settings = ExportSettings(threads=threads)
    write(small_view(seed=1), settings, tmp_path / target)
    before = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}

    def stop(step):
        if step.what == when:
            raise error

    with pytest.raises(error):
        write(small_view(seed=2), settings, tmp_path / target, progress=stop, force=True)
    assert {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_an_export_that_does_not_match_its_source_is_not_published(tmp_path, monkeypatch):
    from cellucid_core.export.compact import genes

    original = genes.encode_stored
    monkeypatch.setattr(genes, "encode_stored", lambda n, c, v, b, name: original(n, c, v * 2, b, name))
    with pytest.raises(WorkRefused, match="differs from its source"):
        write(small_view(), ExportSettings(), tmp_path / "x.zip")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("compression", [0, 6])
def test_plan_foresees_files_and_bytes(tmp_path, compression):
    view = small_view(n_cells=3000, n_genes=40)
    view._graph = view._graph + view._graph.T
    settings = ExportSettings(compression=compression)
    foreseen = plan(view, settings)
    result = write(view, settings, tmp_path / "folder")
    assert foreseen.files == result.files
    assert foreseen.estimated_bytes == pytest.approx(result.bytes, rel=0.25)
    zipped = write(view, settings, tmp_path / "folder.zip")
    assert foreseen.estimated_zip_bytes == pytest.approx(zipped.bytes, rel=0.25)
    assert foreseen.estimated_seconds > 0
    assert foreseen.refusals == ()
    if not compression:
        assert foreseen.raw_bytes == pytest.approx(result.bytes, rel=0.05)


def test_names_that_windows_keeps_are_warned_of():
    assert "CON" in plan(small_view(obs=columns("CON", n=120)), ExportSettings()).warnings[0]
