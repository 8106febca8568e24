"""Rank scores of many signatures: each cell is ranked once, and a gene's rank counts in every signature that has it.

`ranking` counts values against a few wanted genes without sorting. Where the wanted genes are a good part of all genes,
sorting every cell is faster, and only the sums are kept in memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cellucid_core.compiled import compiled

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression

#: Values that are in memory at once (about 100 MB with what is made of them).
_MOST_ENTRIES = 6_000_000
#: From this share of a matrix's values on, sorting beats counting.
_SHARE = 0.15


@dataclass(frozen=True, eq=False)
class Membership:
    """Which signatures have each gene.

    Attributes
    ----------
    start
        (genes + 1,) int64: where the signatures of each gene begin, genes in the order that is ranked.
    which, weight
        The numbers of the signatures, and what the gene counts in each, float64.
    n
        How many signatures there are.
    """

    start: np.ndarray
    which: np.ndarray
    weight: np.ndarray
    n: int

    @classmethod
    def of(cls, places: Sequence[np.ndarray], weights: Sequence[np.ndarray], n_genes: int) -> Membership:
        """Build it from each signature's places in the order of genes and the weights of these."""
        place = np.concatenate([*places, np.empty(0, np.int64)]).astype(np.int64)
        which = np.repeat(np.arange(len(places)), [len(one) for one in places])
        weight = np.concatenate([*weights, np.empty(0)]).astype(np.float64)
        order = np.argsort(place, kind="stable")
        start = np.zeros(n_genes + 1, np.int64)
        np.cumsum(np.bincount(place, minlength=n_genes), out=start[1:])
        return cls(start, which[order], weight[order], len(places))


def many_wanted(expression: Expression, genes: np.ndarray) -> bool:
    """Tell whether the wanted genes hold so many values that sorting whole cells is faster than `ranking`."""
    held = expression.own_stats.n_nonzero
    return int(held[genes].sum()) > _SHARE * int(held.sum())


def walk_cells(
    expression: Expression,
    order: np.ndarray,
    kernel: Callable[..., None],
    sums: Sequence[np.ndarray],
    arguments: tuple[Any, ...],
    progress: Callable[[float], None] | None = None,
) -> None:
    """Rank the nonzero values of every cell and run a kernel on them.

    Parameters
    ----------
    expression
        The chosen matrix. NaN counts as 0.
    order
        The genes that are ranked, in the order that decides between equal values.
    kernel
        A function to be compiled. It is called for stretches of cells with ``start`` (cells + 1), ``place`` and
        ``value`` (a cell's entries lie together, ascending by place in `order`), ``ranked`` (a cell's entries from the
        highest value on, counted from the cell's first entry), then the stretch of each of `sums`, then `arguments`.
    sums
        Arrays (…, n_cells) that the kernel writes to.
    arguments
        What the kernel needs beside that.
    progress
        Called with the done share, 0 to 1.
    """
    fast, n_cells = compiled(kernel), expression.n_cells
    rank = compiled(_rank_packed if expression.dtype == np.float32 else _rank)
    for first, last, start, place, value in _cell_major(expression, order):
        middle, ranked = (first + last) // 2, np.empty(len(place), np.int32)
        block = (place, value, ranked)

        def work(
            low: int, high: int, first: int = first, start: np.ndarray = start, block: tuple[np.ndarray, ...] = block
        ) -> None:
            cells, parts = start[low - first : high - first + 1], [one[..., low:high] for one in sums]
            rank(cells, *block[1:])
            fast(cells, *block, *parts, *arguments)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(work, (first, middle), (middle, last)))
        if progress is not None:
            progress(last / max(n_cells, 1))


