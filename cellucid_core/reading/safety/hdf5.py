"""An HDF5 file from a stranger: nothing in it may lead to another file, and no chunk of it may be enormous.

HDF5 opens other files by itself for three things: external links, raw data in external files, and virtual datasets.
It decompresses a whole chunk, however little of it is asked for.
"""

from __future__ import annotations

import math
from typing import Any

from cellucid_core.configuration import format_size, read_configuration
from cellucid_core.errors import InputError
from cellucid_core.reading.safety.limits import MAX_DEPTH, MAX_OBJECTS

#: One chunk may take one in so many bytes of the memory for a dataset.
_PIECE_SHARE = 8
#: An array of more than so many values of which fewer than one in so many are in the file: see `check_written`.
_LARGE, _OFTEN = 1_000_000, 100


def check_hdf5(file: Any, file_name: str) -> None:
    """Check every link and every dataset of an open file, without following a link to another file.

    Parameters
    ----------
    file
        An open `h5py.File`.
    file_name
        For messages.

    Raises
    ------
    InputError
        If something leads to another file, a chunk is too large, or there are too many or too deeply nested objects.
    """
    import h5py
    from h5py import h5g, h5l, h5o

    largest = largest_piece()
    seen: set[int] = set()
    waiting = [(file.id, 0)]
    while waiting:
        group, depth = waiting.pop()
        names: list[bytes] = []
        group.links.iterate(names.append)
        for name in names:
            link = group.links.get_info(name)
            if link.type == h5l.TYPE_SOFT:
                continue  # it leads to something in this file, which is checked at its own place
            if link.type != h5l.TYPE_HARD:
                raise _leaves(file_name, name)
            found = h5o.get_info(group, name)
            if found.addr in seen:
                continue
            seen.add(found.addr)
            if len(seen) > MAX_OBJECTS:
                raise InputError(f"{file_name} holds more than {MAX_OBJECTS:,} objects.", "Write it again without uns.")
            if found.type == h5o.TYPE_GROUP:
                if depth >= MAX_DEPTH:
                    raise InputError(f"{file_name} is nested too deeply.", "Write it again without uns.")
                waiting.append((h5g.open(group, name), depth + 1))
            elif found.type == h5o.TYPE_DATASET:
                _check_dataset(h5py.h5d.open(group, name), name, file_name, largest)


def check_written(array: Any, what: str) -> None:
    """Refuse a large array of which hardly anything was ever written: reading it would take hours, for nothing.

    Parameters
    ----------
    array
        An h5py dataset; any other array is not checked.
    what
        Its name, for the message.

    Raises
    ------
    InputError
        If it has more than `_LARGE` values, and fewer than one in `_OFTEN` of them are in the file.
    """
    if getattr(array, "chunks", None) is None or not hasattr(getattr(array, "id", None), "get_num_chunks"):
        return
    values = math.prod(array.shape)
    if values > _LARGE and array.id.get_num_chunks() * math.prod(array.chunks) < values / _OFTEN:
        raise InputError(
            f"{what} is damaged: it declares {values:,} values, and few of them are in the file.",
            "Copy or download it again, then open it.",
        )


def largest_piece() -> int:
    """Return the most bytes that one chunk may decompress to."""
    return read_configuration().memory // _PIECE_SHARE


def _check_dataset(dataset: Any, name: bytes, file_name: str, largest: int) -> None:
    from h5py import h5d

    created = dataset.get_create_plist()
    layout = created.get_layout()
    if layout == h5d.VIRTUAL or created.get_external_count():
        raise _leaves(file_name, name)
    if layout == h5d.CHUNKED:
        size = dataset.get_type().get_size() * math.prod(map(int, created.get_chunk()))
        if size > largest:
            shown = name.decode("utf-8", "replace")[:80]
            raise InputError(
                f"{file_name} keeps {shown!r} in pieces of {format_size(size)}; at most {format_size(largest)} "
                "can be read at a time.",
                "Write it again with smaller chunks, as adata.write_h5ad does.",
            )


def _leaves(file_name: str, name: bytes) -> InputError:
    return InputError(
        f"{file_name} takes {name.decode('utf-8', 'replace')[:80]!r} from another file.",
        "Write everything into one file: adata = anndata.read_h5ad(…), then adata.write_h5ad('file.h5ad').",
    )
