"""Does the conclusion depend on the method? The same genes scored by every method, and the page each puts highest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellucid_core.cell_pages import Page
from cellucid_core.errors import InputError
from cellucid_core.genes import GeneMatch
from cellucid_core.names import listed
from cellucid_core.signature.scoring import (
    ABOUT,
    DEFAULT_OPTIONS,
    METHODS,
    Method,
    MethodOptions,
    need_expression,
    page_numbers,
    score_cells,
)
from cellucid_core.signature.statistics import pearson, ranks, some_cells

if TYPE_CHECKING:
    from cellucid_core.dataset import View


@dataclass(frozen=True, eq=False)
class EveryMethod:
    """One signature, scored by every method.

    Attributes
    ----------
    table
        One row per method and page: ``method`` (its label), ``page``, ``d`` (Cohen's d against the cells of the other
        pages; of a single page against all other cells), ``rank`` (1: highest d of the method).
    correlation
        (methods, methods) float64: Spearman's correlation of the scores over all cells of the dataset, or over 200,000
        of them (`some_cells`).
    highest
        Label of the method → the page that it puts highest.
    sentence
        How many methods agree with the one that is asked about, and what the others say.
    notes
        One sentence for each method that has no score or whose score does not vary.
    """

    table: pd.DataFrame
    correlation: pd.DataFrame
    highest: dict[str, str]
    sentence: str
    notes: list[str]

    def effects(self, pages: Sequence[Page]) -> pd.DataFrame:
        """Return Cohen's d as (methods, pages) float64, both in order; NaN where d is not defined."""
        wide = self.table.pivot_table(index="method", columns="page", values="d", dropna=False)
        return wide.loc[list(self.highest), [page.name for page in pages if page.name in wide.columns]]


def every_method(
    view: View,
    match: GeneMatch,
    pages: Sequence[Page],
    *,
    method: Method = "mean",
    seed: int = 0,
    options: MethodOptions = DEFAULT_OPTIONS,
    progress: Callable[[float], None] | None = None,
) -> EveryMethod:
    """Score a signature by every method and compare what each puts highest.

    Parameters
    ----------
    view
        The dataset as mapped.
    match
        The genes as found.
    pages
        At least one page.
    method
        The method whose conclusion the others are compared with in the sentence.
    seed, options
        See `score_cells`.
    progress
        Called with the done share, 0 to 1.

    Raises
    ------
    InputError
        There is no expression matrix, or no method has a score that varies.
    """
    expression = need_expression(view)
    rows, scores, notes = [], {}, []
    cells = some_cells(np.arange(view.n_cells))
    compared = np.unique(np.concatenate([page.cells for page in pages]))
    if len(pages) > 1:
        pages = [replace(page, cells=np.searchsorted(compared, page.cells)) for page in pages]
    else:
        compared = np.arange(view.n_cells)
    for number, one in enumerate(METHODS):
        if progress is not None:
            progress(number / len(METHODS))
        label = ABOUT[one].label
        try:
            raw = score_cells(expression, match, one, seed=seed, options=options, gene_ids=view.gene_ids)
        except InputError as error:
            notes.append(f"{label}: {error.what}")
            continue
        d = page_numbers(raw[compared], pages)[:, 3]
        if not np.isfinite(d).any():
            notes.append(f"{label}: the score does not vary.")
            continue
        scores[label] = raw[cells]
        order = np.argsort(np.argsort(np.where(np.isfinite(d), -d, np.inf), kind="stable"), kind="stable") + 1
        rows += [(label, page.name, effect, rank) for page, effect, rank in zip(pages, d, order, strict=True)]
    if not rows:
        raise InputError("No method tells these pages apart.", "Choose other pages or genes.")
    table = pd.DataFrame(rows, columns=["method", "page", "d", "rank"])
    best = table[table["rank"] == 1]
    highest = dict(zip(best["method"], best["page"], strict=True))
    return EveryMethod(table, _correlation(scores), highest, _sentence(highest, ABOUT[method].label), notes)


def _correlation(scores: dict[str, np.ndarray]) -> pd.DataFrame:
    found = pd.DataFrame(np.eye(len(scores)), index=list(scores), columns=list(scores))
    for first in scores:
        for second in scores:
            both = np.isfinite(scores[first]) & np.isfinite(scores[second])
            if first != second and both.sum() > 2:
                found.loc[first, second] = pearson(ranks(scores[first][both]), ranks(scores[second][both]))
    return found


def _sentence(highest: dict[str, str], asked: str) -> str:
    page = highest.get(asked) or next(iter(highest.values()))
    agree = [label for label, found in highest.items() if found == page]
    others = [f"{label} puts {found} highest" for label, found in highest.items() if found != page]
    if len(highest) == 1:
        return f"Only {agree[0]} has a score that varies; it puts {page} highest."
    if not others:
        return f"All {len(highest)} methods put {page} highest."
    return f"{len(agree)} of {len(highest)} methods put {page} highest; {listed(others, 4)}."
