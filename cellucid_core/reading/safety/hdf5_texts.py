"""Texts of an HDF5 file that claim to be longer than the file, or to be something that no text is.

A text of variable length is stored as its length and its place. The library allocates the length before it reads the
place, so a damaged length takes gigabytes; and it crashes where a datatype of variable length is neither a list nor a
text. Source: HDF5 File Format Specification 3.0, IV.A.2.d, IV.B and VIII.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from cellucid_core.errors import InputError
from cellucid_core.reading.safety.hdf5_attributes import typed_values

if TYPE_CHECKING:
    import h5py

#: How an array stores a text: its length, the address of the heap collection and the number of the object in it.
_REFERENCE = np.dtype([("length", "<u4"), ("collection", "<u8"), ("object", "<u4")])
#: References that are read at a time.
_AT_ONCE = 2**18
#: An array may refer to the same text several times, but all its texts together are at most this many times the file.
_OFTEN = 4
_DEFLATE, _SHUFFLE = 1, 2
#: Class of a datatype of variable length, and which of them are known: lists (0) and texts (1).
_VARIABLE, _KNOWN = 9, 1


def check_texts(file: h5py.File, file_name: str) -> None:
    """Check the lengths in every array and every attribute of texts, or of lists, of variable length.

    Parameters
    ----------
    file
        A file of this disk, whose links `check_hdf5` has checked.
    file_name
        For messages.

    Raises
    ------
    InputError
        If the texts of one array or attribute are together more than `_OFTEN` times as long as the file, or are of no
        known kind.
    """
    from h5py import h5d, h5o

    most, base = _OFTEN * file.id.get_filesize(), file.userblock_size
    with Path(file.filename).open("rb", buffering=0) as content:

        def check(name: bytes, found: Any) -> None:
            texts: list[Iterable[int]] = []
            for datatype, value in typed_values(content, found.addr, base):
                if len(datatype) >= 16 and datatype[0] & 0x0F == _VARIABLE:
                    if datatype[1] & 0x0F > _KNOWN:
                        raise _damaged(file_name, name, "are of no known kind")
                    texts.append([_length_in_attribute(datatype, value)])
            if found.type == h5o.TYPE_DATASET:
                texts.append(_lengths_in_array(h5d.open(file.id, name), content))
            for lengths in texts:
                left = most
                for some in lengths:
                    left -= some
                    if left < 0:
                        raise _damaged(file_name, name, "are longer than the file")

        h5o.visit(file.id, check, info=True)


def _damaged(file_name: str, name: bytes, how: str) -> InputError:
    return InputError(
        f"{file_name} is damaged: the texts of {name.decode('utf-8', 'replace')[:80]!r} {how}.",
        "Copy or download it again, then open it.",
    )


def _length_in_attribute(datatype: bytes, value: bytes) -> int:
    """Return the bytes that the texts of an attribute take, as it declares them."""
    return _sum(value) * int.from_bytes(datatype[12:16], "little")  # of what there are so many; 1 for texts


def _lengths_in_array(dataset: Any, file: IO[bytes]) -> Iterator[int]:
    """Yield the bytes that the texts of an array take, piece by piece, as it declares them."""
    from h5py import h5t

    kind = dataset.get_type()
    if isinstance(kind, h5t.TypeStringID) and kind.is_variable_str():
        item = 1
    elif isinstance(kind, h5t.TypeVlenID):
        item = kind.get_super().get_size()
    else:
        return
    for piece in _references(dataset, file):
        yield _sum(piece) * item


def _references(dataset: Any, file: IO[bytes]) -> Iterator[bytes]:
    """Yield what is stored, piece by piece; nothing where a filter other than deflate and shuffle packs it."""
    from h5py import h5d

    created = dataset.get_create_plist()
    layout = created.get_layout()
    if layout == h5d.CONTIGUOUS and dataset.get_offset() is not None and not created.get_external_count():
        n = int(np.prod(dataset.shape, dtype=np.float64))
        file.seek(dataset.get_offset())
        while n > 0 and (piece := file.read(_REFERENCE.itemsize * min(n, _AT_ONCE))):
            yield piece
            n -= _AT_ONCE
    elif layout == h5d.CHUNKED:
        filters = [created.get_filter(number)[0] for number in range(created.get_nfilters())]
        if not set(filters) <= {_DEFLATE, _SHUFFLE}:
            return
        shape = created.get_chunk()
        most = int(np.prod(shape, dtype=np.float64)) * _REFERENCE.itemsize
        for number in range(dataset.get_num_chunks()):
            mask, piece = dataset.read_direct_chunk(dataset.get_chunk_info(number).chunk_offset)
            kept = [one for bit, one in enumerate(filters) if not mask >> bit & 1]
            try:
                yield _unpacked(piece, kept, most)
            except zlib.error:  # damaged; reading it says so
                return


def _unpacked(piece: bytes, filters: list[int], most: int) -> bytes:
    for one in reversed(filters):
        if one == _DEFLATE:
            piece = zlib.decompressobj().decompress(piece, most)
        else:
            n = len(piece) // _REFERENCE.itemsize * _REFERENCE.itemsize
            columns = np.frombuffer(piece, np.uint8, n).reshape(_REFERENCE.itemsize, -1)
            piece = columns.T.tobytes()
    return piece


def _sum(piece: bytes) -> int:
    """Return the sum of the lengths of references."""
    lengths = np.frombuffer(piece, _REFERENCE, len(piece) // _REFERENCE.itemsize)["length"]
    return int(lengths.sum(dtype=np.uint64))
