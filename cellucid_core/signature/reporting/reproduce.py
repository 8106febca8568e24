"""Lines of Python that compute a run's numbers from the file with the field's own packages, without this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cellucid_core.cell_pages import Page, pages_from_column
from cellucid_core.errors import InputError
from cellucid_core.names import unique
from cellucid_core.signature.reporting.python_lines import Code, assigned, indices, python_lines
from cellucid_core.signature.scoring import DEFAULT_OPTIONS

if TYPE_CHECKING:
    from cellucid_core.dataset import View
    from cellucid_core.signature.run import SignatureRun


def python_code(
    view: View,
    run: SignatureRun,
    *,
    file: str | Path | None = None,
    cell_metadata: str | Path | None = None,
) -> str:
    """Return a script that computes scores, means per page and tests of a run with other packages.

    It needs anndata, numpy, pandas and scipy, and for their scores scanpy, pyucell, decoupler (``aucell``, ``zscore``,
    ``ulm``) or gseapy (``ssgsea``). At its end ``scores`` holds the scores by page; ``summary`` and ``tests`` are
    tables.

    Parameters
    ----------
    view
        The dataset as mapped.
    run
        The run to repeat; a page that is a category of a column is written as a condition, any other page as the rows
        of its cells.
    file
        The file to read; by default the dataset's file name, for the user to edit.
    cell_metadata
        The table that was joined to the cells, where there is one; by default its file name, for the user to edit.

    Raises
    ------
    InputError
        The dataset is several samples; the signature has genes of both signs and the method is ``median``,
        ``score_genes``, ``aucell`` or ``ssgsea``; or ``aucell`` has a seed other than 0.
    """
    if view.dataset.parts:
        raise InputError(
            "The run cannot be written with scanpy for several samples opened as one.",
            "Use this package's own lines.",
        )
    path = str(file if file is not None else view.dataset.path.name)
    signed = run.match.signed and run.method in ("median", "score_genes", "aucell", "ssgsea")
    if signed or (run.method == "aucell" and run.seed):
        raise InputError(
            "Other packages cannot reproduce "
            + ("this score of up and down genes." if signed else "a seed other than 0."),
            "Use this package's own lines, or another score.",
        )
    known = conditions(view, run.pages)
    used = {column for column, _ in known.values()} | {run.sample_key or ""}
    return python_lines(
        "reproduce.py.jinja",
        **_reading(view, path),
        table=_joining(view, used, cell_metadata),
        **_genes(run),
        pages=_pages(view, run, {page: condition for page, (_, condition) in known.items()}),
        **_scoring(run),
        normalization=run.normalization,
        several=len(run.pages) > 1,
        donor=_donor(view, run),
        p_adjust=run.p_adjust,
        split=None if run.split is None else run.split.key,
    )


def _reading(view: View, path: str) -> dict[str, Any]:
    """Return how the file is read, which cells were left out, and where the gene ids are."""
    mapping = view.mapping
    matrix = mapping.matrix or "X"
    source = {"X": "adata.X", "raw": "adata.raw.X"}.get(matrix, f"adata.layers[{matrix!r}]")
    table = "adata.raw.var" if matrix == "raw" else "adata.var"
    fixed_ids: Code | None = None
    if mapping.gene_ids is not None or mapping.genes_kept is not None:
        fixed_ids = assigned("gene_ids = np.array(", list(map(str, view.gene_ids)), ", dtype=object)")
    return {
        "path": path,
        "suffix": Path(path.removesuffix(".zip")).suffix.lower(),
        "modality": view.dataset.modality,
        "turn": mapping.turn,
        "matrix": Code(f"{source}{'.T' if mapping.turn == 'matrix' else ''}"),
        "ids": Code(f"{table}.index" if mapping.gene_id == "index" else f"{table}[{mapping.gene_id!r}]"),
        "genes_kept": None if mapping.genes_kept is None else indices(mapping.genes_kept),
        "fixed_ids": fixed_ids,
        "left_out": None if view.all_cells else indices(np.asarray(mapping.cells_out)),
    }


def _joining(view: View, used: set[str], file: str | Path | None) -> dict[str, Any] | None:
    """Return how the used columns that come from the joined table are read; None if none does."""
    table = view.dataset.joined
    columns = [] if table is None else [name for name in dict.fromkeys(table.columns) if name in used]
    if table is None or not columns:
        return None
    return {
        "file": str(file if file is not None else table.path.name),
        "separator": table.separator,
        "decimal": table.decimal,
        "encoding": table.encoding,
        "compression": table.compression,
        "above": table.above,
        "places": [0, *(table.columns.index(name) + 1 for name in columns)],
        "columns": assigned("table.columns = ", columns),
    }


def _genes(run: SignatureRun) -> dict[str, Any]:
    """Return the genes, and their signed weights if one of these is not 1."""
    times = run.match.weights * (run.match.signs if run.method != "ucell" else 1)
    weights = [float(w) for w in times]
    return {
        "genes": assigned("genes = ", run.match.found),
        "weights": assigned("weights = np.array(", weights, ")") if (times != 1).any() else "",
    }


def _scoring(run: SignatureRun) -> dict[str, Any]:
    """Return the method and its options."""
    shown = run.method == "aucell" and run.options.top_share != DEFAULT_OPTIONS.top_share
    return {
        "method": run.method,
        "function": Code(run.method),
        "seed": run.seed,
        "options": _options(run) if run.method in ("score_genes", "ucell") else "",
        "top_share": run.options.top_share if shown else None,
        "signed": assigned("signed = ", _signed(run)) if run.method == "ucell" else "",
        "weighted": run.match.weighted,
        "size": Code("np.abs(weights)" if run.match.signed else "weights"),
    }


def _signed(run: SignatureRun) -> list[str]:
    """Return the genes with the signs that UCell reads, each as often as it counts."""
    match = run.match.unweighted()
    return [
        f"{gene}{'+' if sign > 0 else '-'}"
        for names, signs, weights in (
            (match.found, match.signs, match.weights),
            ([unsigned(gene) for gene in match.missing], match.missing_signs, match.missing_weights),
        )
        for gene, sign, weight in zip(names, signs, weights, strict=False)
        for _ in range(int(weight))
    ]


def _options(run: SignatureRun) -> Code:
    """Return the options of scanpy's or pyucell's function, which have the same names there."""
    given = run.options.used_by(run.method)
    pool = given.pop("gene_pool", None)
    words = "".join(f", {name}={value!r}" for name, value in given.items())
    if pool:  # in the order of the dataset, and with the signature's own genes, which scanpy wants in the pool
        words += f", gene_pool=[gene for gene in scored.var_names if gene in {sorted({*pool, *run.match.found})!r}]"
    return Code(words)


def unsigned(gene: str) -> str:
    """Return a gene without the sign that UCell reads."""
    gene = gene.strip()
    return gene[:-1] if gene[-1:] in "+-" else gene


def _pages(view: View, run: SignatureRun, known: Mapping[int, str]) -> list[tuple[str, Code]]:
    """Return each page's name and its cells: a condition where the page is a category, else rows."""
    found = []
    for name, page in zip(unique([page.name for page in run.pages]), run.pages, strict=True):
        condition = known.get(id(page))
        if condition is not None:
            found.append((name, Code(f"np.flatnonzero({condition})")))
        elif page.n == view.n_cells:
            found.append((name, Code("np.arange(len(obs))")))
        else:
            found.append((name, indices(page.cells)))
    return found


