"""Computations gene by gene: in threads here or by the workers of a cluster, each gene from all parts at once.

A worker that reads a gene from every part gets the same numbers as this machine, to the last bit, however many parts
there are; sums per part would be added in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cellucid_core.cache import scratch_folder
from cellucid_core.running import Executor, Local, Share, executor

if TYPE_CHECKING:
    from cellucid_core.dataset.expression import Expression

#: Genes of one call.
_BLOCK = 64
#: Genes after which a block checks whether the work was cancelled.
_STEP = 16


def over_genes(
    kernel: Callable[..., Any],
    expression: Expression,
    *arguments: Any,
    genes: Sequence[int] | np.ndarray | None = None,
    threads: int = 1,
    report: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield ``kernel(expression, gene, *arguments)`` of many genes, block by block, in the order in which they end.

    Parameters
    ----------
    kernel
        A function at the top of a module (so that it can be sent); returns numbers of the same shape for every gene.
    expression
        The matrix; if it is `spread`, the cluster computes.
    arguments
        Plain values and arrays, which the kernel must not write to.
    genes
        Positions; None for all.
    threads
        How many blocks are worked on at a time here.
    report
        Called with (genes done, all genes) in the caller's thread; it may raise to cancel.

    Yields
    ------
    tuple
        Which of `genes` these are, and what the kernel returned of each, (genes of the block, …).

    Raises
    ------
    CellucidError
        What the kernel raises, or why the cluster cannot compute it.
    """
    positions = np.arange(expression.n_genes) if genes is None else np.asarray(genes, np.int64)
    n = len(positions)
    blocks = [slice(start, min(start + _BLOCK, n)) for start in range(0, n, _BLOCK)]
    tell, done = report or (lambda done, total: None), 0
    with ExitStack() as held:
        engine: Executor = Local(threads)
        matrix: Any = expression
        waiting = None
        if expression.spread:
            engine, shared = executor(), held.enter_context(scratch_folder())
            matrix, arguments = _in_files(expression, arguments, shared)

            def waiting(_: float) -> None:  # a cluster asks in this thread whether it is still wanted; threads do not
                tell(done, n)

        calls = [(kernel, matrix, positions[block].tolist(), arguments) for block in blocks]
        for number, found in engine.map(_block, calls, waiting):
            yield blocks[number], found
            done += len(found)
            tell(done, n)


class _InFile(NamedTuple):
    """Something that is in a file of the shared folder, and the function that reads it."""

    read: Callable[[Path], Any]
    path: Path


def _in_files(expression: Expression, arguments: tuple[Any, ...], folder: Path) -> tuple[_InFile, tuple[Any, ...]]:
    """Write where the matrix is, and the arrays, to files once, so that every call only names the files."""
    expression.save(folder / "expression.npz")
    told = list(arguments)
    for number, argument in enumerate(arguments):
        if isinstance(argument, np.ndarray) and argument.size:  # an empty file cannot be mapped
            path = folder / f"{number}.npy"
            np.save(path, argument)
            told[number] = _InFile(_mapped, path)
    return _InFile(type(expression).read, folder / "expression.npz"), tuple(told)


def _mapped(path: Path) -> np.ndarray:
    array: np.ndarray = np.load(path, mmap_mode="r")
    return array.view(np.ndarray)  # a memmap pays for its class on every slice


@lru_cache(maxsize=2)  # a worker gets many blocks of one matrix
def _matrix(file: _InFile) -> Any:
    return file.read(file.path)


def _block(
    kernel: Callable[..., Any],
    matrix: Expression | _InFile,
    genes: Sequence[int],
    arguments: tuple[Any, ...],
    report: Share,
) -> np.ndarray:
    expression: Expression = _matrix(matrix) if isinstance(matrix, _InFile) else matrix
    given = [argument.read(argument.path) if isinstance(argument, _InFile) else argument for argument in arguments]
    found = []
    for done, gene in enumerate(genes):
        if done % _STEP == 0:
            report(done / len(genes))
        found.append(kernel(expression, gene, *given))
    if expression is not matrix:  # a worker's memory is limited; on this machine the system gives the memory back
        expression.forget()
    report(1.0)
    return np.array(found)
