"""The cumulative curve is the empirical distribution function where it has points."""

from __future__ import annotations

import numpy as np
import pytest

from cellucid_core.cell_pages import Page
from cellucid_core.charts import cumulative
from cellucid_core.charts.cumulative import cumulative_points


@pytest.mark.parametrize("n", [1, 2, 50, 20_000])
@pytest.mark.parametrize("kind", ["normal", "ties", "tail"])
def test_every_point_is_exact(n, kind):
    rng = np.random.default_rng(0)
    values = {"normal": rng.normal(size=n), "ties": rng.integers(0, 7, n) / 3, "tail": rng.pareto(0.5, n)}[kind]
    places, shares = cumulative_points(values, 200)
    assert len(places) <= 200
    assert (np.diff(places) > 0).all()
    np.testing.assert_allclose(shares, [(values <= x).mean() for x in places], rtol=0, atol=1e-15)
    assert (places[0], places[-1], shares[-1]) == (values.min(), values.max(), 1)
    if kind == "normal" and n > 1000:
        assert np.diff(shares).max() < 0.02  # no step is seen


def test_all_different_scores_are_points_where_they_are_few():
    places, shares = cumulative_points(np.array([3.0, 1, 1, 2]), 200)
    assert (places.tolist(), shares.tolist()) == ([1, 2, 3], [0.5, 0.75, 1])
    assert len(cumulative_points(np.empty(0), 200)[0]) == 0


def test_a_page_is_one_curve_whatever_its_name():
    pages = [Page(name, np.arange(4)) for name in ("a.b[c]", "a.b[c]", "<b>\"'\\", "empty")]
    scores = [np.arange(4.0), np.arange(4.0) + 1, np.array([np.nan, 1, np.inf, 2]), np.full(4, np.nan)]
    spec = cumulative(pages, scores, "Score").to_dict()
    rows = next(iter(spec["datasets"].values()))
    assert {row["at"] for row in rows} == {0, 1, 2}
    assert [row["score"] for row in rows if row["at"] == 2] == [1, 1, 2]
    assert spec["layer"][0]["encoding"]["color"]["field"] == "at"
