"""What several signatures say together: which pages each tells apart, which are alike, which is highest in a cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellucid_core.cell_pages import MadePages, SavedPage
from cellucid_core.errors import InputError
from cellucid_core.names import unique
from cellucid_core.signature.reporting import all_scores
from cellucid_core.signature.scoring import ManySignatures
from cellucid_core.signature.statistics import Adjustment, adjusted, sample_codes

if TYPE_CHECKING:
    from cellucid_core.dataset import View

#: More rows than this are left in their order: clustering them takes the square of their number.
MOST_CLUSTERED = 2000


def compare_signatures(
    view: View, many: ManySignatures, *, sample_key: str | None = None, p_adjust: Adjustment = "bh"
) -> pd.DataFrame:
    """Test every signature in every page against all other cells.

    Parameters
    ----------
    view
        The dataset as mapped.
    many
        The scores.
    sample_key
        An obs column of samples: then the unit is a sample's mean, in the page and outside, paired where at least two
        samples have both, else Welch's t. Without, Welch's t over cells.
    p_adjust
        How the p-values of all rows are adjusted together.

    Returns
    -------
    pandas.DataFrame
        ``signature``, ``page``, ``d`` (over cells, as in `ManySignatures.long`), ``p_value``, ``p_adjusted``, ``unit``;
        NaN where a test is not defined.
    """
    owner = None if sample_key is None else sample_codes(view.obs(sample_key))[0]
    p = np.full((len(many.signatures), len(many.pages)), np.nan)
    for row, scores in all_scores(view, many):
        p[row] = _p_by_cell(scores, many) if owner is None else _p_by_sample(scores, many, owner)
    table = many.long[["signature", "page", "d"]].assign(p_value=p.ravel(), p_adjusted=np.nan)
    known = np.flatnonzero(np.isfinite(p.ravel()))
    if len(known):
        found = adjusted(table["p_value"].to_numpy()[known].tolist(), p_adjust)
        table.loc[table.index[known], "p_adjusted"] = found
    return table.assign(unit="cell" if owner is None else "sample")


def _p_by_cell(scores: np.ndarray, many: ManySignatures) -> list[float]:
    finite = np.isfinite(scores)
    n_all, around = int(finite.sum()), np.where(finite, scores - scores[finite].mean(), 0) if finite.any() else scores
    sum_all, squares_all = float(around.sum()), float(around @ around)
    found = []
    for page in many.pages:
        mine = around[page.cells]
        n, total, squares = int(finite[page.cells].sum()), float(mine.sum()), float(mine @ mine)
        found.append(_welch((n, total, squares), (n_all - n, sum_all - total, squares_all - squares)))
    return found


def _p_by_sample(scores: np.ndarray, many: ManySignatures, owner: np.ndarray) -> list[float]:
    kept = np.isfinite(scores) & (owner >= 0)
    n_owners = int(owner.max(initial=-1)) + 1
    every = np.where(kept, scores, 0)
    counts_all = np.bincount(owner[kept], minlength=n_owners)
    sums_all = np.bincount(owner[kept], weights=every[kept], minlength=n_owners)
    found = []
    for page in many.pages:
        mine = page.cells[kept[page.cells]]
        counts = np.bincount(owner[mine], minlength=n_owners)
        sums = np.bincount(owner[mine], weights=every[mine], minlength=n_owners)
        inside, outside = counts > 0, counts_all - counts > 0
        with np.errstate(invalid="ignore", divide="ignore"):
            a, b = sums / counts, (sums_all - sums) / (counts_all - counts)
        both = inside & outside
        if both.sum() >= 2:
            found.append(_paired(a[both] - b[both]))
        else:
            found.append(_welch(_moments(a[inside]), _moments(b[outside])))
    return found


def _moments(values: np.ndarray) -> tuple[int, float, float]:
    return len(values), float(values.sum()), float(values @ values)


def _welch(one: tuple[int, float, float], other: tuple[int, float, float]) -> float:
    """Return the two-sided p of Welch's t from number, sum and sum of squares of two groups."""
    from scipy import special

    (n, x, xx), (m, y, yy) = one, other
    if n < 2 or m < 2:
        return float("nan")
    error_x, error_y = max(xx - x * x / n, 0.0) / (n - 1) / n, max(yy - y * y / m, 0.0) / (m - 1) / m
    if error_x + error_y <= 0:
        return float("nan")
    t = (x / n - y / m) / np.sqrt(error_x + error_y)
    df = (error_x + error_y) ** 2 / (error_x**2 / (n - 1) + error_y**2 / (m - 1))
    return max(float(2 * special.stdtr(df, -abs(t))), 1e-300)


