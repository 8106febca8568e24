"""Codes: half a step at most, order kept, the marker exactly where a value is not finite."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cellucid_core.errors import WorkRefused
from cellucid_core.export.compact.quantize import encode, encode_stored, quantize
from cellucid_core.export.compare import compare_numbers
from cellucid_core.prepared.encoding import dequantize
from cellucid_core.prepared.structure import Numbers

TOP = {8: 254, 16: 65534}
reasonable = st.floats(-1e12, 1e12, allow_nan=False, width=64)
anything = st.one_of(reasonable, st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0]))
vectors = hnp.arrays(np.float64, st.integers(1, 60), elements=anything)
bits = st.sampled_from([8, 16])


@settings(deadline=None)
@given(vectors, bits)
def test_error_is_half_a_step_at_most(values, b):
    encoded = encode(values, b)
    low, high = encoded.limits
    finite = np.isfinite(values)
    decoded = low + encoded.array[finite].astype(float) * (high - low) / TOP[b]
    step = (high - low) / TOP[b]
    rounding = 8 * np.spacing(max(abs(low), abs(high)))
    assert np.all(np.abs(decoded - values[finite]) <= step / 2 * (1 + 1e-9) + rounding)
    np.testing.assert_array_equal(encoded.array == TOP[b] + 1, ~finite)


@settings(deadline=None)
@given(vectors, bits)
def test_order_is_kept(values, b):
    finite = np.sort(values[np.isfinite(values)])
    codes = encode(finite, b).array.astype(int) if len(finite) else np.zeros(0, int)
    assert np.all(np.diff(codes) >= 0)
    if len(finite) and finite[0] < finite[-1]:
        assert (codes[0], codes[-1]) == (0, TOP[b])


@settings(deadline=None)
@given(hnp.arrays(np.float32, st.integers(1, 60), elements=st.floats(-100, 100, width=32)), bits)
def test_formula_of_the_specification(values, b):
    encoded = encode(values, b)
    low, high = encoded.limits
    expected = np.round((values.astype(np.float64) - low) * TOP[b] / (high - low))
    np.testing.assert_array_equal(encoded.array, expected)


@settings(deadline=None)
@given(vectors, st.sampled_from([8, 16, None]), st.data())
def test_stored_entries_give_the_same_as_the_dense_vector(values, b, data):
    absent = data.draw(hnp.arrays(bool, len(values)))
    dense = np.where(absent, 0.0, values)
    cells = np.flatnonzero(dense != 0)
    whole, stored = encode(dense, b), encode_stored(len(dense), cells, dense[cells], b)
    np.testing.assert_array_equal(whole.array, stored.array)
    assert whole.limits == stored.limits


@pytest.mark.parametrize("b", [8, 16])
def test_special_vectors(b):
    marker = TOP[b] + 1
    nothing = encode(np.array([np.nan, np.inf, -np.inf]), b)
    assert nothing.limits == [0.0, 1.0]
    assert nothing.array.tolist() == [marker] * 3
    constant = encode(np.full(4, 3.5), b)
    assert constant.limits == [3.5, 4.5]
    assert constant.array.tolist() == [0] * 4
    huge = encode(np.full(2, 1e300), b)
    assert huge.limits[0] == 1e300 < huge.limits[1]
    assert huge.array.tolist() == [0, 0]
    whole_numbers = encode(np.arange(TOP[b] // 2 + 1), b)
    np.testing.assert_array_equal(whole_numbers.array, 2 * np.arange(TOP[b] // 2 + 1))
    wide = encode(np.array([-1e303, 0.0, 1e303]), b)
    assert wide.array.tolist() == [0, TOP[b] // 2, TOP[b]]
    assert encode_stored(5, np.array([], int), np.array([], np.float32), b).limits == [0.0, 1.0]


def test_a_negative_zero_is_written_as_zero():
    assert str(encode(np.array([-0.0, 1.0]), 8).limits) == "[0.0, 1.0]"


@pytest.mark.parametrize("high", [1.7e308, 8e307, 1e304])
def test_a_range_that_the_viewers_formula_cannot_hold_is_refused(high):
    with pytest.raises(WorkRefused, match="span more than"):
        encode(np.array([-high, high]), 8, "gene X")


def test_full_precision_keeps_nan_and_infinity():
    values = np.array([1.1, np.nan, np.inf, -np.inf, 1e300])
    encoded = encode(values, None)
    assert encoded.limits == []
    assert encoded.array.dtype == np.dtype("<f4")
    np.testing.assert_array_equal(encoded.array, [np.float32(1.1), np.nan, np.inf, -np.inf, np.inf])


@pytest.mark.parametrize("b", [8, 16])
def test_decoding_is_the_viewers_formula(b):
    codes = np.array([0, 1, TOP[b] - 1, TOP[b], TOP[b] + 1], dtype="<u2" if b == 16 else "u1")
    decoded = dequantize(codes, -2.0, 3.0, b)
    np.testing.assert_allclose(decoded[:4], -2.0 + codes[:4].astype(float) * 5.0 / TOP[b], rtol=0, atol=1e-15)
    assert np.isnan(decoded[4])


def test_values_beyond_given_limits_are_clipped():
    assert quantize(np.array([-5.0, 5.0]), 0.0, 1.0, 8).tolist() == [0, 254]


extreme = st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=True, width=64)


@settings(deadline=None)
@example(np.array([np.finfo(np.float64).max]), 8, False)
@given(hnp.arrays(np.float64, st.integers(1, 40), elements=extreme), bits, st.booleans())
def test_any_floats_at_all(values, b, stored):
    """Subnormal, huge, far apart: exact markers, kept order, half a step, and reading back agrees; or a refusal."""
    cells = np.flatnonzero(values != 0) if stored else None
    given_values = values if cells is None else values[cells]
    try:
        encoded = encode_stored(len(values), cells, given_values, b)
    except WorkRefused:
        finite = values[np.isfinite(values)].astype(np.longdouble)
        assert finite.max() - finite.min() > np.finfo(np.float64).max / 65534 * 0.999
        return
    low, high = encoded.limits
    assert np.isfinite(low)
    assert low < high
    finite = np.isfinite(values)
    np.testing.assert_array_equal(encoded.array == TOP[b] + 1, ~finite)
    order = np.argsort(values[finite], kind="stable")
    assert np.all(np.diff(encoded.array[finite][order].astype(int)) >= 0)
    spec = Numbers("x", "x", b, low, high)
    found = compare_numbers(spec, encoded.array, given_values, cells)
    assert found.problems == []


sound = hnp.arrays(np.float32, st.integers(2, 60), elements=st.sampled_from([0.0, 1.5, -3.25, 7.0, 0.3, np.nan]))


@settings(deadline=None)
@given(sound, bits, st.booleans(), st.data())
def test_any_code_that_is_further_off_than_half_a_step_is_found(values, b, stored, data):
    cells = np.flatnonzero(values != 0) if stored else None
    given_values = values if cells is None else values[cells]
    encoded = encode_stored(len(values), cells, given_values, b)
    at = data.draw(st.integers(0, len(values) - 1))
    other = data.draw(st.integers(0, TOP[b] + 1))
    changed = encoded.array.copy()
    changed[at] = other
    spec = Numbers("x", "x", b, *encoded.limits)
    step = (spec.high - spec.low) / TOP[b]
    decoded = np.nan if other == TOP[b] + 1 else spec.low + other * step
    differs = np.isnan(decoded) != np.isnan(values[at]) or abs(decoded - values[at]) > 0.501 * step
    assert bool(compare_numbers(spec, changed, given_values, cells).problems) == differs


@settings(deadline=None)
@given(st.integers(0, 400), bits, st.integers(0, 2**32 - 1))
def test_few_and_many_codes_decode_alike(n, b, seed):
    codes = np.random.default_rng(seed).integers(0, TOP[b] + 2, n).astype("<u2" if b == 16 else "u1")
    many = np.concatenate([codes, np.zeros(TOP[b] + 2, codes.dtype)])
    np.testing.assert_array_equal(dequantize(codes, -0.7, 3.1, b), dequantize(many, -0.7, 3.1, b)[:n])
