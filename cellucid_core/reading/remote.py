"""Files on object storage and the web: HDF5 is read by ranges, zarr chunk by chunk, everything else is copied once.

Only addresses given by whoever runs the program are opened: on the command line, in Python, in its configuration.
Nothing that a user of the dashboard types reaches this module.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellucid_core.atomic import complete_or_absent
from cellucid_core.cache import home_folder
from cellucid_core.errors import InputError
from cellucid_core.names import safe_key

if TYPE_CHECKING:
    import h5py

SCHEMES = ("s3://", "gs://", "gcs://", "https://", "http://")
#: Bytes that are asked for at a time, and how many such pieces of a file are kept in memory.
_PIECE, _KEPT = 4 * 2**20, 16
#: First chunks of a zarr store that are asked about at the same time.
_AT_ONCE = 16
#: Keys of what file systems say about a file whose values change with its content.
_VALIDATORS = ("ETag", "etag", "md5Hash", "generation", "Content-MD5", "LastModified", "Last-Modified", "mtime")
_ZARR = ("zarr.json", ".zgroup")


def is_remote(source: object) -> bool:
    """Tell whether something is the address of a file on object storage or the web."""
    return isinstance(source, str) and source.lower().startswith(SCHEMES)


class RemoteFile:
    """A file or folder on object storage or the web.

    Parameters
    ----------
    address
        ``s3://bucket/key``, ``gs://…`` or ``https://…``. Credentials are taken from where the programs of that storage
        take them (environment, configuration files).

    Raises
    ------
    InputError
        If it is not there, cannot be reached, or the package that reads such addresses is not installed.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.name = address.partition("?")[0].rstrip("/").rpartition("/")[2]
        try:
            import fsspec

            self.fs, self.path = fsspec.core.url_to_fs(address)
            self.info = self._info()
        except ImportError as error:
            raise InputError(
                f"{address} cannot be read: {error.name or 'a package for such addresses'} is not installed.",
                "Install it: pip install 'cellucid-dashboard[remote]'.",
            ) from error
        except FileNotFoundError as error:
            if "Connect" in type(error.__cause__).__name__:  # fsspec raises it also if the server does not answer
                raise unreachable(address, error.__cause__ or error) from error
            raise InputError(
                f"There is no file {address}.", "Check the address, and whether you may read it."
            ) from error
        except Exception as error:  # each storage raises its own types
            raise unreachable(address, error) from error

    def _info(self) -> dict[str, Any]:
        self.fs.invalidate_cache()
        # On the web a folder may be a page that lists it.
        if self.name.endswith(".zarr") and self.address.lower().startswith("http") and self._zarr_documents():
            return {"type": "directory"}
        return dict(self.fs.info(self.path))

    def _zarr_documents(self) -> dict[str, bytes]:
        """Return the metadata documents of a zarr store by name; on the web only they tell that it is a folder."""
        names = (*_ZARR, ".zmetadata")
        found = self.fs.cat([f"{self.path.rstrip('/')}/{name}" for name in names], on_error="omit")
        return {key.rpartition("/")[2]: value for key, value in found.items()}

    def _zarr_told(self) -> list[Any]:
        documents = self._zarr_documents()
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            chunks = list(threads.map(self._chunk_told, first_chunks(documents)))
        return [*sorted((name, hashlib.sha256(text).hexdigest()) for name, text in documents.items()), *chunks]

    def _chunk_told(self, name: str) -> tuple[str, dict[str, str]]:
        try:
            return name, _told(self.fs.info(f"{self.path.rstrip('/')}/{name}"))
        except FileNotFoundError:  # a chunk of nothing but the fill value
            return name, {}

    def is_dir(self) -> bool:
        """Tell whether it is a folder."""
        return str(self.info.get("type")) == "directory"

    def is_zarr(self) -> bool:
        """Tell whether it is a zarr store."""
        return self.is_dir() and bool(set(_ZARR) & set(self._zarr_documents()))

    def identity(self) -> str | None:
        """Return 64 hexadecimal digits that change with the content, or None if a file has nothing that tells.

        For a zarr store that cannot be listed (on the web) its metadata documents count, and if these name its arrays,
        what the server says of the first chunk of each: who writes an array again writes that, too. A change of other
        chunks only is not noticed.
        """
        if self.is_dir():
            try:
                listed = self.fs.find(self.path, detail=True)
                told: Any = sorted((name, _told(info)) for name, info in listed.items())
            except (NotImplementedError, FileNotFoundError, ValueError):
                told = []
            if not any(_tells(info) for _, info in told):  # a page that lists the folder names its files, no more
                told = self._zarr_told()
        else:
            told = _told(self.info)
            if not _tells(told):
                return None
        return hashlib.sha256(json.dumps([self.address.partition("?")[0], told]).encode()).hexdigest()

    @cached_property
    def content(self) -> io.RawIOBase:
        """The file, read by ranges, the latest of which are kept; a read fails if the content has changed (ETag)."""
        more: dict[str, Any] = {}
        tag = str(self.info.get("ETag", ""))
        if self.address.lower().startswith("http") and tag and not tag.startswith("W/"):
            more["headers"] = {"If-Range": tag}  # if the content has changed, all of it is sent, and fsspec refuses it
        kept = {"maxblocks": _KEPT}
        return _Ranges(
            self.fs.open(self.path, "rb", block_size=_PIECE, cache_type="blockcache", cache_options=kept, **more)
        )

    def head(self, size: int) -> bytes:
        """Return the first `size` bytes; raises an `InputError` if they cannot be read."""
        try:
            self.content.seek(0)
            return self.content.read(size) or b""
        except Exception as error:
            raise unreachable(self.address, error) from error

    def copied(self) -> Path:
        """Return a copy on this disk, made once per `identity`; one without an identity is copied every time.

        Raises
        ------
        InputError
            If it cannot be read.
        """
        identity = self.identity() or hashlib.sha256(os.urandom(32)).hexdigest()
        target = home_folder("unpacked") / f"{identity[:40]}-{safe_key(self.name)}"
        if not target.exists():
            try:
                with complete_or_absent(target) as draft:
                    self.fs.get_file(self.path, str(draft))
            except Exception as error:
                raise unreachable(self.address, error) from error
        return target

    def files(self, depth: int) -> list[tuple[str, int | None]]:
        """Return what is in the folder: the path of each file and zarr store in it, and the bytes of a file.

        Parameters
        ----------
        depth
            How many folders deep to look; 1 is the folder itself.

        Raises
        ------
        InputError
            If it cannot be listed.
        """
        try:
            listed = self.fs.find(self.path, maxdepth=depth + 1, detail=True)
        except Exception as error:
            raise unreachable(self.address, error) from error
        top = self.path.rstrip("/") + "/"
        sizes = {name.removeprefix(top): int(info.get("size") or 0) for name, info in sorted(listed.items())}
        stores: list[str] = []
        for name in sorted(sizes, key=lambda name: name.count("/")):
            folder, _, last = name.rpartition("/")
            if folder and last in _ZARR and not any(folder.startswith(f"{store}/") for store in stores):
                stores.append(folder)
        below = tuple(f"{store}/" for store in stores)
        files = [(name, size) for name, size in sizes.items() if not name.startswith(below) and name.count("/") < depth]
        return sorted([*files, *((store, None) for store in dict.fromkeys(stores))])

    def zarr_store(self) -> Any:
        """Return it as a read-only store of the package zarr."""
        from zarr.storage import FsspecStore

        return FsspecStore.from_url(self.address.rstrip("/"), read_only=True)


