"""Binned densities against scipy's exact ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import gaussian_kde

from cellucid_core.charts.density import density


def shapes():
    rng = np.random.default_rng(0)
    yield "normal", rng.normal(size=500)
    yield "many zeros", np.concatenate([np.zeros(800), rng.exponential(size=200)])
    yield "far outlier", np.concatenate([rng.normal(size=2000), [500.0]])
    yield "two modes", np.concatenate([rng.normal(0, 0.1, 300), rng.normal(9, 2, 50)])
    yield "two cells", np.array([1.0, 4.0])
    yield "rounded", np.round(rng.normal(size=5000), 1)
    yield "large numbers", 1e9 + rng.normal(size=400)


@pytest.mark.parametrize("values", [pytest.param(v, id=name) for name, v in shapes()])
def test_within_one_percent_of_the_peak(values):
    places, heights = density(values)
    exact = gaussian_kde(values)(places)
    assert np.abs(heights - exact).max() < 0.01 * exact.max()
    assert places[0] == values.min()
    assert places[-1] == values.max()
    # the peak itself is among the places
    fine = gaussian_kde(values)(np.linspace(values.min(), values.max(), 4000))
    assert heights.max() > 0.99 * fine.max()


@pytest.mark.parametrize("values", [[], [1.0], [2.0] * 5, [np.nan, 1.0], [np.inf, -np.inf]])
def test_nothing_to_estimate(values):
    places, heights = density(np.array(values))
    assert len(places) == len(heights) == 0
