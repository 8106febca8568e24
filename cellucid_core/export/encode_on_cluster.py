"""Let a cluster encode the genes of an export: its workers write each block to a file in a shared folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np

from cellucid_core.atomic import complete_or_absent
from cellucid_core.cache import scratch_folder
from cellucid_core.errors import InputError
from cellucid_core.export.compact import genes as gene_files
from cellucid_core.running import Share, executor

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression

#: Seconds between two calls of `waiting` while a block is not ready.
_LOOK_EVERY = 0.25


@contextmanager
def encoded_elsewhere(
    expression: Expression,
    blocks: Sequence[Sequence[tuple[str, int]]],
    bits: int | None,
    level: int | None,
    waiting: Callable[[], None],
) -> Iterator[Iterator[tuple[list[tuple[str, bytes]], list[list[Any]]]]]:
    """Let a cluster encode blocks of genes while the context is open.

    Parameters
    ----------
    expression
        A matrix that is `spread`.
    blocks
        Id and position of each gene of a block.
    bits, level
        As `compact.genes.encode_block` takes them.
    waiting
        Called every 0.25 seconds while a block is not ready; may raise to give up.

    Yields
    ------
    Iterator
        What `compact.genes.encode_block` returns of each block, in order; raises what a worker raised.
    """
    ended: SimpleQueue[tuple[int, Any]] = SimpleQueue()
    left = Event()

    def still_wanted(_: float) -> None:
        if left.is_set():
            raise InputError("The export was cancelled.", "Start it again.")

    with scratch_folder() as shared, ThreadPoolExecutor(1) as beside:
        about = shared / "expression.npz"
        expression.save(about)
        calls = [(about, genes, bits, level, shared / str(number)) for number, genes in enumerate(blocks)]

        def encode() -> None:
            try:
                for done in executor().map(encode_into, calls, still_wanted):
                    ended.put(done)
            except BaseException as error:
                ended.put((-1, error))

        def taken() -> Iterator[tuple[list[tuple[str, bytes]], list[list[Any]]]]:
            known: dict[int, Any] = {}
            for number in range(len(calls)):
                while number not in known:
                    try:
                        done, found = ended.get(timeout=_LOOK_EVERY)
                    except Empty:
                        waiting()
                        continue
                    if done < 0:
                        raise found
                    known[done] = found
                names, entries = known.pop(number)
                yield _read(shared / str(number), names), entries

        beside.submit(encode)
        try:
            yield taken()
        finally:
            left.set()


def encode_into(
    about: Path, genes: Sequence[tuple[str, int]], bits: int | None, level: int | None, file: Path, report: Share
) -> tuple[list[str], list[list[Any]]]:
    """Encode a block on a worker, write its files into one, and return their names and manifest entries.

    Parameters
    ----------
    about
        The file that `Expression.save` wrote.
    genes, bits, level
        As `compact.genes.encode_block` takes them.
    file
        What is written: the files' sizes as int64, then their contents.
    """
    contents, entries = gene_files.encode_block(_expression(about), genes, bits, level)
    report(0.9)
    with complete_or_absent(file) as draft, draft.open("wb") as target:
        target.write(np.array([len(data) for _, data in contents], np.int64).tobytes())
        target.writelines(data for _, data in contents)
    return [name for name, _ in contents], entries


@lru_cache(maxsize=2)  # a worker gets many blocks of one matrix
def _expression(about: Path) -> Expression:
    from cellucid_core.dataset import Expression

    return Expression.read(about)


def _read(file: Path, names: Sequence[str]) -> list[tuple[str, bytes]]:
    """Return the files that `encode_into` put into one, and delete that one."""
    with file.open("rb") as source:
        sizes = np.frombuffer(source.read(8 * len(names)), np.int64).tolist()
        files = [(name, source.read(size)) for name, size in zip(names, sizes, strict=True)]
    file.unlink()
    return files
