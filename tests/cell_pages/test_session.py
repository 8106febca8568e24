"""Cellucid sessions: written by the test, by hand, and damaged."""

from __future__ import annotations

import gzip
import json
import struct
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellucid_core.cell_pages import pages_from_file, pages_from_session
from cellucid_core.cell_pages.session import decode_cells
from cellucid_core.dataset import View, default_mapping
from cellucid_core.errors import CellucidError, InputError
from tests.making import make_adata, write_and_view


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def encode(cells):
    steps = [cells[0], *np.diff(cells).tolist()] if len(cells) else []
    return b"".join(map(varint, [len(cells), *steps]))


def session(pages, n_cells, *, codec="gzip", fingerprint=None, extra=(), declared=None, manifest=None):
    """Write a session as the viewer does; `pages` is a list of (name, {group: cells})."""
    meta = {
        "pages": [
            {"id": f"page_{i}", "name": n, "highlightedGroups": [{"id": g} for g in groups]}
            for i, (n, groups) in enumerate(pages)
        ]
    }
    contents = [("core/state", "json", b"{}"), ("highlights/meta", "json", json.dumps(meta).encode()), *extra]
    contents += [(f"highlights/cells/{g}", "binary", encode(c)) for _, gs in pages for g, c in gs.items()]
    entries, stored = [], []
    for name, kind, content in contents:
        packed = gzip.compress(content) if codec == "gzip" else content
        size = (declared or {}).get(name, len(content))
        entries.append({"id": name, "kind": kind, "codec": codec, "uncompressedBytes": size})
        stored.append(packed)
    found = {
        "datasetFingerprint": fingerprint or {"cellCount": n_cells, "varCount": 30, "datasetId": "data"},
        "chunks": entries,
        **(manifest or {}),
    }
    return framed(json.dumps(found).encode(), *stored)


