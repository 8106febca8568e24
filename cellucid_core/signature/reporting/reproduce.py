"""Lines of Python that compute a run's numbers again from the file, with the field's own packages.

Names of genes, pages and columns only ever stand in the lines as Python literals.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellucid_core.cell_pages import Page, pages_from_column
from cellucid_core.errors import InputError
from cellucid_core.signature.reporting.reproduce_lines import ADJUST, CELL_TESTS, NORMALIZE, SAMPLE_TESTS, SUMMARY
from cellucid_core.signature.scoring import DEFAULT_OPTIONS

if TYPE_CHECKING:
    from cellucid_core.dataset import View
    from cellucid_core.signature.run import SignatureRun

#: Longer lists of cells are written packed.
_LISTED = 200
_WIDTH = 96


def python_code(
    view: View,
    run: SignatureRun,
    *,
    file: str | Path | None = None,
    cell_metadata: str | Path | None = None,
) -> str:
    """Return a script that computes scores, means per page and tests of a run again.

    It needs anndata, numpy, pandas and scipy, and for their scores scanpy, pyucell, decoupler (``aucell``, ``zscore``,
    ``ulm``) or gseapy (``ssgsea``). At its end
    ``scores`` holds the scores by page, ``summary`` and ``tests`` are tables.

    Parameters
    ----------
    view
        The dataset as mapped.
    run
        What to compute again; a page that is a category of a column is written as a condition, any other as the rows
        of its cells.
    file
        What to read; by default the dataset's file name, to be edited.
    cell_metadata
        The table that joined the cells, where there is one; by default its file name, to be edited.
    """
    if view.dataset.parts:
        raise InputError(
            "There are no lines of scanpy for several samples that were opened as one.",
            "Take this package's own lines.",
        )
    path = str(file if file is not None else view.dataset.path.name)
    signed = run.match.signed and run.method in ("median", "score_genes", "aucell", "ssgsea")
    if signed or (run.method == "aucell" and run.seed):
        raise InputError(
            "There are no lines of other packages for "
            + ("genes that count up and down in this score." if signed else "another order of equal values."),
            "Take this package's own lines, or another score.",
        )
    known = conditions(view, run.pages)
    used = {column for column, _ in known.values()} | {run.sample_key or ""}
    parts = [
        _reading(view, run, path, _joining(view, used, cell_metadata)),
        _pages(view, run, {page: condition for page, (_, condition) in known.items()}),
        _scoring(run),
        NORMALIZE[run.normalization],
        SUMMARY,
        _tests(view, run),
    ]
    return "\n".join(part.strip("\n") + "\n" for part in parts if part)


def _joining(view: View, used: set[str], file: str | Path | None) -> list[str]:
    """Read those of the used columns that stand in the table beside the file, and join them by cell id."""
    table = view.dataset.joined
    columns = [] if table is None else [name for name in dict.fromkeys(table.columns) if name in used]
    if table is None or not columns:
        return []
    places = [0, *(table.columns.index(name) + 1 for name in columns)]
    reading = (
        f"table = pd.read_csv({str(file if file is not None else table.path.name)!r}, sep={table.separator!r}, "
        f"decimal={table.decimal!r}, encoding={table.encoding!r},"
    )
    how = f"header=None, skiprows=1, usecols={places}, dtype={{0: str}}, index_col=0, low_memory=False"
    return [
        "# Columns of the table that joined the cells",
        reading,
        f"                    {how})",
        _assigned("table.columns = ", columns),
        "obs = obs.drop(columns=table.columns, errors='ignore').join(table)",
    ]


def _reading(view: View, run: SignatureRun, path: str, joining: Sequence[str]) -> str:
    """Read the file, and the table beside it; leave out what was left out; find the columns of the genes."""
    mapping = view.mapping
    lines = ["import anndata", "import numpy as np", "import pandas as pd", "from scipy import sparse, stats", ""]
    suffix = Path(path.removesuffix(".zip")).suffix.lower()
    if suffix == ".zarr":
        lines.append(f"adata = anndata.read_zarr({path!r})")
    elif suffix == ".h5mu":
        lines += ["import mudata", "", f"adata = mudata.read_h5mu({path!r})[{view.dataset.modality!r}]"]
    else:
        if suffix != ".h5ad":
            lines.append("# The file is not an .h5ad: read it with scanpy, save it as one, and name that here.")
        lines.append(f"adata = anndata.read_h5ad({path!r})")
    if mapping.turn == "all":
        lines.append("adata = adata.T  # the file has genes as rows")
    matrix = mapping.matrix or "X"
    source = {"X": "adata.X", "raw": "adata.raw.X"}.get(matrix, f"adata.layers[{matrix!r}]")
    lines.append(f"X = {source}{'.T' if mapping.turn == 'matrix' else ''}")
    table = "adata.raw.var" if matrix == "raw" else "adata.var"
    ids = f"{table}.index" if mapping.gene_id == "index" else f"{table}[{mapping.gene_id!r}]"
    if mapping.gene_ids is None and mapping.genes_kept is None:
        lines.append(f'gene_ids = np.array(["" if pd.isna(gene) else str(gene) for gene in {ids}], dtype=object)')
    else:
        if mapping.genes_kept is not None:
            lines.append(f"X = X[:, {indices(mapping.genes_kept)}]  # the genes that were kept")
        lines.append("# Gene ids as they were fixed")
        lines.append(_assigned("gene_ids = np.array(", list(map(str, view.gene_ids)), ", dtype=object)"))
    lines += ["obs = adata.obs", *joining]
    if not view.all_cells:
        lines.append(f"left_out = {indices(np.asarray(mapping.cells_out))}")
        lines.append("kept = np.setdiff1d(np.arange(adata.n_obs), left_out)")
        lines.append("X, obs = X[kept], obs.iloc[kept]")
    lines += ["", _assigned("genes = ", run.match.found)]
    times = run.match.weights * (run.match.signs if run.method != "ucell" else 1)
    if (times != 1).any():
        lines.append(_assigned("weights = np.array(", [float(w) for w in times], ")"))
    else:
        lines.append("weights = np.ones(len(genes))")
    lines += [
        "first = dict(zip(reversed(gene_ids), reversed(range(len(gene_ids)))))  # of equal ids the first",
        "columns = [first[gene] for gene in genes]",
        "",
    ]
    return "\n".join(lines)


def _scoring(run: SignatureRun) -> str:
    """Score every cell."""
    if run.method == "score_genes":
        return "\n".join(
            [
                "import scanpy as sc",
                "",
                "alone = ~pd.Index(gene_ids).duplicated()",
                "var = pd.DataFrame(index=pd.Index(gene_ids[alone], dtype=object))",
                "scored = anndata.AnnData(X[:, alone], var=var)",
                f"sc.tl.score_genes(scored, genes, random_state={run.seed}, use_raw=False{_options(run)})",
                'raw_score = scored.obs["score"].to_numpy(dtype=float)',
                "",
            ]
        )
    if run.method == "ucell":
        match = run.match.unweighted()
        signed = [
            f"{gene}{'+' if sign > 0 else '-'}"
            for names, signs, weights in (
                (match.found, match.signs, match.weights),
                ([unsigned(gene) for gene in match.missing], match.missing_signs, match.missing_weights),
            )
            for gene, sign, weight in zip(names, signs, weights, strict=False)
            for _ in range(int(weight))
        ]
        return "\n".join(
            [
                "import pyucell",
                "",
                "# UCell counts the genes that the dataset lacks, too.",
                _assigned("signed = ", signed),
                "alone = ~pd.Index(gene_ids).duplicated()",
                "counts = sparse.csr_matrix(X[:, alone])",
                "counts.data[np.isnan(counts.data)] = 0",
                "var = pd.DataFrame(index=pd.Index(gene_ids[alone], dtype=object))",
                "scored = anndata.AnnData(counts, var=var)",
                f'pyucell.compute_ucell_scores(scored, {{"score": signed}}{_options(run)})',
                'raw_score = scored.obs["score_UCell"].to_numpy(dtype=float)',
                "",
            ]
        )
    if run.method in ("aucell", "zscore", "ulm", "ssgsea"):
        return _scoring_elsewhere(run)
    lines = [
        "x = X[:, columns]",
        "x = (x.toarray() if sparse.issparse(x) else np.asarray(x)).astype(float)",
        "x[~np.isfinite(x)] = np.nan",
    ]
    if run.match.weighted and run.method == "median":
        lines.append("weights = np.ones(len(genes))  # the median takes each gene once")
    if run.method == "median":
        lines += [
            "import warnings",
            "",
            "with warnings.catch_warnings():",
            '    warnings.simplefilter("ignore")  # cells without any value',
            "    raw_score = np.nanmedian(np.repeat(x, weights.astype(int), axis=1), axis=1)",
        ]
    else:
        lines.append("raw_score = np.nansum(x * weights, axis=1)")
        lines.append("raw_score[np.isnan(x).all(axis=1)] = np.nan")
        if run.method == "mean":
            lines += [
                f"total = (~np.isnan(x) * {'np.abs(weights)' if run.match.signed else 'weights'}).sum(axis=1)",
                "enough = total > 1e-9 * np.abs(weights).sum()",
                "raw_score = np.divide(raw_score, total, out=np.full(len(total), np.nan), where=enough)",
            ]
    return "\n".join([*lines, ""])


def _options(run: SignatureRun) -> str:
    """Return the choices of scanpy's and pyucell's functions, which have the same names."""
    given = run.options.used_by(run.method)
    pool = given.pop("gene_pool", None)
    words = "".join(f", {name}={value}" for name, value in given.items())
    if pool:  # in the order of the data, with the signature's own genes
        words += f", gene_pool=[gene for gene in scored.var_names if gene in {sorted({*pool, *run.match.found})!r}]"
    return words


def _scoring_elsewhere(run: SignatureRun) -> str:
    """Score every cell with decoupler or gseapy."""
    lines = [
        "alone = ~pd.Index(gene_ids).duplicated()",
        "x = X[:, alone]",
        "x = (x.toarray() if sparse.issparse(x) else np.asarray(x)).astype(float)",
        "x[~np.isfinite(x)] = 0",
        "table = pd.DataFrame(x, index=[str(i) for i in range(len(x))], columns=gene_ids[alone])",
    ]
    if run.method == "ssgsea":
        return "\n".join(
            [
                "import gseapy",
                "",
                *lines,
                'found = gseapy.ssgsea(table.T, {"score": genes}, min_size=1, max_size=len(gene_ids), outdir=None)',
                'raw_score = found.res2d.set_index("Name")["ES"].reindex(table.index).to_numpy(dtype=float)',
                "",
            ]
        )
    named, top = 'pd.DataFrame({"source": "score", "target": genes', ""
    if run.method == "aucell":
        net = named + "})"
        if run.options.top_share != DEFAULT_OPTIONS.top_share:
            top = f", n_up=max(2, np.ceil({run.options.top_share!r} * (x != 0).any(axis=0).sum()))"
    else:
        net = named + ', "weight": weights})'
    lines += [f"net = {net}", f"found, _ = dc.mt.{run.method}(table, net, tmin=1{top})"]
    lines.append('raw_score = found["score"].reindex(table.index).to_numpy(dtype=float)  # not of cells without values')
    if run.method == "aucell":
        lines.append("raw_score = np.nan_to_num(raw_score)")
    return "\n".join(["import decoupler as dc", "", *lines, ""])


def unsigned(gene: str) -> str:
    """Return a gene without the sign that UCell reads."""
    gene = gene.strip()
    return gene[:-1] if gene[-1:] in "+-" else gene


def _pages(view: View, run: SignatureRun, known: Mapping[int, str]) -> str:
    """Write each page as a condition where it is a category, as its rows where it is not."""
    lines = ["# The rows of each page's cells", "pages = {}"]
    for name, page in zip(_keys(run), run.pages, strict=True):
        condition = known.get(id(page))
        if condition is not None:
            lines.append(f"pages[{name!r}] = np.flatnonzero({condition})")
        elif page.n == view.n_cells:
            lines.append(f"pages[{name!r}] = np.arange(len(obs))")
        else:
            lines.append(f"pages[{name!r}] = {indices(page.cells)}")
    return "\n".join([*lines, ""])


def _keys(run: SignatureRun) -> list[str]:
    from cellucid_core.names import unique

    return unique([page.name for page in run.pages])


def conditions(view: View, pages: Sequence[Page]) -> dict[int, tuple[str, str]]:
    """Return for each page that is a category, or the rest of one, its column and what picks its cells."""
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
                mask = here.to_numpy(dtype=float, na_value=np.nan) == float(group)
                condition = f"obs[{column!r}] == {int(float(group))}"
            else:
                assert text is not None
                mask = text == group
                condition = f"obs[{column!r}].astype(str) == {group!r}"
            mask = ~mask if rest else mask
            if int(mask.sum()) == page.n and mask[page.cells].all():
                found[key] = (column, f"~({condition})" if rest else condition)
    return found


def _tests(view: View, run: SignatureRun) -> str:
    """Compare the pages as the run did."""
    if len(run.pages) < 2:
        return ""
    lines = [CELL_TESTS]
    if run.sample_key is not None:
        if run.sample_key in view.mapping.obs_replaced:
            donor = _assigned("donor = np.array(", [None if pd.isna(v) else str(v) for v in view.obs(run.sample_key)],
                              ", dtype=object)")  # fmt: skip
        else:
            donor = f"donor = obs[{run.sample_key!r}]\n"
            donor += "donor = donor.astype(str).where(donor.notna(), None).to_numpy(object)"
        lines.append(donor + SAMPLE_TESTS)
    lines.append(ADJUST["holm" if run.p_adjust == "holm" else "bh"])
    if run.split is not None:
        lines.append(f"# The values of {run.split.key!r} within each page: see this package's own lines.\n")
    return "\n".join(lines)


def indices(cells: np.ndarray) -> str:
    """Write positions as an expression: a list, or packed text where they are many."""
    if len(cells) <= _LISTED:
        return f"np.array({cells.tolist()}, dtype=int)"
    packed = base64.b85encode(zlib.compress(np.diff(cells, prepend=0).astype("<u4").tobytes(), 9)).decode()
    return (
        'np.frombuffer(__import__("zlib").decompress(__import__("base64").b85decode('
        f'{packed!r})), "<u4").astype(int).cumsum()'
    )


def _assigned(start: str, items: Sequence[object], end: str = "") -> str:
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