def conditions(view: View, pages: Sequence[Page]) -> dict[int, tuple[str, str]]:
    """Return, for each page that is a category or the rest of one, its column and the condition for its cells.

    Keys are the ``id`` of the pages.
    """
    wanted = {id(page): page for page in pages if page.n < view.n_cells}
    found: dict[int, tuple[str, str]] = {}
    for column in map(str, view.dataset.obs.columns):
        if len(found) == len(wanted):
            break
        if column in view.mapping.obs_replaced or column not in view.dataset.obs.columns:
            continue
        source = view.dataset.obs[column]
        if isinstance(source, pd.DataFrame):
            continue
        try:
            groups = {page.name: page.cells for page in pages_from_column(view, column)}
        except InputError:
            continue
        here = source.iloc[view.cell_index]
        number = pd.api.types.is_numeric_dtype(here.dtype) and not pd.api.types.is_bool_dtype(here.dtype)
        text = None if number else here.astype(str).to_numpy(dtype=object)
        for key, page in wanted.items():
            if key in found:
                continue
            rest = page.name not in groups and page.name.startswith("Rest of ")
            group = page.name.removeprefix("Rest of ") if rest else page.name
            if group not in groups:
                continue
            if number:
                value = float(group)
                if not np.isfinite(value):
                    continue
                mask = here.to_numpy(dtype=float, na_value=np.nan) == value
                condition = f"obs[{column!r}] == {int(value) if value.is_integer() else value}"
            else:
                assert text is not None
                mask = text == group
                condition = f"obs[{column!r}].astype(str) == {group!r}"
            mask = ~mask if rest else mask
            if int(mask.sum()) == page.n and mask[page.cells].all():
                found[key] = (column, f"~({condition})" if rest else condition)
    return found


def _donor(view: View, run: SignatureRun) -> Code | None:
    """Return how the column of donors or samples is read; None if there is none."""
    if run.sample_key is None:
        return None
    if run.sample_key in view.mapping.obs_replaced:
        donors = [None if pd.isna(value) else str(value) for value in view.obs(run.sample_key)]
        return assigned("donor = np.array(", donors, ", dtype=object)")
    return Code(
        f"donor = obs[{run.sample_key!r}]\ndonor = donor.astype(str).where(donor.notna(), None).to_numpy(object)"
    )
