"""What an export will write, how large it will be and how long it will take, before anything is written."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellucid_core.dataset.variable_genes import highly_variable
from cellucid_core.errors import InputError
from cellucid_core.export.compress import gzip_bytes
from cellucid_core.export.genes import encode_gene
from cellucid_core.export.settings import ExportSettings
from cellucid_core.names import case_collisions, collisions, is_reserved, safe_key
from cellucid_core.prepared.encoding import encoding

if TYPE_CHECKING:
    from cellucid_core.dataset import View

_SAMPLE_GENES = 16
#: Longest file name of the common file systems, less the longest ending (``.outliers.u16.gz``).
_LONGEST_KEY = 255 - 16
#: gzip'd share of raw bytes where nothing is sampled: category codes, floats, positions in edges.
_SHARES = {"codes": 0.4, "numbers": 0.93, "edges": 0.4}
#: Bytes per second and thread for what is not sampled, with reading back.
_RATE = 30e6


#: Length of a typical name such as ``/var/CD3E.values.u8.gz``.
_NAME_BYTES = 23


@dataclass(frozen=True)
class ChosenGenes:
    """The genes that a choice means in a dataset.

    Attributes
    ----------
    positions
        Their positions in the view, in the order of the export, int64.
    ids
        Their ids.
    missing
        Ids that were asked for and are not there.
    warnings
        In plain words.
    """

    positions: np.ndarray
    ids: tuple[str, ...]
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Artefact:
    """One kind of files of an export: how many, and how many bytes raw and as written (estimated)."""

    name: str
    files: int
    raw_bytes: int
    estimated_bytes: int


@dataclass(frozen=True)
class ExportPlan:
    """What will be written.

    Attributes
    ----------
    dataset_id
        Name of the folder in the zip.
    artefacts
        Kinds of files, in the order they are written.
    genes
        The genes.
    files, raw_bytes, estimated_bytes
        Sums over the artefacts.
    estimated_seconds
        With reading everything back.
    warnings
        What the user should know.
    refusals
        Why `write` would refuse; empty if it would not.
    """

    dataset_id: str
    artefacts: tuple[Artefact, ...]
    genes: ChosenGenes
    estimated_seconds: float
    warnings: tuple[str, ...]
    refusals: tuple[str, ...]

    @property
    def files(self) -> int:
        """Number of files."""
        return sum(artefact.files for artefact in self.artefacts)

    @property
    def raw_bytes(self) -> int:
        """Bytes before compression."""
        return sum(artefact.raw_bytes for artefact in self.artefacts)

    @property
    def estimated_bytes(self) -> int:
        """Bytes as written, estimated."""
        return sum(artefact.estimated_bytes for artefact in self.artefacts)

    @property
    def estimated_zip_bytes(self) -> int:
        """Size of the zip, estimated: each file's name stands in it twice, with 76 bytes around it."""
        return self.estimated_bytes + self.files * (76 + 2 * (len(self.dataset_id) + _NAME_BYTES))


def choose_genes(view: View, settings: ExportSettings) -> ChosenGenes:
    """Find the genes that a choice means.

    Raises
    ------
    InputError
        If genes are asked for by name or variability and there is no expression, or none of them is there.
    """
    choice = settings.genes
    if choice.kind == "none" or (choice.kind == "all" and view.expression is None):
        return ChosenGenes(np.zeros(0, np.int64), ())
    if view.expression is None:
        raise InputError("The dataset has no expression matrix, so no genes can be chosen.", "Leave genes at all.")
    ids = view.gene_ids
    if choice.kind == "all":
        return ChosenGenes(np.arange(len(ids), dtype=np.int64), tuple(ids))
    if choice.kind == "hvg":
        positions, warnings = highly_variable(view.expression, choice.n, settings.threads)
        return ChosenGenes(positions, tuple(ids[positions]), (), tuple(warnings))
    place: dict[str, int] = {}
    for position, gene in enumerate(ids):
        place.setdefault(gene, position)
    asked = tuple(dict.fromkeys(choice.ids))
    found = tuple(gene for gene in asked if gene in place)
    missing = tuple(gene for gene in asked if gene not in place)
    if not found:
        raise InputError(
            f"None of the {len(asked):,} genes is in the dataset ({_some(missing)}).",
            f"Its gene ids look like {', '.join(map(str, ids[:3]))}.",
        )
    warnings = [f"{len(missing):,} genes are not in the dataset: {_some(missing)}."] if missing else []
    if len(asked) < len(choice.ids):
        warnings.append(
            f"Genes that are repeated in the list are written once ({len(choice.ids) - len(asked):,} left out)."
        )
    return ChosenGenes(np.array([place[gene] for gene in found], np.int64), found, missing, tuple(warnings))


