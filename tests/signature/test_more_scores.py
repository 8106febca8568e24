"""AUCell, ssGSEA, z-score and ULM against their definitions, written cell by cell, and against the field's packages."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest
from scipy import stats

from cellucid_core.dataset import View, default_mapping, open_dataset
from cellucid_core.errors import InputError
from cellucid_core.genes import GeneSet, match_genes
from cellucid_core.signature import MethodOptions, match_in_view, run_signature, score_cells, score_many
from tests.peers.environments import scores_peer_python
from tests.signature.signature_values import as_adata, store_kinds, values

GENES = [1, 20, 299, 60, 61, 62, 63]


def aucell(x, genes, share=0.05):
    there = np.flatnonzero((x != 0).any(axis=0))
    order = there[np.random.default_rng(0).choice(len(there), len(there), replace=False)]
    top = int(np.clip(np.ceil(share * len(there)), 2, len(there)))
    mine = [gene for gene in dict.fromkeys(genes) if gene in there]
    best = sum(top - rank for rank in range(1, len(mine) + 1) if rank < top)
    scores = []
    for cell in x:
        rank = dict(zip(order, stats.rankdata(-cell[order], method="ordinal"), strict=True))
        scores.append(sum(max(top - rank[gene], 0) for gene in mine) / best if cell.any() else 0)
    return np.array(scores)


def ssgsea(x, genes):
    n, genes, scores = x.shape[1], sorted(set(genes)), []
    for cell in x:
        order = np.lexsort((-np.arange(n), -cell))  # of equal values the last gene first
        inside = np.isin(order, genes)
        weight = ((stats.rankdata(cell) * 10_000 / n) ** 0.25)[order]
        hits = np.cumsum(np.where(inside, weight, 0)) / weight[inside].sum()
        scores.append((hits - np.cumsum(~inside) / (n - len(genes))).sum())
    return np.array(scores)


def weights_of(x, genes, weights):
    there = (x != 0).any(axis=0)
    w = np.zeros(x.shape[1])
    w[genes] = 1 if weights is None else weights
    return x[:, there], w[there]


def zscore(x, genes, weights=None):
    x, w = weights_of(x, genes, weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = x @ w / np.abs(w).sum()
        return (mean - x.mean(axis=1)) * np.sqrt(np.count_nonzero(w)) / x.std(axis=1, ddof=1)


def ulm(x, genes, weights=None):
    x, w = weights_of(x, genes, weights)
    found = []
    for cell in x:
        if (cell == cell[0]).all():
            found.append(np.nan)
            continue
        fit = stats.linregress(w, cell)
        found.append(fit.slope / fit.stderr)
    return np.array(found)


BY_DEFINITION = {"aucell": aucell, "ssgsea": ssgsea, "zscore": zscore, "ulm": ulm}


@pytest.mark.parametrize("method", BY_DEFINITION)
@pytest.mark.parametrize("shape", ["plain", "negative", "nan"])
@store_kinds
def test_as_defined(viewed, store_kind, shape, method):
    x = values(50, 300, seed=4, negative=shape == "negative")
    if shape == "nan":
        x[np.random.default_rng(1).random(x.shape) < 0.1] = np.nan
    x[7], x[:, [61, 100]] = 0, 0
    x[8, 3:] = 0  # fewer values than the top
    view = viewed(as_adata(x, store_kind))
    match = match_genes([f"g{gene}" for gene in GENES] + ["missing"], view.gene_ids)
    want = BY_DEFINITION[method](np.nan_to_num(x.astype(np.float32)).astype(float), GENES)
    np.testing.assert_allclose(score_cells(view.expression, match, method), want, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("method", ["zscore", "ulm"])
def test_weights(viewed, method):
    x = values(40, 200, seed=5)
    view = viewed(as_adata(x, "sparse"))
    weights = [1.5, -2, 0.25, 3]
    match = match_genes(["g1", "g2", "g3", "g4"], view.gene_ids, gene_weights=weights)
    want = BY_DEFINITION[method](x.astype(np.float32).astype(float), [1, 2, 3, 4], weights)
    np.testing.assert_allclose(score_cells(view.expression, match, method), want, atol=1e-6, rtol=1e-6)


def test_the_top_is_a_choice(viewed):
    x = values(40, 200, seed=6)
    view = viewed(as_adata(x, "sparse"))
    match = match_genes(["g1", "g2", "g3"], view.gene_ids)
    for share in (0.001, 0.2, 1.0):
        want = aucell(x.astype(np.float32).astype(float), [1, 2, 3], share)
        options = MethodOptions(top_share=share)
        np.testing.assert_allclose(score_cells(view.expression, match, "aucell", options=options), want, atol=1e-9)


@pytest.mark.parametrize("method", ["aucell", "ssgsea", "zscore", "ulm", "median", "score_genes", "mean", "ucell"])
def test_genes_that_count_down(viewed, method):
    view = viewed(as_adata(values(60, 200, seed=7), "sparse"))
    pair = GeneSet("x", ("g1", "g2", "g3", "g9"), (1.0, 1.0, 1.0, -1.0), halves=("x_UP", "x_DN"))
    match = match_in_view(view, pair)
    found = score_cells(view.expression, match, method)
    if method in ("aucell", "ssgsea", "median", "score_genes"):
        up, down = (score_cells(view.expression, match_in_view(view, half), method) for half in pair.apart())
        np.testing.assert_allclose(found, up - down, atol=1e-12)
    many = score_many(view, [pair, GeneSet("y", ("g5",))], method=method)
    np.testing.assert_allclose(many.scores[0], found, atol=1e-12)
    plain = score_cells(view.expression, match_in_view(view, list(pair.genes)), method)
    assert not np.allclose(plain, found)


@pytest.mark.parametrize("method", BY_DEFINITION)
def test_parts_have_the_scores_of_the_whole(tmp_path, method):
    import anndata

    whole = as_adata(values(80, 150, seed=8), "sparse")
    whole[:30].write_h5ad(tmp_path / "a.h5ad")
    whole[30:].write_h5ad(tmp_path / "b.h5ad")
    anndata.concat([whole[:30], whole[30:]]).write_h5ad(tmp_path / "whole.h5ad")
    found = []
    for source in ([tmp_path / "a.h5ad", tmp_path / "b.h5ad"], tmp_path / "whole.h5ad"):
        dataset = open_dataset(source)
        view = View(dataset, default_mapping(dataset))
        found.append(run_signature(view, ["g1", "g2", "g40", "g100"], method=method).raw)
    np.testing.assert_array_equal(found[0], found[1])


def test_a_signature_of_all_genes_and_of_genes_that_are_0(viewed):
    x = values(30, 20, seed=9)
    x[:, 4] = 0
    view = viewed(as_adata(x, "sparse"))
    everything = match_genes([f"g{i}" for i in range(20)], view.gene_ids)
    assert np.isnan(score_cells(view.expression, everything, "ssgsea")).all()
    nothing = match_genes(["g4"], view.gene_ids)
    assert (score_cells(view.expression, nothing, "aucell") == 0).all()
    assert np.isnan(score_cells(view.expression, nothing, "ulm")).all()


@pytest.mark.parametrize(
    "wrong", [{"max_rank": 0}, {"top_share": 0}, {"top_share": 1.5}, {"ctrl_size": 0}, {"n_bins": 1}, {"max_rank": 2.5}]
)
def test_choices_that_make_no_sense(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        MethodOptions(**wrong)


def test_the_median_cell_of_a_small_panel_is_proposed(demo_view):
    run = run_signature(demo_view, ["CD3D", "CD3E", "LYZ"], method="ucell")
    middle = int(np.median(demo_view.expression.cell_detected))
    assert any(f"set the largest rank to {middle:,}" in warning for warning in run.warnings)
    again = run_signature(demo_view, ["CD3D", "CD3E", "LYZ"], method="ucell", options=MethodOptions(max_rank=middle))
    assert not any("largest rank" in warning for warning in again.warnings)
    assert not np.array_equal(run.raw, again.raw)


_PEER = """
import json, sys
import anndata, numpy as np, pandas as pd
import decoupler as dc, gseapy

