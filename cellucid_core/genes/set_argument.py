"""Genes as they are given on a command line."""

from __future__ import annotations

from pathlib import Path

from cellucid_core.errors import InputError
from cellucid_core.genes.gene_sets import GeneSet, read_gene_sets
from cellucid_core.genes.ready_sets import ready_set
from cellucid_core.names import listed


def gene_set_argument(argument: str, name: str | None = None, *, pairs: bool = True) -> tuple[str | GeneSet, list[str]]:
    """Read the genes of a command line: text, ``@FILE`` for a file of any kind, or ``set:NAME`` for a ready set.

    Parameters
    ----------
    argument
        Genes, ``@FILE`` or ``set:NAME``.
    name
        Which set of the file, where it holds several.
    pairs
        See `read_gene_sets`.

    Returns
    -------
    tuple
        The text or the gene set, and notes about the file.

    Raises
    ------
    InputError
        The file cannot be read, holds several sets and none is named, or does not hold the named one; there is no such
        ready set; or a name is given with text.
    """
    if argument.startswith("set:"):
        return ready_set(argument.removeprefix("set:")).genes, []
    if not argument.startswith("@"):
        if name is not None:
            raise InputError("--gene-set names a set of a file.", "Give the file as --gene-sets FILE or --genes @FILE.")
        return argument, []
    path = Path(argument[1:])
    found = read_gene_sets(path, pairs=pairs)
    if name is not None:
        return found.named(name), found.notes
    if len(found.signatures) > 1:
        names = listed([one.name for one in found.signatures], 10)
        raise InputError(
            f"{path.name} holds {len(found.signatures):,} sets of genes ({names}).",
            "Name one with --gene-set NAME, or score all with --gene-sets FILE.",
        )
    return found.signatures[0], found.notes
