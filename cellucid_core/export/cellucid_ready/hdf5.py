"""Write the nodes of a file to ``.h5ad``, so that a viewer opens it with one read of its beginning.

Everything is declared first and filled afterwards. So all metadata are at the start of the file, followed by the arrays
that a viewer reads when it opens the file. Format 1.10 needs no index for an array of one chunk.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from cellucid_core.errors import InputError
from cellucid_core.export.cellucid_ready.layout import DEFLATE_LEVEL
from cellucid_core.export.cellucid_ready.nodes import Group, Node, Numbers, Scalar, Texts
from cellucid_core.export.staging import Staging
from cellucid_core.hdf5_file import Hdf5Writing


class H5adFile:
    """A ``.h5ad`` that is being written. A context manager that removes the file unless it was published.

    Parameters
    ----------
    target, force
        See `Staging`.
    """

    def __init__(self, target: str | Path, *, force: bool) -> None:
        import h5py

        self._staging = Staging(target, folder=False, force=force)
        try:
            self._writing = Hdf5Writing(self._staging.path, "w", libver=("v110", "v110"))
        except BaseException:
            self._staging.abandon()
            raise
        self._file = self._writing.file
        self._texts = h5py.string_dtype()
        self.files = 1

    @property
    def target(self) -> Path:
        """Where the file will be."""
        return self._staging.target

    def declare(self, node: Node) -> Callable[[tuple[int, ...], Any], None] | None:
        """Create a group or an array; return a function (place, data) that writes one of its chunks, or None.

        Raises
        ------
        InputError
            If the disk refused what was written so far; `flush` and `finish` raise it as well.
        """
        made, writer = self._made(node)
        made.attrs.update(node.attributes)
        self._look()
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
            self._look()

        return numbers, write

    def flush(self, node: Numbers | Texts | Scalar) -> None:
        """Flush an array that is complete, so that HDF5 frees its memory."""
        self._file[node.path].flush()
        self._look()

    def finish(self) -> Path:
        """Complete the file, and return where it can be read until it is published."""
        self._told(self._writing.close)
        return self._staging.path

    def _look(self) -> None:
        """Raise an error of writing that HDF5 has not reported."""
        self._told(self._writing.check)

    def _told(self, step: Callable[[], None]) -> None:
        try:
            step()
        except OSError as error:
            raise InputError(
                f"{self.target} could not be written ({error.strerror or error}).", "Check the free disk space."
            ) from error

    def publish(self) -> None:
        """Give the file its name; raises `InputError` if that is not possible."""
        self._staging.publish()

    def __enter__(self) -> H5adFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with suppress(OSError):  # reported already, or the present error says more
                self._writing.close()
        finally:
            self._staging.abandon()


def _slice(place: tuple[int, ...], chunks: tuple[int]) -> slice:
    return slice(place[0] * chunks[0], (place[0] + 1) * chunks[0])
