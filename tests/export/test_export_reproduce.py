"""The lines that are said to write the same file do."""

from __future__ import annotations

import hashlib
import shlex

import numpy as np
import pytest

from cellucid_core.cli.program import main
from cellucid_core.dataset import View, choose, default_mapping, open_dataset
from cellucid_core.export import ExportSettings, GeneChoice, do_again, write
from cellucid_core.preflight import apply_fixes
from tests.making import make_adata

EVERY_SETTING = ExportSettings(
    genes=GeneChoice.of(
        [
            GeneChoice("list", ids=("GENE3", "a,b", "all", "nope")),
            GeneChoice("hvg", n=5),
            GeneChoice("markers", n=2, column="cell_type"),
        ]
    ),
    var_quantization=16,
    obs_quantization=None,
    categorical_dtype="uint16",
    compression=3,
    centroid_min_points=4,
    centroid_quantile=None,
    graph=False,
    vectors=False,
    dataset_id="my-data",
    name='-it\'s "mine" $HOME',
    description="Two\nlines",
    source_name="Lab",
    source_url="https://example.org/?a=1&b=2",
    source_citation="Müller et al.; 2020",
    threads=1,
)
LONG = ExportSettings(genes=GeneChoice("list", ids=tuple(f"GENE{i}" for i in range(5, 25)) + ("a,b",) * 40))


def fancy():
    adata = make_adata()
    adata.var_names = ["a,b", "all", *adata.var_names[2:]]
    adata.obs["n, genes"] = np.arange(60) % 5
    adata.obs["barcode"] = [f"b{i}" for i in range(60)]
    adata.obsm["X_umap_3d"] = adata.obsm["X_pca"][:, :3]
    adata.obsm["X_tsne"] = adata.obsm["X_umap"][:, ::-1].copy()
    adata.obsm["velocity_umap"] = adata.obsm["X_umap"] / 10
    adata.obsm["X_umap"][3] = np.nan
    return adata


CHOICES = {
    "none": {},
    "all": {
        "embeddings": {2: "X_tsne", 3: "X_umap_3d"},
        "latent": "none",
        "gene_id": "symbol",
        "connectivities": "none",
        "vectors": "none",
        "obs_keys": ["donor", "n, genes", "barcode"],
        "kinds": {"n, genes": "categorical"},
    },
}


@pytest.mark.parametrize("choices", list(CHOICES))
@pytest.mark.parametrize("settings", [ExportSettings(), EVERY_SETTING, LONG], ids=["usual", "every", "long"])
def test_the_command_and_the_script_write_the_same_bytes(tmp_path, monkeypatch, settings, choices):
    if settings is not EVERY_SETTING and choices == "all":
        settings = ExportSettings(graph=False, genes=GeneChoice("list", ids=("SYM3", "SYM9")))
    elif choices == "all":
        settings = ExportSettings(**{**vars(settings), "genes": GeneChoice("hvg", n=4)})
    fancy().write_h5ad(tmp_path / "my data.h5ad")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    dataset = open_dataset("my data.h5ad")
    chosen = choose(dataset, default_mapping(dataset), **CHOICES[choices])
    fixes = (
        ["embedding-not-finite", "obs-one-value-per-cell"] if choices == "none" else ["obs-one-value-per-cell=overrule"]
    )
    mapping = apply_fixes(dataset, chosen, fixes)
    first = write(View(dataset, mapping), settings, tmp_path / "first.zip")
    again = do_again(dataset, chosen, fixes, settings, source="my data.h5ad", target="out.zip")
    for name, content in again.files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")

    words = shlex.split(again.command.replace("\\\n", " "))
    assert words[:4] == ["python", "-m", "cellucid_core", "export"]
    assert main(words[3:]) == 0
    assert hashlib.sha256((tmp_path / "out.zip").read_bytes()).hexdigest() == first.sha256
    (tmp_path / "out.zip").unlink()
    exec(compile(again.python, "again.py", "exec"), {})
    assert hashlib.sha256((tmp_path / "out.zip").read_bytes()).hexdigest() == first.sha256


def test_the_demo_reads_simply(demo, demo_view):
    again = do_again(demo, demo_view.mapping, (), ExportSettings(vectors=False), source="demo", target="demo.zip")
    assert again.command.splitlines() == [
        "python -m cellucid_core export demo \\",
        "    --out demo.zip \\",
        "    --id pbmc68k_reduced \\",
        "    --name 'PBMC 68k, reduced'",
    ]
    assert ".fix(" not in again.python
    assert "vectors" not in again.python
    assert again.files == {}


def test_how_it_was_opened_and_names_like_options(demo, demo_view):
    again = do_again(
        demo,
        demo_view.mapping,
        (),
        ExportSettings(),
        source="-x.h5mu",
        target="-x.zip",
        modality="rna",
        cell_metadata="cells.csv",
    )
    assert "export ./-x.h5mu" in again.command
    assert "--out=-x.zip" in again.command
    assert "--modality rna" in again.command
    assert "cc.open('-x.h5mu', modality='rna', cell_metadata='cells.csv')" in again.python
