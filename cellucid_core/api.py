"""The public API, for notebooks and scripts: ``import cellucid_core as cc``.

A thin layer over the packages below: it calls the same functions as the pages and the command line. Arguments have
scanpy's names and order where scanpy has them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cellucid_core.atomic import write_file
from cellucid_core.cell_pages import Page, choose_pages
from cellucid_core.dataset import SAMPLE, ColumnKind, Join, Openable, View, choose, default_mapping, open_dataset
from cellucid_core.errors import CellucidError, InputError
from cellucid_core.export import ExportResult, ExportSettings, VerifyReport, parse_gene_choice, write
from cellucid_core.export import verify as verify_export
from cellucid_core.genes import GeneSet
from cellucid_core.preflight import PreflightReport, Scope, apply_fixes, require_ready
from cellucid_core.preflight import preflight as check
from cellucid_core.reading import write_demo
from cellucid_core.signature import (
    DEFAULT_OPTIONS,
    Adjustment,
    Method,
    MethodOptions,
    Normalization,
    SignatureRun,
    joined_column,
    run_signature,
    write_csv,
)
from cellucid_core.signature.reporting import tests_table

if TYPE_CHECKING:
    import altair as alt
    import anndata
    import pandas as pd

_MOST_SEED = 2**32

__all__ = [
    "CellucidError",
    "GeneSet",
    "Page",
    "Preflight",
    "Score",
    "export",
    "open",
    "preflight",
    "score",
    "verify",
    "write_demo",
]


def open(
    data: View | Openable | Sequence[Openable] | Mapping[str, Openable],
    *,
    layer: str | None = None,
    use_raw: bool | None = None,
    embeddings: Mapping[int, str] | None = None,
    latent: str | None = None,
    gene_id: str | None = None,
    connectivities: str | None = None,
    vectors: bool = True,
    obs_keys: Sequence[str] | None = None,
    kinds: Mapping[str, ColumnKind] | None = None,
    modality: str | None = None,
    cell_metadata: str | Path | None = None,
    samples: Sequence[str] | None = None,
    join: Join = "shared",
    sample_column: str = SAMPLE,
) -> View:
    """Open a dataset.

    Parameters
    ----------
    data
        A path or address of any supported format, ``"demo"``, or an AnnData in memory, which is never modified. Several
        of them (a list, or a dict of sample name → file) become one dataset. A `View` is returned with other choices.
    layer, use_raw
        Which matrix holds expression: a layer, ``adata.raw`` (True) or ``X`` (False). By default ``X``, else raw, else
        the first layer (scanpy would prefer raw); a `View` keeps the matrix that it was opened with.
    embeddings
        Dimension (1, 2 or 3) → key in obsm; by default the well-known ones, such as ``X_umap``.
    latent, connectivities
        Keys in obsm and obsp, or ``"none"``.
    gene_id
        What names the genes: ``"index"`` (the default) or a column of the gene table.
    obs_keys
        Columns of the cell table to export; by default all.
    vectors
        Whether vector fields (RNA velocity) are exported. True leaves a `View` as it is.
    kinds
        Column → ``"categorical"`` or ``"continuous"``, where it should differ from what the column's type says.
    modality
        Which part of a file with several: a modality of MuData, or a kind of feature of 10x files.
    cell_metadata
        A CSV or TSV of cell annotations, with cell ids in its first column.
    samples
        Names of the samples to open, where there are several; by default all.
    join
        Genes of several samples: ``"shared"`` (those that all have) or ``"all"`` (0 where a sample lacks one).
    sample_column
        Name of the new column that says which sample a cell comes from.

    Returns
    -------
    View
        The cells, genes, columns and arrays; matrices stay in the file.

    Raises
    ------
    InputError
        If the data cannot be opened or lack something that is named, or if `layer` and `use_raw` contradict each other.

    Examples
    --------
    >>> import cellucid_core as cc
    >>> data = cc.open("demo")
    >>> data.n_cells, data.n_genes
    (700, 765)
    >>> scaled = cc.open(data, layer="scaled")
    >>> both = cc.open({"first": "a.h5ad", "second": "b.h5ad"}, join="all")  # doctest: +SKIP
    """
    if isinstance(data, View):
        dataset, mapping = data.dataset, data.mapping
        asked = {"modality": modality, "cell_metadata": cell_metadata, "samples": samples}
        asked |= {"join": join, "sample_column": sample_column}
        usual = {"join": "shared", "sample_column": SAMPLE}
        if given := [name for name, value in asked.items() if value != usual.get(name)]:
            raise InputError("The dataset is open already.", f"Give {' and '.join(given)} with its path.")
    else:
        dataset = open_dataset(
            data,
            modality=modality,
            cell_metadata=cell_metadata,
            samples=samples,
            join=join,
            sample_column=sample_column,
        )
        mapping = default_mapping(dataset)
    if layer is not None and use_raw:
        raise InputError("Both a layer and adata.raw were requested.", "Give layer or use_raw, not both.")
    mapping = choose(
        dataset,
        mapping,
        embeddings=embeddings,
        latent=latent,
        matrix="raw" if use_raw else "X" if use_raw is False and layer is None else layer,
        gene_id=gene_id,
        connectivities=connectivities,
        vectors="auto" if vectors else "none",
        obs_keys=obs_keys,
        kinds=kinds,
    )
    return View(dataset, mapping)


@dataclass(frozen=True)
class Preflight:
    """What preflight found; prints as text, and as a table in a notebook.

    Attributes
    ----------
    view
        The dataset that was checked.
    report
        The findings, most severe first.
    """

    view: View
    report: PreflightReport

    @property
    def ready(self) -> bool:
        """Whether nothing blocks an export."""
        return self.report.status == "ready"

    @property
    def findings(self) -> pd.DataFrame:
        """One row per finding, most severe first: rule, severity, title, detail, count, fix."""
        import pandas as pd

        columns = ["rule", "severity", "title", "detail", "count", "fix"]
        rows = [[finding.to_json()[column] for column in columns] for finding in self.report.findings]
        return pd.DataFrame(rows, columns=columns)

    def fix(self, *rules: str) -> View:
        """Return the dataset with fixes applied; the file, or the AnnData, stays as it is.

        Parameters
        ----------
        rules
            ``"all"`` (every safe fix, the default), ``"RULE"``, ``"RULE=NAME"`` for one of a finding's alternatives, or
            ``"RULE=overrule"`` to declare a finding wrong that rests on a guess. Applied in this order.

        Returns
        -------
        View
            For `export`, `score`, or `preflight` again.

        Raises
        ------
        InputError
            If a rule does not exist, has no such fix, or its fix cannot be computed.

        Examples
        --------
        >>> report = cc.preflight("demo")
        >>> report.fix().n_cells
        700
        >>> cc.preflight("data.h5ad").fix("embedding-not-finite")  # doctest: +SKIP
        """
        dataset = self.view.dataset.turned("")
        return View(dataset, apply_fixes(dataset, self.view.mapping, rules or ("all",)))

    def to_html(self, path: str | Path) -> None:
        """Write the report as one HTML file to read and print.

        Raises
        ------
        InputError
            If there is no such folder, or the file is one that the dataset is read from.
        """
        from cellucid_core.reports import preflight_html

        _write(self.view, path, preflight_html(self.view, self.report))

    def __repr__(self) -> str:
        lines = [f"{self.view.dataset.name}: {'ready' if self.ready else 'not ready'} to export"]
        lines += [
            f"  {finding.severity:<8}{finding.rule}: {finding.title}"
            + (f" (fix: {finding.fix})" if finding.fix else "")
            for finding in self.report.findings
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = f"<p><b>{escape(self.view.dataset.name)}</b>: {'ready' if self.ready else 'not ready'} to export</p>"
        shown = self.findings[["severity", "title", "fix", "rule"]].fillna("")
        return head + (shown.to_html(index=False, border=0) if len(shown) else "<p>Nothing is wrong.</p>")


def preflight(data: View | str | Path | anndata.AnnData) -> Preflight:
    """Say what is wrong with a dataset.

    Parameters
    ----------
    data
        As for `open`, or what it returned.

    Returns
    -------
    Preflight
        The findings, and the way to their fixes.

    Raises
    ------
    InputError
        If the data cannot be opened.

    Examples
    --------
    >>> report = cc.preflight("demo")
    >>> report.ready
    True
    >>> report.findings[["rule", "severity"]]  # doctest: +SKIP
    """
    view = open(data)
    return Preflight(view, check(view))


def export(
    data: View | str | Path | anndata.AnnData,
    out: str | Path,
    genes: str | Sequence[str] = "all",
    *,
    force: bool = False,
    verify: bool = True,
    **settings: Any,
) -> ExportResult:
    """Write a Cellucid dataset; the name of `out` picks the format.

    Parameters
    ----------
    data
        As for `open`, or what it returned.
    out
        A ``.zip`` file or a folder (``compact_v1``); or, for today's viewer, a ``.h5ad`` or ``.zarr.zip`` file (a
        Cellucid-ready AnnData). It appears whole or not at all.
    genes
        ``"all"``, ``"none"``, ``"hvg:2000"``, ``"markers:cell_type:20"``, ``"@FILE"`` or genes; several are a union.
    force
        Whether an existing file or folder is replaced.
    verify
        Whether every array is read back and compared with its source.
    settings
        Fields of `ExportSettings`: ``var_quantization``, ``compression``, ``name`` …

    Returns
    -------
    ExportResult
        Path, number of files, size in bytes, seconds, and whether the export was verified.

    Raises
    ------
    WorkRefused
        If preflight blocks the export, or the written values differ from their source.
    InputError
        If the data cannot be opened, a setting makes no sense, a gene is not there, or `out` cannot be written or
        exists and `force` is not set.

    Examples
    --------
    >>> result = cc.export("demo", "demo.zip", genes=["hvg:100", "CD3D"], var_quantization=16)  # doctest: +SKIP
    >>> result.verified  # doctest: +SKIP
    True
    """
    view = open(data)
    name = Path(out).name.lower()
    ending = "zarr.zip" if name.endswith(".zarr.zip") else "h5ad" if name.endswith(".h5ad") else "compact"
    try:
        chosen = ExportSettings(genes=parse_gene_choice(genes), **{"format": ending, **settings})
    except TypeError as error:
        raise InputError(f"This is not a setting of an export ({error}).", "See cc.export's settings.") from error
    require_ready(view, Scope.of(chosen), keys_are_files=chosen.format == "compact")
    return write(view, chosen, out, force=force, verify=verify)


def verify(path: str | Path, against: View | str | Path | anndata.AnnData | None = None) -> VerifyReport:
    """Check an export, alone or against its source.

    Parameters
    ----------
    path
        A zip, a dataset's folder, or a Cellucid-ready ``.h5ad`` or ``.zarr.zip``.
    against
        The source, as for `open`, with the fixes and choices it was exported with; every value is compared with it.

    Returns
    -------
    VerifyReport
        ``ok``, the ``problems`` (one sentence each), and how much was checked.

    Raises
    ------
    InputError
        If there is no export at `path`, or the source cannot be opened.

    Examples
    --------
    >>> cc.verify("demo.zip", against="demo").ok  # doctest: +SKIP
    True
    """
    return verify_export(path, None if against is None else open(against))


@dataclass(frozen=True, eq=False)
class Score:
    """A signature's scores and the comparison of pages by them; a table in a notebook.

    Attributes
    ----------
    view
        The dataset that was scored.
    run
        Everything that was computed: `signature.SignatureRun`.
    """

    view: View
    run: SignatureRun

    @property
    def scores(self) -> pd.Series:
        """Score of every cell before normalization, (n_cells,) float64, indexed by cell id."""
        import pandas as pd

        return pd.Series(self.run.raw, index=pd.Index(self.view.cell_ids, name="cell_id"), name=self.run.title)

    @property
    def summary(self) -> pd.DataFrame:
        """One row per page: cells, mean, median, standard deviation, quartiles and range of the normalized scores."""
        return self.run.summary

    @property
    def tests(self) -> pd.DataFrame:
        """One row per test in full precision, tests by sample before tests by cell; empty without pages to compare."""
        import pandas as pd

        return pd.DataFrame([test.to_json() for test in self.run.tests])

    @property
    def split(self) -> pd.DataFrame:
        """One row per page and test of the second column's values, in full precision; empty without such a column."""
        import pandas as pd

        split = self.run.split
        return pd.DataFrame([] if split is None else split.to_json(self.run.pages)["tests"])

    @property
    def genes(self) -> dict[str, Any]:
        """Genes ``found``, ``missing``, ``repeated``, ``proposals`` for missing ones, and what ``replaced`` some."""
        found: dict[str, Any] = self.run.to_json()["genes"]
        return found

    def plot(self, kind: Literal["violin", "box", "histogram"] = "violin") -> alt.Chart:
        """Return the Altair chart of the scores by page; a notebook shows it.

        Raises
        ------
        InputError
            If there is no chart of this kind.
        """
        from cellucid_core import charts

        kinds = {"violin": charts.violin, "box": charts.box, "histogram": charts.histogram}
        if kind not in kinds:
            raise InputError(f"There is no chart {kind!r}.", f"Choose one of {', '.join(kinds)}.")
        run = self.run
        chart: alt.Chart
        if run.split is not None and kind != "histogram":
            build = charts.split_violin if kind == "violin" else charts.split_box
            chart = build(run.pages, run.split.values, run.split.scores, run.title, run.split.key)
        else:
            chart = kinds[kind](run.pages, run.scores, run.title)
        return chart

    def to_csv(self, path: str | Path) -> None:
        """Write one row per page and cell as CSV; ``cell_id`` is exact, so that it joins back to the cells.

        Raises
        ------
        InputError
            If there is no such folder, or the file is one that the dataset is read from.
        """
        _write(self.view, path, lambda draft: write_csv(self.run.table(self.view), draft))

    def to_html(self, path: str | Path) -> None:
        """Write the analysis as one HTML file: figures, tables, genes, settings; it opens offline and prints.

        Raises
        ------
        InputError
            If there is no such folder, or the file is one that the dataset is read from.
        """
        from cellucid_core.reports import signature_html

        _write(self.view, path, signature_html(self.view, self.run))

    def __repr__(self) -> str:
        found = f"{len(self.run.match.found)} genes found, {len(self.run.match.missing)} missing"
        return f"{self.run.title} of {self.view.n_cells:,} cells ({found})\n{self.run.headline}\n{self.summary}"

    def _repr_html_(self) -> str:
        parts = [f"<p>{escape(self.run.headline)}</p>", self.summary.to_html(index=False, border=0)]
        if self.run.tests:
            parts.append(tests_table(self.run.tests, self.run.pages).to_html(index=False, border=0))
        return "".join(parts + [f"<p>{escape(warning)}</p>" for warning in self.run.warnings])


