"""Tails: scipy where it can, closed forms and continuity where p is too small for it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from cellucid_core.signature.statistics import tails


@pytest.mark.parametrize("df", [1.5, 10, 1000.3, 1e6])
@pytest.mark.parametrize("t", [0, 0.1, -2.5, 30])
def test_t_as_scipy(t, df):
    p, log10_p = tails.student_t(t, df)
    assert p == pytest.approx(2 * stats.t.sf(abs(t), df), rel=1e-10)
    if p > 0:
        assert log10_p == pytest.approx(math.log10(p))


@pytest.mark.parametrize(("f", "a", "b"), [(0.5, 2, 30), (7.0, 3, 1e5), (300.0, 9, 400)])
def test_f_as_scipy(f, a, b):
    assert tails.f_ratio(f, a, b)[0] == pytest.approx(stats.f.sf(f, a, b), rel=1e-9)


def test_normal_and_chi_square_as_scipy():
    assert tails.normal(1.3)[0] == pytest.approx(2 * stats.norm.sf(1.3))
    assert tails.normal(-0.2) == (1.0, 0.0)
    assert tails.chi_square(12.0, 4)[0] == pytest.approx(stats.chi2.sf(12.0, 4))


def test_logs_below_the_smallest_float():
    assert tails.normal(100)[1] == pytest.approx((stats.norm.logsf(100) + math.log(2)) / math.log(10))
    # χ² with 2 df: Q = e^(−x/2)
    assert tails.chi_square(10_000, 2) == (0.0, pytest.approx(-5000 / math.log(10)))
    # F with 2 and d df: (d/(d + 2F))^(d/2)
    want = 2000 * math.log10(4000 / (4000 + 2 * 3000.0))
    assert tails.f_ratio(3000.0, 2, 4000) == (0.0, pytest.approx(want))
    # t² is F with 1 df; and t tends to the normal
    assert tails.student_t(90.0, 5000)[1] == pytest.approx(tails.f_ratio(8100.0, 1, 5000)[1])
    assert tails.student_t(60.0, 1e9)[1] == pytest.approx(tails.normal(60.0)[1], rel=1e-5)


def test_no_step_where_one_way_hands_over_to_the_other():
    df = 800.0
    t = np.linspace(45, 75, 400)
    logs = np.array([tails.student_t(x, df)[1] for x in t])
    assert logs[0] > -290 > logs[-1]
    # smooth: second differences are tiny and of one sign throughout
    second = np.diff(logs, 2)
    assert np.abs(second).max() < 1e-3
    assert np.abs(np.diff(second)).max() < 1e-5
