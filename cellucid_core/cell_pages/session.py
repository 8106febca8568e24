"""Pages from a Cellucid session (``.cellucid-session``, 0.9.0): the highlight pages that a user drew in the viewer.

The file is untrusted: every length, index and decompressed size is bounded before memory is allocated for it. Only the
highlights are decoded; the rest of the session is skipped.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from cellucid_core.cell_pages.cell_lookup import left_out, some
from cellucid_core.cell_pages.page_set import MAX_SAVED, MadePages, SavedPage
from cellucid_core.errors import InputError

if TYPE_CHECKING:
    from cellucid_core.dataset import View

MAGIC = b"CELLUCID_SESSION\n"
MAX_MANIFEST = 16 * 2**20
MAX_META = 16 * 2**20
MAX_CHUNKS = 100_000
MAX_GROUPS = 10_000
#: Bytes of all cell lists of one session, decompressed; a cell usually takes one or two.
MAX_CELL_BYTES = 256 * 2**20
#: Bytes of the largest index in LEB128, enough for 2³⁵ cells.
_LONGEST_VARINT = 5

_META, _CELLS = "highlights/meta", "highlights/cells/"


def pages_from_session(view: View, data: bytes) -> MadePages:
    """Read the highlight pages of a session.

    Parameters
    ----------
    view
        The dataset as mapped. A session that was saved for the whole file numbers its rows; one that was saved for an
        export of this view numbers the kept cells. The session's number of cells tells which it is.
    data
        The bytes of the file.

    Returns
    -------
    MadePages
        Each page is the union of its groups; empty pages are left out and named in notes.

    Raises
    ------
    InputError
        It is not a session, it is damaged, it belongs to a dataset with another number of cells, it has more than 100
        pages, or none with cells.
    """
    manifest, stored = _chunks(data)
    n_cells, notes = _fingerprint(view, manifest)
    if _META not in stored:
        raise InputError("The session has no highlight pages.", "Make highlights in Cellucid and save the session.")
    meta = _json(_unpacked(*stored[_META], MAX_META), "its list of highlight pages")
    budget = MAX_CELL_BYTES
    pages, empty, missing = [], [], 0
    for name, groups in _pages(meta):
        member = np.zeros(n_cells, dtype=bool)
        for group in groups:
            entry = stored.get(_CELLS + group)
            if entry is None:
                missing += 1
                continue
            content = _unpacked(*entry, min(budget, _LONGEST_VARINT * (n_cells + 1)))
            budget -= len(content)
            member[decode_cells(content, n_cells)] = True
        cells = np.flatnonzero(member).astype(np.int64)
        if n_cells != view.dataset.n_cells:
            cells = view.cell_index[cells]
        if len(cells):
            pages.append(SavedPage(name, cells, made="Highlight page of a Cellucid session"))
        else:
            empty.append(name)
    if missing:
        notes.append(f"{missing:,} highlight {'group has' if missing == 1 else 'groups have'} no cells in the file.")
    if not pages:
        raise InputError(
            "The highlight pages of the session are empty.", "Highlight cells in Cellucid and save the session again."
        )
    if empty:
        notes.append(f"Left out because they have no cells: {some(empty)}.")
    out = left_out(np.unique(np.concatenate([page.rows for page in pages])), view)
    if out:
        notes.append(f"{out:,} highlighted {'cell is' if out == 1 else 'cells are'} left out of the dataset by a fix.")
    return MadePages(pages, notes)


def _damaged(what: str) -> InputError:
    return InputError(f"The session is damaged: {what}.", "Save it again in Cellucid.")


def _chunks(data: bytes) -> tuple[dict[str, Any], dict[str, tuple[dict[str, Any], memoryview]]]:
    """Return the manifest, and each chunk's entry and stored bytes by its id."""
    if not data.startswith(MAGIC):
        raise InputError("This is not a Cellucid session.", "Choose a file that ends in .cellucid-session.")
    view = memoryview(data)
    at = len(MAGIC)
    length, at = _length(view, at)
    if length > MAX_MANIFEST:
        raise _damaged(f"its manifest is said to have {length:,} bytes")
    manifest = _json(bytes(_piece(view, at, length)), "its manifest")
    at += length
    entries = manifest.get("chunks")
    if not isinstance(entries, list) or len(entries) > MAX_CHUNKS:
        raise _damaged("its manifest has no list of chunks")
    stored: dict[str, tuple[dict[str, Any], memoryview]] = {}
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str) or entry["id"] in stored:
            raise _damaged("an entry of its manifest has no id, or repeats one")
        length, at = _length(view, at)
        stored[entry["id"]] = (entry, _piece(view, at, length))
        at += length
    return manifest, stored


def _length(data: memoryview, at: int) -> tuple[int, int]:
    return int.from_bytes(_piece(data, at, 4), "little"), at + 4


def _piece(data: memoryview, at: int, length: int) -> memoryview:
    if at + length > len(data):
        raise _damaged("it ends too early")
    return data[at : at + length]


