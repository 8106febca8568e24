"""Normalization over all pages together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import zscore

from cellucid_core.errors import InputError
from cellucid_core.signature.scoring import normalize

PAGES = [np.array([1.0, 2, np.nan]), np.array([4.0, np.inf]), np.array([2.0])]
POOLED = np.array([1.0, 2, 4, 2])


def test_zscore_over_the_pooled_finite_scores():
    got = normalize(PAGES, "zscore")
    want = zscore(POOLED)  # population SD
    np.testing.assert_allclose(np.concatenate(got), [want[0], want[1], np.nan, want[2], np.nan, want[3]])
    assert [len(g) for g in got] == [3, 2, 1]


def test_minmax():
    got = np.concatenate(normalize(PAGES, "minmax"))
    np.testing.assert_allclose(got, [0, 1 / 3, np.nan, 1, np.nan, 1 / 3])


def test_a_cell_in_two_pages_counts_twice():
    twice = normalize([np.array([0.0, 3]), np.array([3.0])], "zscore")
    np.testing.assert_allclose(np.concatenate(twice), zscore([0.0, 3, 3]))


@pytest.mark.parametrize("how", ["zscore", "minmax"])
def test_equal_scores_become_0(how):
    assert np.concatenate(normalize([np.full(7, 0.1), np.full(3, 0.1)], how)).tolist() == [0.0] * 10


@pytest.mark.parametrize("how", ["none", "zscore", "minmax"])
def test_nothing_to_normalize(how):
    assert normalize([], how) == []
    assert np.isnan(normalize([np.array([np.nan])], how)[0]).all()


def test_unknown():
    with pytest.raises(InputError, match="quantile"):
        normalize(PAGES, "quantile")
