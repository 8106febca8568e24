"""Several opened datasets as one: tables are joined by name, genes by id; matrices stay in their files.

As `anndata.concat` with ``label`` and ``join``, without its copies; what not all parts have in the same form is left
out, and a note says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, TypeAlias, cast

import numpy as np
import pandas as pd
from scipy import sparse

from cellucid_core.cache import combined_hash
from cellucid_core.dataset.joined_columns import joined_column
from cellucid_core.dataset.model import Dataset
from cellucid_core.dataset.parts import Join, JoinedMatrix, MatrixPart, Part, barcode_column, joined_scale
from cellucid_core.dataset.scale import MatrixScale
from cellucid_core.dataset.transposed import Turn
from cellucid_core.dataset.view import gene_ids
from cellucid_core.errors import InputError
from cellucid_core.genes import SYMBOL_COLUMNS, id_kind, species
from cellucid_core.names import listed
from cellucid_core.reading import FileMatrix, Graph
from cellucid_core.running import Local, Share, executor

#: Unique ids of genes.
Ids: TypeAlias = "pd.Index[Any]"
JOINS: tuple[Join, ...] = ("shared", "all")
#: Most samples that one dataset may have.
MAX_SAMPLES = 10_000

#: Default name of the column that says which sample a cell is of.
SAMPLE = "sample"
#: Files that are opened at the same time.
_AT_ONCE = 4
#: If a part shares a smaller share of its gene names than this with the largest one, other columns are tried as names.
_FEW_SHARED = 0.1
#: Columns of gene tables that may hold ids; `SYMBOL_COLUMNS` may too.
_ID_COLUMNS = ("gene_ids", "gene_id", "ensembl_id", "ensembl", "feature_id", "ensgene", "id")


@dataclass(frozen=True, eq=False)
class _Opened:
    """What is kept of a part after its file was closed."""

    name: str
    reopen: Callable[[], Dataset]
    dataset: Dataset  # without matrices and graphs
    shapes: dict[str, tuple[int, int]]
    dtypes: dict[str, np.dtype[Any]]
    keys: dict[str, str]
    scales: dict[str, MatrixScale]
    graphs: tuple[str, ...]
    turned: bool

    def how(self, turn: Turn) -> Turn:
        """Return how the matrices of this part are turned, given how all parts are turned."""
        return "matrix" if self.turned else turn


def join_datasets(
    openers: Sequence[tuple[str, Callable[[], Dataset]]],
    *,
    name: str,
    join: Join = "shared",
    sample_column: str = SAMPLE,
    turn: Turn = "",
    here: bool = False,
) -> Dataset:
    """Return several datasets as one.

    Parameters
    ----------
    openers
        Each sample's name and a function that opens it; called now, and again whenever a matrix or a graph is read.
    name
        Name of the joined dataset.
    join
        ``"shared"``: the genes that all have; ``"all"``: every gene, with 0 in the cells of parts that lack it.
    sample_column
        The new column of the cell table that says which sample a cell is of.
    turn
        How every part is turned first.
    here
        Whether a part is in this process's memory, so that no cluster can read it.

    Returns
    -------
    Dataset
        With the cells of one part after those of another. Where ids of cells repeat, they become ``sample:id``, and the
        original ids are in the column `barcode_column`.

    Raises
    ------
    InputError
        If a part cannot be opened or its matrices do not fit its tables, two samples have one name, or the samples
        share no matrix or no gene.
    """
    names = [one for one, _ in openers]
    if not sample_column.strip():
        raise InputError("The column of samples needs a name.", "Call it sample.")
    if repeated := sorted({one for one in names if names.count(one) > 1}):
        raise InputError(f"Two samples are called {repeated[0]!r}.", "Give each another name.")
    parts = dict(
        (Local(_AT_ONCE) if here else executor(_AT_ONCE)).map(
            _open_part, [(one, reopen, turn) for one, reopen in openers]
        )
    )
    opened = [parts[number] for number in range(len(openers))]
    notes = [f"{part.name}: {note}" for part in opened for note in part.dataset.notes]
    notes += _same_files(opened)
    notes += [
        f"{part.name}: the matrix was transposed; it fits its tables only this way." for part in opened if part.turned
    ]
    matrices, variables, columns, own = _joined_matrices(opened, join, turn, notes, here=here)
    obs = _joined_obs(opened, sample_column, notes)
    digest = combined_hash(
        opened[0].dataset.content_hash,
        "joined",
        join,
        sample_column,
        *(f"{part.name}\0{part.dataset.content_hash}" for part in opened),
    )
    scales: dict[str, tuple[FileMatrix | JoinedMatrix, MatrixScale]] = {
        key: (matrix, joined_scale([(part.dataset.n_cells, part.scales[key]) for part in opened]))
        for key, matrix in matrices.items()
    }
    first = next(iter(matrices), None)
    return Dataset(
        id="",
        name=name,
        path=opened[0].dataset.path,
        content_hash=digest,
        obs=obs,
        variables=variables,
        obsm=_joined_obsm(opened, notes),
        graphs=_joined_graphs(opened, turn, notes),
        matrices=dict(matrices),
        unreadable={f"{part.name}: {key}": why for part in opened for key, why in part.dataset.unreadable.items()},
        notes=tuple(dict.fromkeys(notes)),
        modality=opened[0].dataset.modality,
        modalities=tuple(dict.fromkeys(one for part in opened for one in part.dataset.modalities)),
        scales=scales,
        parts=_parts(opened, first, columns, own),
        sample_column=sample_column,
        join=join,
        turn=turn,
        rejoin=cache(
            lambda how: join_datasets(openers, name=name, join=join, sample_column=sample_column, turn=how, here=here)
        ),
    )


def _open_part(name: str, reopen: Callable[[], Dataset], turn: Turn, report: Share) -> _Opened:
    try:
        dataset = reopen().turned(turn)
        turned = not turn and any(dataset.fits_only_turned(key) for key in dataset.matrices)
        if turned:
            dataset = dataset.turned("matrix")
        scales = {key: dataset.scale(key) for key in dataset.matrices}
    except InputError as error:
        if error.what.startswith(name):
            raise
        raise InputError(f"{name}: {error.what}", error.fix) from error
    for key, matrix in dataset.matrices.items():
        if matrix.shape != (dataset.n_cells, len(dataset.variables[key])):
            raise InputError(
                f"{name}: the matrix {key} is {matrix.shape[0]:,} × {matrix.shape[1]:,}, and the tables have "
                f"{dataset.n_cells:,} cells and {len(dataset.variables[key]):,} genes.",
                "Write this file again from your pipeline, or leave this sample out.",
            )
    return _Opened(
        name=name,
        reopen=reopen,
        dataset=replace(dataset, matrices={}, graphs={}, source=None, scales={}, rejoin=None, reopen=None),
        shapes={key: matrix.shape for key, matrix in dataset.matrices.items()},
        dtypes={key: matrix.dtype for key, matrix in dataset.matrices.items()},
        keys={key: dataset.store_key(key) for key in dataset.matrices},
        scales=scales,
        graphs=tuple(key for key, graph in dataset.graphs.items() if graph.shape == (dataset.n_cells,) * 2),
        turned=turned,
    )


def _same_files(opened: list[_Opened]) -> list[str]:
    """Say which samples are the same data under other names."""
    names: dict[str, list[str]] = {}
    for part in opened:
        names.setdefault(part.dataset.content_hash, []).append(part.name)
    return [f"{listed(same)} are the same data." for same in names.values() if len(same) > 1]


def _parts(opened: list[_Opened], matrix: str | None, columns: list[str], own: list[int]) -> tuple[Part, ...]:
    told: dict[tuple[str, ...], tuple[str | None, str | None]] = {}  # kept, since most samples have the same genes
    parts = []
    for part, column, alone in zip(opened, columns, own, strict=True):
        names = gene_ids(part.dataset.variables[matrix], column) if matrix else np.zeros(0, object)
        key = tuple(names)
        if key not in told:
            told[key] = next(iter(species(names)), None), id_kind(names)
        parts.append(
            Part(
                name=part.name,
                path=part.dataset.path,
                content_hash=part.dataset.content_hash,
                n_cells=part.dataset.n_cells,
                n_genes=len(names),
                own_genes=alone,
                gene_column=column,
                scales=part.scales,
                species=told[key][0],
                id_kind=told[key][1],
            )
        )
    return tuple(parts)


# ---- genes and matrices ----------------------------------------------------------------------------------------------


def _joined_matrices(
    opened: list[_Opened], join: Join, turn: Turn, notes: list[str], *, here: bool
) -> tuple[dict[str, JoinedMatrix], dict[str, pd.DataFrame], list[str], list[int]]:
    """Return the matrices that all parts have, their gene tables, and for each part its gene column and own genes.

    The gene column names its genes as the others do (`_gene_columns`); own genes are the number that only it has.
    """
    every = list(dict.fromkeys(key for part in opened for key in part.shapes))
    common = [key for key in every if all(key in part.shapes for part in opened)]
    if lacking := [key for key in every if key not in common]:
        notes.append(f"Left out, because not all samples have it: {listed([f'the matrix {key}' for key in lacking])}.")
    if every and not common:
        raise InputError(
            "The samples have no matrix in common.",
            "; ".join(f"{part.name} has {listed(list(part.shapes)) or 'none'}" for part in opened[:6]) + ".",
        )
    columns, own = ["index"] * len(opened), [0] * len(opened)
    known: list[tuple[list[pd.DataFrame], pd.DataFrame, list[np.ndarray | None]]] = []
    matrices, variables = {}, {}
    for key in common:
        tables = [part.dataset.variables[key] for part in opened]
        found = next((one for one in known if all(a is b for a, b in zip(one[0], tables, strict=True))), None)
        if found is None:
            if not known:
                columns = _gene_columns(opened, tables, notes)
            ids: list[pd.Index[Any]] = [
                _unique_ids(table, column) for table, column in zip(tables, columns, strict=True)
            ]
            genes = _joined_ids(ids, join, opened)
            if not known:
                counts = pd.Index(np.concatenate([one.to_numpy() for one in ids])).value_counts()
                alone = set(counts.index[counts == 1]) if len(opened) > 1 else set()
                own = [int(one.isin(alone).sum()) for one in ids]
            places = [_places(one, genes) for one in ids]
            found = (tables, _joined_var(tables, ids, genes, columns, notes), places)
            known.append(found)
        variables[key] = found[1]
        n_cells = sum(part.dataset.n_cells for part in opened)
        matrices[key] = JoinedMatrix(
            key,
            (n_cells, len(found[1])),
            np.result_type(*(part.dtypes[key] for part in opened)),
            tuple(
                MatrixPart(
                    part.keys[key],
                    partial(_matrix, part.name, part.reopen, part.dataset.content_hash, key, part.how(turn)),
                    place,
                )
                for part, place in zip(opened, found[2], strict=True)
            ),
            here,
        )
    return matrices, variables, columns, own


def _matrix(name: str, reopen: Callable[[], Dataset], content_hash: str, key: str, turn: Turn) -> FileMatrix:
    return cast(FileMatrix, _again(name, reopen, content_hash).turned(turn).matrices[key])


def _again(name: str, reopen: Callable[[], Dataset], content_hash: str) -> Dataset:
    found = reopen()
    if found.content_hash != content_hash:
        raise InputError(f"The file of {name} was changed since it was opened.", "Open it again.")
    return found


def _gene_columns(opened: list[_Opened], tables: list[pd.DataFrame], notes: list[str]) -> list[str]:
    """Return the column of each gene table that names genes as the other parts do: the index if enough names match."""
    columns = ["index"] * len(tables)
    largest = max(range(len(tables)), key=lambda number: len(tables[number]))
    wanted = pd.Index(gene_ids(tables[largest], "index"))
    if all(_share(pd.Index(table.index.astype(str)), wanted) >= _FEW_SHARED for table in tables):
        return columns
    best: tuple[float, list[str]] = (-1.0, columns)
    for candidate in ("index", *_candidates(tables[largest])):
        wanted = pd.Index(gene_ids(tables[largest], candidate))
        chosen, worst = [], 1.0
        for number, table in enumerate(tables):
            options = (candidate,) if number == largest else ("index", *_candidates(table))
            shares = {option: _share(pd.Index(gene_ids(table, option)), wanted) for option in options}
            option = max(shares, key=lambda option: shares[option])
            chosen.append(option)
            worst = min(worst, shares[option])
        if worst > best[0]:
            best = worst, chosen
    for part, column in zip(opened, best[1], strict=True):
        if column != "index":
            notes.append(
                f"{part.name}: its genes are joined by the column {column}, whose names match those of the other "
                "samples."
            )
    return best[1]


def _candidates(table: pd.DataFrame) -> list[str]:
    wanted = (*SYMBOL_COLUMNS, *_ID_COLUMNS)
    return [str(column) for column in table.columns if isinstance(column, str) and column.lower() in wanted]


def _share(ids: pd.Index, wanted: pd.Index) -> float:
    smaller = min(len(ids), len(wanted))
    return float(ids.isin(wanted).sum()) / smaller if smaller else 1.0


def _unique_ids(table: pd.DataFrame, column: str) -> Ids:
    """Return unique ids of genes: a name that repeats gets a NUL and a number, which no name in a file has."""
    ids = pd.Series(gene_ids(table, column), dtype=object)
    if not ids.is_unique:
        again = ids.groupby(ids).cumcount()
        ids = ids.where(again == 0, ids + "\0" + again.astype(str))
    found: Ids = pd.Index(list(ids), dtype=object)
    return found


def _joined_ids(ids: list[Ids], join: Join, opened: list[_Opened]) -> Ids:
    genes = ids[0]
    if join == "all":
        genes = pd.Index(list(dict.fromkeys(gene for one in ids for gene in one)), dtype=object)
    for one in ids[1:]:
        if join == "shared" and not one.equals(genes):
            genes = genes[genes.isin(one)]
    if len(genes) == 0 and any(len(one) for one in ids):
        if bare := [part.name for part, one in zip(opened, ids, strict=True) if not len(one)]:
            raise InputError(
                f"There are no genes in {listed(bare)}.", "Leave out samples without genes, or join all genes."
            )
        examples = "; ".join(
            f"{part.name}: {', '.join(map(str, one[:3]))}" for part, one in zip(opened, ids, strict=True)
        )
        raise InputError(
            f"The samples share no gene ({examples[:400]}).",
            "Name the genes of all files alike, leave out the sample that is unlike the others, or join all genes.",
        )
    return genes


def _places(ids: pd.Index, genes: pd.Index) -> np.ndarray | None:
    return None if ids.equals(genes) else np.asarray(ids.get_indexer(genes), dtype=np.int64)


def _joined_var(
    tables: list[pd.DataFrame], ids: list[pd.Index], genes: pd.Index, columns: list[str], notes: list[str]
) -> pd.DataFrame:
    """Return the joined gene table: each value from the first part that has one; columns that disagree are left out."""
    index = pd.Index([str(gene).partition("\0")[0] for gene in genes], dtype=object, name=tables[0].index.name)
    joined: dict[str, pd.Series] = {}
    clashing = []
    for key in dict.fromkeys(column for table in tables for column in table.columns):
        merged: pd.Series | None = None
        seen: list[pd.Series] = []
        for table, one in zip(tables, ids, strict=True):
            if key not in table.columns:
                continue
            series = table[key]
            series = series.iloc[:, 0] if isinstance(series, pd.DataFrame) else series
            if any(one.equals(other.index) and _same(series, other) for other in seen):
                continue
            series = pd.Series(series.to_numpy(), index=one)
            seen = [*seen[:8], series]
            series = series.reindex(genes)
            if merged is None:
                merged = series
                continue
            both = merged.notna() & series.notna()
            if not _same(merged[both], series[both]):
                clashing.append(str(key))
                merged = None
                break
            merged = merged.where(merged.notna(), series)
        if merged is not None:
            joined[key] = pd.Series(merged.to_numpy(), index=index)
    if clashing:
        notes.append(
            f"Left out of the gene table, because samples have different values for the same gene: {listed(clashing)}."
        )
    return pd.DataFrame(joined, index=index)


def _same(one: pd.Series, other: pd.Series) -> bool:
    values = pd.Series(one.to_numpy()), pd.Series(other.to_numpy())
    if values[0].equals(values[1]):
        return True
    return bool(len(one) == len(other) and (values[0].astype(str) == values[1].astype(str)).all())


# ---- cells -----------------------------------------------------------------------------------------------------------


def _joined_obs(opened: list[_Opened], sample_column: str, notes: list[str]) -> pd.DataFrame:
    tables = [part.dataset.obs.loc[:, ~part.dataset.obs.columns.duplicated()] for part in opened]
    sizes = [len(table) for table in tables]
    names = [part.name for part in opened]
    barcodes = np.concatenate([np.asarray(table.index, dtype=object) for table in tables])
    sample = pd.Categorical.from_codes(
        np.repeat(np.arange(len(names)), sizes), categories=pd.Index(names, dtype=object)
    )
    places, distinct = pd.factorize(barcodes, use_na_sentinel=False)
    repeated = len(distinct) < len(barcodes)
    ids = barcodes
    if repeated:
        barcodes = distinct[places]  # equal texts become one object: texts are most of the memory that a cell takes
        ids = np.array(
            [f"{name}:{barcode}" for name, barcode in zip(np.asarray(sample), barcodes, strict=True)], object
        )
        notes.append(
            f"Samples use the same ids for cells: they are called sample:id here; the original ids are in the "
            f"column {barcode_column(sample_column)}."
        )
    columns: dict[Any, Any] = {sample_column: sample}
    if repeated:
        columns[barcode_column(sample_column)] = barcodes
    clashing, partly = [], []
    for key in dict.fromkeys(column for table in tables for column in table.columns):
        pieces = [table[key] if key in table.columns else None for table in tables]
        if any(piece is None and size for piece, size in zip(pieces, sizes, strict=True)):
            partly.append(str(key))
        values, clashes = joined_column(pieces, sizes)
        if clashes:
            clashing.append(str(key))
        columns[key if key not in columns else _free(f"{key}_in_file", columns, tables)] = values
    obs = pd.DataFrame(columns, index=pd.Index(ids, dtype=object))
    if sample_column in {column for table in tables for column in table.columns}:
        notes.append(f"The files' own column {sample_column} is called {sample_column}_in_file here.")
    if clashing:
        notes.append(f"Columns with numbers in some samples and text in others are taken as text: {listed(clashing)}.")
    if partly:
        notes.append(
            f"Not all samples have these columns of the cell table; cells of the others lack a value: {listed(partly)}."
        )
    return obs


def _free(name: str, *taken: Any) -> str:
    used = {column for table in taken for one in (table if isinstance(table, list) else [table]) for column in one}
    while name in used:
        name += "_"
    return name


def _joined_obsm(opened: list[_Opened], notes: list[str]) -> dict[str, np.ndarray]:
    joined, left_out = {}, []
    for key in dict.fromkeys(key for part in opened for key in part.dataset.obsm):
        arrays = [part.dataset.obsm.get(key) for part in opened]
        fitting = [
            a for a, part in zip(arrays, opened, strict=True) if a is not None and len(a) == part.dataset.n_cells
        ]
        if len(fitting) == len(opened) and len({a.shape[1:] for a in fitting}) == 1:
            joined[key] = np.concatenate(fitting)
        else:
            left_out.append(key)
    if left_out:
        notes.append(
            f"Left out, because not all samples have it in one shape: {listed([f'obsm {key}' for key in left_out])}."
        )
    return joined


def _joined_graphs(opened: list[_Opened], turn: Turn, notes: list[str]) -> dict[str, Graph]:
    every = list(dict.fromkeys(key for part in opened for key in part.graphs))
    common = [key for key in every if all(key in part.graphs for part in opened)]
    if left_out := [key for key in every if key not in common]:
        notes.append(f"Left out, because not all samples have it: {listed([f'the graph {key}' for key in left_out])}.")
    n_cells = sum(part.dataset.n_cells for part in opened)
    # Only what reopens a part, so that `read` does not keep the tables in memory.
    parts = [(part.name, part.reopen, part.dataset.content_hash) for part in opened]

    def read(key: str) -> sparse.csr_matrix:
        return sparse.csr_matrix(
            sparse.block_diag([_again(*part).turned(turn).graphs[key].read() for part in parts], format="csr")
        )

    return {key: Graph(key, (n_cells, n_cells), partial(read, key)) for key in common}
