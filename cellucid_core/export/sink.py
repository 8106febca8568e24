"""The zip or folder that an export is written to; it appears as a whole or not at all (`staging`)."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol

from zlib_ng import zlib_ng

from cellucid_core.errors import InputError
from cellucid_core.export.staging import Staging

_FIRST_ZIP_YEAR = (1980, 1, 1, 0, 0, 0)
_LAST_ZIP_YEAR = (2107, 12, 31, 23, 59, 58)


class Sink(Protocol):
    """Takes files one after the other, and puts them in their place at the end.

    A context manager: leaving it without `publish`, for whatever reason, removes what was written.
    """

    #: Number of files that were added.
    files: int
    #: Name → CRC-32 of every file that was added.
    checksums: dict[str, int]

    @property
    def target(self) -> Path:
        """Where the export will be."""
        ...

    def add(self, name: str, data: bytes) -> None:
        """Write one file; `name` is its path in the dataset's folder, with ``/``. A full disk raises `InputError`."""
        ...

    def finish(self) -> Path:
        """Complete the export, and return where it can be read until it is published."""
        ...

    def publish(self) -> None:
        """Put the finished export in its place; raises `InputError` if that is not possible."""
        ...

    def __enter__(self) -> Sink: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def entry_of(name: str, stamp: datetime | None) -> zipfile.ZipInfo:
    """Return a zip entry whose bytes depend only on its name, its content and the given time.

    Parameters
    ----------
    stamp
        Moved into 1980…2107, the years of a zip; None: the first of January 1980.
    """
    when = _FIRST_ZIP_YEAR if stamp is None else stamp.timetuple()[:6]
    entry = zipfile.ZipInfo(name, min(max(when, _FIRST_ZIP_YEAR), _LAST_ZIP_YEAR))
    entry.create_system = 3  # Unix on every system, so that the bytes are the same
    entry.external_attr = 0o100644 << 16
    return entry


class ZipSink:
    """A zip with one folder, streamed to the disk; all entries have the same time.

    Entries are stored, because they are compressed already; ZIP64 is used where sizes or numbers need it.

    Parameters
    ----------
    target
        The zip file.
    root
        The folder's name, such as the dataset's id; empty for none.
    stamp
        Time of all entries; None: the first of January 1980.
    force
        Whether a file that is there may be replaced.

    Raises
    ------
    InputError
        See `Staging`.
    """

    def __init__(self, target: str | Path, root: str, *, stamp: datetime | None = None, force: bool = False) -> None:
        self.files = 0
        self.checksums: dict[str, int] = {}
        self._root = root
        self._stamp = stamp
        self._staging = Staging(target, folder=False, force=force)
        try:
            self._zip = zipfile.ZipFile(self._staging.path, "w", zipfile.ZIP_STORED)
        except BaseException:
            self._staging.abandon()
            raise

    @property
    def target(self) -> Path:
        """Where the zip will be."""
        return self._staging.target

    def add(self, name: str, data: bytes) -> None:
        """Write one entry; see `Sink.add`."""
        entry = entry_of(f"{self._root}/{name}" if self._root else name, self._stamp)
        with _told(self.target):
            self._zip.writestr(entry, data)
        self.checksums[name] = entry.CRC
        self.files += 1

    def finish(self) -> Path:
        """Write the directory of the zip; see `Sink.finish`."""
        with _told(self.target):
            self._zip.close()
        return self._staging.path

    def publish(self) -> None:
        """Give the zip its name; see `Sink.publish`."""
        self._staging.publish()

    def __enter__(self) -> ZipSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._zip.fp is not None:
                file, self._zip.fp = self._zip.fp, None  # a zip that was not finished needs no directory
                with suppress(OSError):  # closing flushes, which fails on a full disk
                    file.close()
        finally:
            self._staging.abandon()


class FolderSink:
    """A folder that holds the files directly.

    Parameters
    ----------
    target
        The folder; if it exists, it must be empty unless `force` is set.
    force
        Whether a folder that is there may be replaced, as a whole.

    Raises
    ------
    InputError
        See `Staging`.
    """

    def __init__(self, target: str | Path, *, force: bool = False) -> None:
        self.files = 0
        self.checksums: dict[str, int] = {}
        self._folders: set[str] = set()
        self._staging = Staging(target, folder=True, force=force)

    @property
    def target(self) -> Path:
        """Where the folder will be."""
        return self._staging.target

    def add(self, name: str, data: bytes) -> None:
        """Write one file; see `Sink.add`."""
        folder, _, _ = name.rpartition("/")
        with _told(self.target):
            if folder and folder not in self._folders:
                (self._staging.path / folder).mkdir(parents=True, exist_ok=True)
                self._folders.add(folder)
            with open(self._staging.path / name, "xb") as file:  # noqa: PTH123 - for thousands, Path.open is slower
                file.write(data)
        self.checksums[name] = zlib_ng.crc32(data)
        self.files += 1

    def finish(self) -> Path:
        """Return where the folder can be read; see `Sink.finish`."""
        return self._staging.path

    def publish(self) -> None:
        """Give the folder its name; see `Sink.publish`."""
        self._staging.publish()

    def __enter__(self) -> FolderSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._staging.abandon()


@contextmanager
def _told(target: Path) -> Iterator[None]:
    """Turn an error of the operating system, such as a full disk, into an `InputError`."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{target} could not be written ({error.strerror or error}); nothing was kept.",
            "Free some disk space, or choose another place.",
        ) from None


def open_sink(
    target: str | Path, root: str, *, stamp: datetime | None = None, force: bool = False
) -> ZipSink | FolderSink:
    """Return the sink for a target: a zip if its name ends in ``.zip``, else a folder.

    Raises
    ------
    InputError
        If the name has the suffix of another format; else as `Staging`.
    """
    name = Path(target).name.lower()
    if name.endswith(".zarr.zip"):
        raise InputError(
            "A prepared export cannot be a .zarr.zip file.",
            "Use a name that ends in .zip, or a folder, or the format zarr.zip.",
        )
    if name.endswith(".zip"):
        return ZipSink(target, root, stamp=stamp, force=force)
    for suffix in (".h5ad", ".tar", ".gz", ".7z", ".json"):
        if name.endswith(suffix):
            raise InputError(
                f"A prepared export cannot be a {suffix} file.",
                f"Use a name that ends in .zip, or a folder{', or the format h5ad' if suffix == '.h5ad' else ''}.",
            )
    return FolderSink(target, force=force)
