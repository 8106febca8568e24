"""Several signatures at once: one pass over their genes, one row per signature, one number per page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from cellucid_core.cell_pages import Page
from cellucid_core.errors import InputError
from cellucid_core.genes import GeneMatch, GeneSet
from cellucid_core.signature.scoring.genes_in_view import match_many, need_expression
from cellucid_core.signature.scoring.linear import SCORES_AT_ONCE, batches, weighted_sums
from cellucid_core.signature.scoring.methods import (
    METHODS,
    TOGETHER,
    Method,
    check_weights,
    over_weight,
    score_cells,
    score_together,
)
from cellucid_core.signature.scoring.options import DEFAULT_OPTIONS, MethodOptions
from cellucid_core.signature.scoring.whole_cell import cell_moments

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression, View


@dataclass(frozen=True, eq=False)
class ManySignatures:
    """Several signatures, scored and compared.

    Attributes
    ----------
    signatures, matches
        All signatures that were asked for, and the genes of each.
    method, seed, repeats
        How they were scored.
    pages
        The compared pages, in order.
    table
        One row per signature: ``signature``, ``description``, ``found`` (how many of its genes the dataset has),
        ``genes`` (how many different genes it has), ``highest`` (the page with the highest mean), ``d`` (Cohen's d of
        that page against all other cells), ``note`` (why it has no score, else empty).
    long
        One row per signature and page: ``signature``, ``page``, ``n`` (cells with a score), ``mean``, ``std`` (ddof 1),
        ``d`` (Cohen's d against all other cells of the dataset), ``z`` (the mean, z-scored over the signature's pages
        with ddof 0; 0 where the means are equal).
    scores
        (signatures, n_cells) float64, NaN where there is no score; None if they are more than fit into memory
        (`SCORES_AT_ONCE`).
    options
        Options of the method.
    """

    signatures: list[GeneSet]
    matches: list[GeneMatch]
    method: Method
    seed: int
    repeats: Literal["once", "count"]
    pages: list[Page]
    table: pd.DataFrame
    long: pd.DataFrame
    scores: np.ndarray | None
    options: MethodOptions = DEFAULT_OPTIONS


def score_many(
    view: View,
    signatures: Sequence[GeneSet],
    *,
    method: Method = "mean",
    pages: Sequence[Page] | None = None,
    repeats: Literal["once", "count"] = "once",
    seed: int = 0,
    options: MethodOptions = DEFAULT_OPTIONS,
    accept_proposals: bool = False,
    propose: bool = False,
    progress: Callable[[float], None] | None = None,
) -> ManySignatures:
    """Score several signatures and compare pages by each.

    Parameters
    ----------
    view
        The dataset as mapped.
    signatures
        Any number of them; they are scored in batches that fit into memory.
    method, seed, options
        See `score_cells`. Methods of `TOGETHER`, mean and sum read each gene only once per batch.
    pages
        Pages to compare; without pages, one page of all cells.
    repeats
        Whether a repeated gene counts once or as often as listed.
    accept_proposals
        Whether every missing gene that has exactly one proposal is replaced by it.
    propose
        Whether to look for proposals for missing genes, which takes a while if they are very many.
    progress
        Called with the done share, 0 to 1.

    Returns
    -------
    ManySignatures
        A signature without a score (because no gene was found, for example) is in the tables with a note.

    Raises
    ------
    InputError
        There is no expression matrix, no signature, the method is unknown, or ``max_rank`` exceeds the number of genes
        (``ucell``).
    """
    if method not in METHODS:
        raise InputError(f"There is no score {method!r}.", f"Choose one of {', '.join(METHODS)}.")
    if not signatures:
        raise InputError("There are no signatures to score.", "Open gene sets, or paste genes.")
    need_expression(view)
    propose = propose or accept_proposals
    matches = match_many(view, signatures, repeats=repeats, signed=method == "ucell", propose=propose)
    if accept_proposals:
        replaced = {gene: new for match in matches for gene, new in match.only_proposals.items()}
        matches = match_many(
            view, signatures, repeats=repeats, signed=method == "ucell", replaced=replaced, propose=propose
        )
    chosen = list(pages) if pages else [Page("All cells", np.arange(view.n_cells, dtype=np.int64))]
    keep = len(signatures) * view.n_cells <= SCORES_AT_ONCE
    kept = np.full((len(signatures), view.n_cells), np.nan) if keep else None
    numbers = np.full((len(signatures), len(chosen), 4), np.nan)
    numbers[:, :, 0] = 0
    notes = [""] * len(signatures)
    for i, scores in iter_scores(view, matches, method, seed=seed, options=options, progress=progress):
        if isinstance(scores, str):
            notes[i] = scores
            continue
        if kept is not None:
            kept[i] = scores
        numbers[i] = page_numbers(scores, chosen)
    table, long = _tables(signatures, matches, chosen, numbers, notes)
    return ManySignatures(list(signatures), matches, method, seed, repeats, chosen, table, long, kept, options)


def iter_scores(
    view: View,
    matches: Sequence[GeneMatch],
    method: Method,
    *,
    seed: int = 0,
    options: MethodOptions = DEFAULT_OPTIONS,
    progress: Callable[[float], None] | None = None,
) -> Iterator[tuple[int, np.ndarray | str]]:
    """Yield each signature's number and its scores, (n_cells,) float64, or a sentence on why it has none.

    The order is not that of `matches`: signatures without scores come first, then, for mean and sum, those with signs.
    """
    expression = need_expression(view)
    report = progress or (lambda share: None)
    scored: list[int] = []
    for i, match in enumerate(matches):
        why = _why_not(match, method)
        if why:
            yield i, why
        else:
            scored.append(i)
    if method in ("mean", "sum"):  # signatures with signs are few, so they are scored one by one
        for i in [i for i in scored if matches[i].signed]:
            yield i, score_cells(expression, matches[i], method)
        scored = [i for i in scored if not matches[i].signed]
    if method in ("median", "score_genes"):
        means = None
        if method == "score_genes":
            from cellucid_core.signature.scoring.control_genes import gene_means

            means = gene_means(expression, lambda share: report(0.3 * share))
        for done, i in enumerate(scored):
            report(0.3 + 0.7 * done / len(scored))
            try:
                yield (
                    i,
                    score_cells(
                        expression,
                        matches[i],
                        method,
                        seed=seed,
                        options=options,
                        gene_ids=view.gene_ids,
                        means=means,
                    ),
                )
            except InputError as error:
                yield i, error.what
        return
    # Computed once, because otherwise each batch would read the whole matrix for them.
    walked = method in ("zscore", "ulm") and bool(scored) and not expression.spread
    moments = cell_moments(expression) if walked else None
    for start, stop in batches(len(scored), view.n_cells):
        mine = scored[start:stop]

        def part(share: float, start: int = start, stop: int = stop) -> None:
            report((start + share * (stop - start)) / len(scored))

        if method in TOGETHER:
            some = [matches[i] for i in mine]
            together = score_together(
                expression, some, method, seed=seed, options=options, moments=moments, progress=part
            )
            yield from zip(mine, together, strict=True)
            continue
        total, whole = weighted_sums(
            expression, [matches[i].positions for i in mine], [matches[i].weights for i in mine], progress=part
        )
        for row, i in enumerate(mine):
            yield i, _finished(expression, matches[i], total[row], whole[row], mean=method == "mean")


def _finished(
    expression: Expression, match: GeneMatch, total: np.ndarray, weight: np.ndarray | float, *, mean: bool
) -> np.ndarray:
    if isinstance(weight, float):
        return np.asarray(total / weight) if mean else total
    return over_weight(total, weight, expression, match, mean=mean)


def _why_not(match: GeneMatch, method: Method) -> str:
    """Return why a signature cannot be scored, or empty text."""
    if not match.found:
        return "None of its genes is in the dataset."
    try:
        if method == "mean":
            check_weights(match, mean=True)
    except InputError as error:
        return error.what
    return ""


def page_numbers(scores: np.ndarray, pages: Sequence[Page]) -> np.ndarray:
    """Reduce one score to the numbers that the tables show for each page.

    Parameters
    ----------
    scores
        (n_cells,); what is not finite is left out.
    pages
        The pages.

    Returns
    -------
    numpy.ndarray
        (pages, 4) float64: cells with a score, mean, SD (ddof 1), and Cohen's d (pooled SD) against all other cells;
        NaN where they are not defined.
    """
    finite = np.isfinite(scores)
    clean = bool(finite.all())
    n_all = len(scores) if clean else int(finite.sum())
    result = np.full((len(pages), 4), np.nan)
    result[:, 0] = 0
    if n_all == 0:
        return result
    center = float(scores.mean()) if clean else float(scores[finite].mean())
    # Sums of deviations from the mean lose no digits when one is subtracted from the other.
    around = scores - center if clean else np.where(finite, scores - center, 0)
    sum_all, squares_all = float(around.sum()), float(around @ around)
    flat = squares_all <= 1e-24 * n_all * max(1.0, center * center)
    for row, page in enumerate(pages):
        mine = around[page.cells]
        n = page.n if clean else int(finite[page.cells].sum())
        if n == 0:
            continue
        total, squares = float(mine.sum()), float(mine @ mine)
        result[row, :2] = n, center + total / n
        spread = max(squares - total * total / n, 0.0)
        result[row, 2] = np.sqrt(spread / (n - 1)) if n > 1 else np.nan
        others = n_all - n
        if others == 0 or n_all < 3 or flat:
            continue
        rest = sum_all - total
        pooled = (spread + max(squares_all - squares - rest * rest / others, 0.0)) / (n_all - 2)
        if pooled > 0:
            result[row, 3] = (total / n - rest / others) / np.sqrt(pooled)
    return result


def _tables(
    signatures: Sequence[GeneSet],
    matches: Sequence[GeneMatch],
    pages: Sequence[Page],
    numbers: np.ndarray,
    notes: list[str],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables of `ManySignatures`."""
    means, d = numbers[:, :, 1], numbers[:, :, 3]
    names = [one.name for one in signatures]
    some = np.isfinite(means).any(axis=1)
    best = np.where(np.isfinite(means), means, -np.inf).argmax(axis=1)
    page_names = np.array([page.name for page in pages], dtype=object)
    table = pd.DataFrame(
        {
            "signature": names,
            "description": [one.description for one in signatures],
            "found": [len(match.found) for match in matches],
            "genes": [match.n_asked for match in matches],
            "highest": np.where(some, page_names[best], None),
            "d": d[np.arange(len(names)), best],
            "note": notes,
        }
    )
    with np.errstate(invalid="ignore"):
        finite = np.isfinite(means)
        count = np.maximum(finite.sum(axis=1, keepdims=True), 1)
        center = np.where(finite, means, 0).sum(axis=1, keepdims=True) / count
        off = np.where(finite, means - center, np.nan)
        spread = np.sqrt(np.where(finite, off * off, 0).sum(axis=1, keepdims=True) / count)
        z = np.where(spread > 1e-12 * np.maximum(1, np.abs(center)), off / np.where(spread > 0, spread, 1), off * 0)
    long = pd.DataFrame(
        {
            "signature": np.repeat(np.array(names, dtype=object), len(pages)),
            "page": np.tile(page_names, len(names)),
            "n": numbers[:, :, 0].ravel().astype(np.int64),
            "mean": means.ravel(),
            "std": numbers[:, :, 2].ravel(),
            "d": d.ravel(),
            "z": z.ravel(),
        }
    )
    return table, long