def _json(content: bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        raise _damaged(f"{what} is not JSON") from None
    if not isinstance(found, dict):
        raise _damaged(f"{what} is not an object")
    return found


def _fingerprint(view: View, manifest: dict[str, Any]) -> tuple[int, list[str]]:
    """Return how many cells the session has, and notes on what else differs from the dataset."""
    found = manifest.get("datasetFingerprint")
    cells = found.get("cellCount") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(cells, int) or isinstance(cells, bool):
        raise _damaged("it does not say how many cells its dataset has")
    whole, kept = view.dataset.n_cells, view.n_cells
    if cells not in (whole, kept):
        raise InputError(
            f"The session belongs to a dataset of {_count(cells)} cells; this one has {whole:,}"
            f"{'' if kept == whole else f' ({kept:,} without those that a fix leaves out)'}.",
            "Open the dataset that the session was saved for.",
        )
    notes = []
    if cells != whole:
        notes.append(f"The session counts {cells:,} cells: those that the fixes keep, as they are exported.")
    genes = found.get("varCount")
    if isinstance(genes, int) and genes != view.n_genes:
        notes.append(f"The session's dataset has {_count(genes)} genes, this one {view.n_genes:,}.")
    name = found.get("datasetId")
    if isinstance(name, str) and name and name != view.dataset.id:
        notes.append(f"The session was saved for a dataset called {some([name])}, this one is {view.dataset.id}.")
    return cells, notes


def _count(n: int) -> str:
    # Python refuses to write a number of more than 4,300 digits, and a file may hold one.
    return f"{n:,}" if abs(n) < 10**15 else "far too many"


def _unpacked(entry: dict[str, Any], content: memoryview, most: int) -> bytes:
    """Return a chunk's content; it must have the declared size, and that must be at most `most` bytes."""
    size = entry.get("uncompressedBytes")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= most:
        raise _damaged("a chunk is larger than it can be")
    codec = entry.get("codec")
    if codec == "none":
        unpacked = bytes(content[: size + 1])
    elif codec == "gzip":
        gzip = zlib.decompressobj(wbits=31)
        try:
            unpacked = gzip.decompress(content, size + 1)
            if len(unpacked) == size and not gzip.eof:
                # Only the checksum is left to read.
                unpacked += gzip.decompress(gzip.unconsumed_tail, 1)
        except zlib.error:
            raise _damaged("a chunk cannot be decompressed") from None
        if len(unpacked) == size and not gzip.eof:
            raise _damaged("a chunk ends too early")
    else:
        raise _damaged("a chunk is packed in an unknown way")
    if len(unpacked) != size:
        raise _damaged("a chunk does not have the declared size")
    return unpacked


def _pages(meta: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Return the name and the group ids of each page."""
    pages = meta.get("pages")
    if not isinstance(pages, list):
        raise _damaged("its highlight pages are not a list")
    if not pages:
        raise InputError("The session has no highlight pages.", "Make highlights in Cellucid and save the session.")
    if len(pages) > MAX_SAVED:
        raise InputError(f"The session has {len(pages):,} pages; a dataset can have {MAX_SAVED}.", "Delete some.")
    found = []
    seen: set[str] = set()
    for page in pages:
        name = page.get("name") if isinstance(page, dict) else None
        groups = page.get("highlightedGroups") if isinstance(page, dict) else None
        if not isinstance(name, str) or not isinstance(groups, list):
            raise _damaged("a highlight page has no name or no groups")
        ids = [group.get("id") if isinstance(group, dict) else None for group in groups]
        for one in ids:
            if not isinstance(one, str) or one in seen or len(seen) >= MAX_GROUPS:
                raise _damaged("a highlight group has no id, or repeats one, or there are too many")
            seen.add(one)
        found.append((name, [str(one) for one in ids]))
    return found


def decode_cells(content: bytes, n_cells: int) -> np.ndarray:
    """Decode the cells of a highlight group.

    Parameters
    ----------
    content
        LEB128 varints: the number of indices, the first index, then each index less the one before.
    n_cells
        Number of cells; every index must be below it.

    Returns
    -------
    numpy.ndarray
        The indices, int64, ascending.

    Raises
    ------
    InputError
        The content is damaged.
    """
    raw = np.frombuffer(content, dtype=np.uint8)
    ends = np.flatnonzero(raw < 0x80)
    if len(ends) == 0 or ends[-1] != len(raw) - 1:
        raise _damaged("a list of cells ends too early")
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > _LONGEST_VARINT:
        raise _damaged("a list of cells holds a number that is too large")
    numbers = np.zeros(len(ends), dtype=np.int64)
    for k in range(int(lengths.max())):
        longer = lengths > k
        numbers[longer] |= (raw[starts[longer] + k].astype(np.int64) & 0x7F) << (7 * k)
    if numbers[0] != len(numbers) - 1 or numbers[0] > n_cells:
        raise _damaged("a list of cells has another length than it says")
    # At most n_cells numbers below 2³⁵ each: their sum fits.
    cells = np.cumsum(numbers[1:])
    if len(cells) and cells[-1] >= n_cells:
        raise _damaged("it names cells beyond the last")
    return cells
