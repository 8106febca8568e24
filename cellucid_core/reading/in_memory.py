"""An AnnData in memory becomes a file of the cache, named by its content: from there on it is one like any other."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from cellucid_core.cache import file_hash, home_folder
from cellucid_core.errors import InputError
from cellucid_core.reading.rewriting import write_adata

if TYPE_CHECKING:
    import anndata


def is_adata(data: Any) -> TypeGuard[anndata.AnnData]:
    """Tell whether something is an AnnData, without importing anndata for it."""
    return any(
        kind.__module__.partition(".")[0] == "anndata" and kind.__name__ == "AnnData" for kind in type(data).mro()
    )


def keep_adata(adata: anndata.AnnData) -> Path:
    """Write an AnnData to the cache, unless it lies there, and return where.

    Parameters
    ----------
    adata
        Also a view, or one that is backed by a file; it is not modified. ``uns`` is left out: nothing here reads it.

    Raises
    ------
    InputError
        If anndata cannot write it, or the disk is full.
    """
    import anndata

    whole = adata.to_memory() if adata.isbacked else adata
    parts = {name: dict(getattr(whole, name)) for name in ("layers", "obsm", "varm", "obsp")}
    bare = anndata.AnnData(whole.X, whole.obs.copy(), whole.var.copy(), raw=whole.raw, **parts)
    folder = home_folder("rewritten")
    handle, name = tempfile.mkstemp(prefix=".adata.", suffix=".h5ad", dir=folder)
    os.close(handle)
    draft = Path(name)
    try:
        write_adata(bare, draft)
        target = folder / f"adata-{file_hash(draft)[:40]}.h5ad"
        if not target.exists():
            draft.replace(target)
        os.utime(target)  # it is in use: see `serving.starting.sweep`
        return target
    except OSError as error:
        raise InputError(
            f"The AnnData could not be kept ({os.strerror(error.errno) if error.errno else error}).",
            "Free some disk space, or point CELLUCID_HOME to a larger disk.",
        ) from error
    except (TypeError, ValueError, NotImplementedError) as error:
        raise InputError(
            f"The AnnData holds something that cannot be written ({str(error).strip()[:160]}).",
            "Check its columns with adata.write_h5ad('file.h5ad').",
        ) from error
    finally:
        draft.unlink(missing_ok=True)