def refusals(view: View, genes: Sequence[str]) -> list[str]:
    """Return why an export cannot be written, one sentence each.

    Two keys of one folder must not be one file, not even on systems that ignore letter case; and a key must fit into a
    file name.

    Parameters
    ----------
    genes
        Ids of the genes to be written.
    """
    found = []
    if not view.dimensions:
        found.append("There is no embedding.")
    columns = [view.exported_name(key) for key in view.obs_keys]
    for what, keys in (("columns", columns), ("genes", genes)):
        same = list(collisions(keys).values())
        case = list(case_collisions(keys).values())
        for groups, why in ((same, "would be one file"), (case, "differ only in letter case")):
            if groups:
                named = "; ".join(" and ".join(map(repr, group[:4])) for group in groups[:5])
                more = f" and {len(groups) - 5:,} more" if len(groups) > 5 else ""
                found.append(f"The {what} {named}{more} {why}.")
        long = [key for key in keys if len(safe_key(key)) > _LONGEST_KEY]
        if long:
            found.append(f"The names of {len(long):,} {what} are too long for a file ({long[0][:40]}…).")
    if any(not gene for gene in genes):
        found.append("There are genes without an id.")
    return found


def name_warnings(view: View, genes: Sequence[str]) -> list[str]:
    """Return warnings about names that Windows keeps for itself."""
    columns = [view.exported_name(key) for key in view.obs_keys]
    reserved = [key for key in (*columns, *genes) if is_reserved(key)]
    return [f"Windows cannot store files named {_some(reserved)}."] if reserved else []


def plan(view: View, settings: ExportSettings) -> ExportPlan:
    """Foresee an export.

    Genes are sampled evenly, encoded and compressed to estimate bytes and seconds; the rest is estimated from its size.

    Raises
    ------
    InputError
        If the choice of genes makes no sense for the dataset.
    """
    genes = choose_genes(view, settings)
    n, zipped = view.n_cells, settings.compression > 0
    obs = encoding(settings.obs_quantization).dtype.itemsize

    def artefact(name: str, files: int, raw: int, share: str) -> Artefact:
        return Artefact(name, files, raw, int(raw * _SHARES[share]) if zipped else raw)

    artefacts = [artefact("points", len(view.dimensions), 4 * n * sum(view.dimensions), "numbers")]
    if settings.vectors and view.mapping.vectors:
        shapes = [array.shape[1] if array.ndim == 2 else 1 for array in view.vectors().values()]
        artefacts.append(artefact("vectors", len(shapes), 4 * n * sum(shapes), "numbers"))
    categorical = [key for key in view.obs_keys if view.kind(key) == "categorical"]
    n_numbers = len(view.obs_keys) - len(categorical)
    artefacts.append(artefact("obs numbers", n_numbers + len(categorical), n * obs * len(view.obs_keys), "numbers"))
    codes = sum(_codes_width(view.obs(key), settings) for key in categorical)
    artefacts.append(artefact("obs categories", len(categorical), n * codes, "codes"))
    seconds = sum(item.raw_bytes for item in artefacts) / _RATE / settings.threads
    if len(genes.ids):
        genes_artefact, gene_seconds = _estimate_genes(view, settings, genes)
        artefacts.append(genes_artefact)
        seconds += gene_seconds
    graph = view.graph() if settings.graph else None
    if graph is not None:
        raw = graph.nnz // 2 * 2 * (2 if n <= 65_535 else 4)
        artefacts.append(artefact("graph", 2, raw, "edges"))
        seconds += raw / _RATE
    n_manifests = 2 + bool(len(genes.ids)) + (graph is not None)
    text = 2000 + 200 * len(view.obs_keys) + 45 * len(genes.ids)
    artefacts.append(Artefact("manifests", n_manifests, text, text))
    return ExportPlan(
        settings.dataset_id or view.dataset.id,
        tuple(item for item in artefacts if item.files),
        genes,
        seconds,
        (*genes.warnings, *name_warnings(view, genes.ids)),
        tuple(refusals(view, genes.ids)),
    )


def _codes_width(series: pd.Series, settings: ExportSettings) -> int:
    if settings.categorical_dtype != "auto":
        return 1 if settings.categorical_dtype == "uint8" else 2
    known = isinstance(series.dtype, pd.CategoricalDtype)
    return 2 if known and len(series.cat.categories) > 254 else 1


def _estimate_genes(view: View, settings: ExportSettings, genes: ChosenGenes) -> tuple[Artefact, float]:
    expression = view.expression
    assert expression is not None
    n_genes, bits = len(genes.ids), settings.var_quantization
    sample = np.unique(np.linspace(0, n_genes - 1, min(n_genes, _SAMPLE_GENES)).astype(int))
    written, began = 0, time.perf_counter()
    for position in genes.positions[sample]:
        raw = encode_gene(expression, int(position), bits).array.data.cast("B")
        written += len(gzip_bytes(raw, settings.compression)) if settings.compression else len(raw)
    per_gene = (time.perf_counter() - began) / len(sample)
    raw_bytes = n_genes * view.n_cells * encoding(bits).dtype.itemsize
    # Reading back takes about as long as half of the writing; both are shared by the threads, with some loss.
    seconds = 1.5 * per_gene * n_genes / (0.8 * settings.threads if settings.threads > 1 else 1)
    return Artefact("genes", n_genes, raw_bytes, round(written / len(sample) * n_genes)), seconds


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
