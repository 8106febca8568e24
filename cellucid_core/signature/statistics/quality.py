"""How good a signature is: what each gene does in each page, and which genes carry a difference.

All numbers are those of the (weighted) mean of the genes, Σswx/Σw with a gene's weight w and its sign s
(`GeneMatch.signs`), whatever the signature is scored by. Only sums per gene and page are kept, so genes are read one at
a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellucid_core.cell_pages import Page, rest_of
from cellucid_core.errors import InputError
from cellucid_core.genes import GeneMatch
from cellucid_core.signature.scoring import PageCodes, check_weights, need_expression, page_codes, weighted_sums

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression, View


@dataclass(frozen=True, eq=False)
class SignatureQuality:
    """What the genes of a signature do.

    Attributes
    ----------
    genes
        One row per gene: ``gene``; ``weight``, below 0 for a gene that counts against the signature; ``mean`` and
        ``share`` (of cells above 0) over the cells of all pages, each once; ``correlation``, Pearson's r over these
        cells of the gene's values with the mean of the other genes (NaN for a single gene, or where one side does not
        vary).
    by_page
        One row per gene and page, pages in order: ``gene``, ``page``, ``mean``, ``share``.
    """

    genes: pd.DataFrame
    by_page: pd.DataFrame


def signature_quality(view: View, match: GeneMatch, pages: Sequence[Page]) -> SignatureQuality:
    """Tell what each gene does in each page, and how it correlates with the others.

    Parameters
    ----------
    view
        The dataset as mapped.
    match
        The genes as found.
    pages
        In order; they may share cells.

    Raises
    ------
    InputError
        There is no expression matrix, or no gene was found.
    """
    expression = need_expression(view)
    sums = _gene_sums(expression, match, page_codes(pages, view.n_cells))
    inside = sums.whole
    with np.errstate(invalid="ignore", divide="ignore"):
        means, shares = sums.x / sums.n, sums.above / sums.n
        # With y the score of the others, cov(x, y) and var(y) over the cells where x is finite.
        covariance = inside.xy - inside.x_both * inside.y / inside.n_both
        spread_x = inside.xx_both - inside.x_both**2 / inside.n_both
        spread_y = inside.yy - inside.y**2 / inside.n_both
        r = covariance / np.sqrt(spread_x * spread_y)
        flat = (spread_x <= 1e-12 * inside.xx_both) | (spread_y <= 1e-12 * inside.yy) | (len(match.found) < 2)
        genes = pd.DataFrame(
            {
                "gene": match.found,
                "weight": match.weights * match.signs,
                "mean": inside.x / inside.n,
                "share": inside.above / inside.n,
                "correlation": np.where(flat, np.nan, np.clip(r, -1, 1)),
            }
        )
    names = [page.name for page in pages]
    by_page = pd.DataFrame(
        {
            "gene": np.repeat(np.array(match.found, dtype=object), len(pages)),
            "page": np.tile(np.array(names, dtype=object), len(match.found)),
            "mean": means.ravel(),
            "share": shares.ravel(),
        }
    )
    return SignatureQuality(genes, by_page)


def contributions(view: View, match: GeneMatch, page: Page, other: Page | None = None) -> pd.DataFrame:
    """Tell which genes carry the difference between two pages.

    Parameters
    ----------
    view
        The dataset as mapped.
    match
        The genes as found.
    page, other
        The difference is the first less the second; without `other`, less all cells that are not in `page`.

    Returns
    -------
    pandas.DataFrame
        One row per gene, the largest contribution in the direction of the whole difference first: ``gene``;
        ``contribution``, s_g·w_g·(mean_A − mean_B)/Σw (where every value is finite, these add up to the difference of
        the mean scores); ``share`` of the sum of all contributions (NaN where that is 0); ``d``, Cohen's d of the gene
        alone; ``d_without``, Cohen's d of the mean of all other genes; ``change``, the signature's d less
        ``d_without``: how much the gene adds to the separation. The signature's d is in ``attrs["d"]``.

    Raises
    ------
    InputError
        There is no expression matrix, no gene was found, or the weights do not add up to more than 0.
    """
    expression = need_expression(view)
    check_weights(match, mean=True)
    against = rest_of(page, view.n_cells) if other is None else other
    sums = _gene_sums(expression, match, page_codes([page, against], view.n_cells))
    weights = match.weights
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums.x / sums.n
        contribution = weights * match.signs * (means[:, 0] - means[:, 1]) / weights.sum()
        whole = np.nansum(contribution)
        d_gene = _d(sums.n, sums.x, sums.xx)
        # The mean of the other genes is also defined in cells where this gene is not finite, so it has sums of its own.
        d_without = _d(sums.n_y, sums.y_all, sums.yy_all)
        d_all = float(_d(sums.n_s[None], sums.s[None], sums.ss[None])[0])
        share = contribution / whole if whole else np.full(len(weights), np.nan)
    if len(match.found) < 2:
        d_without = np.full(len(weights), np.nan)
    table = pd.DataFrame(
        {
            "gene": match.found,
            "contribution": contribution,
            "share": share,
            "d": d_gene,
            "d_without": d_without,
            "change": d_all - d_without,
        }
    )
    sign = -1.0 if whole < 0 else 1.0
    table = table.iloc[np.argsort(np.nan_to_num(-sign * contribution, nan=np.inf), kind="stable")]
    table = table.reset_index(drop=True)
    table.attrs["d"] = d_all
    return table


@dataclass(frozen=True, eq=False)
class _Groups:
    """Sums over the cells of all pages, each once; arrays are (genes,) float64.

    ``n, x, xx, above`` (cells above 0) are over the cells where the gene's value x is finite; ``n_both, x_both,
    xx_both, y, yy, xy`` over those of them where y, the mean of the other genes, is defined.
    """

    n: np.ndarray
    x: np.ndarray
    xx: np.ndarray
    above: np.ndarray
    n_both: np.ndarray
    x_both: np.ndarray
    xx_both: np.ndarray
    y: np.ndarray
    yy: np.ndarray
    xy: np.ndarray


@dataclass(frozen=True, eq=False)
class _Sums(_Groups):
    """The same sums over the cells of each page, (genes, pages), with more.

    ``n_y, y_all, yy_all`` are over all cells where y is defined; ``n_s, s, ss``, (pages,), are of the mean of all
    genes; ``whole`` is over the cells of all pages, each once.
    """

    n_y: np.ndarray
    y_all: np.ndarray
    yy_all: np.ndarray
    n_s: np.ndarray
    s: np.ndarray
    ss: np.ndarray
    whole: _Groups


_PER_GENE = (*(field.name for field in fields(_Groups)), "n_y", "y_all", "yy_all")


def _gene_sums(expression: Expression, match: GeneMatch, codes: PageCodes) -> _Sums:
    """Sum the genes up to the score, then read each once more and add up what `_Sums` holds."""
    if not match.found:
        raise InputError("None of the signature's genes is in the dataset.", "Check the gene ids.")
    signed = match.weights * match.signs
    totals, wholes = weighted_sums(expression, [match.positions], [signed], counts=[match.weights])
    total, whole = totals[0], wholes[0]
    dirty = expression.stats.n_not_finite[match.positions]
    g = codes.n_groups
    collected: dict[str, list[np.ndarray]] = {key: [] for key in _PER_GENE}
    least = 1e-9 * float(np.abs(match.weights).sum())
    clean = isinstance(whole, float)
    sizes = codes.count(None)
    sum_s, sum_ss = codes.add(None, total), codes.add(None, total * total)
    for gene, weight, count, n_bad in zip(
        match.positions.tolist(), signed.tolist(), match.weights.tolist(), dirty.tolist(), strict=True
    ):
        where, values = expression.gene_stored(gene)
        x = values.astype(np.float64)
        if clean:
            others = float(whole) - count
            s = total.take(where)
            here = codes.at(where)
            bx = np.bincount(here, weights=x, minlength=g)
            bxx = np.bincount(here, weights=x * x, minlength=g)
            bxs = np.bincount(here, weights=x * s, minlength=g)
            above = np.bincount(here[x > 0], minlength=g).astype(np.float64)
            with np.errstate(invalid="ignore", divide="ignore"):
                # y = (S − s·w·x)/(W − w), from sums alone
                y = (sum_s - weight * bx) / others
                yy = (sum_ss - 2 * weight * bxs + weight * weight * bxx) / others**2
                xy = (bxs - weight * bxx) / others
            row = (sizes, bx, bxx, above, sizes, bx, bxx, y, yy, xy, sizes, y, yy)
        else:
            dense = np.zeros(expression.n_cells)
            dense[where] = x
            finite = np.isfinite(dense) if n_bad else np.ones(len(dense), dtype=bool)
            dense[~finite] = 0
            rest = np.asarray(whole) - count * finite
            has = rest > least
            y_cell = np.divide(total - weight * dense, rest, out=np.zeros(len(dense)), where=has)
            both = finite & has
            row = (
                codes.count(finite),
                codes.add(None, dense),
                codes.add(None, dense * dense),
                codes.count(dense > 0),
                codes.count(both),
                codes.add(both, dense),
                codes.add(both, dense * dense),
                codes.add(both, y_cell),
                codes.add(both, y_cell * y_cell),
                codes.add(both, dense * y_cell),
                codes.count(has),
                codes.add(None, y_cell),
                codes.add(None, y_cell * y_cell),
            )
        for key, value in zip(collected, row, strict=True):
            collected[key].append(value)
    by_group = {key: np.array(rows) for key, rows in collected.items()}
    if clean:
        n_s, s, ss = sizes, sum_s / float(whole), sum_ss / float(whole) ** 2
    else:
        scored = np.asarray(whole) > least
        score = np.divide(total, whole, out=np.zeros(len(total)), where=scored)
        n_s, s, ss = codes.count(scored), codes.add(None, score), codes.add(None, score * score)
    whole_keys = [field.name for field in fields(_Groups)]
    inside = _Groups(**{key: by_group[key][:, codes.in_any].sum(axis=1) for key in whole_keys})
    pages = {key: value @ codes.member for key, value in by_group.items()}
    return _Sums(**pages, n_s=n_s @ codes.member, s=s @ codes.member, ss=ss @ codes.member, whole=inside)


def _d(n: np.ndarray, x: np.ndarray, xx: np.ndarray) -> np.ndarray:
    """Return Cohen's d (pooled SD) of the first page less the second, (rows,), from sums per page, (rows, 2)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = x / n
        squares = np.maximum(xx - x * mean, 0)
        squares = np.where(squares <= 1e-12 * xx, 0, squares).sum(axis=1)
        pooled = squares / (n.sum(axis=1) - 2)
        return np.where(pooled > 0, (mean[:, 0] - mean[:, 1]) / np.sqrt(pooled), np.nan)
