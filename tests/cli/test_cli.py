"""The command line's contract: exit status, one JSON object on stdout, sentences on stderr."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cellucid_core.dataset import open_dataset
from tests.making import make_adata


@pytest.fixture
def file(tmp_path):
    def write(adata=None, name="data.h5ad"):
        path = tmp_path / name
        (make_adata() if adata is None else adata).write_h5ad(path)
        return path

    return write


def test_preflight_of_the_demo(command):
    status, result, _ = command("preflight", "demo")
    assert status == 0
    assert result["status"] == "ready"
    assert result["dataset"]["id"] == "pbmc68k_reduced"
    assert (result["dataset"]["n_cells"], result["dataset"]["n_genes"]) == (700, 765)
    for finding in result["findings"]:
        assert set(finding) >= {"rule", "severity", "title", "detail", "count", "examples", "fix"}


def test_preflight_blocked_and_fixed(command, file):
    adata = make_adata()
    adata.obsm["X_umap"][4] = np.nan
    path = file(adata)
    status, result, _ = command("preflight", path)
    assert (status, result["status"]) == (1, "blocked")
    assert "embedding-not-finite" in [f["rule"] for f in result["findings"]]
    status, result, err = command("preflight", path, "--fix", "embedding-not-finite")
    assert (status, result["status"], result["dataset"]["n_cells"]) == (0, "ready", 59)
    assert result["dataset"]["fixes"][0]["rule"] == "embedding-not-finite"
    assert "1 cell left out" in err


def test_fix_all_alternatives_and_overruling(command, file):
    adata = make_adata()
    adata.obsm["X_umap"][4] = np.nan
    adata.obs["barcode"] = [f"b{i}" for i in range(60)]
    adata.var_names = ["A", "A", *adata.var_names[2:]]
    path = file(adata)
    status, result, _ = command("preflight", path, "--fix", "all")
    assert (status, result["light"]) == (0, "green")
    assert [fix["rule"] for fix in result["dataset"]["fixes"]] == [
        "embedding-not-finite", "obs-one-value-per-cell", "gene-ids-duplicate",
    ]  # fmt: skip
    _, result, _ = command("preflight", path, "--fix", "gene-ids-duplicate=most-expressed")
    assert result["dataset"]["n_genes"] == 29
    _, result, err = command("preflight", path, "--overrule", "obs-one-value-per-cell")
    assert "obs-one-value-per-cell" not in [finding["rule"] for finding in result["findings"]]
    assert "Overruled" in err
    assert command("preflight", path, "--overrule", "no-cells")[0] == 2


def test_preflight_writes_a_page(command, file, tmp_path):
    status, result, _ = command("preflight", file(), "--html", tmp_path / "report.html")
    assert (status, result["path"]) == (0, str(tmp_path / "report.html"))
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert command("preflight", file(), "--html", tmp_path / "nowhere" / "report.html")[0] == 2


def test_mapping_options(command, file):
    adata = make_adata()
    adata.obsm["other"] = np.arange(120.0).reshape(60, 2)
    adata.layers["twice"] = adata.X * 2
    path = file(adata)
    out = path.parent / "out"
    status, _, _ = command(
        "export", path, "--out", out, "--embedding", "2d=other", "--latent", "X_umap", "--matrix", "twice",
        "--gene-id", "symbol", "--connectivities", "none", "--vectors", "none", "--obs-keys", "donor,score",
        "--compression", 0, "--var-quantization", "none", "--obs-quantization", "none",
    )  # fmt: skip
    assert status == 0
    assert not (out / "connectivity_manifest.json").exists()
    identity = json.loads((out / "dataset_identity.json").read_text())
    assert [field["key"] for field in identity["obs_fields"]] == ["donor", "score"]
    values = np.fromfile(out / "var" / "SYM3.values.f32", "<f4")
    np.testing.assert_array_equal(values, adata.layers["twice"][:, 3].toarray().ravel())
    points = np.fromfile(out / "points_2d.bin", "<f4").reshape(-1, 2)
    np.testing.assert_allclose(points[[0, -1]], [[-1, -1], [1, 1]], atol=1e-6)


def test_export_contract(command, tmp_path):
    status, result, _ = command("export", "demo", "--out", tmp_path / "a.zip", "--genes", "hvg:50", "--id", "my-pbmc")
    assert status == 0
    assert set(result) >= {
        "path", "files", "bytes", "seconds", "n_cells", "n_genes", "verified", "max_error_steps", "fixes", "warnings",
    }  # fmt: skip
    assert (result["n_cells"], result["n_genes"], result["verified"]) == (700, 50, True)
    assert 0 < result["max_error_steps"] <= 0.5 + 1e-6
    with zipfile.ZipFile(result["path"]) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == result["files"]
        assert {name.split("/")[0] for name in archive.namelist()} == {"my-pbmc"}
    status, result, _ = command("verify", tmp_path / "a.zip", "--against", "demo")
    assert (status, result["ok"], result["problems"]) == (0, True, [])


def test_export_gene_file_and_missing_genes(command, tmp_path):
    (tmp_path / "genes.txt").write_text("CD3D\nCD79A\nNOT1X\n")
    status, result, err = command(
        "export", "demo", "--out", tmp_path / "a.zip", "--genes", f"@{tmp_path / 'genes.txt'}"
    )
    assert (status, result["n_genes"]) == (0, 2)
    assert any("NOT1X" in warning for warning in result["warnings"])
    assert "NOT1X" in err


def test_export_of_markers_and_a_union(command, tmp_path):
    target = tmp_path / "u.zip"
    status, result, _ = command(
        "export", "demo", "--out", target, "--genes", "CD3D,MS4A1", "--genes", "markers:louvain:2"
    )
    assert status == 0
    with zipfile.ZipFile(target) as archive:
        manifest = json.loads(archive.read("pbmc68k_reduced/var_manifest.json"))
    genes = [field[0] for field in manifest["fields"]]
    assert genes[0] == "CD3D"
    assert len(genes) == len(set(genes)) == result["n_genes"]
    assert 2 < len(genes) <= 2 + 2 * 11
    assert result["arrays"] > result["n_genes"]
    assert result["sha256"] == hashlib.sha256(target.read_bytes()).hexdigest()
    status, result, _ = command("export", "demo", "--out", tmp_path / "x.zip", "--genes", "markers:n_counts:2")
    assert status == 2
    assert "holds numbers" in result["error"]


def test_a_columns_kind_can_be_chosen(command, tmp_path):
    arguments = ("--obs-keys", "n_genes,louvain", "--genes", "none")
    status, _, _ = command("export", "demo", "--out", tmp_path / "k.zip", "--kind", "n_genes=categorical", *arguments)
    assert status == 0
    with zipfile.ZipFile(tmp_path / "k.zip") as archive:
        assert "pbmc68k_reduced/obs/n_genes.codes.u16.gz" in archive.namelist()
    for bad in ("n_genes", "n_genes=text", "nope=categorical"):
        assert command("export", "demo", "--out", tmp_path / "y.zip", "--kind", bad, *arguments)[0] == 2


def test_export_is_refused_while_preflight_is_red(command, file, tmp_path):
    adata = make_adata()
    adata.obsm["X_umap"][4] = np.inf
    status, result, err = command("export", file(adata), "--out", tmp_path / "a.zip")
    assert status == 1
    assert result["status"] == "blocked"
    assert "embedding-not-finite" in err
    assert not (tmp_path / "a.zip").exists()


def test_existing_targets_need_force(command, tmp_path):
    (tmp_path / "a.zip").write_text("mine")
    status, _, err = command("export", "demo", "--out", tmp_path / "a.zip", "--genes", "CD3D")
    assert (status, (tmp_path / "a.zip").read_text()) == (2, "mine")
    assert "--force" in err
    assert command("export", "demo", "--out", tmp_path / "a.zip", "--genes", "CD3D", "--force")[0] == 0
    assert zipfile.is_zipfile(tmp_path / "a.zip")


def test_verify_says_no(command, tmp_path):
    assert command("export", "demo", "--out", tmp_path / "a", "--genes", "CD3D")[0] == 0
    (tmp_path / "a" / "points_2d.bin.gz").write_bytes(b"\x1f\x8b broken")
    status, result, _ = command("verify", tmp_path / "a")
    assert (status, result["ok"]) == (1, False)
    assert any("points_2d" in problem for problem in result["problems"])


def test_score_contract(command, tmp_path, demo_view):
    status, result, _ = command(
        "score", "demo", "--genes", "CD3D, CD3E,CD3D,NOPE", "--group-by", "bulk_labels", "--pages",
        "CD19+ B,Dendritic", "--normalize", "zscore", "--out", tmp_path / "s.csv",
    )  # fmt: skip
    assert status == 0
    genes = result["genes"]
    assert (genes["found"], genes["missing"], genes["repeated"]) == (["CD3D", "CD3E"], ["NOPE"], ["CD3D"])
    assert [page["page"] for page in result["pages"]] == ["CD19+ B", "Dendritic"]
    ids = demo_view.gene_ids.tolist()
    raw = demo_view.expression.block([ids.index("CD3D"), ids.index("CD3E")]).astype(float).mean(axis=0)
    labels = demo_view.obs("bulk_labels").to_numpy()
    a, b = raw[labels == "CD19+ B"], raw[labels == "Dendritic"]
    pooled = np.concatenate([a, b])
    a, b = (a - pooled.mean()) / pooled.std(), (b - pooled.mean()) / pooled.std()
    assert result["pages"][0]["mean"] == pytest.approx(a.mean())
    assert result["pages"][1]["median"] == pytest.approx(np.median(b))
    tests = {test["test"]: test for test in result["tests"]}
    welch, mann = stats.ttest_ind(a, b, equal_var=False), stats.mannwhitneyu(a, b)
    assert tests["welch-t"]["statistic"] == pytest.approx(welch.statistic)
    assert tests["welch-t"]["p_value"] == pytest.approx(welch.pvalue)
    assert tests["welch-t"]["df"] == pytest.approx(welch.df)
    assert tests["mann-whitney-u"]["statistic"] == pytest.approx(mann.statistic)
    assert tests["mann-whitney-u"]["p_value"] == pytest.approx(mann.pvalue)
    assert tests["mann-whitney-u"]["effect_size_type"] == "rank-biserial"
    table = pd.read_csv(tmp_path / "s.csv")
    joined = table.merge(
        pd.DataFrame({"cell_id": demo_view.cell_ids, "expected": raw}), on="cell_id", validate="one_to_one"
    )
    assert len(joined) == len(a) + len(b)
    np.testing.assert_allclose(joined["raw_score"], joined["expected"], rtol=1e-12)


def test_score_rest_of_bool_pages_and_samples(command, file):
    path = file()
    status, result, _ = command("score", path, "--genes", "GENE1,GENE2", "--group-by", "treated", "--rest-of", "True")
    assert status == 0
    assert [page["page"] for page in result["pages"]] == ["True", "Rest of True"]
    status, result, _ = command(
        "score", path, "--genes", "GENE1,GENE2", "--group-by", "treated", "--pages", "True,False",
        "--sample-column", "donor",
    )  # fmt: skip
    assert status == 0
    units = {(test["test"], test["unit"]) for test in result["tests"]}
    assert {("paired-t", "sample"), ("wilcoxon", "sample"), ("welch-t", "cell")} <= units


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["preflight", "nowhere.h5ad"], "no file"),
        (["preflight"], "required"),
        (["frobnicate"], "invalid choice"),
        (["preflight", "demo", "--matrix", "nope"], "no matrix 'nope'"),
        (["preflight", "demo", "--embedding", "X_umap"], "not understood"),
        (["preflight", "demo", "--fix", "nope"], "no preflight rule"),
        (["preflight", "demo", "--obs-keys", "a"], "no obs column"),
        (["score", "demo", "--genes", "NOT1X,NOT2X"], "None of the 2 genes"),
        (["score", "demo", "--genes", "CD3D", "--group-by", "nope"], "no column"),
        (["score", "demo", "--genes", "CD3D", "--group-by", "bulk_labels", "--pages", "T cells"], "no page"),
        (["score", "demo", "--genes", "CD3D", "--pages", "a"], "group-by"),
        (["score", "demo", "--genes", "@nowhere.txt"], "cannot be read"),
        (["export", "demo", "--out", "/nowhere/at/all/x.zip"], "nowhere"),
        (["export", "demo", "--out", "x.zip", "--compression", "12"], "compression"),
        (["export", "demo", "--out", "x.zip", "--var-quantization", "12"], "quantization"),
        (["export", "demo", "--out", "x.zip", "--id", "a/b"], "id"),
        (["score", "demo", "--genes", "CD3D", "--out", "scores.h5ad"], ".csv"),
        (["score", "demo", "--genes", "CD3D", "--method", "score_genes", "--seed", "-1"], "seed"),
        (["demo", "--out", "/nowhere/x.h5ad"], "no folder"),
        (["demo", "--out", "x.txt"], ".h5ad"),
        (["preflight", "demo", "--js"], "Unrecognized arguments: --js"),
        (["verify", "x.zip", "--fix", "all"], "--fix is about a dataset"),
        (["verify", "x.zip", "--sample-column", "donor"], "--sample-column is about a dataset"),
    ],
)
def test_bad_input_is_one_line_and_status_2(command, arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, result, err = command(*arguments)
    assert status == 2
    assert words in err
    assert len([line for line in err.splitlines() if line.startswith("Error:")]) == 1
    assert result["error"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"text", b"\x89HDF\r\n\x1a\n", b"%PDF-1.7"])
@pytest.mark.parametrize("arguments", [["preflight"], ["score", "--genes", "CD3D"], ["export", "--out", "o.zip"]])
def test_broken_files(command, tmp_path, content, arguments, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.h5ad").write_bytes(content)
    status, _, err = command(arguments[0], tmp_path / "x.h5ad", *arguments[1:])
    assert status == 2
    assert err.startswith("Error: ")
    assert not (tmp_path / "o.zip").exists()


def test_a_dataset_without_anything_is_told_what_is_missing(command, file):
    adata = make_adata()
    del adata.obsm["X_umap"], adata.obsm["X_pca"]
    adata.X = None
    path = file(adata)
    status, result, _ = command("preflight", path)
    assert status == 1
    assert [f["rule"] for f in result["findings"]] == ["embedding-missing", "expression-missing"]
    status, _, err = command("score", path, "--genes", "GENE1")
    assert status == 2
    assert "no expression" in err


def test_one_cell_and_all_missing(command, file, tmp_path):
    one = file(make_adata()[:1].copy(), "one.h5ad")
    assert command("preflight", one)[0] == 0
    assert command("export", one, "--out", tmp_path / "one.zip")[1]["verified"] is True
    assert command("score", one, "--genes", "GENE1", "--group-by", "donor")[0] == 0
    adata = make_adata()
    adata.X = np.full((60, 30), np.nan, np.float32)
    nothing = file(adata, "nothing.h5ad")
    status, result, _ = command("preflight", nothing)
    assert status == 0
    assert "expression-not-finite" in [f["rule"] for f in result["findings"]]
    status, result, _ = command("score", nothing, "--genes", "GENE1", "--group-by", "donor")
    assert status == 0
    assert all(page["n_valid"] == 0 and page["mean"] is None for page in result["pages"])
    assert command("export", nothing, "--out", tmp_path / "nothing.zip")[1]["verified"] is True


def test_the_input_is_never_replaced(command, file, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    path = file(make_adata(), "in/data.h5ad")
    before = path.read_bytes()
    status, _, err = command("export", path, "--out", folder, "--force")
    assert (status, path.read_bytes()) == (2, before)
    assert "holds, the dataset" in err
    table = tmp_path / "table.csv"
    pd.DataFrame(np.eye(4), index=list("abcd"), columns=["g1", "g2", "g3", "g4"]).to_csv(table)
    before = table.read_bytes()
    assert command("score", table, "--genes", "g1", "--out", table)[0] == 2
    assert table.read_bytes() == before


def test_scores_that_are_there_are_replaced_only_by_force(command, tmp_path):
    out, genes = tmp_path / "s.csv", tmp_path / "genes.csv"
    genes.write_text("CD3D\n")
    out.write_text("mine")
    status, result, _ = command("score", "demo", "--genes", "CD3D", "--out", out)
    assert (status, out.read_text()) == (2, "mine")
    assert "--force" in result["fix"]
    assert command("score", "demo", "--genes", "CD3D", "--out", out, "--force")[0] == 0
    assert out.read_text() != "mine"
    assert command("score", "demo", "--genes", f"@{genes}", "--out", genes, "--force")[0] == 2
    assert genes.read_text() == "CD3D\n"


def test_the_folder_one_works_in_is_never_replaced(command, tmp_path, monkeypatch):
    (tmp_path / "mine.txt").write_text("x")
    monkeypatch.chdir(tmp_path)
    assert command("export", "demo", "--out", tmp_path, "--force", "--genes", "CD3D")[0] == 2
    assert (tmp_path / "mine.txt").exists()


@pytest.mark.parametrize(("points", "quantile"), [(1, 0.95), (3, 0.95), (50, 0.5), (1000, 0.95), (10, "none")])
def test_any_centroid_setting_verifies(command, file, tmp_path, points, quantile):
    adata = make_adata(300)
    adata.obs["rare"] = pd.Categorical(["x"] * 4 + ["y"] * 96 + ["z"] * 200)
    path = file(adata)
    options = ["--centroid-min-points", points, "--centroid-quantile", quantile, "--genes", "GENE1"]
    status, result, _ = command("export", path, "--out", tmp_path / "a.zip", *options)
    assert (status, result["verified"]) == (0, True)
    assert command("verify", tmp_path / "a.zip", "--against", path)[0] == 0


@pytest.mark.parametrize("bits", [8, 16])
def test_values_near_the_smallest_float(command, file, tmp_path, bits):
    adata = make_adata()
    adata.obs["tiny"] = np.linspace(0, 1e-320, 60)
    adata.X = np.tile(np.linspace(0, 1e-320, 60)[:, None], 30)
    options = ["--var-quantization", bits, "--obs-quantization", bits]
    assert command("export", file(adata), "--out", tmp_path / "a.zip", *options)[0] == 0


def test_names_that_differ_in_case_are_told_with_all_else(command, file, tmp_path):
    adata = make_adata()
    adata.obs["Donor"] = adata.obs["donor"]
    adata.obs["a b"] = adata.obs["a:b"] = adata.obs["score"]
    path = file(adata)
    status, _, err = command("export", path, "--out", tmp_path / "a.zip")
    assert status == 1
    assert "--fix key-collision --fix key-case-collision" in err
    fixes = ["--fix", "key-collision", "--fix", "key-case-collision"]
    assert command("export", path, "--out", tmp_path / "a.zip", *fixes)[0] == 0


@pytest.mark.parametrize("epoch", ["abc", "-5", "1.5"])
def test_a_malformed_source_date_epoch(epoch):
    arguments = [sys.executable, "-m", "cellucid_core", "preflight", "demo", "--json"]
    done = subprocess.run(arguments, capture_output=True, text=True, env={**os.environ, "SOURCE_DATE_EPOCH": epoch})
    assert done.returncode == 2
    assert "SOURCE_DATE_EPOCH" in json.loads(done.stdout)["error"]
    assert "Traceback" not in done.stderr


def test_demo_writes_a_file_that_opens(command, tmp_path):
    status, result, _ = command("demo", "--out", tmp_path / "d.h5ad")
    assert (status, result["path"]) == (0, str(tmp_path / "d.h5ad"))
    assert open_dataset(tmp_path / "d.h5ad").n_cells == 700
    (tmp_path / "d.h5ad").write_text("mine")
    status, result, _ = command("demo", "--out", tmp_path / "d.h5ad")
    assert (status, (tmp_path / "d.h5ad").read_text()) == (2, "mine")
    assert "--force" in result["fix"]
    assert command("demo", "--out", tmp_path / "d.h5ad", "--force")[0] == 0
    assert open_dataset(tmp_path / "d.h5ad").n_cells == 700


def test_as_a_program():
    def call(*arguments):
        return subprocess.run([sys.executable, "-m", "cellucid_core", *arguments], capture_output=True, text=True)

    done = call("preflight", "demo", "--json")
    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "ready")
    done = call("preflight", "demo")
    assert done.stdout.startswith("PBMC 68k, reduced: 700 cells, 765 genes: ready")
    done = call("score", "demo", "--genes", "NOT1X")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: ")
    assert call("--help").returncode == 0


def test_a_reader_that_stops_early_is_no_error():
    line = f"{sys.executable} -m cellucid_core score demo --genes CD3D --group-by bulk_labels --json | head -c 5"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {line}"], capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert done.stdout == '{"gen'


def test_the_core_loads_nothing_heavy_and_no_streamlit():
    code = (
        "import sys, cellucid_core.cli, cellucid_core.dataset, cellucid_core.preflight, cellucid_core.export, "
        "cellucid_core.signature, cellucid_core.charts, cellucid_core.cell_pages; "
        "names = ('streamlit', 'scanpy', 'anndata', 'sklearn', 'numba', 'altair', 'h5py'); "
        "print([name for name in names if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_tables_and_modalities_from_the_command_line(tmp_path, command):
    import pandas as pd

    cells, genes = [f"cell_{i}" for i in range(4)], ["CD3D", "MS4A1", "RPL3"]
    pd.DataFrame([[1, 0, 2], [0, 3, 1], [2, 2, 0], [1, 1, 1]], cells, genes).T.to_csv(tmp_path / "x.csv")
    pd.DataFrame({"group": ["a", "a", "b", "b"]}, cells).to_csv(tmp_path / "cells.csv")
    arguments = ("score", tmp_path / "x.csv", "--genes", "CD3D", "--group-by", "group")
    status, result, messages = command(*arguments, "--cell-metadata", tmp_path / "cells.csv")
    assert status == 0
    assert [(page["page"], page["mean"]) for page in result["pages"]] == [("a", 0.5), ("b", 1.5)]
    assert "genes × cells" in messages
    assert command("preflight", tmp_path / "x.csv", "--modality", "rna")[0] == 2
    assert command("preflight", tmp_path / "x.csv", "--cell-metadata", tmp_path / "nowhere.csv")[0] == 2


def test_an_analysis_as_one_page(command, tmp_path):
    page = tmp_path / "analysis.html"
    options = ("score", "demo", "--genes", "CD3D,CD3E", "--group-by", "louvain")
    assert command(*options, "--html", page)[0] == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "data:image/svg+xml;base64," in text
    assert command(*options, "--html", tmp_path / "nowhere" / "a.html")[0] == 2
    sets = tmp_path / "two.gmt"
    sets.write_text("A\t\tCD3D\nB\t\tCD3E\n", encoding="utf-8")
    assert command("score", "demo", "--gene-sets", sets, "--html", page)[0] == 2


def test_values_within_pages(command, tmp_path):
    options = ("score", "demo", "--genes", "CD3D,CD3E", "--group-by", "bulk_labels")
    status, result, _ = command(*options, "--split", "phase", "--html", tmp_path / "a")
    assert status == 0
    assert result["split"]["column"] == "phase"
    assert result["split"]["values"] == ["G1", "G2M", "S"]
    assert "phase within each page" in (tmp_path / "a").read_text(encoding="utf-8")
    assert "split" not in command(*options)[1]
    status, _, err = command("score", "demo", "--genes", "CD3D", "--split", "phase")
    assert status == 2
    assert "compared within pages" in err
    assert command("score", "demo", "--genes", "CD3D", "--group-by", "phase", "--split", "bulk_labels")[0] == 2


def test_no_report_replaces_what_is_read(command, tmp_path):
    file = tmp_path / "data.h5ad"
    make_adata().write_h5ad(file)
    before = file.read_bytes()
    genes = tmp_path / "genes.txt"
    genes.write_text("GENE1\n", encoding="utf-8")
    assert command("preflight", file, "--html", file)[0] == 2
    assert command("score", file, "--genes", "GENE1", "--html", file)[0] == 2
    assert command("score", file, "--genes", f"@{genes}", "--html", genes)[0] == 2
    assert command("preflight", file, "--html", tmp_path / "nowhere" / "a.html")[0] == 2
    assert file.read_bytes() == before
    assert genes.read_text(encoding="utf-8") == "GENE1\n"
