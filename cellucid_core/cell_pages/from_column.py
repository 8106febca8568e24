"""Pages from an obs column: one per category, some of them, or one and the rest."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellucid_core.cell_pages.page import REST_COLOR, Page
from cellucid_core.cell_pages.page import rest_of as all_but
from cellucid_core.cell_pages.palette import palette
from cellucid_core.errors import InputError
from cellucid_core.names import unique

if TYPE_CHECKING:
    from cellucid_core.dataset import View

#: A numeric column makes pages if it holds whole numbers and no more different ones than this.
MAX_NUMBERS = 50
#: A column with more groups than this names cells rather than groups of cells.
MAX_PAGES = 1000
_REST = "Rest of "


def pages_from_column(view: View, key: str) -> list[Page]:
    """Make one page per category of an obs column, largest first.

    Parameters
    ----------
    view
        The dataset as mapped.
    key
        A categorical, bool or string column, or a numeric one with at most 50 different whole numbers.

    Returns
    -------
    list of Page
        Largest first, pages of equal size in the column's category order. A cell without a value is in no page, and a
        category without cells makes no page. Bool columns give ``True`` and ``False``.

    Raises
    ------
    InputError
        There is no such column, it does not group cells, or it has more than 1,000 categories.
    """
    groups, codes = _groups(view, key)
    if len(groups) > MAX_PAGES:
        raise InputError(
            f"The obs column {key!r} has {len(groups):,} different values, too many for pages.",
            "Choose a column that groups cells, or name the pages to use.",
        )
    cells = _cells_of(codes, len(groups))
    order = sorted(range(len(groups)), key=lambda i: -len(cells[i]))
    colors = palette(len(groups))
    return [Page(groups[i], cells[i], colors[i], key) for i in order if len(cells[i])]


def group_colors(view: View, key: str) -> dict[str, str]:
    """Return the colour of each category of a column, ``{name: "#RRGGBB"}`` in category order.

    A colour depends on the category's place in the column, so choosing other pages never changes it.

    Raises
    ------
    InputError
        There is no such column, or it does not group cells.
    """
    groups, _ = _groups(view, key)
    return dict(zip(groups, palette(len(groups)), strict=True))


def choose_pages(view: View, key: str, names: Sequence[str] | None = None, rest_of: str | None = None) -> list[Page]:
    """Make the pages that a comparison asks for.

    Parameters
    ----------
    view
        The dataset as mapped.
    key
        The obs column that groups the cells.
    names
        The pages to compare, in this order; without `names` and `rest_of` all of them, largest first. ``Rest of
        <page>`` is understood.
    rest_of
        A page to compare with all other cells: it and ``Rest of <page>`` come first, then the pages of `names`.

    Returns
    -------
    list of Page
        In the order asked for, each page once.

    Raises
    ------
    InputError
        There is no such column, it does not group cells, or a page is not one of its categories; the message names
        similar ones.
    """
    if names is None and rest_of is None:
        return pages_from_column(view, key)
    groups, codes = _groups(view, key)
    colors = dict(zip(groups, palette(len(groups)), strict=True))
    place = {name: i for i, name in enumerate(groups)}

    def page(name: str) -> Page:
        if name in place:
            cells = np.flatnonzero(codes == place[name]).astype(np.int64)
            return Page(name, cells, colors[name], key)
        if name.startswith(_REST) and name.removeprefix(_REST) in place:
            return all_but(page(name.removeprefix(_REST)), view.n_cells)
        raise _unknown(name, key, groups)

    wanted = [] if rest_of is None else [rest_of]
    chosen = [page(name) for name in dict.fromkeys([*wanted, *(names or [])])]
    if rest_of is not None:
        others = all_but(chosen[0], view.n_cells)
        # A category may itself be called "Rest of …"; both pages must have names of their own.
        taken = {p.name: p for p in chosen}
        if others.name in place and others.name in taken:
            others = Page(f"{others.name} (all other cells)", others.cells, REST_COLOR)
        else:
            chosen = [p for p in chosen if p.name != others.name]
        chosen.insert(1, others)
    return chosen


def _unknown(name: str, key: str, groups: list[str]) -> InputError:
    """Return the error that says that a page does not exist, and which names are similar."""
    folded = {group.casefold(): group for group in reversed(groups)}
    near = [folded[f] for f in difflib.get_close_matches(name.casefold(), list(folded), n=3, cutoff=0.5)]
    if near:
        fix = f"Did you mean {' or '.join(repr(n) for n in near)}?"
    else:
        some = ", ".join(repr(g) for g in groups[:8])
        fix = f"Its pages are {some}{' …' if len(groups) > 8 else ''}."
    return InputError(f"The obs column {key!r} has no page {name!r}.", fix)


def _groups(view: View, key: str) -> tuple[list[str], np.ndarray]:
    """Return a column's group names in category order, and each cell's group as int64 codes, −1 for none."""
    column = view.obs(key)
    if isinstance(column.dtype, pd.CategoricalDtype):
        names = [str(category) for category in column.cat.categories]
        return unique(names), np.asarray(column.cat.codes, dtype=np.int64)
    if pd.api.types.is_bool_dtype(column.dtype):
        known = column.notna().to_numpy()
        codes = np.full(len(column), -1, dtype=np.int64)
        codes[known] = column[known].to_numpy(dtype=bool)
        return ["False", "True"], codes
    if pd.api.types.is_numeric_dtype(column.dtype):
        return _whole_numbers(column, key)
    codes, values = pd.factorize(column, use_na_sentinel=True)
    texts = [str(value) for value in values]
    order = sorted(range(len(texts)), key=texts.__getitem__)
    new = np.empty(len(texts) + 1, dtype=np.int64)
    new[order] = np.arange(len(texts))
    new[-1] = -1  # code −1, no value, picks the last entry
    return unique([texts[i] for i in order]), new[codes]


def _whole_numbers(column: pd.Series, key: str) -> tuple[list[str], np.ndarray]:
    """Group the cells of a numeric column that holds few different whole numbers."""
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    known = np.isfinite(values)
    distinct = np.unique(values[known])
    if len(distinct) > MAX_NUMBERS or np.any(distinct != np.round(distinct)):
        raise InputError(
            f"The obs column {key!r} holds measurements, not groups of cells.",
            f"Choose a categorical column, or a numeric one with at most {MAX_NUMBERS} different whole numbers.",
        )
    codes = np.full(len(values), -1, dtype=np.int64)
    codes[known] = np.searchsorted(distinct, values[known])
    return [str(int(value)) for value in distinct], codes


def _cells_of(codes: np.ndarray, n_groups: int) -> list[np.ndarray]:
    """Return the ascending positions of each group's cells."""
    small = codes.astype(np.int16) if n_groups < 2**15 else codes
    order = np.argsort(small, kind="stable").astype(np.int64)
    ends = np.cumsum(np.bincount(codes + 1, minlength=n_groups + 1))
    return [order[ends[i] : ends[i + 1]] for i in range(n_groups)]