def _cell_major(
    expression: Expression, order: np.ndarray
) -> Iterator[tuple[int, int, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield stretches of cells: first, last, and ``start``, ``place`` and ``value`` as `walk_cells` passes them on."""
    entries = int(expression.own_stats.n_nonzero[order].sum()) + 1
    parts = max(1, -(-entries // _MOST_ENTRIES))
    bounds = np.linspace(0, expression.n_cells, parts + 1).astype(np.int64).tolist()
    count, put = compiled(_count), compiled(_put)
    for first, last in itertools.pairwise(bounds):
        stored = _stored(expression, order, first, last)
        halves = [(first, (first + last) // 2), ((first + last) // 2, last)]
        start = np.zeros(last - first + 1, np.int64)
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(count, *stored, first, low, high, start) for low, high in halves]:
                done.result()
            np.cumsum(start, out=start)
            place, value = np.empty(int(start[-1]), np.int32), np.empty(int(start[-1]), expression.dtype)
            into = start[:-1].copy(), place, value
            for done in [pool.submit(put, *stored, first, low, high, *into) for low, high in halves]:
                done.result()
        yield first, last, start, place, value


def _stored(expression: Expression, order: np.ndarray, first: int, last: int) -> tuple[np.ndarray, ...]:
    """Return where each gene's entries begin and end, and all cells and values, with at least those of the stretch."""
    whole = expression.gene_major()
    if whole is not None:
        genes = whole.genes(order)
        return whole.indptr[genes], whole.indptr[genes + 1], whole.indices, whole.data
    cells, values = [], []
    for gene in order.tolist():
        where, what = expression.gene_stored(gene)
        at, end = np.searchsorted(where, [first, last])
        cells.append(where[at:end])
        values.append(what[at:end])
    ends = np.cumsum([len(one) for one in cells])
    begins = np.concatenate([[0], ends[:-1]])
    return begins, ends, np.concatenate(cells), np.concatenate(values)


def _count(
    begins: np.ndarray,
    ends: np.ndarray,
    cells: np.ndarray,
    values: np.ndarray,
    first: int,
    low: int,
    high: int,
    start: np.ndarray,
) -> None:
    """Count the values other than 0 in each cell from low to high (to be `compiled`)."""
    for gene in range(len(begins)):
        mine = cells[begins[gene] : ends[gene]]
        for k in range(begins[gene] + np.searchsorted(mine, low), begins[gene] + np.searchsorted(mine, high)):
            if values[k] != 0 and values[k] == values[k]:
                start[cells[k] - first + 1] += 1


def _put(
    begins: np.ndarray,
    ends: np.ndarray,
    cells: np.ndarray,
    values: np.ndarray,
    first: int,
    low: int,
    high: int,
    following: np.ndarray,
    place: np.ndarray,
    value: np.ndarray,
) -> None:
    """Sort the values by cell, gene by gene; `following` holds each cell's next free place (to be `compiled`)."""
    for gene in range(len(begins)):
        mine = cells[begins[gene] : ends[gene]]
        for k in range(begins[gene] + np.searchsorted(mine, low), begins[gene] + np.searchsorted(mine, high)):
            if values[k] != 0 and values[k] == values[k]:
                at = following[cells[k] - first]
                place[at] = gene
                value[at] = values[k]
                following[cells[k] - first] = at + 1


def _rank(start: np.ndarray, value: np.ndarray, ranked: np.ndarray) -> None:
    """Order the entries of each cell from the highest, equal ones as they come (to be `compiled`)."""
    for cell in range(len(start) - 1):
        begin, end = start[cell], start[cell + 1]
        ranked[begin:end] = np.argsort(-value[begin:end], kind="mergesort")


def _rank_packed(start: np.ndarray, value: np.ndarray, ranked: np.ndarray) -> None:
    """Do the same as `_rank` for float32 by sorting value and place as one 64-bit number (to be `compiled`)."""
    bits = value.view(np.uint32)
    most = 0
    for cell in range(len(start) - 1):
        most = max(most, start[cell + 1] - start[cell])
    keys = np.empty(most, np.uint64)
    for cell in range(len(start) - 1):
        begin, end = start[cell], start[cell + 1]
        for k in range(end - begin):
            bit = bits[begin + k]
            # As integers, the bits of positive floats ascend with the float and those of negative ones descend. The
            # highest is to come first, so the positive ones are turned round.
            if bit & np.uint32(0x80000000) == 0:
                bit = np.uint32(0x7FFFFFFF) - bit
            keys[k] = (np.uint64(bit) << np.uint64(32)) | np.uint64(k)
        mine = keys[: end - begin]
        mine.sort()
        for k in range(end - begin):
            ranked[begin + k] = np.int32(mine[k] & np.uint64(0xFFFFFFFF))


def ucell_sums(
    start: np.ndarray,
    place: np.ndarray,
    value: np.ndarray,
    ranked: np.ndarray,
    saved: np.ndarray,
    gene_start: np.ndarray,
    which: np.ndarray,
    weight: np.ndarray,
    max_rank: int,
) -> None:
    """Add up, per signature and cell, how far the genes' mean ranks are below `max_rank` (to be `compiled`)."""
    for cell in range(len(start) - 1):
        begin, end = start[cell], start[cell + 1]
        at = begin
        while at < end:
            high = at
            while high + 1 < end and value[begin + ranked[high + 1]] == value[begin + ranked[at]]:
                high += 1
            rank = at - begin + (high - at + 2) / 2
            if rank > max_rank:
                break
            gap = max_rank - rank
            for k in range(at, high + 1):
                gene = place[begin + ranked[k]]
                for one in range(gene_start[gene], gene_start[gene + 1]):
                    saved[which[one], cell] += gap * weight[one]
            at = high + 1


def aucell_sums(
    start: np.ndarray,
    place: np.ndarray,
    value: np.ndarray,
    ranked: np.ndarray,
    area: np.ndarray,
    gene_start: np.ndarray,
    which: np.ndarray,
    top: int,
) -> None:
    """Add up, per signature and cell, Σ(top − rank) over the top genes (to be `compiled`)."""
    n_genes = len(gene_start) - 1
    for cell in range(len(start) - 1):
        begin, end = start[cell], start[cell + 1]
        n = end - begin
        if n == 0:
            continue
        positive = 0
        for k in range(n):
            if value[begin + k] > 0:
                positive += 1
        for k in range(n):
            rank = k + 1 + (0 if k < positive else n_genes - n)
            if rank >= top:
                break
            gene = place[begin + ranked[begin + k]]
            for one in range(gene_start[gene], gene_start[gene + 1]):
                area[which[one], cell] += top - rank
        # Genes that are 0 stand between the positive and the negative ones, in their order.
        rank, mine, gene = positive, begin, 0
        while gene < n_genes and rank + 1 < top:
            if mine < end and place[mine] == gene:
                mine += 1
            else:
                rank += 1
                for one in range(gene_start[gene], gene_start[gene + 1]):
                    area[which[one], cell] += top - rank
            gene += 1


def ssgsea_sums(
    start: np.ndarray,
    place: np.ndarray,
    value: np.ndarray,
    ranked: np.ndarray,
    total: np.ndarray,
    weighted: np.ndarray,
    reached: np.ndarray,
    gene_start: np.ndarray,
    which: np.ndarray,
    scale: float,
    power: float,
) -> None:
    """Add up, per signature and cell, weight, weight × reach, and reach of its genes; see `ssgsea` (to be `compiled`).

    The reach of a gene is the number of ranks from its own to the last.
    """
    n_genes = len(gene_start) - 1
    for cell in range(len(start) - 1):
        begin, end = start[cell], start[cell + 1]
        n = end - begin
        zeros = n_genes - n
        positive = 0
        for k in range(n):
            if value[begin + k] > 0:
                positive += 1
        at = 0
        while at < n:
            high = at
            while high + 1 < n and value[begin + ranked[begin + high + 1]] == value[begin + ranked[begin + at]]:
                high += 1
            behind = 0 if at < positive else zeros
            mean_rank = at + behind + (high - at + 2) / 2
            strength = (scale * (n_genes + 1 - mean_rank) / n_genes) ** power
            for k in range(at, high + 1):
                reach = n_genes - k - behind
                gene = place[begin + ranked[begin + k]]
                for one in range(gene_start[gene], gene_start[gene + 1]):
                    total[which[one], cell] += strength
                    weighted[which[one], cell] += strength * reach
                    reached[which[one], cell] += reach
            at = high + 1
        strength = (scale * (n_genes + 1 - (positive + (zeros + 1) / 2)) / n_genes) ** power
        mine = begin
        for gene in range(n_genes):
            if mine < end and place[mine] == gene:
                mine += 1
            elif gene_start[gene] < gene_start[gene + 1]:
                reach = n_genes - positive - (gene - (mine - begin))
                for one in range(gene_start[gene], gene_start[gene + 1]):
                    total[which[one], cell] += strength
                    weighted[which[one], cell] += strength * reach
                    reached[which[one], cell] += reach
