"""The samples of a folder or an archive, each put where a reader finds it: one file, or a folder of a matrix.

Each sample of an archive is unpacked once, streamed, with the limits of `archives`; a matrix and its lists get the
names that 10x gives them, whatever tool wrote them.
"""

from __future__ import annotations

import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from cellucid_core.cache import combined_hash, content_hash, home_folder, sealed_folder
from cellucid_core.configuration import format_size, read_configuration
from cellucid_core.errors import InputError
from cellucid_core.reading.archives import MAX_ENTRIES, checked_entries, copy_bounded
from cellucid_core.reading.safety import require_disk
from cellucid_core.reading.samples import Sample, find_samples, list_folder, role_of

#: What holds samples.
Container = Literal["folder", "zip", "tar"]
_AGAIN = "Copy or download it again, then open it."
#: The name under which a reader looks for each file of a matrix; tables with a header keep their ending.
_CANONICAL = {"matrix": "matrix.mtx", "cells": "barcodes.tsv", "genes": "features.tsv", "symbols": "symbols.tsv"}


def samples_of(path: Path, container: Container, file_name: str) -> list[Sample]:
    """Return the samples of a folder or archive.

    Raises
    ------
    InputError
        If it holds no dataset, or is an archive that is damaged or unsafe.
    """
    if container == "folder":
        names = list_folder(path)
    elif container == "zip":
        with zipfile.ZipFile(path) as archive:
            names = checked_entries(archive, file_name)
    else:
        names = [name for name, _, _ in _tar_files(path, file_name)]
    found = find_samples(names)
    if not found:
        listed = ", ".join(names[:6]) or "nothing"
        raise InputError(
            f"{file_name} holds no dataset (it has {listed}).",
            "Open a file inside it, or a folder or archive of .h5ad, .h5, .loom, .zarr or 10x matrices.",
        )
    return found


def place_sample(
    path: Path, container: Container, sample: Sample, file_name: str, digest: Callable[[], str]
) -> tuple[Path, bool]:
    """Return where a sample can be read; one in an archive is unpacked, a matrix is linked or copied under 10x's names.

    Parameters
    ----------
    path, container, file_name
        The folder or archive, as in `samples_of`.
    sample
        One of those that `samples_of` returned.
    digest
        Returns the hash of the archive.

    Returns
    -------
    tuple
        The file or folder; whether it is a copy in our cache.

    Raises
    ------
    InputError
        If it is damaged or larger than what may be unpacked, or the disk is full.
    """
    if container == "folder" and sample.kind != "matrix":
        return path / sample.files[0], False
    names = _names_below(path, container, sample, file_name) if sample.kind == "zarr" else sample.files
    if container == "folder":
        identity = combined_hash("samples", *(content_hash(path / name) for name in names))
    else:
        identity = combined_hash(digest(), "sample", *names)
    targets = {name: _target(sample, name) for name in names}

    def make(draft: Path) -> None:
        _extract(path, container, {name: draft / target for name, target in targets.items()}, file_name)

    try:
        folder = sealed_folder(home_folder("unpacked") / f"{identity[:40]}-sample", make)
    except OSError as error:
        raise InputError(
            f"{file_name} could not be unpacked ({error.strerror or error}).",
            "Free some disk space, or point CELLUCID_HOME to a larger disk.",
        ) from error
    return (folder / targets[names[0]] if sample.kind == "file" else folder), True


def _names_below(path: Path, container: Container, sample: Sample, file_name: str) -> tuple[str, ...]:
    store = sample.files[0]
    if container == "zip":
        with zipfile.ZipFile(path) as archive:
            names = checked_entries(archive, file_name)
    else:
        names = [name for name, _, _ in _tar_files(path, file_name)]
    return tuple(name for name in names if name.startswith(store))


def _target(sample: Sample, name: str) -> str:
    if sample.kind == "zarr":
        return name.removeprefix(sample.files[0])
    base = name.rpartition("/")[2]
    if sample.kind == "file":
        return base
    packed = ".gz" if base.lower().endswith(".gz") else ""
    canonical = _CANONICAL[role_of(name) or "matrix"]
    if base.lower().removesuffix(".gz").endswith(".csv"):
        canonical = canonical.replace(".tsv", ".csv")
    return canonical + packed


