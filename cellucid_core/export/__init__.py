"""Write a dataset as Cellucid's prepared export (``compact_v1``) and check what was written.

`ExportSettings` says how, `plan` foresees, `write` writes a zip or a folder and reads it back, `verify` checks any
export, `add_to_root` and `zip_root` gather several. One module per artefact: points, vectors, obs (with groups), genes,
graph, identity; beneath them `quantize` and `compress` turn arrays into bytes, `sink` and `staging` put bytes in place.
"""

from __future__ import annotations

from cellucid_core.export.collecting import add_to_root, remove_from_root
from cellucid_core.export.collection import Collection, Member, read_root, write_datasets
from cellucid_core.export.collection_zip import zip_root
from cellucid_core.export.plan import Artefact, ChosenGenes, ExportPlan, choose_genes, plan
from cellucid_core.export.settings import (
    ExportSettings,
    GeneChoice,
    available_threads,
    parse_bits,
    parse_gene_choice,
    parse_quantile,
)
from cellucid_core.export.verify import VerifyReport, verify
from cellucid_core.export.write import ExportResult, Progress, write

__all__ = [
    "Artefact",
    "ChosenGenes",
    "Collection",
    "ExportPlan",
    "ExportResult",
    "ExportSettings",
    "GeneChoice",
    "Member",
    "Progress",
    "VerifyReport",
    "add_to_root",
    "available_threads",
    "choose_genes",
    "parse_bits",
    "parse_gene_choice",
    "parse_quantile",
    "plan",
    "read_root",
    "remove_from_root",
    "verify",
    "write",
    "write_datasets",
    "zip_root",
]
