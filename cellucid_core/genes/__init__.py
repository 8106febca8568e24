"""What a gene is called: pasted lists, gene files, gene sets, matching, and what kind of id a name is."""

from __future__ import annotations

from cellucid_core.genes.gene_file import MAX_BYTES, gene_file_genes, read_gene_file
from cellucid_core.genes.gene_list import gene_text, parse_genes
from cellucid_core.genes.gene_sets import GeneSets, Signature, read_gene_sets
from cellucid_core.genes.matching import GeneIds, GeneMatch, match_genes
from cellucid_core.genes.naming_conventions import (
    SYMBOL_COLUMNS,
    id_kind,
    is_spreadsheet_damage,
    look_like_barcodes,
    look_like_genes,
    sampled,
    species,
    undamaged,
)

__all__ = [
    "MAX_BYTES",
    "SYMBOL_COLUMNS",
    "GeneIds",
    "GeneMatch",
    "GeneSets",
    "Signature",
    "gene_file_genes",
    "gene_text",
    "id_kind",
    "is_spreadsheet_damage",
    "look_like_barcodes",
    "look_like_genes",
    "match_genes",
    "parse_genes",
    "read_gene_file",
    "read_gene_sets",
    "sampled",
    "species",
    "undamaged",
]
