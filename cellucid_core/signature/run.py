"""One run of the Gene Signature page: genes and pages in, everything that is shown out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from cellucid_core.cell_pages import Page
from cellucid_core.errors import InputError
from cellucid_core.genes import GeneMatch, GeneSet
from cellucid_core.signature.reporting import cautions, headline, scores_table
from cellucid_core.signature.scoring import (
    ABOUT,
    DEFAULT_OPTIONS,
    WEIGHTED_METHODS,
    Method,
    MethodOptions,
    Normalization,
    genes_used,
    match_in_view,
    need_expression,
    none_found,
    score_cells,
)
from cellucid_core.signature.scoring import normalize as normalize_pages
from cellucid_core.signature.statistics import (
    Adjustment,
    Owned,
    Pooled,
    Sample,
    Split,
    TestResult,
    by_owner,
    compare_samples,
    owned_scores,
    split_pages,
    summarize,
    unit_word,
)

if TYPE_CHECKING:
    from cellucid_core.dataset import View

ALL_CELLS = "All cells"
PageOrder = Literal["chosen", "highest", "lowest"]

_NORMALIZATION_WORDS: dict[Normalization, str] = {
    "none": "",
    "zscore": ", z-score over the pages",
    "minmax": ", scaled 0 to 1 over the pages",
}


def score_title(method: Method, how: Normalization = "none", *, weighted: bool = False) -> str:
    """Return what a score is in words, for an axis or a legend."""
    words = ABOUT[method].title
    if weighted and method in WEIGHTED_METHODS:
        words = f"Weighted {words[0].lower()}{words[1:]}"
    return words + _NORMALIZATION_WORDS[how]


@dataclass(frozen=True, eq=False)
class SignatureRun:
    """Everything that one run shows.

    Attributes
    ----------
    match
        Genes found, missing, repeated, with proposals.
    method, normalization, seed, repeats, p_adjust, sample_key, options
        How it was scored and compared.
    pages
        The compared pages; one page of all cells if none were chosen.
    raw
        (n_cells,) float64: score of every cell before normalization.
    scores
        One (n_cells of the page,) float64 array per page: its normalized scores.
    genes_used
        (n_cells,) int64: how many of the found genes have a finite value in the cell.
    summary
        One row per page, see `summarize`.
    tests
        By sample first, where a sample column was chosen, then by cell.
    warnings
        One or two sentences each, see `cautions`.
    headline
        The sentence above the chart.
    owned
        With a sample column: the scores of each page, added up by sample.
    split
        With a second column: the pages split by its values, and those values compared within each page.
    """

    match: GeneMatch
    method: Method
    normalization: Normalization
    seed: int
    pages: list[Page]
    raw: np.ndarray
    scores: list[np.ndarray]
    genes_used: np.ndarray
    summary: pd.DataFrame
    tests: list[TestResult]
    warnings: list[str]
    headline: str
    repeats: Literal["once", "count"] = "once"
    p_adjust: Adjustment = "bh"
    sample_key: str | None = None
    options: MethodOptions = DEFAULT_OPTIONS
    owned: list[Owned] | None = None
    split: Split | None = None

    def __repr__(self) -> str:
        genes, pages = len(self.match.found), len(self.pages)
        return f"<SignatureRun {self.title}: {genes} genes, {pages} pages, {len(self.raw):,} cells>"

    @property
    def title(self) -> str:
        """What the score is, for axes and legends."""
        return score_title(self.method, self.normalization, weighted=self.match.weighted)

    @property
    def spoken(self) -> list[Page]:
        """The pages as people call them (`Page.label`)."""
        return [page.spoken() for page in self.pages]

    def split_by(self, view: View, key: str | None) -> SignatureRun:
        """Return the run with its pages split by a second column; None takes the split away. See `split_pages`."""
        if key is None:
            return replace(self, split=None)
        samples = None if self.sample_key is None else view.obs(self.sample_key)
        split = split_pages(view, self.pages, self.scores, key, samples=samples, p_adjust=self.p_adjust)
        return replace(self, split=split)

    def in_order(self, order: PageOrder) -> SignatureRun:
        """Return the run with its pages as they are or by mean score (without one: last); tests keep their order."""
        if order == "chosen":
            return self
        means = self.summary["mean"].to_numpy(dtype=float)
        at = np.argsort(-means if order == "highest" else means, kind="stable").tolist()
        split = self.split
        return replace(
            self,
            pages=[self.pages[i] for i in at],
            scores=[self.scores[i] for i in at],
            summary=self.summary.iloc[at].reset_index(drop=True),
            owned=None if self.owned is None else [self.owned[i] for i in at],
            split=None if split is None else split.in_order(at),
        )

    def table(self, view: View) -> pd.DataFrame:
        """Return one row per page and cell, see `scores_table`."""
        return scores_table(view, self.pages, self.raw, self.scores, self.genes_used)

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``score --json`` prints; an undefined number is None, never NaN."""
        pages = [
            {key: None if value != value else value for key, value in row.items()}
            for row in self.summary.to_dict("records")
        ]
        return {
            "genes": {
                "found": self.match.found,
                "missing": self.match.missing,
                "repeated": self.match.repeated,
                "proposals": {gene: [one.gene for one in some] for gene, some in self.match.proposals.items()},
                "replaced": self.match.replaced,
            },
            "method": self.method,
            "options": vars(self.options),
            "normalize": self.normalization,
            "seed": self.seed,
            "pages": pages,
            "tests": [test.to_json() for test in self.tests],
            "warnings": self.warnings,
            "headline": self.headline,
        }