class _Ranges(io.RawIOBase):
    """A remote file that raises an `OSError`, which readers of files know, where its storage raises its own types."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        try:
            data = self._file.read(len(view))
        except Exception as error:
            raise OSError(f"it was changed, or cannot be reached: {error}") from error
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def unreachable(address: str, error: BaseException) -> InputError:
    """Return the error that says that an address cannot be read."""
    why = (str(error).splitlines() or [""])[0][:160] or type(error).__name__
    return InputError(f"{address} cannot be read ({why}).", "Check the address, the network and your credentials.")


def hdf5_file(path: Any) -> h5py.File:
    """Return a file on this disk (a path) or a `RemoteFile`, opened as HDF5 for reading."""
    import h5py

    if isinstance(path, RemoteFile):
        return h5py.File(path.content, "r")
    return h5py.File(path, "r", locking="best-effort")


def first_chunks(documents: Mapping[str, bytes]) -> list[str]:
    """Return the path of the first chunk of every array that the consolidated metadata of a zarr store name.

    Parameters
    ----------
    documents
        The documents in the store's root, by name; what is malformed in them names no array.
    """
    found = []
    try:
        for path, about in json.loads(documents.get(".zmetadata", b"{}")).get("metadata", {}).items():
            if path.endswith(".zarray"):
                places = ["0"] * max(1, len(about["shape"]))
                found.append(path.removesuffix(".zarray") + about.get("dimension_separator", ".").join(places))
        version_3 = json.loads(documents.get("zarr.json", b"{}")).get("consolidated_metadata") or {}
        for path, about in version_3.get("metadata", {}).items():
            if about["node_type"] == "array" and about["chunk_key_encoding"]["name"] == "default":
                separator = about["chunk_key_encoding"].get("configuration", {}).get("separator", "/")
                found.append(f"{path}/{separator.join(['c', *['0'] * len(about['shape'])])}")
    except (ValueError, TypeError, LookupError, AttributeError):  # reading the store says what is wrong
        pass
    return sorted(found)


def _tells(told: dict[str, str]) -> bool:
    return any(key in told for key in _VALIDATORS)


def _told(info: dict[str, Any]) -> dict[str, str]:
    return {key: str(info[key]) for key in ("size", *_VALIDATORS) if info.get(key) not in (None, "")}
