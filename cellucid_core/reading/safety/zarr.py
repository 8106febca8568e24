"""A zarr store from a stranger: no codec that runs code, no chunk that is enormous or cut off.

Decompressing a chunk writes as many bytes as the chunk's header says, whatever the array declares, and blosc reads as
many as it says, whatever there are; so the header is read first.
"""

from __future__ import annotations

import zlib
from typing import Any

from cellucid_core.configuration import format_size
from cellucid_core.errors import InputError
from cellucid_core.reading.safety.hdf5 import largest_piece
from cellucid_core.reading.safety.limits import MAX_DEPTH, MAX_OBJECTS

#: Codecs that only rearrange or compress, by their names in zarr 2 and 3. Pickle is not among them, nor are codecs
#: that some installed package might add.
CODECS = frozenset(
    {"bytes", "transpose", "crc32c", "crc32", "adler32", "fletcher32", "sharding_indexed", "vlen-utf8", "vlen-bytes"}
    | {"vlen-array", "blosc", "zstd", "gzip", "zlib", "lz4", "lzma", "bz2", "shuffle", "bitround", "delta", "quantize"}
    | {"fixedscaleoffset", "packbits", "categorize", "astype", "base64", "json2", "msgpack2", "zfpy"}
)
#: Most bytes of a metadata document.
MAX_METADATA = 64 * 2**20
#: Codecs that add a sum to what another one packed.
_SUMS = frozenset({"crc32c", "crc32", "adler32", "fletcher32"})
_METADATA = ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata")


def check_zarr(group: Any, file_name: str) -> None:
    """Check the metadata of every array of an open group, and tell its `guarded_store` which are packed by blosc.

    Raises
    ------
    InputError
        If an array uses a codec that is not in `CODECS` or has too large chunks, or there are too many or too deeply
        nested groups and arrays.
    """
    largest, count = largest_piece(), 0
    in_blosc: set[str] = set()
    waiting = [(group, 0)]
    while waiting:
        parent, depth = waiting.pop()
        for name, member in parent.members():
            count += 1
            if count > MAX_OBJECTS or depth > MAX_DEPTH:
                raise InputError(f"{file_name} holds too many groups and arrays.", "Write it again without uns.")
            if hasattr(member, "members"):
                waiting.append((member, depth + 1))
                continue
            metadata = member.metadata.to_dict()
            if _is_packed_by_blosc(metadata):
                in_blosc.add(member.path)
            for codec in codec_names(metadata):
                if codec.removeprefix("numcodecs.") not in CODECS:
                    raise InputError(
                        f"{file_name} keeps {name[:80]!r} with the codec {codec[:40]!r}, which is not opened.",
                        "Write it again with adata.write_zarr('file.zarr').",
                    )
            size = int(member.dtype.itemsize or 8)
            for n in member.shards or member.chunks:
                size *= int(n)
            if size > largest:
                raise InputError(
                    f"{file_name} keeps {name[:80]!r} in pieces of {format_size(size)}; at most "
                    f"{format_size(largest)} can be read at a time.",
                    "Write it again with smaller chunks.",
                )
    group.store.in_blosc = frozenset(in_blosc)


def _is_packed_by_blosc(metadata: dict[str, Any]) -> bool:
    """Whether a chunk begins with blosc's header, because blosc is the last that packs it."""
    names = codec_names({key: metadata.get(key) for key in ("filters", "compressor", "codecs")})  # in this order
    last = next((name for name in reversed(names) if name not in _SUMS), "")
    return last.removeprefix("numcodecs.") == "blosc" and "sharding_indexed" not in names


def codec_names(metadata: Any) -> list[str]:
    """Return the names of all codecs in an array's metadata, also those inside other codecs, in lower case."""
    found = []
    if isinstance(metadata, dict):
        for key, value in metadata.items():
            if key in ("compressor", "filters", "codecs", "index_codecs"):
                for codec in value if isinstance(value, list | tuple) else [value]:
                    if codec is not None:
                        given = codec if isinstance(codec, dict) else {"id": str(codec)}
                        found.append(str(given.get("id", given.get("name"))).lower())
                        found += codec_names(given.get("configuration"))
    return found


