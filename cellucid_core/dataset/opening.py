"""Open any supported input: recognise it, unpack it if necessary, and pass it to its reader."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from cellucid_core.cache import cellucid_home, combined_hash, content_hash, home_folder
from cellucid_core.dataset.cell_metadata import read_cell_metadata, with_cell_metadata
from cellucid_core.dataset.joining import SAMPLE, join_datasets
from cellucid_core.dataset.model import Dataset
from cellucid_core.dataset.parts import Join
from cellucid_core.errors import CellucidError, InputError
from cellucid_core.names import listed, safe_key, unique
from cellucid_core.reading import (
    CONVERT,
    HDF5_SIGNATURE,
    SUPPORTED,
    Container,
    Contents,
    FileKind,
    Recognised,
    RemoteFile,
    Sample,
    Source,
    chosen_samples,
    demo_file,
    first_line,
    gunzip,
    is_adata,
    is_remote,
    may_hold_data,
    place_sample,
    read_adata,
    recognise,
    recognise_remote,
    samples_of,
    unpack_entry,
)

if TYPE_CHECKING:
    import anndata
    import pandas as pd

DEMO = "demo"

#: How many containers (gzip, zip, tar, folder of samples) may lie in each other; deeper nesting is a mistake.
_MAX_DEPTH = 3
_ENDINGS = (".gz", ".zip", ".h5ad", ".h5mu", ".h5", ".hdf5", ".zarr", ".loom", ".csv", ".tsv", ".txt", ".tab",
            ".xlsx", ".tar", ".tgz", ".bz2", ".xz")  # fmt: skip


Openable: TypeAlias = "str | Path | anndata.AnnData"


@dataclass(frozen=True)
class DatasetSource:
    """How a dataset is opened, in plain values: kept by workspaces and handed to jobs.

    Attributes
    ----------
    path
        A file or folder, or ``demo``; with `parts` the empty string.
    name, modality, cell_metadata
        As in `open_dataset`.
    content_hash
        Hash of what it held when it was opened before, or empty.
    left_out
        Of a sample: the user left it out for now, so it is not opened.
    parts
        The samples that are joined, each with its name; `samples`, `join` and `sample_column` as in `open_dataset`.
    """

    path: str
    name: str | None = None
    modality: str | None = None
    cell_metadata: str | None = None
    content_hash: str = ""
    parts: tuple[DatasetSource, ...] = ()
    left_out: bool = False
    samples: tuple[str, ...] = ()
    join: Join = "shared"
    sample_column: str = SAMPLE

    @property
    def files(self) -> tuple[str, ...]:
        """Every file and folder of data that it names, except the demo."""
        own = (self.path, *(path for part in self.parts for path in part.files))
        return tuple(path for path in own if path and path != DEMO)

    @property
    def paths(self) -> tuple[str, ...]:
        """Every file and folder that it names, including files of cell metadata."""
        tables = (self.cell_metadata, *(part.cell_metadata for part in self.parts))
        return (*self.files, *(path for path in tables if path))

    def as_parts(self, dataset: Dataset) -> tuple[DatasetSource, ...]:
        """Return its samples, each as a source that opens that sample alone.

        Parameters
        ----------
        dataset
            What `open` returned for it.
        """
        if self.parts:
            return self.parts
        if not dataset.parts:
            return (replace(self, name=self.name or dataset.name),)
        return tuple(DatasetSource(self.path, part.name, self.modality, samples=(part.name,)) for part in dataset.parts)

    def with_hashes(self, dataset: Dataset) -> DatasetSource:
        """Return this source with the content hashes of its samples, by which their files are known to be in use."""
        held = {part.name: part.content_hash for part in dataset.parts}
        return replace(
            self, parts=tuple(replace(part, content_hash=held.get(part.name or "", "")) for part in self.parts)
        )

    def open(self) -> Dataset:
        """Open it.

        Raises
        ------
        InputError
            If it cannot be opened, every sample is left out, or the content differs from `content_hash`.
        """
        if self.parts:
            openers = [
                (part.name or _stem(Path(part.path).name), part.open) for part in self.parts if not part.left_out
            ]
            if not openers:
                raise InputError("Every sample is left out.", "Take at least one.")
            found = _join(openers, self.name, self.cell_metadata, self.join, self.sample_column)
        else:
            found = open_dataset(
                self.path,
                self.name,
                modality=self.modality,
                cell_metadata=self.cell_metadata,
                samples=self.samples or None,
                join=self.join,
                sample_column=self.sample_column,
            )
        if self.content_hash and found.content_hash != self.content_hash:
            raise InputError("The file was changed since it was opened.", "Open it again.")
        return found


def open_dataset(
    source: Openable | Sequence[Openable] | Mapping[str, Openable],
    name: str | None = None,
    *,
    modality: str | None = None,
    cell_metadata: str | Path | None = None,
    samples: Sequence[str] | None = None,
    join: Join = "shared",
    sample_column: str = SAMPLE,
) -> Dataset:
    """Open a dataset.

    Parameters
    ----------
    source
        A file or folder of any format in `formats.READERS`, told from its content, or an archive of one; an address
        (``s3://``, ``gs://``, ``https://``); ``"demo"`` for the demo that ships with scanpy; or an AnnData in memory.
        Several of them in a list, or in a mapping from sample names, are opened as one dataset.
    name
        What to call it, where the file on disk has another name than the user's file had.
    modality
        Which part, where a file holds several: a modality of ``.h5mu``, a kind of feature (or genome) of 10x files.
        By default gene expression, else the first.
    cell_metadata
        A CSV or TSV of cell annotations, with the cell ids in its first column; its columns join the cell table.
    samples
        Where there are several samples, the names of those to open; by default all.
    join, sample_column
        Where there are several samples: see `join_datasets`.

    Returns
    -------
    Dataset
        Tables in memory, matrices still in the file.

    Raises
    ------
    InputError
        If something does not exist, is of an unknown kind or cannot be read, or a choice does not apply to it.
    """
    if isinstance(source, Mapping) or (isinstance(source, Sequence) and not isinstance(source, str)):
        several = list(source.values() if isinstance(source, Mapping) else source)
        if not several:
            raise InputError("No file was given.", "Give at least one.")
        named = [str(one) for one in source] if isinstance(source, Mapping) else sample_names(several)
        if len(several) > 1 or isinstance(source, Mapping):
            named, several = _chosen(named, several, samples)
            openers = [
                (sample, partial(open_dataset, _anywhere(one), modality=modality))
                for sample, one in zip(named, several, strict=True)
            ]
            here = any(is_adata(one) for one in several)
            return _join(openers, name, cell_metadata, join, sample_column, here=here)
        source = several[0]
    if is_adata(source):
        return _open_adata(source, name, modality, cell_metadata)
    if isinstance(source, str) and source == DEMO:
        dataset = _open(demo_file(), "pbmc68k_reduced.h5ad", _How(modality, cell_metadata))
        return replace(dataset, id="pbmc68k_reduced", name="PBMC 68k, reduced")
    if not isinstance(source, str | os.PathLike):
        kind = type(source).__name__
        fix = "Give one of its parts: mdata['rna']." if kind == "MuData" else "Give a path, or an AnnData."
        raise InputError(f"A {kind} cannot be opened.", fix)
    if is_remote(source):
        return _open_remote(str(source), name, _How(modality, cell_metadata, samples, join, sample_column))
    path = Path(source)
    given = DatasetSource(
        str(path.absolute()),
        name,
        modality,
        None if cell_metadata is None else str(Path(cell_metadata).absolute()),
        samples=tuple(samples or ()),
    )
    # An upload lies on disk under its hash; messages use the name that it has for the user.
    file_name = path.name or path.resolve().name if name is None else f"{name}{path.suffix}"
    dataset = _open(path, file_name, _How(modality, cell_metadata, samples, join, sample_column))
    if not dataset.parts:
        dataset = replace(dataset, reopen=replace(given, content_hash=dataset.content_hash).open)
    return dataset if name is None else replace(dataset, id=safe_key(name), name=name)


def _anywhere(source: Openable) -> Openable:
    """Return a path made absolute, so that it can be opened from another working folder; anything else as given."""
    if isinstance(source, str | os.PathLike) and source != DEMO and os.path.exists(source):  # noqa: PTH110
        return Path(source).absolute()
    return source


def _open_remote(address: str, name: str | None, how: _How) -> Dataset:
    """Open a remote file or folder: without copying it if its format allows that, else from a copy."""
    file = RemoteFile(address)
    found = recognise_remote(file)
    if found is not None and found.packed:
        inside = {
            _stem(one.rpartition("/")[2]): f"{address.rstrip('/')}/{one}"
            for one, _ in file.files(1)
            if may_hold_data(one) or one.endswith(".zarr")
        }
        if not inside:
            raise InputError(f"{address} holds no file that can be opened.", f"Give the address of one: {SUPPORTED}.")
        return open_dataset(
            inside,
            name or _stem(file.name),
            modality=how.modality,
            cell_metadata=how.cell_metadata,
            samples=how.samples,
            join=how.join,
            sample_column=how.sample_column,
        )
    # As for an AnnData in memory, a path at which no file is: an export to it overwrites nothing.
    place = cellucid_home() / "remote" / safe_key(file.name)
    if found is None:
        dataset = replace(_open(file.copied(), file.name, how), path=place)
    else:
        digest = file.identity()
        assert digest is not None
        dataset = _open_as(place, file.name, found, lambda: digest, how, file)
    return dataset if name is None else replace(dataset, id=safe_key(name), name=name)


def _chosen(
    named: list[str], several: list[Openable], samples: Sequence[str] | None
) -> tuple[list[str], list[Openable]]:
    """Return the names of the samples that were asked for, in that order, and their sources."""
    if samples is None:
        return named, several
    if unknown := [name for name in samples if name not in named]:
        raise InputError(f"There is no sample {unknown[0]!r}.", f"There are: {listed(named, 12)}.")
    return list(samples), [several[named.index(name)] for name in samples]


def sample_names(sources: Sequence[Openable]) -> list[str]:
    """Return unique names for several sources: the names of their files, with the folder's name where they repeat."""
    stems = [_stem(Path(one).resolve().name) if isinstance(one, str | os.PathLike) else "adata" for one in sources]
    named = [
        f"{Path(one).resolve().parent.name}_{stem}"
        if stems.count(stem) > 1 and isinstance(one, str | os.PathLike) and one != DEMO
        else stem
        for one, stem in zip(sources, stems, strict=True)
    ]
    return unique(named)


def _join(
    openers: Sequence[tuple[str, Callable[[], Dataset]]],
    name: str | None,
    cell_metadata: str | Path | None,
    join: Join,
    sample_column: str,
    *,
    here: bool = False,
) -> Dataset:
    samples = [sample for sample, _ in openers]
    name = name or joined_name(samples)
    dataset = join_datasets(openers, name=name, join=join, sample_column=sample_column, here=here)
    dataset = replace(dataset, id=safe_key(name))
    return dataset if cell_metadata is None else _with_metadata(dataset, Path(cell_metadata))


def joined_name(samples: Sequence[str]) -> str:
    """Return the name of a dataset of several samples: "A + B", or "A and 3 more"."""
    return " + ".join(samples) if len(samples) < 3 else f"{samples[0]} and {len(samples) - 1} more"


def _with_metadata(dataset: Dataset, path: Path, table: pd.DataFrame | None = None) -> Dataset:
    identity = combined_hash(dataset.content_hash, "cell metadata", content_hash(path))
    return with_cell_metadata(dataset, read_cell_metadata(path) if table is None else table, path, identity)


def _open_adata(
    adata: anndata.AnnData, name: str | None, modality: str | None, cell_metadata: str | Path | None
) -> Dataset:
    if modality is not None:
        raise InputError("An AnnData does not hold several modalities.", "Leave the modality out.")
    if cell_metadata is not None:
        raise InputError(
            "A file of cell metadata joins a dataset that is opened from a file.",
            "Join it yourself: adata.obs = adata.obs.join(pandas.read_csv('cells.csv', index_col=0)).",
        )
    file = Path(adata.filename) if adata.filename else None
    name = name or ("adata" if file is None else _stem(file.name))
    # The file of a backed AnnData, which an export must not overwrite; one only in memory has no file.
    path = file or cellucid_home() / "in-memory" / "adata.h5ad"
    return _dataset(read_adata(adata), name, path)


@dataclass(frozen=True)
class _How:
    """The choices of `open_dataset`, and in how many containers the file lies."""

    modality: str | None = None
    cell_metadata: str | Path | None = None
    samples: Sequence[str] | None = None
    join: Join = "shared"
    sample_column: str = SAMPLE
    depth: int = 0


def _open(path: Path, file_name: str, how: _How) -> Dataset:
    left = threading.Event()

    def go_on(done: int) -> None:
        if left.is_set():
            raise InputError(f"Opening {file_name} was cancelled.", "Open it again.")

    # While a large HDF5 file is hashed in a thread, it is checked and its tables are read; if it is refused, hashing
    # ends. Other files are hashed only once they are recognised.
    hashing = ThreadPoolExecutor(1)
    try:
        early = hashing.submit(content_hash, path, go_on) if _is_hdf5(path) else None
        found = recognise(path, file_name)
        digest = early or hashing.submit(content_hash, path, go_on)
        return _open_as(path, file_name, found, digest.result, how)
    finally:
        left.set()
        hashing.shutdown(wait=False)


def _open_as(
    path: Path,
    file_name: str,
    found: Recognised,
    digest: Callable[[], str],
    how: _How,
    elsewhere: RemoteFile | None = None,
) -> Dataset:
    modality, cell_metadata = how.modality, how.cell_metadata
    source = Source(elsewhere or path, _stem(file_name), file_name, digest, found.inside, modality)
    kind: FileKind | None = found.kind
    depth = how.depth
    while kind is None:
        depth += 1
        if depth > _MAX_DEPTH:
            raise InputError(f"{file_name} is packed several times over.", "Unpack it and open what is inside.")
        if found.packed == "samples":
            return replace(_open_samples(source, file_name, found.container, replace(how, depth=depth)), path=path)
        inner_name = found.inside.rpartition("/")[2]
        inner = home_folder("unpacked") / f"{source.digest[:40]}-{depth}-{safe_key(inner_name)}"
        if not inner.exists():
            if found.packed == "gzip":
                gunzip(source.path, inner, file_name)
            else:
                unpack_entry(source.path, found.inside, inner, file_name)
        with suppress(OSError):
            os.utime(inner)  # it is in use: see `serving.starting.sweep`
        found = recognise(inner, inner_name)
        kind = found.kind
        source = replace(source, path=inner, file_name=inner_name, inside=found.inside)
    if how.samples is not None and not how.depth:
        raise InputError(f"{file_name} holds one sample.", "Leave the names of samples out.")
    table = None if cell_metadata is None else read_cell_metadata(Path(cell_metadata))
    contents = _read(kind, replace(source, cell_metadata=table))
    if modality is not None and not contents.modalities:
        raise InputError(f"{file_name} does not hold several modalities.", "Leave the modality out.")
    stem = _stem(file_name)
    dataset = _dataset(contents, stem, path)
    return dataset if table is None or cell_metadata is None else _with_metadata(dataset, Path(cell_metadata), table)


def _dataset(contents: Contents, name: str, path: Path) -> Dataset:
    """Return what was read as a dataset, whose notes say what could not be read."""
    lost = [f"{key} ({why.rstrip('.')})" for key, why in contents.unreadable.items()]
    notes = (*contents.notes, f"Left out, because it cannot be read: {listed(lost, 5)}.") if lost else contents.notes
    return Dataset(id=safe_key(name), name=name, path=path, **{**vars(contents), "notes": notes})


def _open_samples(source: Source, file_name: str, container: Container, how: _How) -> Dataset:
    """Open the samples of a folder or archive that were asked for (by default all) as one dataset."""
    chosen = chosen_samples(samples_of(source.path, container, file_name), how.samples, file_name)
    within = replace(how, samples=None, cell_metadata=None)

    def opened(sample: Sample) -> Dataset:
        place, ours = place_sample(source.path, container, sample, file_name, source.hashing)
        inner = sample.files[0].rstrip("/").rpartition("/")[2] if sample.kind == "file" else sample.name
        if sample.kind == "matrix":  # also if one of its lists is missing: the reader says which
            found = Recognised("10x matrix folder")
            dataset = _open_as(place, inner, found, partial(content_hash, place), within)
        else:
            dataset = _open(place, inner or file_name, within)
        return replace(dataset, path=source.path) if ours else dataset

    stem = _stem(file_name)
    if len(chosen) == 1:
        dataset = replace(opened(chosen[0]), id=safe_key(stem), name=stem)
        return dataset if how.cell_metadata is None else _with_metadata(dataset, Path(how.cell_metadata))
    openers = [
        (sample.name, _SampleOpener(partial(opened, sample), _sample_source(source.path, sample, how)))
        for sample in chosen
    ]
    return _join(openers, stem, how.cell_metadata, how.join, how.sample_column)


def _sample_source(path: Path, sample: Sample, how: _How) -> DatasetSource:
    return DatasetSource(str(path.absolute()), modality=how.modality, samples=(sample.name,))


@dataclass(frozen=True)
class _SampleOpener:
    """Opens a sample of an archive or folder: in this process from what is known of it, elsewhere from plain values."""

    here: Callable[[], Dataset]
    elsewhere: DatasetSource

    def __call__(self) -> Dataset:
        return self.here()

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return getattr, (self.elsewhere, "open")


def _is_hdf5(path: Path) -> bool:
    if not path.is_file():  # reading a pipe would wait forever
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
    except OSError:  # opening it says what is wrong
        return False


def _read(kind: FileKind, source: Source) -> Contents:
    from cellucid_core.reading.formats import READERS

    try:
        return READERS[kind](source)
    except CellucidError:
        raise
    except MemoryError:
        raise InputError(f"{source.file_name} does not fit into memory.", "Open it on a larger machine.") from None
    except Exception as error:
        # h5py, zarr, anndata and pandas raise many types for broken content; the user gets one kind of error.
        raise InputError(
            f"{source.file_name} cannot be read as {_WORDS[kind]} ({first_line(error)}).",
            "It may be damaged or cut off: copy or download it again. " + CONVERT,
        ) from error


_WORDS: dict[FileKind, str] = {
    "h5ad": "AnnData",
    "h5mu": "MuData",
    "10x h5": "a 10x .h5 file",
    "10x matrix folder": "a 10x matrix folder",
    "loom": "a loom file",
    "zarr": "AnnData in zarr format",
    "table": "a table",
    "workbook": "a workbook of Excel",
    "prepared export": "a Cellucid prepared export",
}


def _stem(file_name: str) -> str:
    """Return a file's name without the endings of its format: ``pbmc.zarr.zip`` is called pbmc."""
    stem = file_name
    while True:
        ending = next(
            (ending for ending in _ENDINGS if stem.lower().endswith(ending) and len(stem) > len(ending)), None
        )
        if ending is None:
            return stem
        stem = stem[: -len(ending)]
