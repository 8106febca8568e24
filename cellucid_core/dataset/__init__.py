"""Open single-cell data: any supported file becomes a `Dataset`, seen through a `Mapping` as a `View`.

Tables are kept in memory; an expression matrix is turned once into a gene-major store on disk (`store`), because
everything the product does reads whole genes.
"""

from __future__ import annotations

from cellucid_core.dataset.demo import write_demo
from cellucid_core.dataset.expression import Expression
from cellucid_core.dataset.gene_stats import GeneStats
from cellucid_core.dataset.kinds import SUPPORTED, check_file_name
from cellucid_core.dataset.mapping import AppliedFix, Kind, Mapping, choose, default_mapping, embedding_candidates
from cellucid_core.dataset.model import Dataset
from cellucid_core.dataset.opening import DEMO, open_dataset
from cellucid_core.dataset.server_folders import ServerFile, data_roots, server_files, server_path
from cellucid_core.dataset.view import View, gene_ids, natural_kind

__all__ = [
    "DEMO",
    "SUPPORTED",
    "AppliedFix",
    "Dataset",
    "Expression",
    "GeneStats",
    "Kind",
    "Mapping",
    "ServerFile",
    "View",
    "check_file_name",
    "choose",
    "data_roots",
    "default_mapping",
    "embedding_candidates",
    "gene_ids",
    "natural_kind",
    "open_dataset",
    "server_files",
    "server_path",
    "write_demo",
]