def framed(*pieces):
    return b"CELLUCID_SESSION\n" + b"".join(struct.pack("<I", len(piece)) + piece for piece in pieces)


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    return write_and_view(make_adata(n_cells=300), tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("codec", ["gzip", "none"])
def test_a_page_is_the_union_of_its_groups(view, codec):
    data = session([("T cells", {"g1": [0, 5, 299], "g2": [5, 6, 130]}), ("<b>B</b>", {"g3": [7]})], 300, codec=codec)
    made = pages_from_session(view, data)
    assert [(p.name, p.rows.tolist()) for p in made.pages] == [("T cells", [0, 5, 6, 130, 299]), ("<b>B</b>", [7])]
    assert made.notes == []
    assert pages_from_file(view, data, "a.cellucid-session").pages[0].name == "T cells"


def test_a_session_written_by_hand(view):
    manifest = (
        b'{"datasetFingerprint":{"cellCount":300,"varCount":30,"datasetId":"data"},"chunks":['
        b'{"id":"highlights/meta","codec":"none","kind":"json","uncompressedBytes":65},'
        b'{"id":"highlights/cells/a","codec":"none","kind":"binary","uncompressedBytes":4},'
        b'{"id":"highlights/cells/b","codec":"none","kind":"binary","uncompressedBytes":3}]}'
    )
    meta = b'{"pages":[{"name":"P","highlightedGroups":[{"id":"a"},{"id":"b"}]}]}'
    manifest = manifest.replace(b":65}", b":%d}" % len(meta))
    data = (
        bytes.fromhex("43 45 4c 4c 55 43 49 44 5f 53 45 53 53 49 4f 4e 0a")  # CELLUCID_SESSION and a line end
        + len(manifest).to_bytes(4, "little")
        + manifest
        + len(meta).to_bytes(4, "little")
        + meta
        + bytes.fromhex("0400000003 02 03 7d")  # three cells: 2, +3, +125
        + bytes.fromhex("0300000001 ab 02")  # one cell: 0x2b + 2 * 128 = 299
    )
    assert pages_from_session(view, data).pages[0].rows.tolist() == [2, 5, 130, 299]


@given(st.lists(st.integers(0, 2**31 - 1), unique=True, max_size=50).map(sorted))
def test_cells_come_back_from_their_varints(cells):
    assert decode_cells(encode(cells), 2**31).tolist() == cells


@pytest.mark.parametrize(
    "content",
    ["", "80", "03 02 03", "01 02 03", "ff ff ff ff ff 01", "02 05 80", "01 ac 02", "03 00 00 ac 02", "ff ff ff ff 7f"],
)
def test_lists_of_cells_that_cannot_be(content):
    with pytest.raises(InputError, match="damaged"):
        decode_cells(bytes.fromhex(content), 300)


def test_another_number_of_cells_is_refused_and_other_genes_are_noted(view):
    with pytest.raises(InputError, match="299 cells; this one has 300"):
        pages_from_session(view, session([("p", {"g": [1]})], 299))
    other = {"cellCount": 300, "varCount": 7, "datasetId": "other"}
    notes = pages_from_session(view, session([("p", {"g": [1]})], 300, fingerprint=other)).notes
    assert notes == [
        "The session's dataset has 7 genes, this one 30.",
        "The session was saved for a dataset called other, this one is data.",
    ]


def test_rows_of_the_source_map_to_a_view_that_leaves_cells_out(view):
    fewer = View(view.dataset, replace(view.mapping, cells_out=np.array([1, 3])))
    made = pages_from_session(fewer, session([("p", {"g": [0, 1, 2, 4]})], 300))
    assert made.pages[0].rows.tolist() == [0, 1, 2, 4]
    assert made.pages[0].in_view(fewer).cells.tolist() == [0, 1, 2]
    assert made.notes == ["1 highlighted cell is left out of the dataset by a fix."]


def test_a_session_of_what_the_view_exports_counts_the_kept_cells(view):
    fewer = View(view.dataset, replace(view.mapping, cells_out=np.array([1, 3])))
    made = pages_from_session(fewer, session([("p", {"g": [0, 1, 297]})], 298))
    assert made.pages[0].rows.tolist() == [0, 2, 299]
    assert "those that the fixes keep" in made.notes[0]


def test_empty_pages_and_groups_without_cells_are_said(view):
    data = session([("full", {"g": [3]}), ("empty", {"h": []})], 300)
    made = pages_from_session(view, data)
    assert [p.name for p in made.pages] == ["full"]
    assert made.notes == ["Left out because they have no cells: empty."]
    lost = data.replace(b"highlights/cells/h", b"highlights/cells/i")
    assert "1 highlight group has no cells in the file." in pages_from_session(view, lost).notes


def test_sessions_without_pages(view):
    with pytest.raises(InputError, match="no highlight pages"):
        pages_from_session(view, session([], 300))
    with pytest.raises(InputError, match="are empty"):
        pages_from_session(view, session([("p", {"g": []})], 300))
    with pytest.raises(InputError, match="101 pages"):
        pages_from_session(view, session([(f"p{i}", {}) for i in range(101)], 300))
    fingerprint = json.dumps({"datasetFingerprint": {"cellCount": 300}, "chunks": []}).encode()
    with pytest.raises(InputError, match="no highlight pages"):
        pages_from_session(view, framed(fingerprint))


GOOD = session([("p", {"g": [1, 2]})], 300)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04",
        b"CELLUCID_SESSION",
        b"CELLUCID_SESSION\n",
        b"CELLUCID_SESSION\n\xff\xff\xff\xff",
        framed(b"[]"),
        framed(b"{}"),
        framed(b"[" * 200_000),
        framed(b'{"chunks": [1]}'),
        framed(b'{"chunks": [{"id": "a"}, {"id": "a"}]}', b"", b""),
        framed(b'{"chunks": []}'),
        framed(b'{"chunks": [], "datasetFingerprint": {"cellCount": true}}'),
        framed(b'{"chunks": [], "datasetFingerprint": {"cellCount": 1' + b"0" * 4000 + b"}}"),
        GOOD[:-1],
        GOOD[:60],
        session([("p", {"g": [1]})], 300, codec="brotli"),
        session([("p", {"g": [1]})], 300, declared={"highlights/cells/g": 3}),
        session([("p", {"g": [1]})], 300, declared={"highlights/cells/g": 1}),
        session([("p", {"g": [1]})], 300, declared={"highlights/meta": -1}),
        session([("p", {"g": [1]})], 300, declared={"highlights/meta": 2**60}),
        session([("p", {"g": [1]})], 300, declared={"highlights/meta": "9"}),
        session([("p", {"g": [300]})], 300),
    ],
)
def test_damaged_sessions_are_a_sentence(view, data):
    with pytest.raises(InputError):
        pages_from_session(view, data)


