"""A signature's genes in a view: found, missing, proposed; and the matrix that they are scored from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from cellucid_core.errors import InputError
from cellucid_core.genes import (
    SIGNS,
    GeneIds,
    GeneMatch,
    GeneSet,
    match_genes,
    understand_genes,
    understand_names,
)
from cellucid_core.names import listed

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression, View


def match_in_view(
    view: View,
    genes: str | Sequence[str] | GeneSet,
    *,
    repeats: Literal["once", "count"] = "once",
    signed: bool = False,
    replaced: Mapping[str, str] | None = None,
) -> GeneMatch:
    """Find a signature's genes in a view; proposals come from the gene table's other text columns, too.

    Parameters
    ----------
    view
        The dataset as mapped.
    genes
        Text as pasted, genes, or a signature with or without weights.
    repeats, signed, replaced
        See `match_genes`.
    """
    return match_many(view, [genes], repeats=repeats, signed=signed, replaced=replaced)[0]


def match_many(
    view: View,
    signatures: Sequence[str | Sequence[str] | GeneSet],
    *,
    repeats: Literal["once", "count"] = "once",
    signed: bool = False,
    replaced: Mapping[str, str] | None = None,
    propose: bool | None = None,
) -> list[GeneMatch]:
    """Find the genes of several signatures, see `match_in_view`; the dataset's ids are prepared only once.

    By default missing genes get proposals only if there is a single signature, because a file of signatures may name a
    hundred thousand genes; `propose` overrides that.
    """
    ids = GeneIds(view.gene_ids, _other_ids(view))
    propose = len(signatures) == 1 if propose is None else propose
    could_be = (lambda gene: bool(ids.proposals(gene))) if propose else (lambda gene: False)

    def has(gene: str) -> bool:
        return gene in ids.place or (signed and gene[-1:] in SIGNS and gene[:-1].strip() in ids.place)

    matches = []
    for one in signatures:
        weights = one.weights if isinstance(one, GeneSet) else None
        signs = None
        if isinstance(one, GeneSet) and one.halves and weights is not None:  # ±1 marks up and down: signs, not weights
            signs, weights = [1 if weight > 0 else -1 for weight in weights], None
        notes: list[str] = []
        if isinstance(one, str):
            requested, notes = understand_genes(one, has, could_be, signed=signed)
        elif isinstance(one, GeneSet):
            requested, notes = understand_names(one.genes, has, could_be, signed=signed, apart=one.weights is None)
        else:
            requested = [gene for gene in map(str, one) if gene.strip()]
        match = match_genes(
            requested,
            ids,
            repeats=repeats,
            signed=signed,
            gene_weights=weights,
            gene_signs=signs,
            replaced=replaced,
            propose=propose,
        )
        matches.append(replace(match, notes=notes))
    return matches


def need_expression(view: View) -> Expression:
    """Return the chosen matrix.

    Raises
    ------
    InputError
        The dataset has no expression matrix.
    """
    if view.expression is None:
        raise InputError(
            "This dataset has no expression matrix, so there is nothing to score.", "Open one that has X or a layer."
        )
    return view.expression


def none_found(match: GeneMatch, gene_ids: np.ndarray) -> InputError:
    """Return the error that says that no gene was found, and what the missing ones could be."""
    if not match.missing:
        return InputError("No genes were given.", "Paste at least one gene.")
    what = f"None of the {len(match.missing)} genes is in the dataset."
    if len(match.missing) == 1:
        what = f"The gene {match.missing[0]!r} is not in the dataset."
    if match.proposals:
        pairs = [f"{gene} → {' or '.join(one.gene for one in some[:3])}" for gene, some in match.proposals.items()]
        return InputError(what, f"They could be: {listed(pairs, 5)}.")
    return InputError(what, f"The dataset's gene ids look like {', '.join(map(str, gene_ids[:3]))}.")


def _other_ids(view: View) -> Mapping[str, np.ndarray]:
    """Return the text columns of the gene table, index included, that are not the chosen id."""
    var = view.var
    columns = {"index": var.index.to_numpy()}
    for name in var.columns:
        if isinstance(var[name].dtype, pd.CategoricalDtype) or not (
            pd.api.types.is_numeric_dtype(var[name].dtype) or pd.api.types.is_bool_dtype(var[name].dtype)
        ):
            columns[str(name)] = var[name].to_numpy(dtype=object)
    return {
        name: ids
        for name, ids in columns.items()
        if len(ids) == view.n_genes and not np.array_equal(ids.astype(str), view.gene_ids.astype(str))
    }
