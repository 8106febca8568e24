"""A bulk matrix (genes × samples): read it, and check whether it fits a signature."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from cellucid_core.dataset import LINEAR, SAMPLE_CELLS, MatrixScale, scale_of
from cellucid_core.errors import InputError
from cellucid_core.library.model import Level
from cellucid_core.names import listed
from cellucid_core.reading.formats import pieces, read_layout

_VERSION = re.compile(r"^(ENS[A-Z]*\d{6,})\.\d+(_PAR_Y)?$")
_ENSEMBL = re.compile(r"^ENS[A-Z]*G\d{6,}")
_ENTREZ = re.compile(r"^\d+$")
_MOST_VALUES = 100_000_000
_EXAMPLES = 10


@dataclass(frozen=True, eq=False)
class Bulk:
    """A bulk matrix.

    Attributes
    ----------
    values
        Genes × samples, float64; each gene once.
    notes
        Sentences on what was noticed and done while it was read.
    """

    values: pd.DataFrame
    notes: list[str] = field(default_factory=list)

    @cached_property
    def scale(self) -> MatrixScale:
        """What the values are, decided from up to `SAMPLE_CELLS` samples as for the matrix of a dataset."""
        return scale_of(self.values.to_numpy().T[:SAMPLE_CELLS])

    @property
    def looks_logged(self) -> bool:
        """Whether the values are logarithms, or anything else that is not linear (counts, TPM, …)."""
        return self.scale.kind not in LINEAR | {"empty"}


@dataclass(frozen=True)
class BulkCheck:
    """How a bulk matrix fits a level of a signature.

    Attributes
    ----------
    matched
        Genes that both have.
    level_genes
        Genes of the level.
    degs_found, degs_missing
        The level's DEGs that the matrix has, and those that it does not.
    bulk_ids
        What the matrix's ids look like: ``Ensembl ids``, ``Entrez ids`` or ``symbols``.
    looks_logged
        Whether the values look like logarithms.
    findings
        Sentences on all that is wrong or worth knowing, the matrix's notes first.
    """

    matched: int
    level_genes: int
    degs_found: list[str]
    degs_missing: list[str]
    bulk_ids: str
    looks_logged: bool
    findings: list[str]


def read_bulk(path: Path, file_name: str, genes: Collection[str]) -> Bulk:
    """Read a bulk matrix from CSV or TSV.

    Parameters
    ----------
    path, file_name
        The file, and what the user calls it.
    genes
        Genes of the signature: they tell which column names genes, and whether samples are in rows.

    Returns
    -------
    Bulk
        Rows that repeat a gene are added up, also if their Ensembl ids differ only in the version.

    Raises
    ------
    InputError
        If it is no table of numbers, has too many of them, or values are missing, infinite or below 0.
    """
    layout = read_layout(path, file_name)
    names: list[str] = []
    texts: list[pd.DataFrame] = []
    numbers: list[np.ndarray] = []
    held = 0
    for row_names, text, block in pieces(path, layout, file_name):
        names += row_names if row_names is not None else [str(i) for i in range(len(names), len(names) + len(block))]
        texts.append(text)
        numbers.append(block)
        held += block.size
        if held > _MOST_VALUES:
            raise InputError(f"{file_name} has more than {_MOST_VALUES:,} values.", "Split it by samples.")
    values = np.concatenate(numbers) if numbers else np.zeros((0, 0))
    columns = [name for at, name in enumerate(layout.columns) if at not in set(layout.text_columns)]
    if values.shape[0] == 0 or values.shape[1] == 0:
        raise InputError(
            f"{file_name} has no columns of numbers.", "A bulk matrix has genes in rows, samples in columns."
        )
    known = {_bare(gene) for gene in genes}
    notes: list[str] = []
    named = [names, *(pd.concat(texts)[at].astype(str).tolist() for at in layout.text_columns)]
    rows = max(named, key=lambda candidate: _matches(candidate, known))
    if _matches(columns, known) > _matches(rows, known):
        notes.append("Samples are in rows; the table was turned, so that genes are rows.")
        values, rows, columns = values.T, columns, names
    elif layout.text_columns:
        others = [
            layout.columns[at] for at in layout.text_columns if named[1 + layout.text_columns.index(at)] is not rows
        ]
        if others:
            notes.append(f"Columns of texts were left out: {', '.join(others[:_EXAMPLES])}.")
    _check_values(values, rows, columns, file_name)
    return Bulk(_one_row_per_gene(values, rows, columns, notes), notes)


def check_bulk(bulk: Bulk, level: Level) -> BulkCheck:
    """Check how a bulk matrix fits a level: genes in common, missing DEGs, other ids, logged values."""
    there = {_bare(str(gene)) for gene in bulk.values.index}
    matched = sum(_bare(gene) in there for gene in level.genes)
    found = [gene for gene in level.degs if _bare(gene) in there]
    missing = [gene for gene in level.degs if _bare(gene) not in there]
    ours, theirs = _kind(level.genes), _kind([str(gene) for gene in bulk.values.index])
    findings = list(bulk.notes)
    if ours != theirs:
        findings.append(
            f"The bulk matrix names genes by {theirs}, the signature by {ours}: translate one, or few will match."
        )
    if matched < len(level.genes) / 2:
        findings.append(f"Only {matched:,} of the signature's {len(level.genes):,} genes are in the bulk matrix.")
    if not level.degs:
        findings.append("The signature has no DEGs, so nothing can be deconvolved with it.")
    elif missing:
        findings.append(f"{len(missing):,} of the {len(level.degs):,} DEGs are missing: {listed(missing, _EXAMPLES)}.")
    if bulk.looks_logged:
        findings.append(
            "The values look like logarithms; linear ones are expected (counts, CPM or TPM). Say which logarithm it "
            "is, or give linear values."
        )
    return BulkCheck(matched, len(level.genes), found, missing, theirs, bulk.looks_logged, findings)


def matching_rows(bulk: Bulk, genes: Collection[str]) -> dict[str, int]:
    """Return gene → row for the genes that a bulk matrix has; versions of Ensembl ids are not compared."""
    place = {_bare(str(gene)): i for i, gene in enumerate(bulk.values.index)}
    return {gene: place[_bare(gene)] for gene in genes if _bare(gene) in place}


def _bare(gene: str) -> str:
    return _VERSION.sub(r"\1", gene.strip())


def _matches(names: list[str], known: set[str]) -> int:
    return len({_bare(name) for name in names} & known)


def _kind(genes: list[str]) -> str:
    if not genes:
        return "symbols"
    for pattern, kind in ((_ENSEMBL, "Ensembl ids"), (_ENTREZ, "Entrez ids")):
        if sum(bool(pattern.match(gene)) for gene in genes) > len(genes) / 2:
            return kind
    return "symbols"


def _check_values(values: np.ndarray, rows: list[str], columns: list[str], file_name: str) -> None:
    for wrong, what, fix in (
        (~np.isfinite(values), "is missing or infinite", "Fill it in, or take the gene out."),
        (values < 0, "is below 0", "Linear values are expected: counts, CPM or TPM, neither centred nor scaled."),
    ):
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            more = f", and {count - 1:,} more" if (count := int(wrong.sum())) > 1 else ""
            raise InputError(
                f"{file_name} has a value that {what} for {rows[row]} in {columns[column]}{more}.",
                fix,
            )


def _one_row_per_gene(values: np.ndarray, rows: list[str], columns: list[str], notes: list[str]) -> pd.DataFrame:
    table = pd.DataFrame(values, index=pd.Index(rows, dtype=object))
    labels = Counter(columns)
    if max(labels.values()) > 1:
        notes.append(f"{sum(n > 1 for n in labels.values()):,} sample names occur more than once; they were numbered.")
        seen: Counter[str] = Counter()
        renamed = []
        for name in columns:
            seen[name] += 1
            renamed.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
        columns = renamed
    table.columns = pd.Index(columns, dtype=object)
    bare = pd.Index([_bare(row) for row in rows], dtype=object)
    if not bare.is_unique:
        notes.append(f"{len(bare) - bare.nunique():,} rows repeat a gene; their values were added up.")
        table = table.groupby(bare.to_numpy(), sort=False).sum()
    return table
