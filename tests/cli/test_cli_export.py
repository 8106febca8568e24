"""Every setting of ``export``, through the command line, checked in the zip and in the folder by an outside decoder."""

from __future__ import annotations

import gzip
import json
import zipfile

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy
from scipy import sparse

from tests.cli.outside import Expected, assert_holds
from tests.export.standin import decode, read_files
from tests.making import make_adata


@pytest.fixture(scope="module")
def adata():
    """A dataset with two of everything that can be chosen."""
    rng = np.random.default_rng(5)
    n = 256  # one more than the categories of a column that needs 16 bits
    adata = make_adata(n, 24, seed=5)
    adata.obsm["X_umap_1d"], adata.obsm["X_umap_3d"] = rng.normal(size=(n, 1)), rng.normal(size=(n, 3))
    adata.obsm["X_tsne"], adata.obsm["X_scvi"] = rng.normal(size=(n, 2)), rng.normal(size=(n, 5))
    adata.obsm["velocity_umap"], adata.obsm["velocity_umap_3d"] = rng.normal(size=(n, 2)), rng.normal(size=(n, 3))
    adata.layers["twice"] = adata.X * 2
    adata.layers["dense"] = np.asarray(adata.X.todense()) - 1.5
    adata.raw = anndata.AnnData(sparse.csr_matrix(np.rint(adata.X.toarray() * 3)), var=adata.var.copy())
    adata.obsp["others"] = sparse.csr_matrix(np.triu(rng.random((n, n)) < 0.01, 1).astype(float))
    adata.obs["rare"] = pd.Categorical(["a"] * 4 + ["b"] * 12 + ["c"] * (n - 26) + [None] * 10)
    adata.obs["many"] = pd.Categorical.from_codes(np.arange(n) % 255, [f"m{i}" for i in range(255)])
    adata.obs["holes"] = np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n))
    return adata