def _extract(path: Path, container: Container, targets: dict[str, Path], file_name: str) -> None:
    for target in targets.values():
        target.parent.mkdir(parents=True, exist_ok=True)
    if container == "folder":
        for name, target in targets.items():
            try:
                os.link(path / name, target)
            except OSError:  # another disk, or one without links
                shutil.copyfile(path / name, target)
        return
    left = set(targets)
    for name, size, opened in _files(path, container, file_name, left):
        require_disk(size, targets[name].parent, file_name)
        try:
            with opened as source:
                copy_bounded(source, targets[name], size, file_name)
        except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
            raise InputError(f"{file_name} is an archive that is damaged or was cut off.", _AGAIN) from error
        left.discard(name)
        if container == "tar" and not left:
            break
    if left:
        raise InputError(f"{file_name} is an archive that is damaged or was cut off.", _AGAIN)


def _files(path: Path, container: Container, file_name: str, wanted: set[str]) -> Iterator[tuple[str, int, IO[bytes]]]:
    try:
        if container == "zip":
            with zipfile.ZipFile(path) as archive:
                checked_entries(archive, file_name)
                for name in sorted(wanted):
                    yield name, archive.getinfo(name).file_size, archive.open(name)
            return
        for name, size, opened in _tar_files(path, file_name):
            if name in wanted:
                yield name, size, opened()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{file_name} is an archive that is damaged or was cut off.", _AGAIN) from error


def _tar_files(path: Path, file_name: str) -> Iterator[tuple[str, int, Callable[[], IO[bytes]]]]:
    """Yield the files of a tar archive, compressed or not: name, bytes, and a function that opens it.

    A file can be opened only until the next one is asked for.

    Raises
    ------
    InputError
        If it is damaged, a name leads outside, an entry is a link or a device, or there are too many entries or bytes.
    """
    limit, total, count = read_configuration().unpacked_limit, 0, 0
    try:
        with tarfile.open(path, "r|*") as archive:
            for entry in archive:
                count += 1
                if count > MAX_ENTRIES:
                    raise InputError(f"{file_name} holds more than {MAX_ENTRIES:,} files.", "Open one of them.")
                name = entry.name.removeprefix("./")
                if name.startswith(("/", "\\")) or ".." in PurePosixPath(name.replace("\\", "/")).parts or "\0" in name:
                    raise InputError(
                        f"{file_name} holds a file that would land outside of it ({name[:80]!r}).", "Pack it again."
                    )
                if entry.isdir():
                    continue
                if not entry.isreg():
                    what = "a link" if entry.issym() or entry.islnk() else "a device"
                    raise InputError(f"{file_name} holds {what} ({name[:80]!r}).", "Pack the files themselves.")
                total += entry.size
                if total > limit:
                    raise InputError(
                        f"{file_name} unpacks to more than {format_size(limit)}.",
                        f"At most {format_size(limit)} are unpacked.",
                    )
                yield name, entry.size, lambda entry=entry: _opened(archive, entry)  # type: ignore[misc]
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InputError(f"{file_name} is an archive that is damaged or was cut off.", _AGAIN) from error


def _opened(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    found = archive.extractfile(entry)
    assert found is not None
    return found


def chosen_samples(found: Sequence[Sample], asked: Sequence[str] | None, file_name: str) -> list[Sample]:
    """Return the samples whose names (or files) were asked for, in that order; all if `asked` is None.

    Raises
    ------
    InputError
        If no sample has one of the names.
    """
    if asked is None:
        return list(found)
    every = [*found, *(other for sample in found for other in sample.others)]
    chosen = []
    for name in asked:
        sample = next((one for one in every if name == one.name or name in one.files), None)
        if sample is None:
            raise InputError(
                f"{file_name} has no sample {name!r}.", f"It has: {', '.join(one.name for one in found[:12])}."
            )
        chosen.append(sample)
    return chosen
