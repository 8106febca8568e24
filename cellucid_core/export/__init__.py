"""Write a dataset as Cellucid's prepared export (``compact_v1``) and check what was written.

`ExportSettings` says how an export is written (`presets` are settings for a purpose), `plan` estimates it, `write`
writes a zip or a folder and reads it back, `verify` checks any export, `do_again` returns the command and the script
that write it once more, `add_to_root` and `zip_root` put several together. `cellucid_ready` writes a ``.h5ad`` or
``.zarr.zip`` instead. `compact` has one module per artefact: points, vectors, obs (with groups), genes, graph,
identity; beneath them `quantize` and `compress` turn arrays into bytes, `sink` and `staging` put bytes in place.
"""

from __future__ import annotations

from cellucid_core.callable_package import make_callable
from cellucid_core.export.chosen_genes import ChosenGenes, choose_genes
from cellucid_core.export.collections import (
    Collection,
    add_to_root,
    read_root,
    remove_from_root,
    write_datasets,
    zip_root,
)
from cellucid_core.export.compare import stored_errors
from cellucid_core.export.estimate import Artefact
from cellucid_core.export.gene_choice import GeneChoice, parse_gene_choice
from cellucid_core.export.plan import ExportPlan, Planner, plan
from cellucid_core.export.presets import Preset, matching_preset, presets
from cellucid_core.export.reproduce import Again, do_again, named_choices
from cellucid_core.export.result import ExportProgress, ExportResult, VerifyReport
from cellucid_core.export.settings import (
    FORMATS,
    ExportSettings,
    Format,
    controls,
    options,
    parse_bits,
    parse_quantile,
)
from cellucid_core.export.verify import verify
from cellucid_core.export.write import write

__all__ = [
    "FORMATS",
    "Again",
    "Artefact",
    "ChosenGenes",
    "Collection",
    "ExportPlan",
    "ExportProgress",
    "ExportResult",
    "ExportSettings",
    "Format",
    "GeneChoice",
    "Planner",
    "Preset",
    "VerifyReport",
    "add_to_root",
    "choose_genes",
    "controls",
    "do_again",
    "matching_preset",
    "named_choices",
    "options",
    "parse_bits",
    "parse_gene_choice",
    "parse_quantile",
    "plan",
    "presets",
    "read_root",
    "remove_from_root",
    "stored_errors",
    "verify",
    "write",
    "write_datasets",
    "zip_root",
]

make_callable(__name__)
