"""A few whole cells of a stored matrix are those cells, whether they are neighbours or far apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from cellucid_core.dataset.transposed import turned_matrix
from cellucid_core.reading import FileMatrix
from tests.making import make_adata


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, np.asarray])
@pytest.mark.parametrize("rows", [[], [0], [59], [0, 1, 2], [0, 1, 5, 7, 8, 9, 40, 59], list(range(60))])
def test_sampled_rows(opened, form, rows):
    adata = make_adata()
    dense = adata.X.toarray()
    adata.X = form(dense)
    found = opened(adata).matrices["X"].sample_rows(np.array(rows, int))
    np.testing.assert_array_equal(found.toarray() if sparse.issparse(found) else found, dense[rows])


def test_chosen_columns_stay_chosen_when_turned():
    stored = make_adata().X.tocsr()
    element = {part: getattr(stored, part) for part in ("data", "indices", "indptr")}
    kept = np.array([0, 2, stored.shape[1] - 1])
    matrix = FileMatrix("X", element, "csr", (stored.shape[0], 3), stored.dtype, kept, stored.shape[1])
    found = turned_matrix(matrix).sample_rows(np.arange(3))
    np.testing.assert_array_equal(found.toarray(), stored[:, kept].toarray().T)
