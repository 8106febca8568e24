"""Gene expression, one dense vector per gene: ``var/`` and ``var_manifest.json``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cellucid_core.export.compact.compress import Compressor
from cellucid_core.export.compact.quantize import Encoded, encode_stored
from cellucid_core.names import safe_key
from cellucid_core.prepared import encoding

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression

#: Uncompressed bytes of one block of genes, which a thread holds at a time.
BLOCK_BYTES = 4 * 2**20
MAX_BLOCK_GENES = 64


def blocks(n_genes: int, n_cells: int, bits: int | None) -> list[range]:
    """Divide genes into blocks of about `BLOCK_BYTES`, at most `MAX_BLOCK_GENES` and at least one gene each."""
    per_gene = max(1, n_cells * encoding(bits).dtype.itemsize)
    size = max(1, min(MAX_BLOCK_GENES, BLOCK_BYTES // per_gene))
    return [range(start, min(start + size, n_genes)) for start in range(0, n_genes, size)]


def encode_gene(expression: Expression, position: int, bits: int | None, name: str = "") -> Encoded:
    """Encode one gene in every cell; an absent entry is 0.

    Parameters
    ----------
    expression
        The matrix.
    position
        The gene's position in the matrix.
    bits
        8, 16 or None for float32.
    name
        The gene's id, for the error.

    Raises
    ------
    WorkRefused
        As `encode_stored`.
    """
    cells, values = expression.gene_stored(position)
    return encode_stored(expression.n_cells, cells if expression.is_sparse else None, values, bits, f"gene {name}")


def encode_block(
    expression: Expression, genes: Sequence[tuple[str, int]], bits: int | None, level: int | None
) -> tuple[list[tuple[str, bytes]], list[list[Any]]]:
    """Encode and compress genes one after the other.

    Parameters
    ----------
    expression
        The matrix.
    genes
        Id and position of each.
    bits
        As in `encode_gene`.
    level
        Of the compression; 0 or None: none.

    Returns
    -------
    tuple
        Files (name, content), and their entries in the manifest.

    Raises
    ------
    WorkRefused
        As `encode_gene`.
    """
    files, entries = [], []
    compressor = Compressor(level) if level else None  # one per block, since blocks run in any order
    for gene, position in genes:
        encoded = encode_gene(expression, position, bits, gene)
        raw = np.ascontiguousarray(encoded.array).reshape(-1).view(np.uint8).data
        name = path(gene, bits)
        files.append((name + ".gz", compressor.gzip(raw)) if compressor else (name, bytes(raw)))
        entries.append([gene, *encoded.limits])
    expression.forget()
    return files, entries


def path(gene: str, bits: int | None) -> str:
    """Return the path of a gene's file, without compression suffix."""
    return f"var/{safe_key(gene)}.values.{encoding(bits).ext}"


def manifest(
    entries: Sequence[Sequence[Any]],
    n_cells: int,
    *,
    gene_id_column: str,
    bits: int | None,
    suffix: str,
    compression: int | None,
) -> dict[str, Any]:
    """Return the content of ``var_manifest.json`` (``compact_v1``).

    Parameters
    ----------
    entries
        ``[gene, min, max]``, or ``[gene]`` without quantization, in the order of the export.
    suffix, compression
        ``".gz"`` and the level, or ``""`` and None.
    """
    kind = encoding(bits)
    return {
        "_format": "compact_v1",
        "n_points": n_cells,
        "var_gene_id_column": gene_id_column,
        "compression": compression,
        "quantization": bits,
        "_varSchema": {
            "kind": "continuous",
            "pathPattern": f"var/{{key}}.values.{kind.ext}{suffix}",
            "ext": kind.ext,
            "dtype": kind.name,
            "quantized": kind.quantized,
            **({"quantizationBits": kind.bits} if kind.quantized else {}),
        },
        "fields": [list(entry) for entry in entries],
    }