@pytest.fixture(scope="module")
def path(adata, tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "data.h5ad"
    adata.write_h5ad(path)
    return path


@pytest.fixture
def export(command, path, tmp_path):
    """Export into a zip and a folder, find the same in both, and return it decoded, with the JSON of the first run."""

    def call(*arguments, source=path):
        found = []
        for target in ("x.zip", "folder"):
            status, result, err = command("export", source, "--out", tmp_path / target, "--force", *arguments)
            assert status == 0, err
            assert result["verified"] is ("--no-verify" not in arguments)
            found.append((decode(tmp_path / target), result))
        (one, result), (other, other_result) = found
        assert result["files"] == other_result["files"] == len(read_files(tmp_path / "folder"))
        with zipfile.ZipFile(tmp_path / "x.zip") as archive:
            assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        for side in (one, other):
            side["manifests"]["dataset_identity.json"].pop("created_at")
        assert one["manifests"] == other["manifests"]
        for part in ("raw", "points", "vectors"):
            assert one[part].keys() == other[part].keys()
            for key, array in one[part].items():
                np.testing.assert_array_equal(array, other[part][key])
        assert one.get("edges") == other.get("edges")
        return one, result

    return call


UINT8 = ("cell_type", "donor", "score", "treated", "rare", "holes")
SETTINGS = {
    "nothing": ([], Expected()),
    "embedding": (["--embedding", "2d=X_tsne"], Expected({2: "X_tsne"}, vectors=("velocity_umap",))),
    "embeddings": (
        ["--embedding", "3d=X_umap_3d", "--embedding", "1D=X_umap_1d"],
        Expected({1: "X_umap_1d", 3: "X_umap_3d"}, vectors=("velocity_umap_3d",)),
    ),
    "latent": (["--latent", "X_scvi"], Expected(latent="X_scvi")),
    "matrix-layer": (["--matrix", "twice"], Expected(layer="twice")),
    "matrix-dense": (["--matrix", "dense"], Expected(layer="dense")),
    "matrix-raw": (["--matrix", "raw"], Expected(layer="raw")),
    "matrix-X": (["--matrix", "X"], Expected()),
    "gene-id": (["--gene-id", "symbol"], Expected(gene_id="symbol")),
    "gene-id-index": (["--gene-id", "index"], Expected()),
    "connectivities": (["--connectivities", "others"], Expected(graph="others")),
    "connectivities-none": (["--connectivities", "none"], Expected(graph=None)),
    "vectors-none": (["--vectors", "none"], Expected(vectors=())),
    "vectors-auto": (["--vectors", "auto"], Expected()),
    "obs-keys": (["--obs-keys", "rare, score"], Expected(obs_keys=("rare", "score"))),
    "genes-all": (["--genes", "all"], Expected()),
    "genes-none": (["--genes", "none"], Expected(genes=[])),
    "genes-list": (["--genes", "GENE9,GENE2,GENE13"], Expected(genes=["GENE9", "GENE2", "GENE13"])),
    "var-8": (["--var-quantization", "8"], Expected()),
    "var-16": (["--var-quantization", "16"], Expected(var=16)),
    "var-none": (["--var-quantization", "none"], Expected(var=None)),
    "obs-8": (["--obs-quantization", "8"], Expected()),
    "obs-16": (["--obs-quantization", "16"], Expected(obs=16)),
    "obs-none": (["--obs-quantization", "none"], Expected(obs=None)),
    "dtype-auto": (["--categorical-dtype", "auto"], Expected()),
    "dtype-uint16": (["--categorical-dtype", "uint16"], Expected(dtype="uint16")),
    "dtype-uint8": (
        ["--categorical-dtype", "uint8", "--obs-keys", ",".join(UINT8)],
        Expected(dtype="uint8", obs_keys=UINT8),
    ),
    **{f"compression-{level}": (["--compression", level], Expected(compression=level)) for level in range(10)},
    "min-points-1": (["--centroid-min-points", "1"], Expected(min_points=1)),
    "min-points-13": (["--centroid-min-points", "13"], Expected(min_points=13)),
    "min-points-many": (["--centroid-min-points", "9999"], Expected(min_points=9999)),
    "quantile-0.5": (["--centroid-quantile", "0.5"], Expected(quantile=0.5)),
    "quantile-1": (["--centroid-quantile", "1"], Expected(quantile=1.0)),
    "quantile-none": (["--centroid-quantile", "none"], Expected(quantile=None)),
    "id": (["--id", "My.data-1_x"], Expected(identity={"id": "My.data-1_x"})),
    "name": (["--name", "Größe 甲 \"x\""], Expected(identity={"name": "Größe 甲 \"x\""})),
    "description": (["--description", "Two\nlines"], Expected(identity={"description": "Two\nlines"})),
    "source-name": (["--source-name", "Lab"], Expected(identity={"source": {"name": "Lab"}})),
    "source-url": (["--source-url", "https://a.b/?c"], Expected(identity={"source": {"url": "https://a.b/?c"}})),
    "source-citation": (["--source-citation", "X 2026"], Expected(identity={"source": {"citation": "X 2026"}})),
    "source-all": (
        ["--source-name", "L", "--source-url", "u", "--source-citation", "c"],
        Expected(identity={"source": {"name": "L", "url": "u", "citation": "c"}}),
    ),
    "threads": (["--threads", "3"], Expected()),
    "format": (["--format", "compact"], Expected()),
    "no-verify": (["--no-verify"], Expected()),
    "together": (
        ["--embedding", "2d=X_tsne", "--latent", "X_scvi", "--matrix", "dense", "--gene-id", "symbol", "--genes",
         "SYM4,SYM1", "--connectivities", "others", "--vectors", "none", "--obs-keys", "many,holes,treated",
         "--var-quantization", "16", "--obs-quantization", "none", "--compression", "0", "--centroid-min-points", "5",
         "--centroid-quantile", "0.9", "--categorical-dtype", "uint16", "--threads", "1"],
        Expected({2: "X_tsne"}, "X_scvi", "dense", "symbol", "others", (),
                 ("many", "holes", "treated"), ["SYM4", "SYM1"], 16, None, "uint16", 0, 5, 0.9),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting(export, adata, name):
    arguments, expected = SETTINGS[name]
    found, result = export(*arguments)
    identity = {"id": "data", "name": "data", "description": "", "version": 2, **expected.identity}
    assert_holds(found, adata, Expected(**{**vars(expected), "identity": identity}))
    genes = adata.n_vars if expected.genes is None else len(expected.genes)
    assert (result["n_cells"], result["n_genes"]) == (adata.n_obs, genes)
    if result["verified"] and (expected.var or expected.obs):
        assert 0 < result["max_error_steps"] <= 0.5


def test_compression_levels_are_gzip_or_plain(command, path, tmp_path):
    """Level 0 writes no ``.gz`` at all, the others nothing else; no gzip header holds a time or a name."""
    sizes = {}
    for level in (0, 1, 6, 9):
        folder = tmp_path / str(level)
        assert command("export", path, "--out", folder, "--compression", level)[0] == 0
        binaries = [file for file in folder.rglob("*") if file.is_file() and file.suffix != ".json"]
        assert {file.suffix == ".gz" for file in binaries} == {level > 0}
        sizes[level] = sum(file.stat().st_size for file in binaries)
        for file in binaries:
            if level:
                head = file.read_bytes()[:10]
                assert head[:4] == b"\x1f\x8b\x08\x00"
                assert head[4:8] == bytes(4)
                gzip.decompress(file.read_bytes())
    assert sizes[0] > sizes[1]
    assert sizes[9] <= 1.01 * sizes[1]


def test_genes_from_a_file_and_unknown_ones(export, adata, tmp_path):
    (tmp_path / "genes.txt").write_text("GENE7\n\nGENE3, NOPE\nGENE7\n")
    found, result = export("--genes", f"@{tmp_path / 'genes.txt'}")
    assert_holds(found, adata, Expected(genes=["GENE7", "GENE3"]))
    assert any("NOPE" in warning for warning in result["warnings"])
    assert any("repeated" in warning for warning in result["warnings"])


def test_variable_genes_of_the_demo_are_scanpys(export, demo_view):
    found, result = export("--genes", "hvg:20", source="demo")
    ids = demo_view.gene_ids.tolist()
    adata = anndata.AnnData(sparse.csr_matrix(demo_view.expression.block(range(len(ids))).T))
    scanpy.pp.highly_variable_genes(adata, n_top_genes=20, flavor="seurat")
    wanted = [ids[position] for position in np.flatnonzero(adata.var["highly_variable"])]
    fields = [entry[0] for entry in found["manifests"]["var_manifest.json"]["fields"]]
    assert fields == wanted
    assert result["n_genes"] == 20


def test_the_demo_as_it_is(export, demo_view):
    found, result = export(source="demo")
    assert (result["n_cells"], result["n_genes"]) == (700, 765)
    for position in (0, 100, 764):
        gene = demo_view.gene_ids[position]
        source = demo_view.expression.gene(position).astype(float)
        assert np.abs(found["values"][f"var/{gene}"] - source).max() <= np.ptp(source) / 254 / 2 * (1 + 1e-6)
    assert found["labels"]["bulk_labels"] == demo_view.obs("bulk_labels").tolist()


def test_fixes_reach_the_export(command, tmp_path):
    broken = make_adata()
    broken.obsm["X_umap"][4] = np.nan
    broken.var_names = ["A", "A", *broken.var_names[2:]]
    broken.write_h5ad(tmp_path / "broken.h5ad")
    arguments = ["--fix", "embedding-not-finite", "--fix", "gene-ids-duplicate"]
    status, result, _ = command("export", tmp_path / "broken.h5ad", "--out", tmp_path / "x.zip", *arguments)
    assert (status, result["n_cells"]) == (0, 59)
    assert {fix["rule"] for fix in result["fixes"]} == {"embedding-not-finite", "gene-ids-duplicate"}
    found = decode(tmp_path / "x.zip")
    fields = [entry[0] for entry in found["manifests"]["var_manifest.json"]["fields"]]
    assert fields == ["A", "A-1", *broken.var_names[2:]]
    kept = np.delete(np.arange(60), 4)
    assert found["labels"]["donor"] == broken.obs["donor"].iloc[kept].tolist()
    source = broken.X[kept, 1].toarray().ravel().astype(float)
    assert np.abs(found["values"]["var/A-1"] - source).max() <= np.ptp(source) / 254 / 2 * (1 + 1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--var-quantization", "7"], "quantization"),
        (["--obs-quantization", "32"], "quantization"),
        (["--categorical-dtype", "int8"], "invalid choice"),
        (["--compression", "10"], "compression"),
        (["--compression", "-1"], "compression"),
        (["--compression", "x"], "compression"),
        (["--centroid-min-points", "0"], "centroid"),
        (["--centroid-quantile", "1.5"], "quantile"),
        (["--centroid-quantile", "nan"], "quantile"),
        (["--centroid-quantile", "half"], "quantile"),
        (["--threads", "0"], "threads"),
        (["--genes", "hvg:none"], "how many"),
        (["--genes", "@nowhere"], "cannot be read"),
        (["--genes", "NOPE"], "The gene 'NOPE' is not in the dataset"),
        (["--id", "../up"], "Use 'up'"),
        (["--format", "loom"], "invalid choice"),
        (["--embedding", "2d=nope"], "nope"),
        (["--embedding", "4d=X_umap"], "not understood"),
        (["--latent", "nope"], "nope"),
        (["--connectivities", "nope"], "nope"),
        (["--obs-keys", "nope"], "nope"),
    ],
)
def test_wrong_settings_are_one_sentence(command, path, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    status, result, err = command("export", path, "--out", "x.zip", *arguments)
    assert status == 2
    assert words in err
    assert result["error"]
    assert list(tmp_path.iterdir()) == []


def test_uint8_refuses_255_categories(command, path, tmp_path):
    status, result, err = command("export", path, "--out", tmp_path / "x.zip", "--categorical-dtype", "uint8")
    assert status == 1
    assert "many" in err or "many" in json.dumps(result)
    assert not (tmp_path / "x.zip").exists()
