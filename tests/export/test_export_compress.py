"""gzip: exact, without time or name, never much larger than zlib's at the same level; damage is seen."""

from __future__ import annotations

import gzip
import io
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellucid_core.export.compact.compress import Compressor, gzip_bytes
from cellucid_core.prepared import reading
from cellucid_core.prepared.containers import DamagedError


@settings(deadline=None)
@given(st.binary(max_size=40_000), st.integers(1, 9))
def test_any_gzip_reader_reads_it(data, level):
    packed = gzip_bytes(data, level)
    assert gzip.decompress(packed) == data
    assert packed[:2] == b"\x1f\x8b"
    assert packed[3] == 0  # no name
    assert packed[4:8] == b"\0\0\0\0"  # no time
    assert Compressor(level).gzip(data) == packed or gzip.decompress(Compressor(level).gzip(data)) == data


def kinds():
    rng = np.random.default_rng(0)
    n = 60_000
    sparse = np.where(rng.random(n) < 0.1, rng.gamma(2, 20, n), 0).clip(0, 254)
    counts = np.where(rng.random(n) < 0.4, 30 * rng.poisson(1, n), 0).clip(0, 254)
    few = np.where(rng.random(n) < 0.05, 60 * (1 + rng.poisson(0.3, n)), 0).clip(0, 254)
    drifting = np.where(rng.random(n) < np.linspace(0.01, 0.8, n), rng.gamma(2, 20, n), 0).clip(0, 254)
    ends = np.sort(rng.integers(0, n, (n // 8, 8)), axis=1)
    yield "sparse", sparse.astype(np.uint8)
    yield "counts", counts.astype(np.uint8)
    yield "few counts", few.astype(np.uint8)
    yield "two values", (rng.random(n) < 0.3).astype(np.uint8)
    yield "drifting", drifting.astype(np.uint8)
    yield "sixteen bits", (sparse * 257).astype("<u2")
    yield "sparse floats", sparse.astype("<f4")
    yield "count floats", np.log1p(np.where(rng.random(n) < 0.1, 1 + rng.poisson(1, n), 0)).astype("<f4")
    yield "noise", rng.normal(128, 20, n).astype(np.uint8)
    yield "random", rng.integers(0, 256, n).astype(np.uint8)
    yield "floats", rng.normal(size=n).astype("<f4")
    yield "sorted codes", np.sort(rng.integers(0, 20, n)).astype(np.uint8)
    yield "sources", np.repeat(np.arange(n // 8), 8).astype("<u4")
    yield "destinations", ends.reshape(-1).astype("<u4")
    yield (
        "near destinations",
        (np.arange(n) // 8 + np.sort(rng.integers(1, 300, (n // 8, 8)), 1).reshape(-1)).astype("<u4"),
    )
    yield "smooth", np.cumsum(rng.integers(-1, 2, n)).astype(np.uint8)
    yield "constant", np.zeros(n, np.uint8)


@pytest.mark.parametrize("level", range(1, 10))
@pytest.mark.parametrize(("name", "array"), list(kinds()), ids=[name for name, _ in kinds()])
def test_size_is_that_of_zlib_or_less(name, array, level):
    raw = array.tobytes()
    most = 1.02 * len(gzip.compress(raw, level)) + 32
    assert len(gzip_bytes(raw, level)) <= most
    packed = Compressor(level).gzip(raw)
    assert len(packed) <= most
    assert gzip.decompress(packed) == raw


def test_a_compressor_knows_vectors_of_one_sparseness_but_still_chooses_well():
    rng = np.random.default_rng(1)
    compressor = Compressor(6)
    for share in (0.02, 0.9, 0.1, 0.5, 0.11, 0.95):
        raw = np.where(rng.random(50_000) < share, rng.gamma(2, 20, 50_000), 0).clip(0, 254).astype(np.uint8).tobytes()
        packed = compressor.gzip(raw)
        assert gzip.decompress(packed) == raw
        assert len(packed) <= 1.02 * len(zlib.compress(raw, 6))


class OneFile:
    """An export of one file."""

    names = frozenset(["x.gz", "x"])
    oddities = ()

    def __init__(self, data, at_once=False):
        self.data, self.at_once = data, at_once

    def open(self, name):
        return io.BytesIO(self.data)

    def whole(self, name, most):
        return self.data if self.at_once and len(self.data) <= most else None

    def close(self):
        pass


def read(data, count, name="x.gz", dtype="<u2"):
    """Read in pieces and at once: both must give the same numbers, or both find the damage."""
    results = []
    for at_once in (True, False):
        try:
            pieces = list(reading.read_array(OneFile(data, at_once), name, count, np.dtype(dtype)))
            results.append(np.concatenate([np.zeros(0, dtype), *pieces]))
        except DamagedError as error:
            results.append(error)
    first, second = results
    if isinstance(first, DamagedError) or isinstance(second, DamagedError):
        assert type(first) is type(second)
        raise first
    np.testing.assert_array_equal(first, second)
    return first


@pytest.mark.parametrize("chunk", [64, 4096, 4 * 2**20])
def test_reading_back_in_pieces(monkeypatch, chunk):
    monkeypatch.setattr(reading, "_CHUNK", chunk)
    array = np.random.default_rng(0).integers(0, 300, 5000).astype("<u2")
    np.testing.assert_array_equal(read(gzip_bytes(array.tobytes(), 6), 5000), array)
    np.testing.assert_array_equal(read(array.tobytes(), 5000, "x"), array)
    pieces = list(reading.read_array(OneFile(array.tobytes()), "x", 5000, array.dtype))
    assert {len(piece) for piece in pieces[:-1]} <= {chunk // 2}


@pytest.mark.parametrize("name", ["x.gz", "x"])
@pytest.mark.parametrize("count", [0, 99, 101, 10**12])
def test_another_length_is_seen(name, count):
    raw = bytes(200)
    with pytest.raises(DamagedError, match="bytes"):
        read(gzip_bytes(raw, 6) if name == "x.gz" else raw, count, name)


def test_every_flipped_bit_of_the_body_and_trailer_is_seen():
    array = np.random.default_rng(0).integers(0, 300, 100).astype("<u2")
    packed = gzip_bytes(array.tobytes(), 6)
    unseen = 0
    for bit in range(80, 8 * len(packed)):
        damaged = bytearray(packed)
        damaged[bit // 8] ^= 1 << (bit % 8)
        try:
            np.testing.assert_array_equal(read(bytes(damaged), 100), array)
            unseen += 1
        except DamagedError:
            pass
    assert unseen < 8  # bits that fill the last byte of the body mean nothing


def test_every_cut_and_whatever_follows_is_seen():
    packed = gzip_bytes(bytes(range(200)), 6)
    for end in range(len(packed)):
        with pytest.raises(DamagedError):
            read(packed[:end], 100)
    for tail in (b"x", packed):
        with pytest.raises(DamagedError, match="follows"):
            read(packed + tail, 100)


def test_a_bomb_is_stopped_early():
    bomb = gzip.compress(bytes(200 * 2**20), 9)
    with pytest.raises(DamagedError, match="more than"):
        read(bomb, 100)