def guarded_store(path: Any) -> Any:
    """Return a read-only zarr store that refuses documents and chunks that are, or unpack to something, too large.

    Parameters
    ----------
    path
        A folder, a zip, or a `RemoteFile`.

    Returns
    -------
    zarr.storage.WrapperStore
        Its ``get`` raises an `InputError` for what is too large.
    """
    import zipfile
    from pathlib import Path, PurePosixPath

    import zarr
    from zarr.abc.store import Store
    from zarr.storage import WrapperStore

    remote = not isinstance(path, Path)
    if remote:
        inner, lengths = path.zarr_store(), None
    elif path.is_file():
        inner = zarr.storage.ZipStore(path, mode="r")
        with zipfile.ZipFile(path) as archive:
            lengths = {entry.filename: entry.file_size for entry in archive.infolist()}
    else:
        inner, lengths = zarr.storage.LocalStore(path, read_only=True), None

    class Guarded(WrapperStore):  # type: ignore[type-arg]
        """Checks every value before it returns it."""

        in_blosc: frozenset[str] = frozenset()

        async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
            is_metadata = key.rpartition("/")[2] in _METADATA
            length = await self._length(key)
            if length > (MAX_METADATA if is_metadata else largest_piece()):
                raise InputError(f"{key[:80]} is too large ({format_size(length)}).", "Write the dataset again.")
            value = await super().get(key, prototype, byte_range)
            if value is not None and not is_metadata:
                packed = byte_range is None and any(
                    str(parent) in self.in_blosc for parent in PurePosixPath(key).parents
                )
                _check_value(key, value.to_bytes(), packed)
            return value

        # Some versions of zarr have other ways to read, which would bypass `get`.
        _supports_sync_io = False

        async def get_partial_values(self, prototype: Any, key_ranges: Any) -> list[Any]:
            return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

        async def _length(self, key: str) -> int:
            if lengths is not None:
                return lengths.get(key, 0)
            if remote:  # it would be one more request for every chunk
                return 0
            try:
                return int((path / key).stat().st_size)
            except OSError:  # nothing of that name
                return 0

    for name in ("get_ranges", "_get_many"):
        if hasattr(Store, name):
            setattr(Guarded, name, getattr(Store, name))
    return Guarded(inner)


def _check_value(key: str, value: bytes, in_blosc: bool) -> None:
    if in_blosc and not 16 <= int.from_bytes(value[12:16], "little") <= len(value):
        raise InputError(f"{key[:80]} is damaged or was cut off.", "Copy or download the dataset again.")
    size = int.from_bytes(value[4:8], "little") if in_blosc else unpacked_size(value)
    if size > largest_piece():
        raise InputError(f"{key[:80]} unpacks to {format_size(size)}.", "Write the dataset again with smaller chunks.")


def unpacked_size(value: bytes) -> int:
    """Return the bytes that a compressed chunk unpacks to, or at most could; 0 if it is of no known kind.

    Sources: RFC 8878, 3.1.1.1 (zstd); RFC 1950 (zlib); RFC 1952 (gzip); blosc's "chunk format" (bytes 4 … 8).
    """
    if value[:4] == b"\x28\xb5\x2f\xfd" and len(value) > 14:
        flags = value[4]
        width = (1 if flags & 0x20 else 0, 2, 4, 8)[flags >> 6]
        at = 5 + (0 if flags & 0x20 else 1) + (0, 1, 2, 4)[flags & 3]
        stated = int.from_bytes(value[at : at + width], "little") + (256 if width == 2 else 0)
        # Without a stated size the codec grows its buffer as far as the data go: a block of 3 bytes gives 128 KiB.
        return stated if width else len(value) // 3 * 2**17
    if value[:2] == b"\x1f\x8b" or (value[:1] == b"\x78" and len(value) > 2 and int.from_bytes(value[:2]) % 31 == 0):
        return _inflated(value)
    if len(value) >= 16 and value[0] in (1, 2) and int.from_bytes(value[12:16], "little") == len(value):
        return int.from_bytes(value[4:8], "little")
    return 0


def _inflated(value: bytes) -> int:
    """Return the bytes that a zlib or gzip stream unpacks to, or at most could where that is within the limit.

    Stops once the limit (`largest_piece`) is passed; 0 if the stream is damaged.
    """
    if len(value) * 1032 <= largest_piece():  # deflate cannot do better
        return len(value) * 1032
    engine, size, limit = zlib.decompressobj(47), 0, largest_piece()
    try:
        data = value
        while data and size <= limit and not engine.eof:
            size += len(engine.decompress(data, 2**20))
            data = engine.unconsumed_tail
    except zlib.error:
        return 0
    return size
