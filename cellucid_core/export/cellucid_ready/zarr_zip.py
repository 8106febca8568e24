"""Write the nodes of a file to ``.zarr.zip``: a zarr store of format 2 in one zip of stored entries.

zarr makes the store's metadata in memory. Chunks of numbers are written to the zip as soon as they are compressed; the
metadata come last, the consolidated ones at the very end, so that a reader gets them with the request for the zip's
directory. Times are fixed, so that equal stores are equal files.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from cellucid_core.export.cellucid_ready.layout import DEFLATE_LEVEL
from cellucid_core.export.cellucid_ready.nodes import Group, Node, Numbers, Scalar, Texts
from cellucid_core.export.sink import ZipSink

_DESCRIPTIONS = (".zarray", ".zattrs", ".zgroup")
_CONSOLIDATED = ".zmetadata"


class ZarrZip:
    """A ``.zarr.zip`` that is being written. A context manager that removes the file unless it was published.

    Parameters
    ----------
    target, force
        See `Staging`.
    """

    def __init__(self, target: str | Path, *, force: bool) -> None:
        import zarr

        self._kept: dict[str, Any] = {}
        self._store = zarr.storage.MemoryStore(self._kept)
        self._root: Any = zarr.open_group(self._store, mode="w", zarr_format=2)
        self._sink = ZipSink(target, "", force=force)

    @property
    def target(self) -> Path:
        """Where the file will be."""
        return self._sink.target

    @property
    def files(self) -> int:
        """Number of entries that were written so far."""
        return self._sink.files

    def declare(self, node: Node) -> Callable[[tuple[int, ...], Any], None] | None:
        """Create a group or an array; return a function (place, data) that writes one of its chunks, or None."""
        if isinstance(node, Group):
            if node.path:
                self._root.create_group(node.path, attributes=node.attributes)
            else:
                self._root.attrs.update(node.attributes)
            return None
        if isinstance(node, Numbers):
            self._numbers(node)
            return lambda place, data: self._sink.add(f"{node.path}/{'.'.join(map(str, place))}", data)
        if isinstance(node, Texts):
            texts = self._texts(node, (len(node.values),), node.chunks)

            def write(place: tuple[int, ...], values: Any) -> None:
                texts[place[0] * node.chunks[0] : (place[0] + 1) * node.chunks[0]] = values

            return write
        return self._scalar(node)

    def _numbers(self, node: Numbers) -> Any:
        from numcodecs import Shuffle, Zlib

        return self._root.create_array(
            node.path,
            shape=node.shape,
            dtype=node.dtype,
            chunks=node.chunks,
            filters=[Shuffle(elementsize=node.dtype.itemsize)] if node.shuffle else None,
            compressors=Zlib(level=DEFLATE_LEVEL),
            fill_value=node.dtype.type(0).item(),
            attributes=node.attributes,
        )

    def _texts(self, node: Texts | Scalar, shape: tuple[int, ...], chunks: tuple[int, ...]) -> Any:
        from numcodecs import VLenUTF8, Zlib

        return self._root.create_array(
            node.path,
            shape=shape,
            dtype=str,
            chunks=chunks,
            filters=[VLenUTF8()],
            compressors=Zlib(level=DEFLATE_LEVEL),
            fill_value="",
            attributes=node.attributes,
        )

    def _scalar(self, node: Scalar) -> Callable[[tuple[int, ...], Any], None]:
        import numpy as np

        if isinstance(node.value, str):
            array = self._texts(node, (), ())
        else:
            dtype = np.asarray(node.value).dtype
            numbers = Numbers(node.path, node.attributes, (), dtype, (), dtype.itemsize > 1, lambda: iter(()))
            array = self._numbers(numbers)
        return lambda place, value: array.__setitem__(..., np.asarray(value))

    def flush(self, node: Numbers | Texts | Scalar) -> None:
        """Move the chunks that zarr wrote of an array from memory to the zip."""
        for name in sorted(key for key in self._kept if key.startswith(f"{node.path}/") and not _describes(key)):
            self._sink.add(name, self._kept.pop(name).to_bytes())

    def finish(self) -> Path:
        """Write the metadata and complete the file; return where it can be read until it is published."""
        import zarr

        zarr.consolidate_metadata(self._store, zarr_format=2)
        last = self._kept.pop(_CONSOLIDATED)
        for name in sorted(self._kept):
            self._sink.add(name, self._kept[name].to_bytes())
        self._sink.add(_CONSOLIDATED, last.to_bytes())
        return self._sink.finish()

    def publish(self) -> None:
        """Give the file its name; raises `InputError` if that is not possible."""
        self._sink.publish()

    def __enter__(self) -> ZarrZip:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sink.__exit__(kind, error, trace)


def _describes(name: str) -> bool:
    return name.rpartition("/")[2] in (*_DESCRIPTIONS, _CONSOLIDATED)