def _paired(differences: np.ndarray) -> float:
    from scipy import special

    n, spread = len(differences), float(differences.std(ddof=1))
    if spread <= 0:
        return float("nan")
    t = float(differences.mean()) / spread * np.sqrt(n)
    return max(float(2 * special.stdtr(n - 1, -abs(t))), 1e-300)


def cluster_order(table: np.ndarray) -> np.ndarray:
    """Return the order of rows in which alike ones stand together.

    Parameters
    ----------
    table
        (rows, columns); what is not finite counts as 0.

    Returns
    -------
    numpy.ndarray
        Leaves of average linkage over Euclidean distances (`scipy.cluster.hierarchy`), neighbours as alike as the tree
        allows; as they are where there are fewer than three rows, or more than `MOST_CLUSTERED`.
    """
    from scipy.cluster import hierarchy

    if not 2 < len(table) <= MOST_CLUSTERED:
        return np.arange(len(table))
    values = np.nan_to_num(np.asarray(table, dtype=np.float64), posinf=0.0, neginf=0.0)
    tree = hierarchy.linkage(values, method="average", optimal_ordering=len(table) <= 500)
    return np.asarray(hierarchy.leaves_list(tree))


def clustered(long: pd.DataFrame, *, rows: bool = True, columns: bool = True) -> pd.DataFrame:
    """Return `ManySignatures.long` with signatures and pages ordered by likeness of their ``z``."""
    n_pages = len(long) // max(long["signature"].ne(long["signature"].shift()).sum(), 1)
    names = long["page"].tolist()
    if n_pages and names[:n_pages] * (len(long) // n_pages) != names:  # names repeat: leave it as it is
        return long
    z = long["z"].to_numpy().reshape(-1, max(n_pages, 1))
    by_row = cluster_order(z) if rows else np.arange(len(z))
    by_column = cluster_order(z.T) if columns else np.arange(z.shape[1])
    return long.iloc[(by_row[:, None] * n_pages + by_column[None, :]).ravel()].reset_index(drop=True)


def shared_prefix(names: Sequence[str]) -> str:
    """Return what all names begin with, up to a ``_``, ``-``, ``:``, ``.`` or space: ``HALLMARK_``; else nothing.

    Examples
    --------
    >>> shared_prefix(["HALLMARK_HYPOXIA", "HALLMARK_HEME"])
    'HALLMARK_'
    """
    if len(names) < 2:
        return ""
    first, last = min(names), max(names)
    common = first[: next((i for i, letter in enumerate(first) if last[i : i + 1] != letter), len(first))]
    while common and common[-1] not in "_-:. ":
        common = common[:-1]
    return common if all(len(name) > len(common) for name in names) else ""


def pages_of_highest(view: View, many: ManySignatures, *, standardized: bool = True) -> MadePages:
    """Return one page per signature: the cells in which it is higher than all others.

    Parameters
    ----------
    view, many
        The dataset and the scores.
    standardized
        Whether each signature is z-scored over the cells first. Scores that share a scale (UCell, AUCell) need not be.

    Raises
    ------
    InputError
        Fewer than two signatures have scores.
    """
    best = np.full(view.n_cells, -np.inf)
    which = np.full(view.n_cells, -1)
    scored = 0
    for row, scores in all_scores(view, many):
        scored += 1
        values = scores
        if standardized:
            finite = scores[np.isfinite(scores)]
            spread = float(finite.std()) if len(finite) else 0.0
            if spread <= 0:
                continue
            values = (scores - finite.mean()) / spread
        values = np.where(np.isfinite(values), values, -np.inf)
        which[(values == best) & np.isfinite(values)] = -1  # as high as another: in no page
        higher = values > best
        which[higher], best[higher] = row, values[higher]
    if scored < 2:
        raise InputError("Fewer than two signatures have scores.", "Open a file with more of the dataset's genes.")
    names = unique([one.name for one in many.signatures])
    prefix = shared_prefix(names)
    how = "the highest of the signatures" + (", each z-scored over the cells" if standardized else "")
    pages = [
        SavedPage(names[row].removeprefix(prefix), view.cell_index[np.flatnonzero(which == row)], made=how.capitalize())
        for row in range(len(names))
        if (which == row).any()
    ]
    tied = int((which < 0).sum())
    return MadePages(pages, [f"{tied:,} cells are in no page: two signatures are alike there."] if tied else [])
