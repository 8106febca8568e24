"""Which samples a folder or an archive holds, told from the names of its files: GEO's, 10x's and those of other tools.

Nothing is opened here: names come in, samples come out. Whether the files of a sample fit is checked when it is read.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from cellucid_core.errors import InputError
from cellucid_core.names import unique

SampleKind = Literal["file", "matrix", "zarr"]
Role = Literal["matrix", "cells", "genes", "symbols"]

#: Files whose presence makes a folder a zarr store.
ZARR = frozenset(["zarr.json", ".zgroup"])
#: How many folders deep a folder is searched, and how many files it may hold.
MAX_LEVELS, MAX_FILES = 8, 200_000

#: Endings of files that are one dataset each, or an archive.
_DATA = (".h5ad", ".h5mu", ".h5", ".hdf5", ".loom", ".zarr.zip", ".zip", ".tar", ".tgz", ".tar.bz2", ".tar.xz")
_TABLES = (".csv", ".tsv", ".txt", ".tab", ".xlsx")
_TEXTS = (".tsv", ".csv", ".txt", "")
#: HDF5 that pipelines write beside the matrix.
_NO_DATA = re.compile(r"molecule_info|raw_molecule|_fastqs?|barcode_mappings|feature_slice|analysis\.h5|cloupe", re.I)
#: Tables that say something about cells, genes or files: opened only if there is no other.
_ABOUT = re.compile(
    r"meta[-_. ]?data|annot|read[-_.]?me|metrics|summary|barcodes?$|features?$|genes?$|cell_?types?|clusters?$|manifest"
    r"|file_?list|md5|checksum|pheno|sample_?(info|sheet|table)|projection|differential|tissue_positions|obs$|var$",
    re.I,
)
#: What a file holds, and how its name, without .gz and the ending, ends: also those of kallisto, alevin-fry and Parse.
_ROLES: tuple[tuple[Role, re.Pattern[str]], ...] = (
    ("symbols", re.compile(r"(^|[._\- ])genes?[._]names?$", re.I)),
    ("cells", re.compile(r"(^|[._\- ])(cell[_\-]?)?(barcodes?|cells?|metadata|mat_rows|ids?|names?)$", re.I)),
    ("genes", re.compile(r"(^|[._\- ])((all_)?(genes?|features?)|mat_cols|gene_?(ids?|names?|symbols?))$", re.I)),
)
#: What the name of a matrix says besides the sample.
_MATRIX_WORDS = re.compile(
    r"(^|(?<=[._\- ]))((count|expression|gene)[_\-]?)?(matrix|counts?|cells_x_(genes|features|tcc)|quants(?=_mat)|mat"
    r"|dge|mtx|umis?|(un)?spliced|ambiguous|mature|nascent|total|uniqueandmult.*)$",
    re.I,
)
#: What 10x calls the forms of a matrix; and below, names of folders that name no sample.
_FORM = re.compile(
    r"(^|[._\- ])(sample[_\-])?(filtered|raw)([_\-](feature|gene|peak|tf|probe)[_\-](bc|barcode|cell))?"
    r"([_\-](matrix|matrices))?([_\-]mex|[_\-]h5)?$",
    re.I,
)
_NO_SAMPLE = re.compile(
    r"^(outs?|count|counts|counts?_(un)?filtered|per_sample_outs|alevin|af_quant|quants?|mtx|mex|matrix|h5|data"
    r"|(star)?solo\.out|gene|genefull.*|velocyto|sj|dge_(un)?filtered|dge|grch\d+.*|hg\d+|mm\d+|grcm\d+.*|filtered|raw)$",
    re.I,
)
_ACCESSION = re.compile(r"^GSM\d+[._\- ]+(?=.)", re.I)
_SEPARATORS = " ._-"
_LISTS: tuple[Role, ...] = ("cells", "genes", "symbols")


@dataclass(frozen=True)
class Sample:
    """One sample of a folder or an archive.

    Attributes
    ----------
    name
        What to call it; unique among the samples found together.
    kind
        ``"file"`` of any format, another archive included; ``"matrix"``, a Matrix Market file and the lists of its
        cells and genes (`role_of` tells them apart); or ``"zarr"``, a folder.
    files
        Names within the folder or archive, with ``/``; of a zarr store its folder, ending in ``/`` or empty.
    others
        The same cells in other forms (raw beside filtered, a folder beside ``.h5``); this one is preferred to them, but
        `chosen_samples` finds them by their names.
    """

    name: str
    kind: SampleKind
    files: tuple[str, ...]
    others: tuple[Sample, ...] = ()


def find_samples(names: Iterable[str]) -> list[Sample]:
    """Find the samples among the files of a folder or an archive.

    Samples are files of one dataset each (``.h5ad``, ``.h5``, ``.loom``, archives in the archive), zarr stores, and
    Matrix Market files with the lists of cells and genes beside them, paired by how their names begin; a single list
    of genes, beside them or in a folder above, serves all. Tables are samples only where there is nothing else.

    Parameters
    ----------
    names
        Paths of files within the folder or archive, with ``/`` (see `list_folder`).

    Returns
    -------
    list of Sample
        In the order of their names. A matrix that lacks a list is among them, with the files that it has.

    Examples
    --------
    >>> names = ["GSM1_A_matrix.mtx.gz", "GSM1_A_barcodes.tsv.gz", "features.tsv.gz", "GSM2_B.h5"]
    >>> [sample.name for sample in find_samples(names)]
    ['A', 'B']
    """
    every = sorted({name for name in names if not _is_hidden(name)})
    stores = _zarr_stores(every)
    rest = [name for name in every if not _is_within(name, stores)] if stores else every
    found = [Sample("", "zarr", (f"{store}/" if store else "",)) for store in stores]
    found += [Sample("", "matrix", files) for files in _matrices(rest)]
    found += [Sample("", "file", (name,)) for name in rest if _is_data(name)]
    if not found:
        taken = [name for name in rest if _stem(name, _TABLES) is not None]
        about = [name for name in taken if _ABOUT.search(str(_stem(name, _TABLES)))]
        found = [Sample("", "file", (name,)) for name in taken if len(about) == len(taken) or name not in about]
    return _named(_merged(found))


def list_folder(folder: Path) -> list[str]:
    """Return the paths of the files in a folder, with ``/``, without links; of a zarr store only the files of `ZARR`.

    Raises
    ------
    InputError
        If there are more than `MAX_FILES`.
    """
    names: list[str] = []
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        inside = here.relative_to(folder)
        if ZARR & set(files):
            files, folders[:] = sorted(ZARR & set(files)), []
        if len(inside.parts) >= MAX_LEVELS:
            folders.clear()
        folders[:] = [name for name in folders if not name.startswith(".")]
        names += [(inside / name).as_posix() for name in files if not (here / name).is_symlink()]
        if len(names) > MAX_FILES:
            raise InputError(f"{folder.name} holds more than {MAX_FILES:,} files.", "Name the dataset inside it.")
    return sorted(names)


def role_of(name: str) -> Role | None:
    """Tell by its name what a Matrix Market file, or a file beside one, holds; None if the name does not tell."""
    if is_matrix_market(name):
        return "matrix"
    stem = _stem(name, _TEXTS)
    return None if stem is None else next((role for role, form in _ROLES if form.search(stem)), None)


def is_matrix_market(name: str) -> bool:
    """Tell by its name whether a file is a Matrix Market file."""
    return name.lower().removesuffix(".gz").endswith(".mtx")


def _is_hidden(name: str) -> bool:
    parts = name.split("/")
    return parts[-1].startswith("._") or parts[-1] == ".DS_Store" or parts[0] == "__MACOSX"


def _is_data(name: str) -> bool:
    return _stem(name, _DATA) is not None and not _NO_DATA.search(name.rpartition("/")[2])


def _stem(name: str, endings: Sequence[str]) -> str | None:
    """Return a file's name without folders and ending, or None if it has none of the endings."""
    base = name.rpartition("/")[2]
    packed = base.lower().endswith(".gz")
    base = base[:-3] if packed else base
    ending = max((ending for ending in endings if base.lower().endswith(ending)), key=len, default=None)
    return None if ending is None else base[: len(base) - len(ending)]


