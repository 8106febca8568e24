"""Codes: half a step at most, order kept, the marker exactly where a value is not finite."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cellucid_core.errors import WorkRefused
from cellucid_core.export.quantize import encode, encode_stored, quantize
from cellucid_core.prepared.encoding import dequantize

TOP = {8: 254, 16: 65534}
reasonable = st.floats(-1e12, 1e12, allow_nan=False, width=64)
anything = st.one_of(reasonable, st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0]))
vectors = hnp.arrays(np.float64, st.integers(1, 60), elements=anything)
bits = st.sampled_from([8, 16])


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


@given(vectors, bits)
def test_order_is_kept(values, b):
    finite = np.sort(values[np.isfinite(values)])
    codes = encode(finite, b).array.astype(int) if len(finite) else np.zeros(0, int)
    assert np.all(np.diff(codes) >= 0)
    if len(finite) and finite[0] < finite[-1]:
        assert (codes[0], codes[-1]) == (0, TOP[b])


@given(hnp.arrays(np.float32, st.integers(1, 60), elements=st.floats(-100, 100, width=32)), bits)
def test_formula_of_the_specification(values, b):
    encoded = encode(values, b)
    low, high = encoded.limits
    expected = np.round((values.astype(np.float64) - low) * TOP[b] / (high - low))
    np.testing.assert_array_equal(encoded.array, expected)


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
    wide = encode(np.array([-8e307, 0.0, 8e307]), b)
    assert wide.array.tolist() == [0, TOP[b] // 2, TOP[b]]
    assert encode_stored(5, np.array([], int), np.array([], np.float32), b).limits == [0.0, 1.0]


def test_a_negative_zero_is_written_as_zero():
    assert str(encode(np.array([-0.0, 1.0]), 8).limits) == "[0.0, 1.0]"


def test_a_range_that_no_number_holds_is_refused():
    with pytest.raises(WorkRefused, match="span more than"):
        encode(np.array([-1.7e308, 1.7e308]), 8, "gene X")


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
