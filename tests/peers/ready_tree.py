"""What a Cellucid-ready AnnData holds, element by element, as plain values: for golden files and for comparing.

Runs in the peer's environment, too: nothing but numpy, h5py and zarr.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from pathlib import Path

import numpy as np

#: Arrays with more values are kept as a hash.
LARGEST = 300


def tree(path):
    """Return {path in the file: {"attributes": …, "dtype": …, "shape": …, "chunks": …, "values" or "sha256": …}}."""
    import h5py
    import zarr

    if str(path).endswith(".h5ad"):
        with h5py.File(path, "r") as root:
            return dict(_walk(root, ""))
    store = zarr.storage.ZipStore(Path(path), mode="r")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = dict(_walk(zarr.open_group(store, mode="r"), ""))
    store.close()
    return found


def _walk(node, path):
    attributes = {key: _plain(value) for key, value in dict(node.attrs).items()}
    if not hasattr(node, "shape"):
        yield path, {"attributes": attributes}
        for key in sorted(node):
            yield from _walk(node[key], f"{path}/{key}")
        return
    values = np.asarray(node[()])
    if values.dtype.kind in "OTSU":
        text = [item.decode() if isinstance(item, bytes) else str(item) for item in values.reshape(-1).tolist()]
        kind, kept, raw = "text", text, "\0".join(text).encode()
    else:
        kind = values.dtype.newbyteorder("<").str
        # -0.0 and 0.0, and all NaN, are one.
        kept = [_plain(item) for item in values.reshape(-1)]
        raw = (values + values.dtype.type(0) if values.dtype.kind == "f" else values).tobytes()
    entry = {"attributes": attributes, "dtype": kind, "shape": [int(n) for n in node.shape]}
    entry["chunks"] = [int(n) for n in node.chunks] if node.chunks else None
    if len(kept) <= LARGEST:
        yield path, {**entry, "values": kept}
    else:
        yield path, {**entry, "sha256": hashlib.sha256(raw).hexdigest()}


def _plain(value):
    if isinstance(value, (np.ndarray, list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    return value
