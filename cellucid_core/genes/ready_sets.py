"""Gene sets that are available before a user opens a file: those of this package, and a team's own.

Those of this package are in ``ready/``, whose README says where they come from; they are read when first needed. A
team's own are the files in the folder that the setting ``CELLUCID_SIGNATURES`` names.
"""

from __future__ import annotations

import gzip
import logging
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path

from cellucid_core.configuration import read_configuration
from cellucid_core.errors import InputError
from cellucid_core.genes.gene_sets import GeneSet, read_gene_sets
from cellucid_core.names import listed

_READY = Path(__file__).parent / "ready"
_HALLMARK = "HALLMARK_"
#: File → collection, licence.
_FILES = {
    "programs.gmt": ("Programs", "facts from papers: cite them"),
    "cell_types.gmt": ("Cell types", "BSD 3-Clause"),
    "hallmark.gmt.gz": ("Hallmark", "CC BY 4.0"),
}
_ENDINGS = (".gmt", ".gmx", ".grp", ".json", ".csv", ".tsv", ".xlsx")


@dataclass(frozen=True)
class ReadySet:
    """A gene set that can be scored by its name.

    Attributes
    ----------
    collection
        The collection that it belongs to: one of this package, or the name of a team's file.
    genes
        The set.
    species
        ``human``; empty for a team's own sets.
    source, licence
        The paper or file that it comes from, and its licence, which is empty for a team's own sets.
    """

    collection: str
    genes: GeneSet
    species: str
    source: str
    licence: str

    @property
    def name(self) -> str:
        """The name of the set."""
        return self.genes.name


def ready_sets() -> list[ReadySet]:
    """Return all ready sets: a team's own, then programs, cell types and the Hallmark sets."""
    folder = read_configuration().signatures
    return [*(_own(folder) if folder else []), *_built_in()]


def ready_set(name: str) -> ReadySet:
    """Return the ready set with a name; letter case, a leading ``HALLMARK_``, and ``_`` for a space do not matter.

    Raises
    ------
    InputError
        There is no such set; the message names similar ones.
    """
    every = ready_sets()
    for spell in (str, _plain):
        for one in every:
            if spell(one.name) == spell(name):
                return one
    near = get_close_matches(_plain(name), [_plain(one.name) for one in every], 3, 0.5)
    like = [one.name for one in every if _plain(one.name) in near]
    fix = f"Did you mean {listed(like)}?" if like else "List all with `signature list`."
    raise InputError(f"There is no ready set {name!r}.", fix)


def _plain(name: str) -> str:
    return name.removeprefix(_HALLMARK).replace("_", " ").casefold().strip()


@cache
def _built_in() -> tuple[ReadySet, ...]:
    found: list[ReadySet] = []
    for file, (collection, licence) in _FILES.items():
        data = (_READY / file).read_bytes()
        text = gzip.decompress(data) if file.endswith(".gz") else data
        sets = read_gene_sets(text, file.removesuffix(".gz"), pairs=False).signatures
        found += [ReadySet(collection, one, "human", one.description, licence) for one in sets]
    return tuple(found)


def _own(folder: Path) -> list[ReadySet]:
    """Return the sets of a team's files, which are read again when they change; the log says why one cannot be read."""
    found: list[ReadySet] = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if not path.name.lower().endswith(_ENDINGS) or not path.is_file():
            continue
        about = path.stat()
        found += _of_file(path, about.st_mtime_ns, about.st_size)
    return found


@lru_cache(maxsize=256)  # a page asks with every click; a changed file has another time or size
def _of_file(path: Path, changed: int, size: int) -> tuple[ReadySet, ...]:
    try:
        sets = read_gene_sets(path).signatures
    except InputError as error:
        logging.getLogger(__name__).warning("%s", error)
        return ()
    return tuple(ReadySet(path.stem, one, "", one.description or path.name, "") for one in sets)
