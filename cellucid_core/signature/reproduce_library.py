"""A run again in a few lines with this library: ``import cellucid_core as cc``."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cellucid_core.cell_pages import Page, pages_from_column, rest_of
from cellucid_core.dataset import DEMO, changed_choices, demo_file
from cellucid_core.errors import InputError
from cellucid_core.signature.run import ALL_CELLS, SignatureRun

if TYPE_CHECKING:
    from cellucid_core.dataset import Mapping, View

#: Longer lists of cells are written packed.
_LISTED = 200
_WIDTH = 96
_REST = "Rest of "
#: What a score depends on.
_CHOICES = ("embeddings", "matrix", "gene_id", "kinds")
#: Fixes that compute for long, and that no score depends on.
_LEFT_OUT = ("embedding-missing", "latent-missing")


def library_code(
    view: View,
    run: SignatureRun,
    *,
    file: str | Path | None = None,
    cell_metadata: str | Path | None = None,
    choices: Mapping | None = None,
    fixes: Sequence[str] | None = None,
) -> str:
    """Return a script whose ``result`` has the same scores, summary and tests as the run.

    Parameters
    ----------
    view
        The dataset as mapped.
    run
        What to compute again. Pages that are categories of a column are named, any other are the rows of their cells.
    file, cell_metadata
        What to read; by default the names of the files, to be edited.
    choices
        The mapping before fixes; without it the one that fixes led to, to which they are applied again.
    fixes
        What was asked for, as `cellucid_core.preflight.apply_fixes` takes it; without it what the mapping records.
    """
    fixes = [fix.asked for fix in view.mapping.fixes] if fixes is None else list(fixes)
    fixes = [asked for asked in fixes if asked.partition("=")[0] not in _LEFT_OUT]
    column, pages = _pages(view, run)
    weighted = run.match.weighted
    lines = ["import cellucid_core as cc"]
    if any("np." in page for page in pages):
        lines.insert(0, "import numpy as np")
    if pages and column is None:
        made = [name for name in ("Page", "choose_pages") if any(f"{name}(" in page for page in pages)]
        lines.append(f"from cellucid_core.cell_pages import {', '.join(made)}")
    if weighted:
        lines.append("from cellucid_core.signature import Signature")
    lines += ["", *_opening(view, file, cell_metadata, choices)]
    if fixes:
        lines.append(called("data = cc.preflight(data).fix", [repr(asked) for asked in fixes]))
    lines.append(assigned("genes = ", _genes(run)))
    genes = "genes"
    if weighted:
        weights = [*run.match.weights, *(run.match.missing_weights if run.method == "ucell" else ())]
        lines.append(assigned("weights = ", [float(weight) for weight in weights]))
        genes = "Signature('signature', tuple(genes), tuple(weights))"
    given: dict[str, Any] = {"method": run.method}
    if column is not None:
        given["groupby"] = column
    usual = {"sample": None, "normalize": "none", "repeats": "once", "p_adjust": "bh", "random_state": 0}
    values = (run.sample_key, run.normalization, run.repeats, run.p_adjust, run.seed)
    given |= {name: value for (name, default), value in zip(usual.items(), values, strict=True) if value != default}
    arguments = ["data", genes, *(f"{name}={value!r}" for name, value in given.items())]
    if pages and column is not None:
        arguments.append(f"pages=[{', '.join(pages)}]")
    elif pages:
        lines += ["pages = [", *(f"    {page}," for page in pages), "]"]
        arguments.append("pages=pages")
    lines += [called("result = cc.score", arguments), "print(result)", "print(result.summary)", "print(result.tests)"]
    return "\n".join(lines) + "\n"


def _opening(
    view: View, file: str | Path | None, cell_metadata: str | Path | None, choices: Mapping | None
) -> list[str]:
    """Open the file as the user chose; a choice that a fix made is made by the fix."""
    dataset = view.dataset.source or view.dataset
    chosen = changed_choices(dataset, view.mapping if choices is None else choices)
    if any(key not in dataset.obsm for key in chosen.get("embeddings", {}).values()):
        del chosen["embeddings"]
    given = {name: value for name, value in chosen.items() if name in _CHOICES}
    if dataset.modality is not None and len(dataset.modalities) > 1:
        given["modality"] = dataset.modality
    table = dataset.joined
    if table is not None:
        given["cell_metadata"] = str(cell_metadata if cell_metadata is not None else table.path.name)
    source = repr(str(file if file is not None else dataset.path.name))
    comment: list[str] = []
    if file is None and dataset.path.parent.name == "in-memory":
        source, comment = "adata", ["# adata: the AnnData that was scored"]
    elif file is None and dataset.path.name == "pbmc68k_reduced.h5ad" and dataset.path == demo_file():
        source = repr(DEMO)
    return [*comment, called("data = cc.open", [source, *(f"{name}={value!r}" for name, value in given.items())])]


def _genes(run: SignatureRun) -> list[str]:
    """Return the genes as they have to be asked for."""
    match = run.match
    if run.method != "ucell":
        if match.weighted or run.repeats == "once":
            return list(match.found)
        return [gene for gene, weight in zip(match.found, match.weights, strict=True) for _ in range(int(weight))]
    # UCell reads signs, and counts the genes that the dataset lacks, too.
    listed = [
        *zip(match.found, match.signs, match.weights, strict=True),
        *zip(map(_unsigned, match.missing), match.missing_signs, match.missing_weights, strict=True),
    ]
    return [
        f"{gene}{'+' if sign > 0 else '-'}"
        for gene, sign, weight in listed
        for _ in range(1 if match.weighted else int(weight))
    ]


def _unsigned(gene: str) -> str:
    gene = gene.strip()
    return gene[:-1] if gene[-1:] in "+-" else gene


def _pages(view: View, run: SignatureRun) -> tuple[str | None, list[str]]:
    """Return the column whose categories the pages are and their names, or no column and an expression for each page.

    No names: all categories of the column; no column and no expression: one page of all cells.
    """
    pages = run.pages
    if len(pages) == 1 and pages[0].name == ALL_CELLS and pages[0].n == view.n_cells:
        return None, []
    columns = _columns(view, pages)
    first = columns[0]
    if first is not None and all(column == first for column in columns):
        whole = pages_from_column(view, first)
        if [page.name for page in whole] == [page.name for page in pages]:
            return first, []
        return first, [repr(page.name) for page in pages]
    expressions: list[str] = []
    for column, group in groupby(zip(columns, pages, strict=True), key=lambda item: item[0]):
        names = [page for _, page in group]
        if column is None:
            expressions += [f"Page({page.name!r}, {indices(page.cells)})" for page in names]
        else:
            expressions.append(f"*choose_pages(data, {column!r}, {[page.name for page in names]!r})")
    return None, expressions


def _columns(view: View, pages: Sequence[Page]) -> list[str | None]:
    """Return for each page a column that has it, or what it is the rest of, as a category; None if there is none."""
    found: list[str | None] = [None] * len(pages)
    for key in dict.fromkeys(map(str, view.dataset.obs.columns)):
        if None not in found:
            break
        try:
            groups = {page.name: page for page in pages_from_column(view, key)}
        except InputError:
            continue
        for i, page in enumerate(pages):
            if found[i] is None and _is_one(page, groups, view.n_cells):
                found[i] = key
    return found


def _is_one(page: Page, groups: dict[str, Page], n_cells: int) -> bool:
    group = groups.get(page.name)
    if group is None and page.name.startswith(_REST) and (rest := groups.get(page.name.removeprefix(_REST))):
        group = rest_of(rest, n_cells)
    return group is not None and np.array_equal(group.cells, page.cells)


def indices(cells: np.ndarray) -> str:
    """Write positions as an expression: a list, or packed text where they are many."""
    if len(cells) <= _LISTED:
        return f"np.array({cells.tolist()}, dtype=int)"
    packed = base64.b85encode(zlib.compress(np.diff(cells, prepend=0).astype("<u4").tobytes(), 9)).decode()
    return (
        'np.frombuffer(__import__("zlib").decompress(__import__("base64").b85decode('
        f'{packed!r})), "<u4").astype(int).cumsum()'
    )


def assigned(start: str, items: Sequence[object], end: str = "") -> str:
    """Write a list over as many lines as it needs."""
    whole = f"{start}{list(items)!r}{end}"
    if len(whole) <= _WIDTH:
        return whole
    lines, line = [f"{start}["], "   "
    for item in items:
        piece = f" {item!r},"
        if len(line) + len(piece) > _WIDTH and line.strip():
            lines.append(line)
            line = "   "
        line += piece
    return "\n".join([*lines, line, f"]{end}"])


def called(name: str, arguments: Sequence[str]) -> str:
    """Write a call, over several lines where it is long."""
    whole = f"{name}({', '.join(arguments)})"
    if len(whole) <= _WIDTH:
        return whole
    return "\n".join([f"{name}(", *(f"    {argument}," for argument in arguments), ")"])