def run_signature(
    view: View,
    genes: str | Sequence[str] | GeneSet,
    *,
    method: Method = "mean",
    normalize: Normalization = "none",
    repeats: Literal["once", "count"] = "once",
    pages: Sequence[Page] | None = None,
    sample_key: str | None = None,
    split_key: str | None = None,
    seed: int = 0,
    options: MethodOptions = DEFAULT_OPTIONS,
    p_adjust: Adjustment = "bh",
    replaced: Mapping[str, str] | None = None,
    accept_proposals: bool = False,
    progress: Callable[[float], None] | None = None,
) -> SignatureRun:
    """Score a signature and compare pages by it.

    Parameters
    ----------
    view
        The dataset as mapped.
    genes
        Text as pasted, genes, or a signature with or without weights. ``ucell`` reads signs (``CD3E+``, ``CD19-``).
    method, seed, options
        See `score_cells`.
    normalize
        See `normalize.normalize`; over the finite scores of all pages together.
    repeats
        Whether a repeated gene counts once or as often as listed.
    pages
        Pages to compare, in order; without pages, one page of all cells and no tests.
    sample_key
        An obs column of samples or donors; tests by sample then come first.
    split_key
        A second obs column with 2 to 8 values, which are compared within each page; needs pages.
    p_adjust
        ``bh`` or ``holm``.
    replaced
        Missing gene → the dataset's gene that was accepted for it.
    accept_proposals
        Whether every missing gene that has exactly one proposal is replaced by it.
    progress
        Called with the done share, 0 to 1, by methods that read the whole matrix.

    Returns
    -------
    SignatureRun
        Everything that is shown.

    Raises
    ------
    InputError
        There is no expression matrix; no genes were given, or none was found (the message names proposals); the method,
        the normalization or a column is unknown; the method refuses its options or weights (see `score_cells`); or
        `split_key` has too few or too many values, or comes without pages.
    """
    if split_key is not None and not pages:
        raise InputError(
            f"The values of {split_key!r} are compared within pages, and there are none.",
            "Name a column that makes the pages, too (groupby, --group-by).",
        )
    expression = need_expression(view)
    signed = method == "ucell"
    match = match_in_view(view, genes, repeats=repeats, signed=signed, replaced=replaced)
    if accept_proposals and match.only_proposals:
        replaced = {**(replaced or {}), **match.only_proposals}
        match = match_in_view(view, genes, repeats=repeats, signed=signed, replaced=replaced)
    if not match.found:
        raise none_found(match, view.gene_ids)
    raw = score_cells(expression, match, method, seed=seed, options=options, gene_ids=view.gene_ids, progress=progress)
    chosen = list(pages) if pages else [Page(ALL_CELLS, np.arange(view.n_cells, dtype=np.int64))]
    scores = normalize_pages([raw[page.cells] for page in chosen], normalize)
    samples = [Sample.of(s) for s in scores]
    pooled = Pooled.of(samples) if len(samples) > 2 else None
    names, spoken = [page.name for page in chosen], [page.spoken() for page in chosen]
    tests = compare_samples(names, samples, p_adjust=p_adjust, pooled=pooled)
    owned = None
    if sample_key is not None:
        owned = owned_scores(chosen, scores, view.obs(sample_key))
        tests = by_owner(names, owned, p_adjust=p_adjust) + tests
    warnings = cautions(
        spoken, scores, tests, match, expression, raw, compares=bool(pages), method=method, options=options
    )
    if match.weighted and method not in WEIGHTED_METHODS:
        warnings.append(f"The weights are not used: {ABOUT[method].title} takes each gene once.")
    if view.repeated_ids:
        warnings.append(
            f"{view.repeated_ids:,} cell ids occur more than once: tell those cells apart by cell_index in the CSV."
        )
    run = SignatureRun(
        match=match,
        method=method,
        normalization=normalize,
        seed=seed,
        pages=chosen,
        raw=raw,
        scores=scores,
        genes_used=genes_used(expression, match.positions),
        summary=summarize(chosen, samples),
        tests=tests,
        warnings=warnings,
        headline=headline(
            [page.name for page in spoken],
            samples,
            pooled=pooled,
            owned=owned,
            units=unit_word(sample_key) if sample_key else "samples",
        ),
        repeats=repeats,
        p_adjust=p_adjust,
        sample_key=sample_key,
        options=options,
        owned=owned,
    )
    return run.split_by(view, split_key)