def _zarr_stores(names: Iterable[str]) -> list[str]:
    roots = {name.rpartition("/")[0] for name in names if name.rpartition("/")[2] in ZARR}
    return sorted(root for root in roots if not _is_within(root, roots))


def _is_within(name: str, folders: Iterable[str]) -> bool:
    known = folders if isinstance(folders, set) else set(folders)
    parts = name.split("/")
    return (name != "" and "" in known) or any("/".join(parts[:n]) in known for n in range(1, len(parts)))


def _matrices(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return every Matrix Market file with the lists of its cells and genes, as far as they are there."""
    folders: defaultdict[str, dict[Role, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in names:
        role = role_of(name)
        if role is not None:
            folders[name.rpartition("/")[0]][role].append(name)
    found = []
    for folder, beside in folders.items():
        for matrix in beside.get("matrix", ()):
            files = [matrix]
            for role in _LISTS:
                partner = _partner(matrix, beside.get(role, ()))
                above = folder
                # A list of genes that all samples share may lie above their folders (on GEO, not from STARsolo).
                while partner is None and role == "genes" and not beside.get(role) and above:
                    above = above.rpartition("/")[0]
                    partner = _partner(matrix, folders[above].get(role, ()) if above in folders else ())
                files += [partner] if partner is not None else []
            found.append(tuple(files))
    return found


def _partner(matrix: str, lists: Sequence[str]) -> str | None:
    """Return the list that goes with a matrix: one whose name begins alike, else the only one there is, or None."""
    key = _key(matrix)
    same = [name for name in lists if _key(name) == key]
    if not same:  # 'GSM1_A' goes with 'GSM1_A_hg19', not with 'GSM1_AB'; the longest common beginning wins
        begins = [name for name in lists if _begins(key, _key(name)) or _begins(_key(name), key)]
        most = max((len(_key(name)) for name in begins), default=0)
        same = [name for name in begins if len(_key(name)) == most]
    if not same and len(lists) == 1:
        same = list(lists)
    # Cell Ranger 3's features are preferred to the genes of version 2, Parse's all_genes.csv to its other lists.
    return min(same, key=lambda name: (not re.search(r"features|all_genes|barcodes", name, re.I), name), default=None)


def _begins(key: str, with_key: str) -> bool:
    return with_key != "" and key.startswith(with_key) and key[len(with_key) : len(with_key) + 1] in _SEPARATORS


def _key(name: str) -> str:
    """Return the part of a file's name that names the sample, in lower case."""
    if is_matrix_market(name):
        return _without_words(str(_stem(name, (".mtx",)))).lower()
    stem = str(_stem(name, _TEXTS))
    for _, form in _ROLES:
        if (match := form.search(stem)) is not None:
            stem = stem[: match.start()]
            break
    return _without_words(stem.strip(_SEPARATORS)).lower()


def _without_words(stem: str) -> str:
    shorter = _MATRIX_WORDS.sub("", stem).strip(_SEPARATORS)
    return shorter if shorter == stem else _without_words(shorter)


def _sample_words(sample: Sample) -> list[str]:
    """Return the words that tell a sample from others, the outermost folder first."""
    path = sample.files[0].rstrip("/")
    if sample.kind == "matrix":
        own = _without_words(str(_stem(path, (".mtx",))))
    elif sample.kind == "zarr":
        own = re.sub(r"\.zarr$", "", path.rpartition("/")[2], flags=re.I)
    else:
        own = str(_stem(path, _DATA + _TABLES))
    words = [*path.split("/")[:-1], own]
    words = [_FORM.sub("", word).strip(_SEPARATORS) for word in words]
    return [word for word in words if word and not _NO_SAMPLE.match(word)]


def _merged(found: Sequence[Sample]) -> list[Sample]:
    """Put forms of the same cells together, the preferred one first."""
    groups: defaultdict[tuple[str, ...], list[Sample]] = defaultdict(list)
    for sample in found:
        is_form = sample.kind == "matrix" or _FORM.search(_stem(sample.files[0], _DATA + _TABLES) or "")
        words = _sample_words(sample) if is_form else [sample.files[0]]
        groups[tuple(words)].append(sample)
    merged = []
    for group in groups.values():
        first, *others = sorted(group, key=_rank)
        merged.append(replace(first, others=tuple(others)))
    return merged


def _rank(sample: Sample) -> tuple[bool, bool, bool, bool, bool, str]:
    """Return a key that sorts the best form first.

    Filtered before raw, genes before other features, all counts before spliced ones, complete before incomplete
    matrices, one file before a matrix with lists.
    """
    name = sample.files[0].lower()
    return (
        bool(re.search(r"(^|[_\-/.])(raw|unfiltered)([_\-/.]|$)|_unfiltered", name)),
        bool(re.search(r"probe|velocyto|genefull|/sj/|unspliced|ambiguous|nascent|tcc|uniqueandmult", name)),
        bool(re.search(r"spliced|mature", name)),
        len(sample.files) < 3 and sample.kind == "matrix",
        sample.kind == "matrix",
        name,
    )


def _named(found: Sequence[Sample]) -> list[Sample]:
    """Give every sample the shortest name that is unique, and its other forms the names of their files."""
    words = [_sample_words(sample) for sample in found]
    short = [_ACCESSION.sub("", word[-1]) if word else "" for word in words]
    longer = [word[-1] if word else "" for word in words]
    for names in (short, longer, ["/".join(word) for word in words]):
        if max(Counter(names).values(), default=0) <= 1:
            break
    names = [
        name or _stem(sample.files[0], _DATA + _TABLES) or sample.files[0].rstrip("/")
        for name, sample in zip(names, found, strict=True)
    ]
    named = [
        replace(
            sample,
            name=name,
            others=tuple(replace(other, name=other.files[0].rstrip("/")) for other in sample.others),
        )
        for name, sample in zip(unique(names), found, strict=True)
    ]
    return sorted(named, key=lambda sample: sample.name)