def score(
    data: View | str | Path | anndata.AnnData,
    gene_list: str | Iterable[str] | GeneSet,
    *,
    method: Method = "mean",
    groupby: str | None = None,
    pages: Sequence[str] | Sequence[Page] | None = None,
    rest_of: str | None = None,
    sample: str | None = None,
    split: str | None = None,
    normalize: Normalization = "none",
    repeats: Literal["once", "count"] = "once",
    layer: str | None = None,
    use_raw: bool | None = None,
    p_adjust: Adjustment = "bh",
    random_state: int = 0,
    max_rank: int = DEFAULT_OPTIONS.max_rank,
    top_share: float = DEFAULT_OPTIONS.top_share,
    ctrl_size: int = DEFAULT_OPTIONS.ctrl_size,
    n_bins: int = DEFAULT_OPTIONS.n_bins,
    gene_pool: Sequence[str] | None = None,
    key_added: str | None = None,
) -> Score:
    """Score a gene signature and compare groups of cells by it.

    Parameters
    ----------
    data
        As for `open`, or what it returned.
    gene_list
        Genes, text as pasted, or a `GeneSet` with weights.
    method
        ``mean``, ``sum``, ``median``, ``score_genes`` (scanpy's values), ``ucell`` (pyucell's), ``aucell``, ``zscore``,
        ``ulm`` (decoupler's) or ``ssgsea`` (gseapy's ES). Sources of the formulas: `cellucid_core.signature.scoring`.
    groupby
        Column whose categories are compared; each is a page, a named group of cells.
    pages
        Which of its categories, in the order to compare, by default all; or pages that are made already.
    rest_of
        A category to compare with all other cells.
    sample
        Column of donors or samples, the unit of replication: tests by sample come first. None: the column that names
        the samples that were opened as one dataset, unless these are compared. An empty text: no such column.
    split
        A second column, with 2 to 8 values, which are compared within each page; needs pages.
    normalize
        ``none``, ``zscore`` or ``minmax``, over all pages together.
    repeats
        Whether a gene that is listed twice counts ``once`` or by its ``count``.
    layer, use_raw
        As for `open`.
    p_adjust
        ``bh`` (Benjamini-Hochberg) or ``holm``.
    random_state
        Seed, 0 to 2**32 − 1, of the draw of control genes (``score_genes``) and the order of equal values (``aucell``).
    max_rank
        ``ucell``: the largest rank that counts.
    top_share
        ``aucell``: the share of the genes that is the top, 0 to 1.
    ctrl_size, n_bins
        ``score_genes``: control genes for each bin of mean expression, and how many bins.
    gene_pool
        ``score_genes``: the genes that controls are drawn from; None: all.
    key_added
        Column of ``adata.obs`` that the scores before normalization are written to, where `data` is an AnnData. This is
        the only change that is ever made to an input.

    Returns
    -------
    Score
        Scores of all cells, tables, tests, and a chart.

    Raises
    ------
    InputError
        If the data cannot be opened or have no expression matrix, no gene is found, a column, page or method does not
        exist, or the arguments contradict each other.

    Examples
    --------
    >>> score = cc.score("demo", ["CD3D", "CD3E"], groupby="bulk_labels", rest_of="CD8+ Cytotoxic T")
    >>> score.scores.shape
    (700,)
    >>> score.plot("box")  # doctest: +SKIP
    """
    in_memory = hasattr(data, "obs") and hasattr(data, "var_names")
    if key_added is not None and not in_memory:
        raise InputError(
            "key_added names a column of an AnnData in memory.", "Pass the AnnData itself, or leave key_added out."
        )
    if not 0 <= random_state < _MOST_SEED:
        raise InputError(f"The seed cannot be {random_state}.", "Use a whole number from 0 to 4294967295.")
    view = open(data, layer=layer, use_raw=use_raw)
    compared = _pages(view, groupby, [pages] if isinstance(pages, str) else pages, rest_of)
    run = run_signature(
        view,
        gene_list if isinstance(gene_list, (str, GeneSet)) else list(gene_list),
        method=method,
        normalize=normalize,
        repeats=repeats,
        pages=compared,
        sample_key=joined_column(view, compared) if sample is None else sample or None,
        split_key=split,
        p_adjust=p_adjust,
        seed=random_state,
        options=MethodOptions(max_rank, top_share, ctrl_size, n_bins, tuple(gene_pool or ())),
    )
    if key_added is not None:
        data.obs[key_added] = run.raw  # type: ignore[union-attr, index]
    return Score(view, run)


