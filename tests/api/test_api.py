"""The public API: lazy, the same numbers as the command line and scanpy, short in a notebook."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy as sc

import cellucid_core as cc
from cellucid_core.cell_pages import Page
from cellucid_core.dataset import View
from cellucid_core.export import ExportSettings, GeneChoice
from cellucid_core.signature import Signature
from tests.making import make_adata

ROOT = Path(__file__).parents[2]
GENES = ["CD3D", "CD3E", "IL32", "LCK"]
HEAVY = ("numpy", "pandas", "scipy", "anndata", "h5py", "altair", "streamlit", "scanpy", "importlib.metadata")


def fresh(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---- lazy ----------------------------------------------------------------------------------------------------------


def test_importing_it_imports_nothing_heavy():
    told = fresh(f"import sys, cellucid_core as cc; dir(cc); print([m for m in {HEAVY!r} if m in sys.modules])")
    assert told.strip() == "[]"


def test_names_are_there_whatever_was_imported_first():
    call = "r = cc.preflight('demo'); e = cc.export; assert r.status == 'ready' and callable(e)"
    for first in ("import cellucid_core.export, cellucid_core.preflight", "import cellucid_core.api", "pass"):
        fresh(f"{first}\nimport cellucid_core as cc\n{call}\nfrom cellucid_core.export import ExportSettings")
    fresh("import cellucid_core as cc; assert cc.export.ExportSettings and cc.preflight.RULES")
    fresh("from cellucid_core import *; assert open('demo').n_cells == 700 and score and write_demo")


def test_all_dir_and_version():
    assert set(cc.__all__) <= set(dir(cc))
    assert all(getattr(cc, name) is not None for name in cc.__all__)
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        cc.opne  # noqa: B018
    for name in cc.__all__:
        assert (getattr(cc, name).__doc__ or "").strip(), name


def test_help_names_every_setting():
    shown = inspect.signature(cc.export).parameters
    assert set(inspect.signature(ExportSettings).parameters) <= set(shown)
    assert shown["var_quantization"].default == 8
    assert list(inspect.signature(cc.preflight).parameters) == ["dataset"]
    assert list(inspect.signature(cc.score).parameters)[:2] == ["dataset", "gene_list"]
    scanpys = set(inspect.signature(sc.tl.score_genes).parameters)
    assert {"gene_list", "random_state", "use_raw", "layer"} <= scanpys & set(inspect.signature(cc.score).parameters)


# ---- open ----------------------------------------------------------------------------------------------------------


def test_open_path_view_and_anndata(tmp_path):
    adata = make_adata()
    adata.write_h5ad(tmp_path / "cells.h5ad")
    for source in (str(tmp_path / "cells.h5ad"), tmp_path / "cells.h5ad", [tmp_path / "cells.h5ad"], adata):
        data = cc.open(source, gene_id="symbol")
        assert isinstance(data, View)
        assert (data.n_cells, list(data.gene_ids[:2])) == (60, ["SYM0", "SYM1"])
    assert cc.open(data).mapping.gene_id == "symbol"
    assert cc.open(adata, name="mine").dataset.name == "mine"
    assert data.choose(matrix="X", latent="none").mapping.latent is None
    with pytest.raises(cc.InputError, match="2 files cannot be opened as one dataset yet"):
        cc.open(["a.h5ad", "b.h5ad"])
    with pytest.raises(cc.InputError, match="open already"):
        cc.open(data, name="other")
    with pytest.raises(cc.CellucidError, match="no matrix 'lyer'"):
        cc.open(adata, matrix="lyer")


def test_a_dataset_shows_itself(demo_view):
    text, html = repr(demo_view), demo_view._repr_html_()
    for words in ("PBMC 68k, reduced", "700", "X (log-normalized)", "X_umap (2D)", "bulk_labels"):
        assert words in text
        assert words in html
    assert len(text) < 800
    adata = make_adata()
    adata.obs["<b>&"] = 1.0
    assert "&lt;b&gt;&amp;" in cc.open(adata)._repr_html_()
    assert "none" in repr(cc.open(anndata.AnnData(obs=adata.obs)))


def test_write_demo(tmp_path):
    path = cc.write_demo(tmp_path / "demo.h5ad")
    assert cc.open(path).n_cells == 700
    with pytest.raises(cc.InputError, match="does not end in"):
        cc.write_demo(tmp_path / "demo.zip")
    with pytest.raises(cc.InputError, match="no folder"):
        cc.write_demo(tmp_path / "none" / "demo.h5ad")


# ---- preflight -----------------------------------------------------------------------------------------------------


@pytest.fixture
def broken() -> anndata.AnnData:
    adata = make_adata()
    adata.obsm["X_umap"][[3, 50]] = np.nan
    adata.var_names = ["GENE1", "GENE1", *(f"GENE{i}" for i in range(2, 30))]
    return adata


def test_preflight_says_what_the_command_says_and_fixes(broken, tmp_path, command):
    broken.write_h5ad(tmp_path / "broken.h5ad")
    status, told, _ = command("preflight", tmp_path / "broken.h5ad")
    report = cc.preflight(tmp_path / "broken.h5ad")
    assert (status, report.status, report.light) == (1, "blocked", "red")
    assert report.to_json() == {key: value for key, value in told.items() if key != "path"}
    here = cc.preflight(broken)
    assert here.findings == report.findings
    for shown in (repr(here), here._repr_html_()):
        assert all(finding.title in shown and finding.rule in shown for finding in here.findings)
        assert "fix" in shown
    fixed = here.fix("all")
    assert isinstance(fixed, View)
    assert fixed.n_cells == 58
    assert cc.preflight(fixed).status == "ready"
    assert cc.preflight("demo").fix("all").n_cells == 700
    one = here.fix("gene-ids-duplicate")
    assert [fix.rule for fix in one.mapping.fixes] == ["gene-ids-duplicate"]
    assert [f.rule for f in cc.preflight(one).findings if f.severity == "error"] == ["embedding-not-finite"]
    for wrong, words in (((), "Fix what"), (("no-such",), "no preflight rule")):
        with pytest.raises(cc.InputError, match=words):
            here.fix(*wrong)
    here.to_html(tmp_path / "report.html")
    assert "<!doctype html>" in (tmp_path / "report.html").read_text()
    assert broken.n_obs == 60


# ---- export --------------------------------------------------------------------------------------------------------


def test_export_writes_what_the_command_writes(tmp_path, command, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    options = ["--genes", "hvg:50", "--genes", "CD3D,CD3E", "--var-quantization", "16", "--name", "Mine"]
    _, told, _ = command("export", "demo", "--out", tmp_path / "command.zip", *options)
    result = cc.export("demo", tmp_path / "api.zip", genes=["hvg:50", "CD3D", "CD3E"], var_quantization=16, name="Mine")
    assert result.sha256 == told["sha256"]
    assert result.verified
    assert result.n_genes == told["n_genes"]
    assert cc.verify(tmp_path / "api.zip", "demo").ok
    assert cc.verify(str(tmp_path / "api.zip")).ok
    with pytest.raises(cc.InputError, match="exists"):
        cc.export("demo", tmp_path / "api.zip", genes="none")
    assert cc.export("demo", tmp_path / "api.zip", "none", force=True, verify=False).n_genes == 0
    assert len(repr(result)) < 1500


@pytest.mark.parametrize("name", ["cells.h5ad", "cells.zarr.zip", "cells.zip", "folder"])
def test_export_of_an_anndata_in_memory(name, tmp_path):
    adata = make_adata()
    result = cc.export(adata, str(tmp_path / name), genes="all", source_name="us")
    assert result.path == tmp_path / name
    assert result.verified
    assert cc.verify(result.path, adata).ok
    adata.obs["score"] += 1
    assert not cc.verify(result.path, adata).ok


def test_export_refuses_in_sentences(broken, tmp_path):
    out = tmp_path / "out.zip"
    with pytest.raises(
        cc.WorkRefused, match=r'Preflight blocks.*cc\.preflight\(dataset\)\.fix\("embedding-not-finite"'
    ) as told:
        cc.export(broken, out)
    assert told.value.details["status"] == "blocked"
    with pytest.raises(cc.InputError, match="Did you mean compression"):
        cc.export(broken, out, compresion=3)
    with pytest.raises(cc.InputError, match="There are "):
        cc.export(broken, out, xyz=3)
    with pytest.raises(cc.InputError, match="The list of genes is empty"):
        cc.export(broken, out, [])
    assert not out.exists()
    fixed = cc.preflight(broken).fix("all")
    assert cc.export(fixed, out, GeneChoice("hvg", n=5)).n_cells == 58
    assert cc.verify(out, fixed).ok


def test_progress_is_told(tmp_path):
    steps = []
    cc.export(make_adata(), tmp_path / "out.zip", progress=steps.append)
    assert steps[-1].done == steps[-1].total


# ---- score ---------------------------------------------------------------------------------------------------------


def test_score_gives_what_the_command_gives(tmp_path, command):
    options = ["--genes", ",".join([*GENES, "NOPE"]), "--group-by", "bulk_labels", "--normalize", "zscore"]
    _, told, _ = command("score", "demo", *options, "--out", tmp_path / "command.csv")
    result = cc.score("demo", [*GENES, "NOPE"], groupby="bulk_labels", normalize="zscore")
    result.to_csv(tmp_path / "api.csv")
    assert (tmp_path / "api.csv").read_bytes() == (tmp_path / "command.csv").read_bytes()
    assert (result.found, result.missing) == (told["genes"]["found"], ["NOPE"])
    assert (result.headline, result.warnings) == (told["headline"], told["warnings"])
    assert list(result.summary["mean"]) == [page["mean"] for page in told["pages"]]
    assert list(result.tests["statistic"].dropna()) == [t["statistic"] for t in told["tests"] if t["statistic"]]
    json.dumps(result.to_json(), allow_nan=False)


def test_scores_are_by_cell_id():
    raw = cc.score("demo", GENES)
    pages = ["CD4+/CD25 T Reg", "CD19+ B"]
    scaled = cc.score("demo", GENES, groupby="bulk_labels", pages=pages, normalize="minmax").scores
    labels = cc.open("demo").dataset.obs["bulk_labels"]
    inside = labels.isin(pages).to_numpy()
    assert raw.scores.index.equals(pd.Index(labels.index, dtype=object)) or list(raw.scores.index) == list(labels.index)
    assert raw.scores.dtype == np.float64
    assert (scaled.min(), scaled.max()) == (0, 1)
    assert scaled.notna().equals(pd.Series(inside, index=scaled.index))


@pytest.mark.parametrize("where", [{}, {"use_raw": True}, {"use_raw": False}, {"layer": "other"}])
def test_key_added_as_scanpy_adds_it(where):
    adata = make_adata(200, 120)
    adata.raw = make_adata(200, 120, seed=4)
    adata.layers["other"] = make_adata(200, 120, seed=5).X
    genes = [f"GENE{i}" for i in range(3, 15)]
    before = adata.copy()
    result = cc.score(adata, genes, method="score_genes", random_state=3, key_added="T_score", **where)
    sc.tl.score_genes(adata, genes, random_state=3, score_name="scanpys", **{"use_raw": False, **where})
    np.testing.assert_allclose(adata.obs["T_score"], adata.obs["scanpys"], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(adata.obs["T_score"], result.scores)
    assert list(adata.obs.columns) == [*before.obs.columns, "T_score", "scanpys"]
    pd.testing.assert_frame_equal(adata.obs[before.obs.columns], before.obs)
    assert (adata.X != before.X).nnz == 0


def test_key_added_of_a_view_and_of_repeated_ids():
    adata = make_adata()
    part = adata[5:40]
    with pytest.warns(anndata.ImplicitModificationWarning):  # as any writing to a view
        cc.score(part, ["GENE1"], key_added="T")
    assert "T" not in adata.obs
    adata.obs_names = ["same"] * 60
    cc.score(adata, ["GENE1"], key_added="T")
    np.testing.assert_allclose(adata.obs["T"], np.asarray(adata.X[:, 1].toarray()).ravel())
    with pytest.raises(cc.InputError, match="Only an AnnData"):
        cc.score("demo", GENES, key_added="T")


def test_pages_samples_weights_and_symbols():
    adata = make_adata()
    drawn = [Page("some", np.arange(20)), Page("others", np.arange(20, 60))]
    assert list(cc.score(adata, "GENE1, GENE2", pages=drawn).summary["page"]) == ["some", "others"]
    result = cc.score(adata, ["SYM1"], groupby="cell_type", rest_of="T", sample="donor", gene_symbols="symbol")
    assert list(result.summary["page"]) == ["T", "Rest of T"]
    assert set(result.tests["unit"]) == {"sample", "cell"}
    weighted = cc.score(adata, Signature("s", ("GENE1", "GENE2"), (2.0, 1.0)))
    expected = adata.X[:, 1].toarray().ravel() * 2 / 3 + adata.X[:, 2].toarray().ravel() / 3
    np.testing.assert_allclose(weighted.scores, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"pages": ["T"]}, "Say which column"),
        ({"pages": [Page("a", np.arange(3))], "groupby": "donor"}, "compared alone"),
        ({"use_raw": True}, "has no raw"),
        ({"use_raw": True, "layer": "x"}, "Either raw or a layer"),
        ({"layer": "x"}, "no matrix 'x'"),
        ({"groupby": "cell_typ"}, "no column 'cell_typ'"),
        ({"random_state": -1}, "seed cannot be -1"),
        ({"gene_symbols": "nope"}, "no column 'nope'"),
        ({"method": "avg"}, "avg"),
    ],
)
def test_score_refuses_in_sentences(given, words):
    with pytest.raises(cc.CellucidError, match=words):
        cc.score(make_adata(), ["GENE1"], **given)


def test_a_result_shows_itself():
    result = cc.score("demo", [*GENES, "NOPE"], groupby="bulk_labels")
    for shown in (repr(result), result._repr_html_()):
        assert "4 of 5 genes, 700 cells, 10 pages" in shown
        assert "NOPE" in shown
    assert len(repr(result)) < 1500
    assert len(repr(result.run)) < 300
    assert len(repr(result.run.pages[0])) < 80
    assert len(repr(result.dataset.dataset)) < 200
    for kind in ("violin", "box", "histogram", "cumulative"):
        chart = result.plot(kind, width=400)
        assert chart.to_dict()["width"] == 400
        assert hasattr(chart, "_repr_mimebundle_")
    with pytest.raises(cc.InputError, match="no chart 'pie'"):
        result.plot("pie")
    assert "cc.score(" in result.python()
    assert "import anndata" in result.python("scanpy")