@pytest.mark.parametrize(
    "meta",
    [
        b"{}",
        b'{"pages": 3}',
        b'{"pages": [3]}',
        b'{"pages": [{"name": 1}]}',
        b'{"pages": [{"name": "a", "highlightedGroups": [4]}]}',
        b'{"pages": [{"name": "a", "highlightedGroups": [{"id": "g"}, {"id": "g"}]}]}',
        b"\xff",
    ],
)
def test_lists_of_pages_that_cannot_be(view, meta):
    entry = {"id": "highlights/meta", "codec": "none", "uncompressedBytes": len(meta)}
    manifest = {"datasetFingerprint": {"cellCount": 300}, "chunks": [entry]}
    with pytest.raises(InputError, match="damaged"):
        pages_from_session(view, framed(json.dumps(manifest).encode(), meta))


@pytest.mark.parametrize("name", ["core/state", "highlights/meta", "highlights/cells/g"])
def test_a_bomb_takes_no_memory(view, name):
    bomb = gzip.compress(bytes(100 * 2**20))
    meta = gzip.compress(b'{"pages":[{"name":"P","highlightedGroups":[{"id":"g"}]}]}')
    stored = {"core/state": meta, "highlights/meta": meta, "highlights/cells/g": gzip.compress(encode([1])), name: bomb}
    sizes = {"core/state": 2**31, "highlights/meta": 57, "highlights/cells/g": 2}
    entries = [{"id": one, "codec": "gzip", "uncompressedBytes": sizes[one]} for one in stored]
    manifest = {"datasetFingerprint": {"cellCount": 300}, "chunks": entries}
    data = framed(json.dumps(manifest).encode(), *stored.values())
    tracemalloc.start()
    if name == "core/state":  # nobody looks into it
        assert pages_from_session(view, data).pages[0].rows.tolist() == [1]
    else:
        with pytest.raises(InputError, match="declared size"):
            pages_from_session(view, data)
    assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    tracemalloc.stop()


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_changed_session_gives_pages_or_a_sentence(demo, data):
    good = bytearray(
        session(
            [("p", {"g": [1, 2, 400]}), ("q", {"h": list(range(0, 700, 3))})],
            700,
            codec=data.draw(st.sampled_from(["gzip", "none"])),
        )
    )
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(good) - 1))
        change = data.draw(st.sampled_from(["set", "cut", "insert", "drop"]))
        if change == "set":
            good[at] = data.draw(st.integers(0, 255))
        elif change == "cut":
            del good[max(at, 1) :]
        elif change == "insert":
            good[at:at] = data.draw(st.binary(min_size=1, max_size=6))
        else:
            del good[at : at + data.draw(st.integers(1, 6))]
        if not good:
            return
    try:
        made = pages_from_session(View(demo, default_mapping(demo)), bytes(good))
    except CellucidError:
        return
    for page in made.pages:
        assert len(page.rows)
        assert page.rows[-1] < 700
        assert (np.diff(page.rows) > 0).all()
