"""What genes are called: pasted lists, gene files and gene sets, matching, and which kind of id a name is.

One reader takes every file of genes (`read_gene_sets`, `read_gene_file`), so that the same file means the same genes on
every page, in an export and on the command line; its rules are in `gene_file`.
"""

from __future__ import annotations

from cellucid_core.genes.gene_file import MAX_BYTES
from cellucid_core.genes.gene_ids import GeneIds
from cellucid_core.genes.gene_list import parse_genes, understand_genes, understand_names
from cellucid_core.genes.gene_sets import (
    GeneSet,
    GeneSets,
    gene_file_genes,
    read_gene_file,
    read_gene_sets,
    read_gmt,
)
from cellucid_core.genes.matching import SIGNS, GeneMatch, match_genes
from cellucid_core.genes.naming_conventions import (
    SYMBOL_COLUMNS,
    id_kind,
    is_spreadsheet_damage,
    look_like_barcodes,
    look_like_genes,
    sampled,
    share_of_genes,
    species,
    undamaged,
)
from cellucid_core.genes.ready_sets import ReadySet, ready_set, ready_sets
from cellucid_core.genes.set_argument import gene_set_argument

__all__ = [
    "MAX_BYTES",
    "SIGNS",
    "SYMBOL_COLUMNS",
    "GeneIds",
    "GeneMatch",
    "GeneSet",
    "GeneSets",
    "ReadySet",
    "gene_file_genes",
    "gene_set_argument",
    "id_kind",
    "is_spreadsheet_damage",
    "look_like_barcodes",
    "look_like_genes",
    "match_genes",
    "parse_genes",
    "read_gene_file",
    "read_gene_sets",
    "read_gmt",
    "ready_set",
    "ready_sets",
    "sampled",
    "share_of_genes",
    "species",
    "undamaged",
    "understand_genes",
    "understand_names",
]