adata = anndata.read_h5ad(sys.argv[1])
sets, weights = json.loads(sys.argv[2])
table = adata.to_df()
plain = pd.DataFrame([(name, gene) for name, genes in sets.items() for gene in genes], columns=["source", "target"])
given = plain.assign(weight=[w for name in sets for w in weights[name]])
found = {}
for name, method, net, more in (
    ("aucell", "aucell", plain, {}), ("aucell 60", "aucell", plain, {"n_up": 60}), ("zscore", "zscore", plain, {}),
    ("ulm", "ulm", plain, {}), ("zscore weighted", "zscore", given, {}), ("ulm weighted", "ulm", given, {}),
):
    es, _ = getattr(dc.mt, method)(table, net, tmin=1, **more)
    found[name] = es.reindex(adata.obs_names)
es = gseapy.ssgsea(table.T, sets, min_size=1, max_size=10**6, outdir=None, no_plot=True).res2d
found["ssgsea"] = es.pivot(index="Name", columns="Term", values="ES").astype(float).reindex(adata.obs_names)
np.savez(sys.argv[3], **{f"{name}/{key}": each[key].to_numpy() for name, each in found.items() for key in each})
"""


@pytest.mark.peer
@store_kinds
def test_as_decoupler_and_gseapy(viewed, tmp_path, store_kind):
    rng = np.random.default_rng(5)
    x = rng.poisson(rng.gamma(0.4, 1.2, 400), size=(200, 400)).astype(float)
    x[:, [3, 77, 200]], x[7] = 0, 0
    x = np.log1p(x / np.maximum(x.sum(axis=1, keepdims=True), 1) * 1e3)
    x[20:40] = np.round(x[20:40])  # ties
    x[50] = rng.random(400) < 0.02  # fewer values than the top
    adata = as_adata(x, store_kind)
    adata.write_h5ad(tmp_path / "x.h5ad")
    sizes = (3, 10, 30, 120, 350)
    sets = {f"s{size}": [f"g{i}" for i in rng.choice(400, size, replace=False)] for size in sizes}
    sets["s3"] += ["g3", "missing"]
    weights = {name: rng.normal(size=len(genes)).round(2).tolist() for name, genes in sets.items()}
    asked = [str(tmp_path / "x.h5ad"), json.dumps([sets, weights]), str(tmp_path / "found.npz")]
    subprocess.run([scores_peer_python(), "-W", "ignore", "-c", _PEER, *asked], check=True, timeout=1200)
    view = viewed(adata)
    n = int((view.expression.stats.n_nonzero > 0).sum())
    compared = 0
    with np.load(tmp_path / "found.npz") as found:
        for key in found.files:
            name, _, which = key.partition("/")
            method = name.split()[0]
            options = MethodOptions(top_share=60 / n) if name == "aucell 60" else MethodOptions()
            match = match_genes(
                sets[which], view.gene_ids, gene_weights=weights[which] if name.endswith("weighted") else None
            )
            ours = score_cells(view.expression, match, method, options=options)
            there = np.isfinite(found[key])
            np.testing.assert_allclose(ours[there], found[key][there], atol=1e-6, rtol=1e-6, err_msg=key)
            compared += 1
    assert compared == 35
