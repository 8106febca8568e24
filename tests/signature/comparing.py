"""Pages compared from one array of scores per page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cellucid_core.cell_pages import Page
from cellucid_core.signature.statistics import TestResult, by_owner, compare_samples, owned_scores
from cellucid_core.signature.statistics.effects import Sample


def compare(pages: Sequence[Page], scores: Sequence[np.ndarray], **more: Any) -> list[TestResult]:
    return compare_samples([page.name for page in pages], [Sample.of(one) for one in scores], **more)


def by_sample(pages: Sequence[Page], scores: Sequence[np.ndarray], samples: pd.Series | np.ndarray) -> list[TestResult]:
    return by_owner([page.name for page in pages], owned_scores(pages, scores, samples))
