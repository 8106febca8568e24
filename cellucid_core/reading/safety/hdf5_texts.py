"""Texts of an HDF5 file that claim to be longer than the file.

A text of variable length is stored as its length and its place. The library allocates the length before it reads the
place, so a damaged length takes gigabytes. Source: HDF5 File Format Specification 3.0, IV.B and VIII.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cellucid_core.errors import InputError

if TYPE_CHECKING:
    import h5py

#: How an array stores a text: its length, the address of the heap collection and the number of the object in it.
_REFERENCE = np.dtype([("length", "<u4"), ("collection", "<u8"), ("object", "<u4")])
#: References that are read at a time.
_AT_ONCE = 2**18
#: An array may refer to the same text several times, but all its texts together are at most this many times the file.
_OFTEN = 4
_DEFLATE, _SHUFFLE = 1, 2


def check_texts(file: h5py.File, file_name: str) -> None:
    """Check the lengths in every array of texts, or of lists, of variable length.

    Parameters
    ----------
    file
        A file whose links `check_hdf5` has checked.
    file_name
        For messages.

    Raises
    ------
    InputError
        If the texts of one array are together more than `_OFTEN` times as long as the file.
    """
    file.visititems(lambda name, member: _check(member.id, name, file_name) if hasattr(member, "dtype") else None)


def _check(dataset: Any, name: str, file_name: str) -> None:
    import h5py

    kind = dataset.get_type()
    if isinstance(kind, h5py.h5t.TypeStringID):
        if not kind.is_variable_str():
            return
        item = 1
    elif isinstance(kind, h5py.h5t.TypeVlenID):
        item = kind.get_super().get_size()
    else:
        return
    file_size = h5py.h5i.get_file_id(dataset).get_filesize()
    left = _OFTEN * file_size
    for lengths in _lengths(dataset):
        left -= int(lengths.sum(dtype=np.uint64)) * item
        if left < 0:
            raise InputError(
                f"{file_name} is damaged: the texts of {name[:80]!r} are longer than the file.",
                "Copy or download it again, then open it.",
            )


def _lengths(dataset: Any) -> Iterator[np.ndarray]:
    """Yield the stored lengths, piece by piece; none where a filter other than deflate and shuffle packs them."""
    from h5py import h5d

    created = dataset.get_create_plist()
    layout = created.get_layout()
    if layout == h5d.CONTIGUOUS and dataset.get_offset() is not None and not created.get_external_count():
        path = _path(dataset)
        if path is None:
            return
        n = int(np.prod(dataset.shape, dtype=np.float64))
        with path.open("rb") as file:
            file.seek(dataset.get_offset())
            while n > 0 and (piece := file.read(_REFERENCE.itemsize * min(n, _AT_ONCE))):
                yield _read(piece)
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
                yield _read(_unpacked(piece, kept, most))
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


def _read(piece: bytes) -> np.ndarray:
    lengths: np.ndarray = np.frombuffer(piece, _REFERENCE, len(piece) // _REFERENCE.itemsize)["length"]
    return lengths


def _path(dataset: Any) -> Path | None:
    """Return the path of the file that holds a dataset; None of a remote file."""
    import h5py

    file = h5py.h5i.get_file_id(dataset)
    driver = file.get_access_plist().get_driver()
    return None if driver == h5py.h5fd.fileobj_driver else Path(os.fsdecode(h5py.h5f.get_name(file)))
