"""A dataset seen through a mapping: what preflight checks, and what exports and scores are computed from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cached_property
from html import escape

import numpy as np
import pandas as pd
from scipy import sparse

from cellucid_core.dataset.expression import Expression
from cellucid_core.dataset.mapping import INDEX, ColumnKind, Mapping
from cellucid_core.dataset.model import Dataset
from cellucid_core.errors import InputError

#: Increased when what is computed from the same content changes.
_COMPUTED_VERSION = 2


class View:
    """The cells, genes, columns and arrays of a dataset that the user's choices and fixes leave.

    Nothing is copied before it is asked for, and the dataset is never changed.

    Parameters
    ----------
    dataset
        The opened file; it is turned as the mapping says (`Dataset.turned`).
    mapping
        The user's choices.
    report
        Called with the share that is done (0 … 1) while the gene-major store is built, on first use of expression.
    """

    def __init__(self, dataset: Dataset, mapping: Mapping, report: Callable[[float], None] | None = None) -> None:
        self.dataset = dataset.turned(mapping.turn)
        self.mapping = mapping
        self._report = report
        self._label_counts: dict[str, pd.Series] = {}

    def __repr__(self) -> str:
        return "\n".join([f"{self.dataset.name}: {self.n_cells:,} cells, {self.n_genes:,} genes", *self._facts()])

    def _repr_html_(self) -> str:
        first, *others = map(escape, repr(self).splitlines())
        return f"<b>{first}</b><br>" + "<br>".join(others)

    def _facts(self) -> list[str]:
        """Return the lines that a notebook shows below the name."""
        mapping = self.mapping
        embeddings = ", ".join(f"{key} ({dimension}D)" for dimension, key in sorted(mapping.embeddings.items()))
        return [
            f"  expression: {mapping.matrix or 'none'}, genes named by {mapping.gene_id}",
            f"  cell columns: {', '.join(self.obs_keys) or 'none'}",
            f"  embeddings: {embeddings or 'none'}",
            *(f"  fixed: {fix.sentence}" for fix in mapping.fixes),
        ]

    def key_of(self, *depends: object, expression: bool = True) -> str:
        """Return the key of a computed result (see `derived`): a hash of all that it depends on.

        The content, how it is turned and which cells are left out are always part of it.

        Parameters
        ----------
        depends
            The name of the result, then what else it depends on: arrays, or values that JSON can hold.
        expression
            Whether it depends on the chosen matrix and the kept genes.
        """
        mapping = self.mapping
        state = hashlib.sha256()
        parts: list[object] = [_COMPUTED_VERSION, self.dataset.content_hash, mapping.turn, mapping.cells_out]
        parts += [mapping.matrix, mapping.genes_kept] if expression else []
        for part in (*parts, *depends):
            if isinstance(part, np.ndarray):
                state.update(f"\0{part.dtype} {part.shape}\0".encode())
                state.update(np.ascontiguousarray(part).tobytes())
            else:
                state.update(f"\0{json.dumps(part)}".encode())
        return state.hexdigest()[:40]

    # ---- cells -------------------------------------------------------------------------------------------------

    @cached_property
    def cell_index(self) -> np.ndarray:
        """Rows of the source that are kept, ascending, (n_cells,) int64."""
        keep = np.ones(self.dataset.n_cells, dtype=bool)
        keep[self.mapping.cells_out] = False
        return np.flatnonzero(keep).astype(np.int64)

    @property
    def n_cells(self) -> int:
        """Number of cells kept."""
        return len(self.cell_index)

    @property
    def all_cells(self) -> bool:
        """Whether no cell was left out."""
        return len(self.mapping.cells_out) == 0

    @cached_property
    def cell_ids(self) -> np.ndarray:
        """Cell ids exactly as in ``obs_names`` (a fix may have replaced them), (n_cells,) object array of str."""
        given = self.mapping.cell_ids
        ids: np.ndarray = np.asarray(self.dataset.obs.index, dtype=object) if given is None else given
        return ids if self.all_cells else ids[self.cell_index]

    @cached_property
    def repeated_ids(self) -> int:
        """How many kept cells have the id of an earlier kept cell."""
        return int(pd.Index(self.cell_ids).duplicated().sum())

    # ---- obs ---------------------------------------------------------------------------------------------------

    @property
    def obs_keys(self) -> tuple[str, ...]:
        """The chosen obs columns, by their names in the source, in order."""
        return self.mapping.obs_keys

    def obs(self, key: str) -> pd.Series:
        """Return a column of the cell table for the kept cells.

        A column whose kind the user changed comes back as that kind: as a pandas categorical, or as float64.

        Raises
        ------
        InputError
            If there is no such column.
        """
        if key not in self.dataset.obs.columns:
            raise InputError(
                f"The cell table has no column {key!r}.",
                f"It has: {', '.join(map(str, self.dataset.obs.columns[:12])) or 'none'}.",
            )
        series = self.dataset.obs[key]
        if key in self.mapping.obs_replaced:
            series = pd.Series(self.mapping.obs_replaced[key], index=self.dataset.obs.index, name=key)
        if isinstance(series, pd.DataFrame):  # two columns have this name: the first is taken
            series = series.iloc[:, 0]
        if not self.all_cells:
            series = series.iloc[self.cell_index]
        natural = natural_kind(series)
        wanted = self.mapping.kinds.get(key, natural)
        if wanted == natural:
            return series
        if wanted == "categorical":
            return as_categories(series)
        if isinstance(series.dtype, pd.CategoricalDtype):
            series = series.astype(series.cat.categories.dtype)
        return pd.to_numeric(series, errors="coerce").astype("float64")

    def label_counts(self, key: str) -> pd.Series:
        """Return value → number of cells, most frequent first, without missing values and unused categories.

        Values of an object column that are not all text or truth values are counted as text, since some (lists) cannot
        be compared. Counted once per view.
        """
        if key not in self._label_counts:
            series = self.obs(key)
            if series.dtype == object:
                plain = pd.api.types.infer_dtype(series, skipna=True) in ("string", "boolean", "empty")
                series = series if plain else series.where(series.isna(), series.astype(str))
            counts = series.value_counts(dropna=True)
            self._label_counts[key] = counts[counts > 0]
        return self._label_counts[key]

    def kind(self, key: str) -> ColumnKind:
        """Tell whether a column is exported as categories or as numbers."""
        return self.mapping.kinds.get(key) or natural_kind(self.obs(key))

    def exported_name(self, key: str) -> str:
        """Return the name under which a column is exported; a fix may have changed it."""
        return self.mapping.renamed.get(key, key)

    # ---- embeddings --------------------------------------------------------------------------------------------

    @property
    def dimensions(self) -> tuple[int, ...]:
        """Dimensions that have an embedding, ascending."""
        return tuple(sorted(self.mapping.embeddings))

    def obsm(self, key: str) -> np.ndarray:
        """Return an obsm array for the kept cells.

        Raises
        ------
        InputError
            If it does not exist or its rows are not the dataset's cells.
        """
        array = self.mapping.computed.get(key, self.dataset.obsm.get(key))
        if array is None:
            raise InputError(f"The dataset has no obsm array {key!r}.", "Choose another one.")
        if array.shape[0] != self.dataset.n_cells:
            raise InputError(
                f"obsm[{key!r}] has {array.shape[0]:,} rows for {self.dataset.n_cells:,} cells.",
                "Choose another one.",
            )
        return array if self.all_cells else array[self.cell_index]

    def embedding(self, dimension: int) -> np.ndarray:
        """Return the coordinates of a chosen dimension, (n_cells, dimension).

        Raises
        ------
        InputError
            If there is none, or it has another number of columns.
        """
        key = self.mapping.embeddings.get(dimension)
        if key is None:
            raise InputError(f"No {dimension}D embedding is chosen.", "Choose one in the mapping.")
        array = self.obsm(key)
        if array.ndim != 2 or array.shape[1] != dimension:
            raise InputError(
                f"obsm[{key!r}] has the shape {array.shape}, not {dimension} columns.",
                "Choose another embedding.",
            )
        return array

    def latent(self) -> np.ndarray:
        """Return the latent space, (n_cells, k); where none is chosen, the embedding of most dimensions.

        Raises
        ------
        InputError
            If there is neither.
        """
        if self.mapping.latent is not None:
            array = self.obsm(self.mapping.latent)
            return array[:, None] if array.ndim == 1 else array
        if not self.dimensions:
            raise InputError("There is no latent space and no embedding.", "Choose an embedding.")
        return self.embedding(self.dimensions[-1])

    def vectors(self) -> dict[str, np.ndarray]:
        """Return the chosen vector fields: obsm key (a fix may have renamed it) → (n_cells, k); raises as `obsm`."""
        return {self.mapping.vectors_renamed.get(key, key): self.obsm(key) for key in self.mapping.vectors}

    def graph(self) -> sparse.csr_matrix | None:
        """Return the chosen cell × cell graph, (n_cells, n_cells), or None.

        Raises
        ------
        InputError
            If its shape does not fit the dataset's cells, or it cannot be read.
        """
        return self._graph

    @cached_property
    def _graph(self) -> sparse.csr_matrix | None:
        if self.mapping.connectivities is None:
            return None
        graph = self.dataset.graphs[self.mapping.connectivities]
        if graph.shape != (self.dataset.n_cells, self.dataset.n_cells):
            raise InputError(
                f"The graph {graph.key} is {' × '.join(map(str, graph.shape))} for {self.dataset.n_cells:,} cells.",
                "Leave it out, or compute it again with scanpy.pp.neighbors.",
            )
        matrix = graph.read()
        return matrix if self.all_cells else sparse.csr_matrix(matrix[self.cell_index][:, self.cell_index])

    # ---- expression --------------------------------------------------------------------------------------------

    @cached_property
    def expression(self) -> Expression | None:
        """The chosen matrix, from its gene-major store (built on first use), or None.

        Raises
        ------
        InputError
            If the matrix cannot be read, or its shape does not fit the cell table and the gene table.
        """
        name = self.mapping.matrix
        if name is None:
            return None
        shape = self.dataset.matrices[name].shape
        if shape[0] != self.dataset.n_cells:
            raise InputError(
                f"The matrix {name} has {shape[0]:,} rows for {self.dataset.n_cells:,} cells.",
                "Choose another matrix.",
            )
        if shape[1] != len(self.dataset.variables[name]):
            raise InputError(
                f"The matrix {name} has {shape[1]:,} columns for {len(self.dataset.variables[name]):,} genes.",
                "Choose another matrix.",
            )
        store = self.dataset.store(name, self._report)
        return Expression(store, None if self.all_cells else self.cell_index, self.mapping.genes_kept)

    @property
    def var(self) -> pd.DataFrame:
        """The gene table of the chosen matrix, one row per gene that is kept; empty without a matrix."""
        if self.mapping.matrix is None:
            return pd.DataFrame()
        table = self.dataset.variables[self.mapping.matrix]
        return table if self.mapping.genes_kept is None else table.iloc[self.mapping.genes_kept]

    @property
    def n_genes(self) -> int:
        """Number of genes kept, 0 without a matrix."""
        return len(self.var)

    @cached_property
    def gene_ids(self) -> np.ndarray:
        """Ids of the kept genes, (n_genes,) object array of str; a missing id is the empty string.

        Raises
        ------
        InputError
            If the chosen gene-id column does not exist.
        """
        if self.mapping.gene_ids is not None:
            return self.mapping.gene_ids
        return gene_ids(self.var, self.mapping.gene_id)


def gene_ids(var: pd.DataFrame, column: str) -> np.ndarray:
    """Return the ids in a column of a gene table (or ``"index"``), object array of str.

    Raises
    ------
    InputError
        If there is no such column.
    """
    if column == INDEX:
        return var.index.astype(str).to_numpy(dtype=object)
    if column not in var.columns:
        raise InputError(
            f"The gene table has no column {column!r}.",
            f"Use index or one of: {', '.join(map(str, var.columns[:12])) or 'it has none'}.",
        )
    values = var[column]
    return np.array(
        ["" if missing else str(value) for value, missing in zip(values, values.isna(), strict=True)],
        dtype=object,
    )


def as_categories(series: pd.Series) -> pd.Series:
    """Return a column as a pandas categorical; whole numbers that are kept as floats read "3", not "3.0"."""
    if pd.api.types.is_float_dtype(series.dtype):
        values = series.to_numpy(dtype=np.float64, na_value=np.nan)
        labelled = np.isfinite(values)
        if labelled.any() and np.array_equal(values[labelled], np.rint(values[labelled])):
            labels, codes = np.unique(values[labelled].astype(np.int64), return_inverse=True)
            all_codes = np.full(len(values), -1, np.int64)
            all_codes[labelled] = codes
            return pd.Series(
                pd.Categorical.from_codes(all_codes, categories=pd.Index(labels)), index=series.index, name=series.name
            )
    return series.astype("category")


def natural_kind(series: pd.Series) -> ColumnKind:
    """Return the kind that follows from a column's type, as in cellucid 0.0.9.

    Numbers are continuous; categories, truth values, text, objects and dates are categorical.
    """
    if pd.api.types.is_bool_dtype(series.dtype) or not pd.api.types.is_numeric_dtype(series.dtype):
        return "categorical"
    return "continuous"
