"""Weighted means and sums, and scores that know no weights."""

from __future__ import annotations

import numpy as np
import pytest

from cellucid_core.errors import InputError
from cellucid_core.genes import GeneSet
from cellucid_core.signature import match_in_view, run_signature, score_cells
from tests.signature.signature_values import as_adata, store_kinds, values

GENES = ("g3", "g0", "g7", "nope", "g3")
WEIGHTS = (2.0, -0.5, 1.5, 9.0, 4.0)


@store_kinds
@pytest.mark.parametrize("dirty", [False, True])
def test_weighted_mean_and_sum(viewed, store_kind, dirty):
    x = values(80, 10, seed=1, negative=True, dirty=dirty)
    view = viewed(as_adata(x, store_kind))
    for repeats, weights in (("once", [2, -0.5, 1.5]), ("count", [6, -0.5, 1.5])):
        match = match_in_view(view, GeneSet("s", GENES, WEIGHTS), repeats=repeats)
        assert match.weights.tolist() == weights
        block = x.astype(np.float32)[:, [3, 0, 7]].astype(float)
        block[~np.isfinite(block)] = np.nan
        some = ~np.isnan(block).all(axis=1)
        total = np.where(some, np.nansum(block * weights, axis=1), np.nan)
        whole = (~np.isnan(block) * weights).sum(axis=1)
        mean = np.divide(total, whole, out=np.full(80, np.nan), where=whole > 1e-6)
        np.testing.assert_allclose(score_cells(view.expression, match, "sum"), total, atol=1e-12)
        np.testing.assert_allclose(score_cells(view.expression, match, "mean"), mean, atol=1e-12)


@pytest.mark.parametrize("weights", [(1.0, -1.0), (0.0, 0.0), (-2.0, 1.0), (0.1 + 0.2, -0.3)])
def test_a_mean_over_no_weight_is_refused_and_a_sum_is_not(viewed, weights):
    view = viewed(as_adata(values(60, 10, seed=1), "sparse"))
    signature = GeneSet("s", ("g1", "g2"), weights)
    with pytest.raises(InputError, match="weights of the found genes add up to"):
        run_signature(view, signature)
    assert np.isfinite(run_signature(view, signature, method="sum").raw).all()


@pytest.mark.parametrize("method", ["median", "ucell", "score_genes"])
def test_scores_without_weights_say_so(viewed, method):
    view = viewed(as_adata(values(60, 80, seed=1), "sparse"))
    weighted = run_signature(view, GeneSet("s", ("g1", "g2", "g5"), (3.0, 0.5, 1.0)), method=method)
    plain = run_signature(view, ["g1", "g2", "g5"], method=method)
    np.testing.assert_array_equal(weighted.raw, plain.raw)
    assert any("weights are not used" in warning for warning in weighted.warnings)
    assert "Weighted" not in weighted.title
    assert run_signature(view, GeneSet("s", ("g1",), (3.0,))).title == "Weighted mean expression"
