"""The Python lines are run by themselves and give the numbers that were shown."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cellucid_core.cell_pages import Page, choose_pages, rest_of
from cellucid_core.dataset import View, choose, default_mapping, open_dataset
from cellucid_core.genes import GeneSet
from cellucid_core.preflight import apply_fixes
from cellucid_core.signature import MethodOptions, api_code, python_code, run_signature
from tests.programs import run_program
from tests.signature.signature_values import as_adata, values

_DUMP = """
import gzip
import json
print("RESULT" + json.dumps({
    "mean": {page: float(score.mean()) for page, score in values.items()},
    "n": {page: len(score) for page, score in values.items()},
    "tests": json.loads(tests.to_json(orient="records", double_precision=15)) if "tests" in globals() else [],
}))
"""
NASTY = "a\"b'c\\ \n{x}"


def executed(code: str, folder) -> dict:
    if "pyucell" in code:  # it starts processes itself, which a forked one cannot
        script = [sys.executable, "-W", "ignore", "-c", code + _DUMP]
        done = subprocess.run(script, cwd=folder, capture_output=True, text=True, check=False)
    else:
        done = run_program(code + _DUMP, folder=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.partition("RESULT")[2])


def check(run, result, rel: float = 1e-5) -> None:
    for row in run.summary.to_dict("records"):
        if row["n_valid"]:
            assert result["n"][row["page"]] == row["n_valid"]
            assert result["mean"][row["page"]] == pytest.approx(row["mean"], rel=1e-6, abs=1e-9)
    told = {(t["unit"], t["test"], t["a"], t["b"]): t for t in result["tests"]}
    for test in run.tests:
        pages = test.pages if test.test not in ("anova", "kruskal-wallis") else ("", "")
        mine = told[test.unit, test.test, *pages]
        assert mine["statistic"] == pytest.approx(test.statistic, rel=rel)
        assert mine["p"] == pytest.approx(test.p_value, rel=10 * rel, abs=1e-14)
        if test.p_adjusted is not None:
            assert mine["p adjusted"] == pytest.approx(test.p_adjusted, rel=10 * rel, abs=1e-14)
        if mine["effect"] is not None:
            assert mine["effect"] == pytest.approx(test.effect_size, rel=10 * rel)


@pytest.fixture
def file(tmp_path):
    """Write a dataset with a layer, raw, repeated gene ids, missing values and hostile names."""
    x = values(240, 120, seed=3, dirty=True)
    adata = as_adata(values(240, 120, seed=4), "sparse")
    adata.layers["de'tail"] = as_adata(x, "sparse").X
    adata.raw = as_adata(values(240, 140, seed=5), "dense")
    adata.var['sym"bol'] = [f"S{i % 100}" for i in range(120)]
    rng = np.random.default_rng(0)
    adata.obs["kind"] = pd.Categorical(rng.choice(["x", NASTY, "z"], 240))
    adata.obs["cluster"] = rng.integers(0, 4, 240).astype(float)
    adata.obs["donor"] = [f"d{i % 6}" for i in range(240)]
    adata.obs["treated"] = np.arange(240) % 2 == 0
    path = tmp_path / "it's.h5ad"
    adata.write_h5ad(path)
    return path


def opened(path, **chosen) -> View:
    dataset = open_dataset(path)
    return View(dataset, choose(dataset, default_mapping(dataset), **chosen))


def test_layer_weights_samples_and_left_out_cells(file, tmp_path):
    view = opened(file, matrix="de'tail", gene_id='sym"bol')
    left_out = np.sort(np.random.default_rng(1).choice(240, 215 - 190, replace=False))
    view = View(view.dataset, replace(view.mapping, cells_out=left_out))
    pages = [*choose_pages(view, "kind"), Page("drawn", np.arange(3, 60, 2))]
    signature = GeneSet("s", ("S3", "S50", "S80", "no", "S3"), (1.0, 2.5, 0.5, 9.0, 1.0))
    run = run_signature(
        view, signature, pages=pages, sample_key="donor", normalize="zscore", p_adjust="holm", repeats="count"
    )
    code = python_code(view, run, file=file)
    assert code.count("obs['kind'].astype(str) ==") == 3
    check(run, executed(code, tmp_path))


def test_categories_that_are_no_whole_numbers(viewed):
    adata = as_adata(values(60, 5, seed=1), "sparse")
    adata.obs["dose"] = np.array([0.5, 1.5, np.inf])[np.arange(60) % 3]
    view = viewed(adata)
    view = View(view.dataset, replace(view.mapping, kinds={"dose": "categorical"}))
    code = python_code(view, run_signature(view, ["g1"], pages=choose_pages(view, "dose")), file="a.h5ad")
    assert "obs['dose'] == 0.5" in code
    assert "obs['dose'] == 1.5" in code
    assert "inf" not in code.split("obs['dose'] == 1.5")[1].split("\n")[0]


@pytest.mark.parametrize("method", ["sum", "median", "score_genes", "ucell"])
def test_methods(file, tmp_path, method):
    matrix = "X" if method in ("score_genes", "ucell") else "de'tail"
    view = opened(file, matrix=matrix)
    genes = ["g1", "g2+", "g4", "g5-", "nope", "g1"] if method == "ucell" else ["g1", "g2", "g4", "g1"]
    pages = (
        choose_pages(view, "cluster", ["0", "3"]) if method == "sum" else choose_pages(view, "treated", rest_of="True")
    )
    run = run_signature(
        view,
        genes,
        method=method,
        pages=pages,
        normalize="minmax",
        repeats="count" if method != "score_genes" else "once",
    )
    code = python_code(view, run, file=file)
    assert "obs['cluster'] == 3" in code if method == "sum" else "~(obs['treated'].astype(str) == 'True')" in code
    # scanpy's rounding unties scores that are equal, which moves ranks a little.
    check(run, executed(code, tmp_path), 2e-3 if method == "score_genes" else 1e-5)


def test_raw_large_pages_without_a_column_and_samples_apart(file, tmp_path):
    view = opened(file, matrix="raw")
    some = Page("some", np.sort(np.random.default_rng(2).choice(240, 220, replace=False)))
    run = run_signature(view, ["g130", "g7"], pages=[some, rest_of(some, 240), Page("none", np.empty(0, np.int64))])
    result = executed(python_code(view, run, file=file), tmp_path)
    assert result["mean"]["some"] == pytest.approx(run.summary["mean"][0])
    assert result["mean"]["Rest of some"] == pytest.approx(run.summary["mean"][1])
    donors = [Page(f"P{k}", np.flatnonzero(np.isin(np.arange(240) % 6, [2 * k, 2 * k + 1]))) for k in range(3)]
    run = run_signature(view, ["g130", "g7"], pages=donors, sample_key="donor")
    assert [t.test for t in run.tests if t.unit == "sample"][:2] == ["anova", "kruskal-wallis"]
    check(run, executed(python_code(view, run, file=file), tmp_path))


def test_without_pages_and_with_fixed_genes(file, tmp_path):
    view = opened(file)
    kept = np.arange(0, 120, 2)
    ids = np.array([f"new{i}" for i in range(60)], dtype=object)
    view = View(view.dataset, replace(view.mapping, genes_kept=kept, gene_ids=ids))
    run = run_signature(view, ["new3", "new5"])
    result = executed(python_code(view, run, file=file), tmp_path)
    assert result["mean"]["All cells"] == pytest.approx(run.summary["mean"][0])
    assert result["tests"] == []


@pytest.mark.parametrize("header", ["cell;", ""])
def test_columns_of_a_table_beside_the_file(file, tmp_path, header):
    cells = list(open_dataset(file).obs.index)
    rng = np.random.default_rng(8)
    lines = [f"{cell};{rng.normal():.3f};{arm};p{i % 7};{arm}" for i, cell in enumerate(cells) for arm in "ab"[i % 2]]
    table = tmp_path / "the cells' table.csv"
    # The file has a donor, too: the table's is meant. The last cells are not in the table.
    text = "\n".join([f"{header}age;the 'arm';donor;extra", *reversed(lines[:-9]), ""])
    table.write_bytes(text.encode() if header else gzip.compress(f"# of a cohort\n\n{text}".encode()))
    dataset = open_dataset(file, cell_metadata=table)
    view = View(dataset, replace(choose(dataset, default_mapping(dataset)), cells_out=np.array([2, 3, 50])))
    pages = choose_pages(view, "the 'arm'")
    run = run_signature(view, ["g1", "g2", "g4"], pages=pages, sample_key="donor")
    assert {test.unit for test in run.tests} == {"cell", "sample"}
    code = python_code(view, run, file=file, cell_metadata=table)
    assert code.count("the 'arm'") >= 3
    assert "usecols=[0, 2, 3]" in code
    check(run, executed(code, tmp_path))
    assert "read_csv('the cells" in python_code(view, run) or 'read_csv("the cells' in python_code(view, run)
    own = run_signature(view, ["g1"], pages=choose_pages(view, "kind"))
    assert "read_csv" not in python_code(view, own)


_API_DUMP = """
print("RESULT" + json.dumps({"summary": score.summary.to_dict("records"), "tests": score.tests.to_dict("records")}))
"""


def done_again(code: str, folder) -> dict:
    done = run_program("import json\n" + code + _API_DUMP, folder=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.partition("RESULT")[2])


def same_again(view, run, folder, **named):
    found = done_again(api_code(view, run, **named), folder)
    pd.testing.assert_frame_equal(pd.DataFrame(found["summary"]), run.summary, check_dtype=False)
    assert len(found["tests"]) == len(run.tests)
    for told, test in zip(found["tests"], run.tests, strict=True):
        assert told["p_value"] == pytest.approx(test.p_value, nan_ok=True)
        assert told["effect_size"] == pytest.approx(test.effect_size, nan_ok=True)


@pytest.mark.parametrize("method", ["mean", "sum", "median", "score_genes", "ucell"])
def test_the_api_does_it_again(file, tmp_path, method):
    view = opened(file, matrix="de'tail", gene_id='sym"bol') if method == "mean" else opened(file)
    genes = {"mean": ["S3", "S50", "nope", "S3"], "ucell": ["g1", "g2+", "g5-", "nope", "g1"]}
    genes = genes.get(method, ["g1", "g2", "g4", "g1"])
    run = run_signature(
        view, genes, method=method, pages=choose_pages(view, "kind", rest_of=NASTY), sample_key="donor",
        normalize="zscore", p_adjust="holm", repeats="count", seed=7,
    )  # fmt: skip
    code = api_code(view, run, file=file)
    assert "groupby='kind'" in code
    same_again(view, run, tmp_path, file=file)


def test_the_api_does_weights_own_pages_and_fixes_again(tmp_path):
    adata = as_adata(values(240, 30, seed=4), "sparse")
    adata.obsm["X_umap"] = np.random.default_rng(0).normal(size=(240, 2))
    adata.obsm["X_umap"][:5] = np.nan
    path = tmp_path / "broken.h5ad"
    adata.write_h5ad(path)
    dataset = open_dataset(path)
    before = default_mapping(dataset)
    view = View(dataset, apply_fixes(dataset, before, ["embedding-not-finite"]))
    pages = [Page("drawn", np.arange(3, 60, 2)), Page("many", np.arange(10, 230))]
    run = run_signature(view, GeneSet("s", ("g3", "g5", "no"), (1.0, -2.5, 9.0)), method="sum", pages=pages)
    assert "'embedding-not-finite'" in api_code(view, run)
    same_again(view, run, tmp_path, choices=before, file=path)


def test_the_api_opens_the_demo(demo_view, tmp_path):
    run = run_signature(demo_view, ["CD3D", "CD3E"])
    code = api_code(demo_view, run)
    assert "cc.open('demo')" in code
    assert "score.tests" not in code
    same_again(demo_view, run, tmp_path)


def test_a_pool_of_control_genes(tmp_path):
    adata = as_adata(values(60, 400, seed=3) * np.random.default_rng(0).uniform(1, 2, (60, 400)), "sparse")
    adata.obs["kind"] = pd.Categorical(np.arange(60) % 2)
    adata.write_h5ad(tmp_path / "x.h5ad")
    dataset = open_dataset(tmp_path / "x.h5ad")
    view = View(dataset, default_mapping(dataset))
    options = MethodOptions(ctrl_size=5, gene_pool=tuple(f"g{i}" for i in range(0, 400, 3)))
    run = run_signature(
        view, ["g1", "g5", "g9"], method="score_genes", pages=choose_pages(view, "kind"), seed=2, options=options
    )
    check(run, executed(python_code(view, run, file=tmp_path / "x.h5ad"), tmp_path))
    same_again(view, run, tmp_path, file=tmp_path / "x.h5ad")
