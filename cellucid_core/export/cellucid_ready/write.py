"""Write a Cellucid-ready AnnData: declare everything, compress on threads, write in order, read back, publish."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.export.cellucid_ready.check import check_ready
from cellucid_core.export.cellucid_ready.elements import elements
from cellucid_core.export.cellucid_ready.hdf5 import H5adFile
from cellucid_core.export.cellucid_ready.layout import Deflater, raw_chunk
from cellucid_core.export.cellucid_ready.nodes import Group, Numbers, Scalar, Texts, nodes
from cellucid_core.export.cellucid_ready.zarr_zip import ZarrZip
from cellucid_core.export.parallel import in_order
from cellucid_core.export.result import ExportProgress, ExportResult, sha256_of
from cellucid_core.export.settings import ExportSettings

if TYPE_CHECKING:
    from cellucid_core.dataset import View
    from cellucid_core.export.chosen_genes import ChosenGenes

_Write = Callable[[tuple[int, ...], Any], None]
#: A compressed chunk: what writes it, its place, its bytes or texts, its array if it is the last one, what is done.
_Chunk = tuple[_Write, tuple[int, ...], Any, "Numbers | Texts | Scalar | None", str]
_DOING = {
    "X": "Writing genes",
    "obsm": "Writing coordinates",
    "obsp": "Writing the graph",
    "uns": "Writing the identity",
}


def check_target(target: str | Path, written_as: str) -> None:
    """Refuse a target whose name does not end as its format does.

    Parameters
    ----------
    written_as
        ``"h5ad"`` or ``"zarr.zip"``.

    Raises
    ------
    InputError
        If the name has another ending, or is nothing but the ending.
    """
    name, suffix = Path(target).name, f".{written_as}"
    if not name.lower().endswith(suffix) or len(name) == len(suffix):
        raise InputError(
            f"The format {written_as} is written to a {suffix} file, not to {name!r}.", f"End it in {suffix}."
        )


def write_ready(
    view: View,
    settings: ExportSettings,
    genes: ChosenGenes,
    target: str | Path,
    *,
    progress: Callable[[ExportProgress], None] | None = None,
    verify: bool = True,
    force: bool = False,
) -> ExportResult:
    """Write a Cellucid-ready AnnData.

    As `cellucid_core.export.write`: the target appears, or is replaced, as a whole at the very end; whatever goes wrong
    before, also an exception of `progress`, leaves it as it was. Memory does not grow with the number of genes. Two
    runs write the same bytes. The settings for quantization, compression and codes do not apply: expression is float32,
    or float64 if it is counts that float32 cannot hold.

    Parameters
    ----------
    view
        What to export.
    settings
        How to export it; ``format`` is ``"h5ad"`` or ``"zarr.zip"``.
    genes
        The genes, in order.
    target
        A file whose name ends in the format.
    progress
        Called on this thread after every chunk.
    verify
        Whether to read everything back and compare it with the source before the file is published.
    force
        Whether to replace what is there.

    Returns
    -------
    ExportResult
        ``files`` is 1, or the number of entries of the zip; ``max_error_steps`` is 0.0 if verified, since nothing is
        quantized.

    Raises
    ------
    InputError
        If the target cannot be written, or exists and `force` is not set; or as `elements`.
    WorkRefused
        If the viewer cannot show the data as they are; or if what was written differs from its source.
    """
    began = time.perf_counter()
    report = progress or (lambda _: None)
    kind = H5adFile if settings.format == "h5ad" else ZarrZip
    with kind(target, force=force) as sink:
        report(ExportProgress(0, 1, "Looking at names"))
        held = elements(view, settings, genes.positions)
        declared: list[tuple[Numbers | Texts | Scalar, _Write]] = []
        for node in nodes(held):
            write = sink.declare(node)
            if write is not None and not isinstance(node, Group):
                declared.append((node, write))
        # What a viewer reads when it opens the file comes first.
        declared.sort(key=lambda item: not (isinstance(item[0], Scalar) or item[0].first))
        total = sum(node.n_chunks for node, _ in declared)
        steps = 2 * total if verify else total
        for done, (write, place, data, complete, doing) in enumerate(in_order(_chunks(declared), settings.threads), 1):
            write(place, data)
            if complete is not None:
                sink.flush(complete)
            report(ExportProgress(done, steps, doing))
        path = sink.finish()
        arrays = 0
        if verify:
            seen = check_ready(
                path,
                view,
                held,
                progress=lambda done, of: report(
                    ExportProgress(total + total * done // max(1, of), steps, "Reading back")
                ),
            )
            if not seen.ok:
                raise WorkRefused(
                    f"What was written differs from its source: {seen.problems[0]}",
                    "Nothing was kept; please report this.",
                )
            arrays = seen.arrays
        size, sha256 = path.stat().st_size, sha256_of(path)
        sink.publish()
        report(ExportProgress(steps, steps, "Done"))
        return ExportResult(
            sink.target,
            sink.files,
            size,
            time.perf_counter() - began,
            view.n_cells,
            len(held.gene_ids),
            verify,
            0.0 if verify else None,
            tuple(fix.sentence for fix in view.mapping.fixes),
            (*genes.warnings, *held.warnings),
            arrays,
            sha256,
        )


def _chunks(declared: list[tuple[Numbers | Texts | Scalar, _Write]]) -> Iterator[Callable[[], _Chunk]]:
    """Yield the task of each chunk. Values are read from the source here, on one thread; tasks run on any thread."""
    for node, write in declared:
        doing = _DOING.get(node.path.partition("/")[0], "Writing columns")
        if isinstance(node, Scalar):
            yield lambda chunk=(write, (), node.value, node, doing): chunk  # type: ignore[misc]
        elif isinstance(node, Texts):
            size = node.chunks[0]
            for at in range(node.n_chunks):
                part = node.values[at * size : (at + 1) * size]
                end = node if at + 1 == node.n_chunks else None
                yield lambda chunk=(write, (at,), part, end, doing): chunk  # type: ignore[misc]
        else:
            deflater, n_left = Deflater(), node.n_chunks
            for place, block in node.blocks():
                n_left -= 1
                task = _Task(node, write, place, block, None if n_left else node, doing, deflater)
                if n_left + 1 == node.n_chunks:  # the first chunk decides how the others are compressed
                    made = task()
                    yield lambda chunk=made: chunk  # type: ignore[misc]
                else:
                    yield task


class _Task:
    """Compress one chunk."""

    def __init__(
        self,
        node: Numbers,
        write: _Write,
        place: tuple[int, ...],
        block: Any,
        complete: Numbers | None,
        doing: str,
        deflater: Deflater,
    ) -> None:
        self._node, self._write, self._place, self._block = node, write, place, block
        self._complete, self._doing, self._deflater = complete, doing, deflater

    def __call__(self) -> _Chunk:
        node = self._node
        raw = raw_chunk(self._block, node.chunks, node.dtype, node.shuffle)
        return self._write, self._place, self._deflater.compress(raw), self._complete, self._doing
