"""UCell against its definition, written cell by cell with scipy's ranks, and against pyucell where it is installed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from cellucid_core.errors import InputError
from cellucid_core.genes import match_genes
from cellucid_core.signature import MethodOptions, score_cells
from cellucid_core.signature.scoring import ranking
from cellucid_core.signature.scoring.ucell import ucell_many
from tests.signature.signature_values import as_adata, store_kinds, values


def by_definition(x: np.ndarray, up: list[int], down: list[int], max_rank: int = 1500) -> np.ndarray:
    """Score by the paper's formula; an index of −1 is a gene that the dataset lacks."""
    scores = []
    for cell in np.nan_to_num(x):
        ranks = np.full(len(cell), max_rank, dtype=float)
        nonzero = np.flatnonzero(cell)
        ranks[nonzero] = rankdata(-cell[nonzero])
        ranks[ranks > max_rank] = max_rank
        parts = []
        for genes in (up, down):
            n = len(genes)
            total = sum(ranks[g] if g >= 0 else max_rank for g in genes)
            parts.append(1 - (total - n * (n + 1) / 2) / (n * max_rank - n * (n + 1) / 2) if n else 0)
        scores.append(max(parts[0] - parts[1], 0))
    return np.array(scores)


@pytest.mark.parametrize("shape", ["plain", "negative", "nan"])
@store_kinds
def test_as_defined(viewed, store_kind, shape):
    x = values(50, 300, seed=4, negative=shape == "negative")
    if shape == "nan":
        x[np.random.default_rng(1).random(x.shape) < 0.1] = np.nan
    x[7] = 0
    view = viewed(as_adata(x, store_kind))
    match = match_genes(["g1", "g20", "g299", "g1", "missing"], view.gene_ids, signed=True)
    want = by_definition(x.astype(np.float32), [1, 20, 299, -1], [])
    np.testing.assert_allclose(score_cells(view.expression, match, "ucell"), want, atol=1e-6)


def test_signed_repeated_and_missing_genes(viewed):
    x = values(50, 300, seed=6)
    view = viewed(as_adata(x, "sparse"))
    asked = ["g1+", "g2", "g2", "g3-", "nope-", "g4-", "nope2+"]
    match = match_genes(asked, view.gene_ids, signed=True, repeats="count")
    want = by_definition(x.astype(np.float32), [1, 2, 2, -1], [3, -1, 4])
    np.testing.assert_allclose(score_cells(view.expression, match, "ucell"), want, atol=1e-6)
    only_low = match_genes(["g1-"], view.gene_ids, signed=True)
    assert score_cells(view.expression, only_low, "ucell").tolist() == [0.0] * 50


@pytest.mark.parametrize("max_rank", [1, 7, 100, 300])
def test_the_largest_rank_is_a_choice(viewed, max_rank):
    x = values(50, 300, seed=11)
    view = viewed(as_adata(x, "sparse"))
    match = match_genes(["g1", "g2", "g30", "gone"], view.gene_ids)
    want = by_definition(x.astype(np.float32), [1, 2, 30, -1], [], max_rank)
    options = MethodOptions(max_rank=max_rank)
    np.testing.assert_allclose(score_cells(view.expression, match, "ucell", options=options), want, atol=1e-6)
    with pytest.raises(InputError, match="has 300 genes"):
        score_cells(view.expression, match, "ucell", options=MethodOptions(max_rank=301))


def test_ranks_beyond_1500_count_as_1500(viewed):
    rng = np.random.default_rng(0)
    x = np.stack([rng.permutation(2000) + 1.0 for _ in range(6)])
    x[5] = 1.0  # one tie of 2,000: rank 1000.5
    view = viewed(as_adata(x, "dense"))
    match = match_genes([f"g{i}" for i in range(40)], view.gene_ids)
    want = by_definition(x, list(range(40)), [])
    np.testing.assert_allclose(score_cells(view.expression, match, "ucell"), want, atol=1e-6)


def test_threads_and_progress_change_nothing(viewed, monkeypatch):
    view = viewed(as_adata(values(90, 300, seed=8), "sparse"))
    match = match_genes(["g1", "g2", "g50"], view.gene_ids)
    one = ucell_many(view.expression, [match], threads=1)
    monkeypatch.setattr(ranking, "_CELLS_PER_THREAD", 10)
    seen: list[float] = []
    np.testing.assert_array_equal(ucell_many(view.expression, [match], threads=3, progress=seen.append), one)
    assert seen == sorted(seen)
    assert seen[-1] == 1


@pytest.mark.peer
@store_kinds
def test_as_pyucell(viewed, store_kind):
    pyucell = pytest.importorskip("pyucell")
    x = values(80, 2500, seed=9)
    adata = as_adata(x, store_kind)
    view = viewed(adata)
    signatures = {
        "a": [f"g{i}" for i in range(0, 60, 3)],
        "b": ["g1+", "g2+", "g30-", "gone+", "absent-"],
        "c": ["g7"],
    }
    pyucell.compute_ucell_scores(adata, signatures, n_jobs=1)
    for name, genes in signatures.items():
        ours = score_cells(view.expression, match_genes(genes, view.gene_ids, signed=True), "ucell")
        np.testing.assert_allclose(ours, adata.obs[f"{name}_UCell"].to_numpy(), atol=1e-6)
