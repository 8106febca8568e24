"""Building: statistics against numpy, variable genes against scanpy, levels, warnings."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scanpy as sc

from cellucid_core.dataset.log_rule import log_rule_of
from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.library import BuildSettings, build_signature, read_labels
from cellucid_core.library.levels import nesting
from cellucid_core.library.statistics import type_statistics
from cellucid_core.ranking.variable_genes import highly_variable
from tests.making import make_adata

QUICK = BuildSettings(n_hvg=20, n_degs=8, generations=5)


def levelled(n_cells=200, n_genes=30):
    adata = make_adata(n_cells, n_genes)
    rng = np.random.default_rng(3)
    detailed = rng.integers(0, 6, n_cells)
    adata.obs["detailed"] = pd.Categorical.from_codes(detailed, list("abcdef"))
    adata.obs["major"] = pd.Categorical(np.array(["X", "Y"], dtype=object)[detailed // 3])
    return adata


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("counts", [False, True])
def test_statistics_equal_numpy_per_type(viewed, dense, counts):
    adata = levelled()
    if counts:
        adata.X = sc.AnnData(np.random.default_rng(0).poisson(1.5, adata.shape).astype(np.float32)).X
    if dense:
        adata.X = np.asarray(adata.X if counts else adata.X.toarray())
    adata.obs.loc[adata.obs_names[:7], "detailed"] = np.nan
    signature = build_signature(viewed(adata), ["major", "detailed"], QUICK)
    X = np.asarray(adata.X if isinstance(adata.X, np.ndarray) else adata.X.toarray(), dtype=np.float64)
    if counts:
        X = np.log1p(X / X.sum(axis=1, keepdims=True) * 1e4)
        assert any("counts" in text for text in signature.record["warnings"])
    for level in signature.levels:
        labels = adata.obs[level.name].to_numpy(dtype=object)
        assert level.unlabelled == pd.isna(labels).sum()
        for kind in level.cell_types:
            cells = X[labels == kind]
            assert level.cells[kind] == len(cells)
            np.testing.assert_allclose(level.mean[kind], cells.mean(axis=0), rtol=1e-6 if counts else 1e-12)
            np.testing.assert_allclose(
                level.variance[kind], cells.var(axis=0), rtol=1e-5 if counts else 1e-10, atol=1e-13
            )
            np.testing.assert_allclose(level.std[kind], cells.std(axis=0), rtol=1e-5 if counts else 1e-10, atol=1e-8)
    assert any("7 cells have no label in detailed" in text for text in signature.record["warnings"])


def test_statistics_leave_out_what_is_not_finite_and_lose_nothing_to_cancellation(viewed):
    adata = levelled()
    X = adata.X.toarray().astype(np.float64)
    X[:, 2] = 1e6 + np.random.default_rng(0).normal(size=len(X)) * 1e-3
    X[3, 4] = np.nan
    adata.X = X
    view = viewed(adata)
    labels = read_labels(view, "detailed")
    ((mean, variance),) = type_statistics(view.expression, [(labels.codes, 6)])
    stored = view.expression.block(range(30)).astype(np.float64)
    for at in range(6):
        cells = stored[:, labels.codes == at]
        np.testing.assert_allclose(mean[:, at], np.nanmean(cells, axis=1), rtol=1e-12)
        np.testing.assert_allclose(variance[:, at], np.nanvar(cells, axis=1), rtol=1e-9, atol=1e-14)
    chosen, _ = type_statistics(view.expression, [(labels.codes, 6)], genes=[5, 2])[0]
    np.testing.assert_array_equal(chosen, mean[[5, 2]])


@pytest.mark.parametrize("flavor", ["seurat", "cell_ranger"])
@pytest.mark.parametrize("n", [20, 150, 400])
def test_variable_genes_equal_scanpy(demo_view, flavor, n):
    adata = sc.AnnData(demo_view.expression.block(range(765)).T)
    expected = sc.pp.highly_variable_genes(adata, flavor=flavor, n_top_genes=n, inplace=False)["highly_variable"]
    found, _ = highly_variable(demo_view.expression, n, rule=log_rule_of(demo_view), flavor=flavor)
    np.testing.assert_array_equal(found, np.flatnonzero(expected))


def test_variable_genes_are_those_of_the_labelled_cells(viewed):
    adata = levelled()
    adata.obs.loc[adata.obs_names[:80], "major"] = np.nan
    level = build_signature(viewed(adata), ["major"], BuildSettings(n_hvg=9, n_degs=4, generations=2)).levels[0]
    kept = adata[80:].copy()
    expected = sc.pp.highly_variable_genes(kept, n_top_genes=9, inplace=False)["highly_variable"].to_numpy()
    assert level.hvgs == list(adata.var_names[expected])
    assert set(level.degs) <= set(level.hvgs)
    assert len(level.degs) == 4


def test_levels_nest_or_it_is_said(viewed):
    adata = levelled()
    signature = build_signature(viewed(adata), ["major", "detailed"], QUICK)
    assert signature.record["nesting"] == []
    assert signature.parents == {"detailed": dict.fromkeys("abc", "X") | dict.fromkeys("def", "Y")}
    adata.obs["major"] = adata.obs["major"].astype(str)
    strays = adata.obs_names[adata.obs["detailed"] == "a"][:2]
    adata.obs.loc[strays, "major"] = "Y"
    view = viewed(adata)
    parents, problems = nesting([read_labels(view, "major"), read_labels(view, "detailed")])
    assert parents["detailed"]["a"] == "X"
    assert len(problems) == 1
    assert "a (detailed) falls into 2 types of major" in problems[0]
    assert "Y (2 cells)" in problems[0]


def test_what_is_worth_knowing_is_said(viewed):
    adata = levelled()
    adata.obs["rare"] = np.where(np.arange(200) == 5, "one", np.where(np.arange(200) < 5, "few", "many"))
    signature = build_signature(viewed(adata), ["rare"], QUICK)
    said = " ".join(signature.record["warnings"])
    assert "one (rare) has a single cell" in said
    assert "few (rare) has only 5 cells" in said
    assert (signature.levels[0].variance["one"] == 0).all()
    assert signature.record["columns"] == ["rare"]
    assert signature.record["settings"]["n_degs"] == 8
    assert signature.record["versions"]["numpy"] == np.__version__
    again = build_signature(viewed(adata), ["rare"], QUICK)
    assert again.levels[0].degs == signature.levels[0].degs
    raw = adata.copy()
    raw.X = np.round(np.expm1(raw.X.toarray()) / 50)
    said = build_signature(viewed(raw), ["rare"], BuildSettings(20, n_degs=8, generations=2, normalize=False))
    assert any("not logs: means and variances are of those values" in text for text in said.record["warnings"])


def test_what_cannot_be_built_is_said(viewed):
    adata = levelled()
    adata.obs["one"] = "same"
    adata.obs["id"] = adata.obs_names
    adata.obs["number"] = np.arange(200.0) / 3
    view = viewed(adata)
    for columns, words in (
        (["one"], "has 1 cell types"),
        (["id"], None),
        (["number"], "measurements"),
        (["nowhere"], "no column"),
        ([], "Name one column"),
        (["major", "major"], "each once"),
    ):
        if words is None:
            continue
        with pytest.raises(InputError, match=words):
            build_signature(view, columns, QUICK)
    with pytest.raises(InputError, match="31 marker genes cannot be chosen"):
        build_signature(view, ["major"], BuildSettings(n_degs=31, generations=2))
    twice = levelled()
    twice.var_names = ["A", "A", *twice.var_names[2:]]
    with pytest.raises(WorkRefused, match="more than once"):
        build_signature(viewed(twice), ["major"], QUICK)
    with pytest.raises(WorkRefused, match="no expression matrix"):
        build_signature(viewed(levelled(), matrix=None), ["major"], QUICK)
    for wrong in ({"n_hvg": 1}, {"n_degs": 0}, {"generations": 0}, {"seed": -1}, {"flavor": "x"}):
        with pytest.raises(InputError):
            BuildSettings(**wrong)


def test_too_many_types_are_refused(viewed):
    adata = make_adata(400)
    adata.obs["id"] = adata.obs_names
    with pytest.raises(InputError, match="too many for cell types"):
        read_labels(viewed(adata), "id")


def test_labels_of_every_kind(viewed):
    adata = make_adata(6, 30)
    adata.obs["cluster"] = [1.0, 1.0, np.nan, 3.0, 3.0, 3.0]
    adata.obs["flag"] = [True, False, True, True, False, True]
    adata.obs["text"] = ["a ", "a", "", "b", " ", "b"]
    adata.obs["unused"] = pd.Categorical(list("xxyyxx"), categories=["z", "y", "x"])
    view = viewed(adata)
    for column, types, codes in (
        ("cluster", ["1", "3"], [0, 0, -1, 1, 1, 1]),
        ("flag", ["False", "True"], [1, 0, 1, 1, 0, 1]),
        ("text", ["a", "b"], [0, 0, -1, 1, -1, 1]),
        ("unused", ["y", "x"], [1, 1, 0, 0, 1, 1]),
    ):
        labels = read_labels(view, column)
        assert labels.types == types
        assert labels.codes.tolist() == codes


def test_a_build_can_be_cancelled(viewed):
    class Cancelled(Exception):
        pass

    def stop(what, share):
        if "Marker" in what:
            raise Cancelled

    with pytest.raises(Cancelled):
        build_signature(viewed(levelled()), ["major"], QUICK, progress=stop)
