"""Lines of Python that repeat a run with this package: ``import cellucid_core as cc``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellucid_core.cell_pages import choose_pages
from cellucid_core.dataset import DEMO, SAMPLE, Dataset, Mapping, View, default_mapping
from cellucid_core.signature.reporting.python_lines import Code, called, indices, python_lines
from cellucid_core.signature.reporting.reproduce import conditions, unsigned

if TYPE_CHECKING:
    from cellucid_core.signature.run import SignatureRun


def api_code(
    view: View,
    run: SignatureRun,
    *,
    choices: Mapping | None = None,
    file: str | Path | None = None,
    cell_metadata: str | Path | None = None,
) -> str:
    """Return a script that repeats a run.

    Parameters
    ----------
    view
        The dataset as mapped.
    run
        The run to repeat.
    choices
        The mapping before fixes; by default that of the view.
    file, cell_metadata
        The file to open, and the table that was joined to the cells; by default their names, for the user to edit.
    """
    fixes = [repr(fix.asked) for fix in view.mapping.fixes]
    return python_lines(
        "api_lines.py.jinja",
        opening=called("cc.open", _opening(view, choices or view.mapping, file, cell_metadata)),
        fixing=called("cc.preflight(data).fix", fixes) if fixes else None,
        pages="" if _column(view, run) or len(run.pages) < 2 else _own_pages(run),
        scoring=called("cc.score", _scoring(view, run)),
        tests=bool(run.tests),
        split=run.split is not None,
    )


def _opening(view: View, choices: Mapping, file: str | Path | None, cell_metadata: str | Path | None) -> list[str]:
    dataset = view.dataset.turned("")
    usual = default_mapping(dataset)
    is_demo = file is None and dataset.path.name == "pbmc68k_reduced.h5ad" and dataset.id == "pbmc68k_reduced"
    given: dict[str, Any] = {}
    if choices.matrix != usual.matrix and choices.matrix is not None:
        given |= {"use_raw": True} if choices.matrix == "raw" else {"layer": choices.matrix}
    if choices.gene_id != usual.gene_id:
        given["gene_id"] = choices.gene_id
    if dict(choices.embeddings) != dict(usual.embeddings) and all(
        key in dataset.obsm for key in choices.embeddings.values()
    ):
        given["embeddings"] = dict(choices.embeddings)
    if choices.latent != usual.latent and (choices.latent is None or choices.latent in dataset.obsm):
        given["latent"] = choices.latent or "none"
    if choices.kinds:
        given["kinds"] = dict(choices.kinds)
    if dataset.modality is not None:
        given["modality"] = dataset.modality
    if dataset.joined is not None:
        given["cell_metadata"] = str(cell_metadata or dataset.joined.path.name)
    path = repr(DEMO if is_demo else str(file or dataset.path.name))
    if dataset.parts:
        path = _sources(dataset) if file is None else repr(str(file))
        if len(dataset.paths) == 1:
            given["samples"] = [part.name for part in dataset.parts]
        given |= {"join": dataset.join} if dataset.join != "shared" else {}
        given |= {"sample_column": dataset.sample_column} if dataset.sample_column != SAMPLE else {}
    if file is None and dataset.path.parent.name == "in-memory":
        path = "adata"  # the AnnData object that the user scored
    return [path, *(f"{name}={value!r}" for name, value in given.items())]


def _sources(dataset: Dataset) -> str:
    """Return, as an expression, the archive that the samples are from, or the file name of each by sample."""
    if len(dataset.paths) == 1:
        return repr(dataset.path.name)
    return repr({part.name: part.path.name for part in dataset.parts})


def _genes(run: SignatureRun) -> tuple[str, bool]:
    """Return the genes as an expression, and whether some count more than once."""
    match = run.match
    if match.weighted:
        weights = (*match.weights.tolist(), *match.missing_weights.tolist())
        return f"cc.GeneSet('signature', {(*match.found, *match.missing)!r}, {weights!r})", True
    reads_signs = run.method == "ucell"
    if match.signed and not reads_signs:
        marks = (*match.signs.tolist(), *match.missing_signs.tolist())
        counts = (*match.weights.tolist(), *match.missing_weights.tolist())
        both = zip((*match.found, *match.missing), marks, counts, strict=True)
        each = [(gene, float(sign)) for gene, sign, n in both for _ in range(int(n))]
        listed, weights = tuple(gene for gene, _ in each), tuple(sign for _, sign in each)
        return f"cc.GeneSet('signature', {listed!r}, {weights!r}, halves=('up', 'down'))", len(each) > len(set(each))
    missing = [unsigned(gene) for gene in match.missing] if reads_signs else match.missing
    genes = [*match.found, *missing]
    signs = [*match.signs.tolist(), *match.missing_signs.tolist()]
    times = [*match.weights.tolist(), *match.missing_weights.tolist()]
    names: list[str] = []
    for gene, sign, n in zip(genes, signs, times, strict=False):
        names += [f"{gene}{'+' if sign > 0 else '-'}" if reads_signs else gene] * int(n)
    return repr(names), len(names) > len(set(names))


def _scoring(view: View, run: SignatureRun) -> list[str]:
    genes, several = _genes(run)
    column = _column(view, run)
    words = ["data", genes]
    if run.method != "mean":
        words.append(f"method={run.method!r}")
    if column:
        names = [page.name for page in run.pages]
        words.append(f"groupby={column!r}")
        if names != [page.name for page in choose_pages(view, column)]:
            words.append(f"pages={names!r}")
    elif len(run.pages) > 1:
        words.append("pages=pages")
    given = {
        # Of joined samples `cc.score` takes the column by itself, so that none must be said.
        "sample": (run.sample_key or "", None if view.dataset.sample_column else ""),
        "split": (None if run.split is None else run.split.key, None),
        "normalize": (run.normalization, "none"),
        "repeats": ("count" if several else "once", "once"),
        "p_adjust": (run.p_adjust, "bh"),
        "random_state": (run.seed, 0),
        **{name: (value, None) for name, value in run.options.used_by(run.method).items()},
    }
    return words + [f"{name}={value!r}" for name, (value, usual) in given.items() if value != usual]


def _column(view: View, run: SignatureRun) -> str:
    """Return the one column of which every page is a category or the rest of one; empty if there is none."""
    if len(run.pages) < 2:
        return ""
    known = conditions(view, run.pages)
    columns = {known[id(page)][0] if id(page) in known else "" for page in run.pages}
    return columns.pop() if len(columns) == 1 else ""


def _own_pages(run: SignatureRun) -> Code:
    return Code("".join(f"    cc.Page({page.name!r}, {indices(page.cells)}),\n" for page in run.pages))
