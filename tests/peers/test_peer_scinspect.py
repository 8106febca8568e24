"""What a matrix holds, beside PyPI ``scinspect``: the same answer on its own kinds of input, where it is right.

Where it is not: proportions (each cell sums to 1) are whole numbers to it, because tiny values round to 0.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from cellucid_core.dataset.scale import scale_of

#: scinspect's kind → ours.
KINDS = {
    "all_zero": "empty",
    "raw_counts": "counts",
    "binary": "counts",
    "log1p_normalized": "log",
    "log1p_counts": "log",
    "log_tpm_like": "log",
    "log_unknown": "log",
    "log1p_twice": "double-log",
    "normalized_linear": "normalized",
    "tpm_like": "TPM",
    "fractional_counts": "fractional",
    "scaled": "scaled",
    "signed_other": "signed",
}


def inputs():
    rng = np.random.default_rng(0)
    rates = rng.gamma(0.3, 2.0, 600)
    depth = rng.lognormal(0, 0.4, 220)[:, None]
    counts = rng.poisson(rates * depth).astype(float)
    total = counts.sum(axis=1, keepdims=True)
    lognorm = np.log1p(counts / total * 1e4)
    rpk = counts / rng.uniform(0.3, 9, 600)
    tpm = rpk / rpk.sum(axis=1, keepdims=True) * 1e6
    spread = lognorm.std(axis=0)
    zscored = (lognorm - lognorm.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return {
        "counts": counts,
        "one": (counts > 2).astype(float),
        "zeros": np.zeros((50, 60)),
        "lognorm": lognorm,
        "lognorm median": np.log1p(counts / total * np.median(total)),
        "log2": np.log2(counts / total * 1e6 + 1),
        "log10": np.log10(counts / total * 1e4 + 1),
        "subset": lognorm[:, :300],
        "three decimals": np.round(lognorm, 3),
        "float16": lognorm.astype(np.float16),
        "float32": lognorm.astype(np.float32),
        "log of counts": np.log1p(counts),
        "twice": np.log1p(lognorm),
        "normalized": counts / total * 1e4,
        "CPM": counts / total * 1e6,
        "tpm": tpm,
        "log2 tpm": np.log2(tpm + 1),
        "estimated": rpk * 40,
        "scaled": zscored,
        "clipped": np.minimum(zscored, 10),
        "residuals": lognorm - 3 * rng.random(600),
    }


CASES = [(name, kind) for name in inputs() for kind in (np.asarray, sparse.csr_matrix)]


@pytest.mark.parametrize(
    ("name", "kind_of"),
    # Sparse matrices have no half precision.
    [case for case in CASES if inputs()[case[0]].dtype != np.float16 or case[1] is np.asarray],
)
def test_agrees(name, kind_of):
    from scinspect import classify

    values = inputs()[name]
    theirs, _, _ = classify.classify_matrix(values, "X", np.random.default_rng(0))
    ours = scale_of(kind_of(values))
    assert ours.kind == KINDS[theirs.kind]
    base, target = theirs.details.get("log_base"), theirs.details.get("target_sum")
    if theirs.kind in ("log1p_normalized", "log1p_counts", "log_tpm_like"):
        assert ours.base == base
        assert ours.of_counts == (theirs.kind == "log1p_counts")
    if target:
        assert ours.target_sum == pytest.approx(target, rel=0.01)


def test_proportions_are_no_counts():
    values = inputs()["normalized"] / 1e4
    assert (scale_of(values).kind, scale_of(values).target_sum) == ("normalized", 1.0)
