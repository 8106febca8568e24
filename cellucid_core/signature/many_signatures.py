"""Several signatures together: which pages each tells apart, which signatures are alike, which is highest in a cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellucid_core.cell_pages import MadePages, Page, SavedPage
from cellucid_core.errors import InputError
from cellucid_core.names import unique
from cellucid_core.signature.reporting import all_scores
from cellucid_core.signature.scoring import ManySignatures
from cellucid_core.signature.statistics import (
    Adjustment,
    Owned,
    Sample,
    adjusted,
    owned_by,
    paired_t,
    sample_codes,
    welch_t,
)

if TYPE_CHECKING:
    from cellucid_core.dataset import View

#: More rows than this are left in their order: clustering takes time and memory that grow with the square of the rows.
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
        An obs column of samples. Then the unit is a sample's mean score, in the page and outside it: a paired t-test
        where at least two samples have cells on both sides, else Welch's t. Without a column, Welch's t over cells.
    p_adjust
        How the p-values of all rows are adjusted together: ``bh`` or ``holm``.

    Returns
    -------
    pandas.DataFrame
        ``signature``, ``page``, ``d`` (over cells, as in `ManySignatures.long`), ``p_value``, ``p_adjusted``, ``unit``;
        NaN where a test is not defined.

    Raises
    ------
    InputError
        There is no such obs column.
    """
    codes = None if sample_key is None else sample_codes(view.obs(sample_key))
    p = np.full((len(many.signatures), len(many.pages)), np.nan)
    for row, scores in all_scores(view, many):
        found = _p_by_cell(scores, many.pages) if codes is None else _p_by_sample(scores, many.pages, *codes)
        p[row] = [np.nan if one is None else one for one in found]
    table = many.long[["signature", "page", "d"]].assign(p_value=p.ravel(), p_adjusted=np.nan)
    known = np.flatnonzero(np.isfinite(p.ravel()))
    if len(known):
        table.loc[table.index[known], "p_adjusted"] = adjusted(p.ravel()[known].tolist(), p_adjust)
    return table.assign(unit="cell" if codes is None else "sample")


def _p_by_cell(scores: np.ndarray, pages: Sequence[Page]) -> list[float | None]:
    finite = np.isfinite(scores)
    n_all = int(finite.sum())
    center = float(scores[finite].mean()) if n_all else 0.0
    # Centred, so that subtracting a page's sums from those of all cells loses no digits.
    around = np.where(finite, scores - center, 0)
    sum_all, squares_all = float(around.sum()), float(around @ around)

    def sample(n: int, total: float, squares: float) -> Sample:
        left = squares - total * total / n if n else 0.0
        none = np.empty(0)
        return Sample(n, total / n if n else 0.0, left if left > 1e-12 * squares_all else 0.0, none, none)

    found = []
    for page in pages:
        mine = around[page.cells]
        n, total, squares = int(finite[page.cells].sum()), float(mine.sum()), float(mine @ mine)
        others = sample(n_all - n, sum_all - total, squares_all - squares)
        found.append(welch_t((page.name, "others"), sample(n, total, squares), others).p_value)
    return found


def _p_by_sample(
    scores: np.ndarray, pages: Sequence[Page], owner: np.ndarray, owners: np.ndarray
) -> list[float | None]:
    everybody = Page("all", np.arange(len(scores)))
    whole, *inside = owned_by([everybody, *pages], [scores, *(scores[page.cells] for page in pages)], owner, owners)
    found = []
    for page, one in zip(pages, inside, strict=True):
        a, b = one.means(), Owned(owners, whole.sums - one.sums, whole.counts - one.counts).means()
        both, names = a.index.intersection(b.index), (page.name, "others")
        if len(both) >= 2:
            test = paired_t(names, a.loc[both].to_numpy(), b.loc[both].to_numpy())
        else:
            test = welch_t(names, Sample.of(a.to_numpy()), Sample.of(b.to_numpy()), "sample")
        found.append(test.p_value)
    return found


def cluster_order(table: np.ndarray) -> np.ndarray:
    """Return an order of the rows in which similar rows stand together.

    Parameters
    ----------
    table
        (rows, columns); what is not finite counts as 0.

    Returns
    -------
    numpy.ndarray
        (rows,) int: the leaves of average linkage over Euclidean distances (`scipy.cluster.hierarchy`), up to 500 rows
        with neighbours as similar as the tree allows (``optimal_ordering``). With fewer than three rows, or more than
        `MOST_CLUSTERED`, the order stays as it is.
    """
    from scipy.cluster import hierarchy

    if not 2 < len(table) <= MOST_CLUSTERED:
        return np.arange(len(table))
    values = np.nan_to_num(np.asarray(table, dtype=np.float64), posinf=0.0, neginf=0.0)
    tree = hierarchy.linkage(values, method="average", optimal_ordering=len(table) <= 500)
    return np.asarray(hierarchy.leaves_list(tree))


def clustered(long: pd.DataFrame, *, rows: bool = True, columns: bool = True) -> pd.DataFrame:
    """Return `ManySignatures.long` with signatures and pages clustered by their ``z``, see `cluster_order`.

    A table in which names of signatures repeat may come back as it is.
    """
    n_pages = len(long) // max(long["signature"].ne(long["signature"].shift()).sum(), 1)
    names = long["page"].tolist()
    if n_pages and names[:n_pages] * (len(long) // n_pages) != names:  # names repeat: leave it as it is
        return long
    z = long["z"].to_numpy().reshape(-1, max(n_pages, 1))
    by_row = cluster_order(z) if rows else np.arange(len(z))
    by_column = cluster_order(z.T) if columns else np.arange(z.shape[1])
    return long.iloc[(by_row[:, None] * n_pages + by_column[None, :]).ravel()].reset_index(drop=True)


def shared_prefix(names: Sequence[str]) -> str:
    """Return what all names begin with, up to and with a ``_``, ``-``, ``:``, ``.`` or space; it may be empty.

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
        Whether each signature is z-scored over the cells first (SD with ddof 0); one that does not vary is then passed
        over. Scores that share a scale (UCell, AUCell) need no z-scores.

    Returns
    -------
    MadePages
        Pages without cells are left out; notes say how many cells are in no page, and why.

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
    tied, unscored = (int(((which < 0) & (np.isfinite(best) == has)).sum()) for has in (True, False))
    notes = [f"{tied:,} cells are in no page: two signatures are alike there."] if tied else []
    if unscored:
        one = "signature that varies" if standardized else "signature"
        notes.append(f"{unscored:,} cells are in no page: no {one} has a score there.")
    return MadePages(pages, notes)
