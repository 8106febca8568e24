"""In how many donors a difference points the same way; and which columns of the cell table name donors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellucid_core.cell_pages import Page
from cellucid_core.signature.statistics.replicates import Owned

if TYPE_CHECKING:
    from cellucid_core.dataset import View

#: Words in a column's name that point to donors or samples, the likeliest first, and what the values are called.
_WORDS = {
    "donor": "donors",
    "donors": "donors",
    "patient": "patients",
    "patients": "patients",
    "individual": "individuals",
    "subject": "subjects",
    "participant": "participants",
    "person": "donors",
    "mouse": "animals",
    "animal": "animals",
    "replicate": "replicates",
    "rep": "replicates",
    "sample": "samples",
    "samples": "samples",
    "sampleid": "samples",
    "specimen": "samples",
    "biosample": "samples",
    "orig": "samples",
    "library": "libraries",
    "hto": "samples",
    "channel": "samples",
    "batch": "batches",
}
#: A name that ends with one of these words describes donors rather than naming them: donor_age, sample_type.
_DESCRIBES = frozenset(
    """
    age sex gender type status group condition disease diagnosis stage bmi ethnicity ancestry count
    counts n score time date day weight color colour colors source site tissue region method protocol
    processing quality
    """.split()  # noqa: SIM905
)
#: More values than this name cells rather than samples.
_MOST_LEVELS = 2000


@dataclass(frozen=True)
class Agreement:
    """Donors that have cells on both sides of a comparison.

    Attributes
    ----------
    n
        How many there are.
    higher, lower
        In how many of them the page's mean score is above, or below, that of the other side.
    """

    n: int
    higher: int
    lower: int


def agreement(one: Owned, others: Sequence[Owned]) -> Agreement:
    """Compare, within each donor, a page with the other pages taken together.

    Parameters
    ----------
    one
        Scores of the page by donor.
    others
        Scores of the other pages by donor; they are pooled within a donor.
    """
    sums = np.sum([other.sums for other in others], axis=0)
    counts = np.sum([other.counts for other in others], axis=0)
    both = (one.counts > 0) & (counts > 0)
    difference = one.sums[both] / one.counts[both] - sums[both] / counts[both]
    return Agreement(int(both.sum()), int((difference > 0).sum()), int((difference < 0).sum()))


def unit_word(column: str) -> str:
    """Return what the values of a column of donors or samples are called, in the plural."""
    return next((word for token, word in _WORDS.items() if token in _tokens(column)), "samples")


def sample_columns(view: View) -> list[str]:
    """Return the obs columns that are likely to name donors or samples, the likeliest first.

    Returns
    -------
    list of str
        Columns whose name contains a word such as donor, patient, sample, orig or batch and does not end with one such
        as age or type, and whose values group the cells: two values, or up to 2,000 with ten cells or more each on
        average.
    """
    order = list(_WORDS)
    found = []
    for place, column in enumerate(map(str, view.dataset.obs.columns)):
        tokens = _tokens(column)
        if not tokens or tokens[-1] in _DESCRIBES:
            continue
        rank = next((i for i, word in enumerate(order) if word in tokens), None)
        if rank is not None and _groups_cells(view, column):
            found.append((rank, place, column))
    return [column for _, _, column in sorted(found)]


def joined_column(view: View, pages: Sequence[Page] | None = None) -> str | None:
    """Return the column that names joined samples, the unit of replication where no other is named.

    None for a dataset of one sample, or if the pages are made of that column.
    """
    column = view.dataset.sample_column
    return None if any(page.column == column for page in pages or ()) else column or None


def _groups_cells(view: View, column: str) -> bool:
    """Tell whether a column has at least two values, and few enough that they group cells."""
    if pd.api.types.is_float_dtype(view.obs(column).dtype):
        return False
    levels = len(view.label_counts(column))
    return 2 <= levels <= min(_MOST_LEVELS, max(2, view.n_cells // 10))


def _tokens(column: str) -> list[str]:
    """Split a name into lower-case words: ``DonorID``, ``donor_id`` and ``donor.id`` alike."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", column)
    return re.findall(r"[a-z]+", apart.lower())
