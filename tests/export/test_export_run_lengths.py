"""The compiled deflate: any inflater reads it, it is never much larger than zlib's, and it follows drifting values."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellucid_core.export import run_lengths
from cellucid_core.export.run_lengths import BLOCK_RUNS, deflate_runs


def inflate(packed):
    """Inflate to the very end: whatever follows the stream, or lacks, is an error."""
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    data = engine.decompress(packed) + engine.flush()
    assert engine.eof
    assert engine.unused_data == b""
    return data


def check(data):
    packed = deflate_runs(np.frombuffer(data, np.uint8))
    assert inflate(packed) == data
    return packed


@settings(deadline=None)
@given(st.binary(max_size=3000))
def test_any_bytes(data):
    check(data)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 255), st.sampled_from([1, 2, 3, 4, 9, 10, 11, 258, 259, 260, 261, 262, 516, 600])),
        max_size=60,
    )
)
def test_any_runs(runs):
    check(b"".join(bytes([value]) * length for value, length in runs))


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 257, 258, 259, 260, 261, 262, 516, 517, 1_000_000])
def test_one_run_of_any_length(length):
    assert len(check(b"\7" * length)) <= 20 + length / 900


@pytest.mark.parametrize("n_runs", [BLOCK_RUNS - 1, BLOCK_RUNS, BLOCK_RUNS + 1, 3 * BLOCK_RUNS])
@pytest.mark.parametrize("last", [1, 300])
def test_where_blocks_end(n_runs, last):
    values = np.arange(n_runs, dtype=np.int64).astype(np.uint8)
    check(values[:-1].tobytes() + values[-1:].tobytes() * last)


def test_counts_that_would_need_codes_of_more_than_fifteen_bits():
    # Fibonacci numbers make the deepest tree: the last of 24 symbols would get a code of 23 bits.
    counts = [1, 1]
    while len(counts) < 24:
        counts.append(counts[-1] + counts[-2])
    data = np.repeat(np.arange(24, dtype=np.uint8), counts)
    np.random.default_rng(0).shuffle(data)
    check(data[:BLOCK_RUNS].tobytes())
    check(data.tobytes())
    lengths = run_lengths._code_lengths(np.array(counts, np.int64), np.int64(15))
    assert lengths.max() <= 15
    assert sum(2.0**-length for length in lengths) <= 1


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=286).filter(lambda c: sum(x > 0 for x in c) > 1))
def test_code_lengths_are_those_of_the_best_code(counts):
    import heapq

    lengths = run_lengths._code_lengths(np.array(counts, np.int64), np.int64(40))
    heap = [count for count in counts if count]
    heapq.heapify(heap)
    best = 0
    while len(heap) > 1:
        two = heapq.heappop(heap) + heapq.heappop(heap)
        best += two
        heapq.heappush(heap, two)
    assert int((lengths * counts).sum()) == best
    assert sum(2.0 ** -int(length) for length in lengths if length) == 1


def vectors():
    rng = np.random.default_rng(0)
    n = 60_000
    noise = rng.gamma(2, 20, n).clip(1, 254)
    for share in (0.01, 0.1, 0.4, 0.9):
        yield f"sparse {share}", np.where(rng.random(n) < share, noise, 0).astype(np.uint8)
    yield "counts", np.where(rng.random(n) < 0.1, 40 * (1 + rng.poisson(0.5, n)).clip(0, 5), 0).astype(np.uint8)
    yield "sixteen bits", (np.where(rng.random(n) < 0.1, noise, 0) * 257).astype("<u2")
    yield "float32", np.where(rng.random(n) < 0.1, noise, 0).astype("<f4")
    yield "dense noise", rng.normal(128, 20, n).astype(np.uint8)
    yield "constant", np.full(n, 9, np.uint8)
    yield "two batches", np.where(rng.random(n) < np.where(np.arange(n) < n // 2, 0.02, 0.6), noise, 0).astype(np.uint8)


@pytest.mark.parametrize(("name", "array"), list(vectors()), ids=[name for name, _ in vectors()])
def test_smaller_than_zlib_without_searching(name, array):
    data = array.tobytes()
    packed = len(check(data))
    for strategy in (zlib.Z_RLE, zlib.Z_HUFFMAN_ONLY):
        engine = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS, 8, strategy)
        assert packed <= 1.003 * len(engine.compress(data) + engine.flush()) + 8


def test_what_cannot_be_written_and_what_can_are_the_same():
    array = np.random.default_rng(0).integers(0, 3, 1000).astype(np.uint8)
    assert deflate_runs(array) == deflate_runs(np.frombuffer(array.tobytes(), np.uint8))
    assert array.flags.writeable
