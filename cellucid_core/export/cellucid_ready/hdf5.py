"""Write the nodes of a file to ``.h5ad``, so that a viewer opens it with one read of its beginning.

Everything is declared first and filled afterwards. HDF5 then keeps what describes the file together at its start
(``meta_block_size``; format 1.10 needs no index for a small array), followed by what a viewer reads on opening.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from cellucid_core.export.cellucid_ready.layout import DEFLATE_LEVEL
from cellucid_core.export.cellucid_ready.nodes import Group, Node, Numbers, Scalar, Texts
from cellucid_core.export.staging import Staging

#: Bytes kept free at the start for what describes the file.
_META = 256 * 1024


class H5adFile:
    """One ``.h5ad`` that is being written; a context manager that leaves no trace without `publish`.

    Parameters
    ----------
    target, force
        See `Staging`.
    """

    def __init__(self, target: str | Path, *, force: bool) -> None:
        import h5py

        self._staging = Staging(target, folder=False, force=force)
        try:
            # The draft is locked already, by `Staging`.
            self._file = h5py.File(
                self._staging.path, "w", libver=("v110", "v110"), meta_block_size=_META, locking=False
            )
        except BaseException:
            self._staging.abandon()
            raise
        self._texts = h5py.string_dtype()
        self.files = 1

    @property
    def target(self) -> Path:
        """Where the file will be."""
        return self._staging.target

    def declare(self, node: Node) -> Callable[[tuple[int, ...], Any], None] | None:
        """Make a group or an array; return what writes a chunk of it, None for what has no chunks."""
        made, writer = self._made(node)
        made.attrs.update(node.attributes)
        return writer

    def _made(self, node: Node) -> tuple[Any, Callable[[tuple[int, ...], Any], None] | None]:
        file: Any = self._file
        if isinstance(node, Group):
            return (file.create_group(node.path) if node.path else file), None
        if isinstance(node, Scalar):
            text = isinstance(node.value, str)
            data = np.array(node.value, dtype=self._texts if text else None)
            scalar = file.create_dataset(node.path, shape=(), dtype=data.dtype)
            return scalar, lambda place, value: scalar.write_direct(data)
        compressed = {"compression": "gzip", "compression_opts": DEFLATE_LEVEL}
        if isinstance(node, Texts):
            options = {"chunks": node.chunks, **compressed} if len(node.values) else {}
            texts = file.create_dataset(node.path, shape=(len(node.values),), dtype=self._texts, **options)
            return texts, lambda place, value: texts.__setitem__(_slice(place, node.chunks), value)
        if 0 in node.shape:  # HDF5 refuses chunks of nothing
            return file.create_dataset(node.path, shape=node.shape, dtype=node.dtype), None
        numbers = file.create_dataset(
            node.path, shape=node.shape, dtype=node.dtype, chunks=node.chunks, shuffle=node.shuffle, **compressed
        )

        def write(place: tuple[int, ...], data: bytes) -> None:
            numbers.id.write_direct_chunk(tuple(at * size for at, size in zip(place, node.chunks, strict=True)), data)

        return numbers, write

    def flush(self, node: Numbers | Texts | Scalar) -> None:
        """Let go of what HDF5 keeps of an array that is complete."""
        self._file[node.path].flush()

    def finish(self) -> Path:
        """Complete the file where it is being written, and return that place."""
        self._file.close()
        return self._staging.path

    def publish(self) -> None:
        """Give the file its name."""
        self._staging.publish()

    def __enter__(self) -> H5adFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        finally:
            self._staging.abandon()


def _slice(place: tuple[int, ...], chunks: tuple[int]) -> slice:
    return slice(place[0] * chunks[0], (place[0] + 1) * chunks[0])
