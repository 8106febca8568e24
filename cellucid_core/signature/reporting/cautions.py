"""Warnings in plain words, to stand next to the numbers they concern."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cellucid_core.cell_pages import Page
from cellucid_core.genes import GeneMatch
from cellucid_core.signature.reporting.sentence import SMALL_D
from cellucid_core.signature.statistics import MAX_PAIRED_PAGES, TestResult, pearson, ranks, some_cells

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression
    from cellucid_core.signature.scoring import Method, MethodOptions

SMALL_PAGE = 50
FEW_GENES = 3
STRONG_CORRELATION = 0.5
#: A p-value at or below this is read as evidence; with a tiny effect in many cells that needs a warning.
_NOTICED_P = 0.05
_NAMED = 3


def cautions(
    pages: Sequence[Page],
    scores: Sequence[np.ndarray],
    tests: Sequence[TestResult],
    match: GeneMatch,
    expression: Expression,
    raw: np.ndarray,
    *,
    compares: bool = True,
    method: Method | None = None,
    options: MethodOptions | None = None,
) -> list[str]:
    """Collect every warning about a run.

    Parameters
    ----------
    pages, scores
        The pages and their scores, one array per page.
    tests
        The tests of these pages.
    match
        The genes as found.
    expression
        The chosen matrix.
    raw
        (n_cells,) score of every cell before normalization.
    compares
        Whether the user chose pages; if not, nothing is said about their sizes.
    method
        How the cells were scored; for a mean or a sum the genes need not be read if none can carry the score.
    options
        Options of the method.

    Returns
    -------
    list of str
        One or two sentences each: about the genes, the pages, the score, then the tests.
    """
    inside = np.zeros(expression.n_cells, dtype=bool)
    for page in pages:
        inside[page.cells] = True
    inside &= np.isfinite(raw)
    return [
        *about_genes(match),
        *(about_ranks(inside, expression, options) if method == "ucell" and options else []),
        *about_overlap(pages, expression.n_cells),
        *(about_size(pages) if compares else []),
        *about_variance(pages, scores),
        *about_library_size(raw, inside, expression),
        *about_one_gene(raw, inside, match, expression, method),
        *about_small_effects(tests),
        *about_pairs(pages),
        # What is wrong with a page is said above, and not repeated for each of its pairs.
        *dict.fromkeys(
            test.note for test in tests if test.note and test.statistic is None and len(test.pages) == len(pages)
        ),
    ]


def about_genes(match: GeneMatch) -> list[str]:
    """Warn about few found genes, and about gene ids that the dataset has more than once."""
    found, asked = len(match.found), match.n_asked
    warnings = []
    if found * 2 < asked:
        warnings.append(
            f"Only {found} of {asked} genes were found, fewer than half: the score may not represent the signature."
        )
    if found < FEW_GENES:
        genes = "gene was" if found == 1 else "genes were"
        warnings.append(f"Only {found} {genes} found: a score from fewer than {FEW_GENES} genes is noisy.")
    if match.ambiguous:
        warnings.append(f"The dataset has {_some(match.ambiguous)} more than once: the first was used.")
    return warnings


def about_ranks(inside: np.ndarray, expression: Expression, options: MethodOptions) -> list[str]:
    """Warn if the median cell has fewer detected genes than UCell counts ranks (UCell issues 25, 39 and 53).

    Genes that are not detected all get the largest rank, however large that is.
    """
    detected = expression.cell_detected[inside]
    middle = int(np.median(detected)) if len(detected) else 0
    if not 0 < middle < min(options.max_rank, expression.n_genes):
        return []
    return [
        f"The median cell has {middle:,} detected genes, fewer than the {options.max_rank:,} ranks that UCell counts: "
        f"set the largest rank to {middle:,}, and the same for all samples that are compared."
    ]


def about_overlap(pages: Sequence[Page], n_cells: int) -> list[str]:
    """Warn about pages that share cells."""
    times = np.zeros(n_cells, dtype=np.int32)
    for page in pages:
        times[page.cells] += 1
    if not (times > 1).any():
        return []
    pairs = []
    for i, page in enumerate(pages):
        mask = np.zeros(n_cells, dtype=bool)
        mask[page.cells[times[page.cells] > 1]] = True
        for other in pages[i + 1 :]:
            shared = int(mask[other.cells].sum())
            if shared:
                cells = "cell" if shared == 1 else "cells"
                pairs.append(f"{page.name} and {other.name} share {shared:,} {cells}")
    return [f"{_some(pairs, '; ')}: tests between pages that share cells are not valid."]


def about_size(pages: Sequence[Page]) -> list[str]:
    """Warn about pages of fewer than 50 cells."""
    small = [f"{page.name} ({page.n})" for page in pages if page.n < SMALL_PAGE]
    if not small:
        return []
    has = "has" if len(small) == 1 else "have"
    return [f"{_some(small)} {has} fewer than {SMALL_PAGE} cells: the numbers are uncertain."]


def about_variance(pages: Sequence[Page], scores: Sequence[np.ndarray]) -> list[str]:
    """Warn about pages in which every cell has the same score, or no cell has a score."""
    flat, empty = [], []
    for page, values in zip(pages, scores, strict=True):
        valid = values[np.isfinite(values)]
        if len(valid) == 0:
            empty.append(page.name)
        elif len(valid) > 1 and valid.min() == valid.max():
            flat.append(page.name)
    warnings = []
    if empty:
        warnings.append(f"No cell of {_some(empty)} has a score.")
    if flat:
        warnings.append(f"The score has no variance in {_some(flat)}: every cell has the same.")
    return warnings


def about_library_size(raw: np.ndarray, inside: np.ndarray, expression: Expression) -> list[str]:
    """Warn if a score follows total counts or detected genes (Spearman over the pages' cells, see `some_cells`)."""
    warnings = []
    cells = some_cells(np.flatnonzero(inside))
    score_ranks = ranks(raw[cells])
    for what, values in (
        ("total expression", expression.cell_total),
        ("number of detected genes", expression.cell_detected),
    ):
        rho = pearson(score_ranks, ranks(values[cells]))
        if abs(rho) > STRONG_CORRELATION:
            warnings.append(
                f"The score follows each cell's {what} (Spearman {rho:.2f}): "
                "differences may be technical rather than biological."
            )
    return warnings


def about_one_gene(
    raw: np.ndarray, inside: np.ndarray, match: GeneMatch, expression: Expression, method: Method | None = None
) -> list[str]:
    """Warn if one gene carries more than half of the score's variance, see `variance_shares`."""
    if len(match.found) < 2 or (method in ("mean", "sum") and _none_can(raw, inside, match, expression, method)):
        return []
    shares = variance_shares(raw, inside, match, expression)
    top = int(np.argmax(shares))
    if not shares[top] > 0.5:
        return []
    return [f"{match.found[top]} alone carries {shares[top]:.0%} of the score's variance."]


def _none_can(
    raw: np.ndarray, inside: np.ndarray, match: GeneMatch, expression: Expression, method: Method | None
) -> bool:
    """Tell, without reading a gene, whether none can carry more than half of the variance of a mean or a sum.

    By the Cauchy–Schwarz inequality a gene's share is at most w·√(SS gene / SS score), with w the gene's part in the
    score and SS the sum of squared deviations; the gene's SS over some cells is at most its SS over all cells (known).
    """
    stats, genes, n = expression.stats, match.positions, expression.n_cells
    if stats.n_not_finite[genes].any():
        return False
    squares = np.maximum(stats.square_total[genes] - stats.total[genes] ** 2 / n, 0)
    scores = raw[inside]
    spread = float(np.square(scores - scores.mean()).sum()) if len(scores) else 0.0
    scale = float(match.weights.sum()) if method == "mean" else 1.0
    return spread > 0 and bool((np.abs(match.weights) / scale * np.sqrt(squares / spread) <= 0.5).all())


def variance_shares(raw: np.ndarray, inside: np.ndarray, match: GeneMatch, expression: Expression) -> np.ndarray:
    """Split the score's variance among its genes by their covariance with it.

    A sum's variance is the sum of its terms' covariances with it, so the share of gene g is
    w_g·cov(x_g, score) / Σ_h w_h·cov(x_h, score), with w the weight times the sign: exact for mean and sum, an
    attribution for other scores.

    Parameters
    ----------
    raw
        (n_cells,) scores.
    inside
        (n_cells,) bool: the cells to look at; each has a finite score.
    match
        The genes.
    expression
        The chosen matrix.

    Returns
    -------
    numpy.ndarray
        (found genes,) float64 adding up to 1, or all 0 where there is no variance.
    """
    n = int(inside.sum())
    if n < 2:
        return np.zeros(len(match.found))
    # The deviations add up to 0, so genes need not be centred, and entries that are absent (0) add nothing.
    deviation = np.zeros(len(raw))
    deviation[inside] = raw[inside] - raw[inside].mean()
    shares = np.empty(len(match.found))
    for i, gene in enumerate(match.positions.tolist()):
        cells, values = expression.gene_stored(gene)
        if expression.stats.n_not_finite[gene]:
            values = np.where(np.isfinite(values), values, 0)
        shares[i] = float(deviation.take(cells) @ values.astype(np.float64))
    shares *= match.weights * match.signs
    total = shares.sum()
    spread = float(np.abs(deviation).max())
    scale = max(1.0, float(np.abs(raw[inside]).max()))
    if total <= 0 or spread <= 1e-12 * scale:
        return np.zeros(len(match.found))
    return np.asarray(shares / total)


def about_small_effects(tests: Sequence[TestResult]) -> list[str]:
    """Warn about small p-values that come from the number of cells, not from the size of the difference."""
    pairs = []
    for test in tests:
        p = test.p_value if test.p_adjusted is None else test.p_adjusted
        if test.test != "welch-t" or test.unit != "cell" or p is None or test.effect_size is None:
            continue
        if p <= _NOTICED_P and abs(test.effect_size) < SMALL_D:
            pairs.append(f"{test.pages[0]} and {test.pages[1]} (d = {test.effect_size:.2f})")
    if not pairs:
        return []
    return [
        f"The p-value is small because there are many cells, not because the difference is large: {_some(pairs, '; ')}."
    ]


def about_pairs(pages: Sequence[Page]) -> list[str]:
    """Warn if there are more pages than are compared pair by pair."""
    if len(pages) <= MAX_PAIRED_PAGES:
        return []
    return [f"With more than {MAX_PAIRED_PAGES} pages only the overall tests are made: choose fewer to compare pairs."]


def _some(things: Sequence[str], joiner: str = ", ") -> str:
    """List a few things and say how many more there are."""
    rest = len(things) - _NAMED
    listed = joiner.join(things[:_NAMED])
    return f"{listed}{joiner}and {rest} more" if rest > 0 else listed
