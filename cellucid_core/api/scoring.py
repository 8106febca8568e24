"""``cc.score``: score a gene signature, and compare groups of cells by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from cellucid_core.api.opening import as_view
from cellucid_core.atomic import complete_or_absent
from cellucid_core.cell_pages import Page, choose_pages
from cellucid_core.dataset import View
from cellucid_core.errors import InputError
from cellucid_core.names import listed
from cellucid_core.signature import (
    Adjustment,
    Method,
    Normalization,
    Signature,
    SignatureRun,
    python_code,
    run_record,
    run_signature,
    statistics_table,
    write_csv,
)

if TYPE_CHECKING:
    from anndata import AnnData

    from cellucid_core.api.opening import Source

Chart = Literal["violin", "box", "histogram", "cumulative"]
_CHARTS: tuple[str, ...] = ("violin", "box", "histogram", "cumulative")
_MOST_SEED = 2**32


class ScoreResult:
    """What a score gives.

    Parameters
    ----------
    dataset
        What was scored.
    run
        All that was computed.
    """

    def __init__(self, dataset: View, run: SignatureRun) -> None:
        self.dataset = dataset
        self.run = run

    @property
    def scores(self) -> pd.Series:
        """The score of every cell by its id, float64; NaN where a cell has none.

        With ``normalize`` it is the scaled score, and cells in none of the pages have none: the scale is that of the
        pages.
        """
        scores = self.run.raw
        if self.run.normalization != "none":
            scores = np.full(len(self.run.raw), np.nan)
            for page, values in zip(self.run.pages, self.run.scores, strict=True):
                scores[page.cells] = values
        return pd.Series(scores, index=pd.Index(self.dataset.cell_ids), name=self.run.method, dtype=np.float64)

    @property
    def summary(self) -> pd.DataFrame:
        """One row per page: cells, mean, median, standard deviation, quartiles."""
        return self.run.summary.copy()

    @property
    def tests(self) -> pd.DataFrame:
        """One row per test: effect size, interval, statistic, p-value, adjusted p-value; by sample first."""
        return statistics_table(self.run)

    @property
    def found(self) -> list[str]:
        """Genes that were scored."""
        return list(self.run.match.found)

    @property
    def missing(self) -> list[str]:
        """Genes that the dataset does not have."""
        return list(self.run.match.missing)

    @property
    def headline(self) -> str:
        """The result in one sentence."""
        return self.run.headline

    @property
    def warnings(self) -> list[str]:
        """What to keep in mind, one sentence each."""
        return list(self.run.warnings)

    def table(self) -> pd.DataFrame:
        """Return one row per page and cell: ``cell_id``, ``page``, ``score``, ``raw_score``, and more."""
        return self.run.table(self.dataset)

    def to_csv(self, path: str | Path) -> None:
        """Write `table` as CSV, as the page and the command line do; ids and numbers read back as they were."""
        with complete_or_absent(Path(path)) as draft:
            write_csv(self.table(), draft)

    def to_json(self) -> dict[str, Any]:
        """Return the record of the run: data, genes, method, pages, numbers, versions."""
        return run_record(self.dataset, self.run)

    def python(self, using: Literal["cellucid", "scanpy"] = "cellucid") -> str:
        """Return the Python lines that compute the same numbers, with this library or with scanpy and scipy."""
        return python_code(self.dataset, self.run, using=using)

    def plot(self, kind: Chart = "violin", *, width: int = 560) -> Any:
        """Return a chart of the scores by page, which a notebook shows.

        Parameters
        ----------
        kind
            ``"violin"``, ``"box"``, ``"histogram"`` or ``"cumulative"``.
        width
            In pixels.

        Returns
        -------
        altair.TopLevelMixin
            To be changed and saved as any Altair chart: ``chart.save("scores.svg")``.
        """
        from cellucid_core import charts

        if kind not in _CHARTS:
            raise InputError(f"There is no chart {kind!r}.", f"Use {', '.join(_CHARTS)}.")
        chart = getattr(charts, kind)(self.run.pages, self.run.scores, self.run.title)
        return chart.properties(width=width)

    @property
    def _facts(self) -> str:
        match, mapping = self.run.match, self.dataset.mapping
        facts = f"{len(match.found)} of {match.n_asked} genes, {len(self.run.raw):,} cells, {len(self.run.pages)} pages"
        return f"{self.run.title} on {mapping.matrix}: {facts}"

    def __repr__(self) -> str:
        lines = [self._facts, f"  {self.headline}"]
        if self.missing:
            lines.append(f"  Not found: {listed(self.missing, 8)}")
        return "\n".join([*lines, *(f"  Note: {warning}" for warning in self.warnings[:3])])

    def _repr_html_(self) -> str:
        missing = f"<br>Not found: {escape(listed(self.missing, 8))}" if self.missing else ""
        notes = "".join(f"<li>{escape(warning)}</li>" for warning in self.warnings)
        table = self.summary.to_html(index=False, float_format="{:.3g}".format, border=0)
        return (
            f"<div><b>{escape(self.headline)}</b><br>{escape(self._facts)}{missing}{table}"
            f"{f'<ul>{notes}</ul>' if notes else ''}</div>"
        )


def score(
    dataset: Source,
    gene_list: str | Sequence[str] | Signature,
    *,
    method: Method = "mean",
    groupby: str | None = None,
    pages: Sequence[str | Page] | None = None,
    rest_of: str | None = None,
    sample: str | None = None,
    normalize: Normalization = "none",
    repeats: Literal["once", "count"] = "once",
    p_adjust: Adjustment = "bh",
    key_added: str | None = None,
    random_state: int = 0,
    use_raw: bool | None = None,
    layer: str | None = None,
    gene_symbols: str | None = None,
    progress: Callable[[float], None] | None = None,
) -> ScoreResult:
    """Score a gene signature in every cell, and compare groups of cells ("pages") by it.

    Parameters
    ----------
    dataset
        What `open` or ``preflight(…).fix(…)`` returned, a path, or an AnnData.
    gene_list
        Genes: a list, text as it is pasted, or a `Signature` with weights.
    method
        ``"mean"``, ``"sum"``, ``"median"``, ``"score_genes"`` (scanpy's, same values) or ``"ucell"``.
    groupby
        The obs column whose categories are compared.
    pages
        Which of its categories, in this order; or `cellucid_core.cell_pages.Page` objects, without `groupby`.
    rest_of
        A category to set against all other cells.
    sample
        The obs column of donors or samples: the unit of replication. Tests by sample then come first.
    normalize
        ``"none"``, ``"zscore"`` or ``"minmax"``, over the cells of all pages together.
    repeats
        ``"count"``: a gene that is listed twice counts twice.
    p_adjust
        ``"bh"`` or ``"holm"``.
    key_added
        Write the scores to this column of ``adata.obs``; the dataset must then be an AnnData.
    random_state
        Seed of the control genes of ``score_genes``.
    use_raw, layer
        Which matrix, as in scanpy. By default the one that `open` chose, X where there is one; scanpy takes raw where
        there is one, so say ``use_raw=True`` if X is scaled.
    gene_symbols
        The column of ``var`` that holds the ids of `gene_list`; by default as `open` chose, the index.
    progress
        Called with the done share, 0 to 1, by slow methods.

    Raises
    ------
    InputError
        No gene was found (the message names near ones), or something is named that the dataset does not have.

    Examples
    --------
    >>> result = score("demo", ["CD3D", "CD3E"], groupby="bulk_labels")
    >>> result.found
    ['CD3D', 'CD3E']
    """
    if not 0 <= random_state < _MOST_SEED:
        raise InputError(f"The seed cannot be {random_state}.", "Use a whole number from 0 to 4294967295.")
    target = _target(dataset, key_added)
    view = as_view(dataset)
    matrix = _matrix(view, use_raw, layer)
    if matrix is not None or gene_symbols is not None:
        view = view.choose(matrix=matrix, gene_id=gene_symbols)
    run = run_signature(
        view,
        gene_list,
        method=method,
        normalize=normalize,
        repeats=repeats,
        pages=_pages(view, groupby, pages, rest_of),
        sample_key=sample,
        seed=random_state,
        p_adjust=p_adjust,
        progress=progress,
    )
    result = ScoreResult(view, run)
    if target is not None and key_added is not None:
        target.obs[key_added] = result.scores.to_numpy()
    return result


def _target(dataset: object, key_added: str | None) -> AnnData | None:
    """Return the AnnData whose cell table takes the scores.

    Raises
    ------
    InputError
        If there is a name for the column, but no AnnData.
    """
    if key_added is None:
        return None
    from anndata import AnnData

    if not isinstance(dataset, AnnData):
        raise InputError(
            "Only an AnnData in memory takes a column of scores.",
            "Leave key_added out and use .scores, which join by cell id, or give the AnnData itself.",
        )
    return dataset


def _matrix(view: View, use_raw: bool | None, layer: str | None) -> str | None:
    """Return the name of the matrix that is asked for as scanpy asks; None: as the view has it."""
    if layer is not None:
        if use_raw:
            raise InputError("Either raw or a layer can be scored.", "Leave out use_raw or layer.")
        return layer
    if use_raw is None:
        return None
    if use_raw and "raw" not in view.dataset.matrices:
        raise InputError("This dataset has no raw.", "Leave use_raw out, or name a layer.")
    return "raw" if use_raw else "X"


def _pages(
    view: View, groupby: str | None, pages: Sequence[str | Page] | None, rest_of: str | None
) -> list[Page] | None:
    """Return the pages that are compared, None for none.

    Raises
    ------
    InputError
        If categories are named without a column, or a column stands beside pages that are made already.
    """
    if isinstance(pages, str):
        pages = [pages]
    made = [page for page in pages or () if isinstance(page, Page)]
    names = [page for page in pages or () if not isinstance(page, Page)]
    if made:
        if names or groupby is not None or rest_of is not None:
            raise InputError("Pages that are made already are compared alone.", "Leave groupby and rest_of out.")
        return made
    if groupby is not None:
        return choose_pages(view, groupby, names or None, rest_of)
    if names or rest_of is not None:
        raise InputError("pages and rest_of name categories of a column.", "Say which column: groupby=….")
    return None
