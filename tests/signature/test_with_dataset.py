"""Scores in files beside the dataset's own columns; the record of a run."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
import pytest

from cellucid_core.cell_pages import Page, choose_pages
from cellucid_core.dataset import View, default_mapping, open_dataset
from cellucid_core.errors import InputError
from cellucid_core.genes import GeneSet
from cellucid_core.signature import (
    every_method,
    obs_csv,
    record_json,
    run_record,
    run_signature,
    statistics_csv,
    summary_csv,
    write_h5ad,
    write_parquet,
)
from cellucid_core.signature.statistics import mixed_model
from tests.making import make_adata


@pytest.fixture
def view(viewed):
    adata = make_adata()
    adata.obs["signature_score"] = 1.0
    adata.obs.index = [f'0{i},"x"' for i in range(60)]
    found = viewed(adata)
    return View(found.dataset, replace(found.mapping, cells_out=np.array([2, 5])))


@pytest.fixture
def run(view):
    pages = [*choose_pages(view, "cell_type", ["B", "T"]), Page("first & last", np.array([0, 1, 57]))]
    return run_signature(view, "GENE1, GENE2, GENE5, nope", pages=pages, normalize="zscore", sample_key="donor")


def test_parquet(view, run, tmp_path):
    write_parquet(view, run, tmp_path / "s.parquet")
    back = pd.read_parquet(tmp_path / "s.parquet")
    want = run.table(view)
    assert back.columns.tolist() == want.columns.tolist()
    assert back["cell_id"].tolist() == want["cell_id"].tolist()
    np.testing.assert_array_equal(back["score"], want["score"])


def test_cell_table(view, run):
    back = pd.read_csv(io.StringIO("".join(obs_csv(view, run))), dtype={"cell_id": str}, float_precision="round_trip")
    assert back["cell_id"].tolist() == view.cell_ids.tolist()
    assert back.columns.tolist()[-2:] == ["signature_score-1", "signature_page"]
    np.testing.assert_array_equal(back["signature_score-1"], run.raw)
    assert back["donor"].tolist() == view.obs("donor").tolist()
    for page in run.pages[:2]:
        named = back["signature_page"].fillna("").str.split(" & ").str[0] == page.name
        assert np.flatnonzero(named).tolist() == page.cells.tolist()
    assert back["signature_page"][57].endswith("first & last")


def test_h5ad_copy(view, run, tmp_path):
    source = view.dataset.path
    before = hashlib.sha256(source.read_bytes()).hexdigest()
    names = write_h5ad(view, run, tmp_path / "with.h5ad")
    assert hashlib.sha256(source.read_bytes()).hexdigest() == before
    old, new = anndata.read_h5ad(source), anndata.read_h5ad(tmp_path / "with.h5ad")
    assert names == ("signature_score-1", "signature_page")
    assert new.obs.columns.tolist() == [*old.obs.columns, *names]
    assert new.obs_names.tolist() == old.obs_names.tolist()
    np.testing.assert_array_equal(new.X.toarray(), old.X.toarray())
    scores = new.obs[names[0]].to_numpy()
    assert np.flatnonzero(np.isnan(scores)).tolist() == [2, 5]
    np.testing.assert_array_equal(scores[view.cell_index], run.raw)
    b_cells = old.obs["cell_type"].to_numpy()[view.cell_index] == "B"
    assert new.obs[names[1]].astype(str).to_numpy()[view.cell_index][b_cells][0].startswith("B")
    assert open_dataset(tmp_path / "with.h5ad").n_cells == 60


def test_what_has_no_h5ad_is_told(view, run, tmp_path):
    with pytest.raises(InputError, match="is the dataset itself"):
        write_h5ad(view, run, view.dataset.path)
    table = tmp_path / "table.csv"
    table.write_text("cell,A,B\nc1,1,2\nc2,3,4\nc3,0,1\n")
    dataset = open_dataset(table)
    other = View(dataset, default_mapping(dataset))
    target = tmp_path / "x.h5ad"
    with pytest.raises(InputError, match=r"not an \.h5ad file"):
        write_h5ad(other, run_signature(other, ["A"]), target)
    assert not target.exists()


def test_statistics(run):
    table = pd.read_csv(io.StringIO(statistics_csv(run)), keep_default_na=True, float_precision="round_trip")
    assert table["test"].tolist() == [test.test for test in run.tests]
    for row, test in zip(table.to_dict("records"), run.tests, strict=True):
        assert row["statistic"] == test.statistic or (np.isnan(row["statistic"]) and test.statistic is None)
        assert row["p_value"] == test.p_value or (np.isnan(row["p_value"]) and test.p_value is None)
    pd.testing.assert_frame_equal(
        pd.read_csv(io.StringIO(summary_csv(run)), float_precision="round_trip"), run.summary, check_exact=True
    )
    assert statistics_csv(replace(run, tests=[])).startswith("test,unit")


def test_record(view, run):
    text = record_json(run_record(view, run, made={"B": "category of cell_type"}, replaced={"gene1": "GENE1"}))

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    record = json.loads(text, parse_constant=refuse)
    assert record["dataset"]["content_hash"] == view.dataset.content_hash
    assert (record["dataset"]["n_cells"], record["mapping"]["cells_left_out"]) == (58, 2)
    assert record["genes"]["found"] == ["GENE1", "GENE2", "GENE5"]
    assert record["genes"]["missing"] == ["nope"]
    assert record["genes"]["replaced"] == {"gene1": "GENE1"}
    assert record["pages"][0]["made"] == "category of cell_type"
    assert [page["n"] for page in record["pages"]] == [page.n for page in run.pages]
    assert record["sample_column"] == "donor"
    assert {"python", "numpy", "scipy"} <= set(record["versions"])
    assert record["tests"] == [test.to_json() for test in run.tests]
    weighted = run_signature(view, GeneSet("w", ("GENE1", "GENE2"), (0.5, 2.0)), pages=[Page("e", np.empty(0, int))])
    assert json.loads(record_json(run_record(view, weighted)))["genes"]["weights"] == [0.5, 2.0]


def test_a_record_tells_what_else_was_asked_for(view, run):
    assert [run_record(view, run)[name] for name in ("every_method", "mixed_model")] == [None, None]
    found = every_method(view, run.match, run.spoken, method=run.method, seed=run.seed, options=run.options)
    fits = mixed_model(run.spoken, run.scores, view.obs("donor"), p_adjust=run.p_adjust)
    record = json.loads(record_json(run_record(view, run, every_method=found, mixed_model=fits)))
    assert record["every_method"]["sentence"] == found.sentence
    assert record["every_method"]["highest"] == found.highest
    told = {(row["method"], row["page"]): row["d"] for row in record["every_method"]["cohens_d"]}
    for row in found.table.itertuples():
        assert told[row.method, row.page] == (row.d if np.isfinite(row.d) else None)
    assert [row["difference"] for row in record["mixed_model"]] == [fit.difference for fit in fits]
    assert [tuple(row["pages"]) for row in record["mixed_model"]] == [fit.pages for fit in fits]