def _pages(
    view: View, groupby: str | None, pages: Sequence[str] | Sequence[Page] | None, rest_of: str | None
) -> list[Page] | None:
    """Return the pages to compare, or None to compare none.

    Raises
    ------
    InputError
        If categories are named without their column, or a column is given with pages that are made already.
    """
    made = [page for page in pages or () if isinstance(page, Page)]
    names = [page for page in pages or () if not isinstance(page, Page)]
    if made:
        if names or groupby is not None or rest_of is not None:
            raise InputError(
                "Ready-made pages cannot be combined with groupby, rest_of or names of categories.",
                "Pass either ready-made pages, or groupby with names of categories.",
            )
        return made
    if groupby is not None:
        return choose_pages(view, groupby, names or None, rest_of)
    if names or rest_of is not None:
        raise InputError("pages and rest_of name categories of a column.", "Give groupby, too.")
    return None


def _with_settings() -> inspect.Signature:
    """Return the call signature of `export` with every setting, for help and completion."""
    given, of_settings = inspect.signature(export), inspect.signature(ExportSettings)
    own = [p for p in given.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    more = [
        p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in of_settings.parameters.values() if p.name != "genes"
    ]
    return given.replace(parameters=[*own, *more])


export.__signature__ = _with_settings()  # type: ignore[attr-defined]


def _write(view: View, path: str | Path, content: str | Callable[[Path], object]) -> None:
    """Write a file; refuse one that the dataset is read from."""
    if Path(path).resolve() in {Path(one).resolve() for one in view.dataset.paths}:
        raise InputError(f"{path} is the input itself.", "Choose another file; the input is never replaced.")
    write_file(path, content)
