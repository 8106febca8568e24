"""The user's choices: which array is the embedding, which matrix holds expression, which columns are taken.

A `Mapping` is never changed; choosing something else, and every fix, makes a new one. It says nothing about what the
chosen things contain: preflight checks that.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping as MappingABC
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from cellucid_core.dataset.model import Dataset
from cellucid_core.dataset.parts import barcode_column
from cellucid_core.dataset.transposed import Turn
from cellucid_core.errors import InputError

ColumnKind = Literal["categorical", "continuous"]
DIMENSIONS = (1, 2, 3)
INDEX = "index"

#: obsm names of latent spaces, best first; X_pca is what scanpy writes.
_LATENT = ("X_pca", "X_pca_harmony", "X_harmony", "X_scVI", "X_scANVI", "X_latent")
_BASES = frozenset(
    [
        "umap",
        "tsne",
        "pca",
        "spatial",
        "diffmap",
        "phate",
        "draw_graph_fa",
        "draw_graph_fr",
        "pacmap",
        "trimap",
    ]
)
_DIMENSION_SUFFIX = re.compile(r"_([123])d$")


@dataclass(frozen=True)
class AppliedFix:
    """A fix, or the overruling of a finding, that the user applied.

    Attributes
    ----------
    rule
        Id of the preflight rule whose finding it fixes or overrules.
    sentence
        What it did: "3 cells left out: UMAP not finite".
    code
        The scanpy or anndata lines that do the same in the user's own pipeline.
    choice
        Name of the chosen alternative; empty for the rule's own fix.
    overruled
        Whether the user declared the finding to be wrong, instead of fixing anything.
    only_genes
        Whether it changed nothing but genes and their names, and so means nothing for another gene table; set by
        `Mapping.with_fix`.
    """

    rule: str
    sentence: str
    code: str = ""
    choice: str = ""
    overruled: bool = False
    only_genes: bool = False

    @property
    def asked(self) -> str:
        """The words with which `apply_fixes` applies this again: ``RULE`` or ``RULE=CHOICE``."""
        return f"{self.rule}={self.choice}" if self.choice else self.rule


#: What a mapping says of genes.
_OF_GENES = frozenset(["gene_id", "gene_ids", "genes_kept"])


@dataclass(frozen=True, eq=False)
class Mapping:
    """What is taken from a dataset, and in which role.

    Attributes
    ----------
    embeddings
        Dimension (1, 2, 3) → obsm key.
    latent
        obsm key, or None to use the embedding of most dimensions.
    matrix
        ``"X"``, ``"raw"``, a layer, or None for no expression.
    gene_id
        ``"index"`` or a column of the gene table.
    connectivities
        obsp key, or None for no graph.
    vectors
        obsm keys of vector fields.
    obs_keys
        obs columns that are taken, in order.
    kinds
        obs column → kind, where it differs from the kind of the column's type (`natural_kind`).
    renamed
        obs column → name under which it is exported.
    cells_out
        Rows of the source that are left out, ascending int64.
    gene_ids
        Gene ids that replace the file's, or None.
    genes_kept
        Columns of the matrix that are kept, ascending, or None for all.
    computed
        obsm arrays that a fix made, with a row for each cell of the source.
    cell_ids
        Cell ids that replace the file's, one for each cell of the source, or None.
    obs_replaced
        obs column → values that replace the file's, one for each cell of the source.
    vectors_renamed
        obsm key of a vector field → key under which it is exported.
    turn
        How the file is turned before all else (`cellucid_core.dataset.transposed`).
    fixes
        What was applied, in order.
    """

    embeddings: MappingABC[int, str]
    latent: str | None = None
    matrix: str | None = None
    gene_id: str = INDEX
    connectivities: str | None = None
    vectors: tuple[str, ...] = ()
    obs_keys: tuple[str, ...] = ()
    kinds: MappingABC[str, ColumnKind] = field(default_factory=dict)
    renamed: MappingABC[str, str] = field(default_factory=dict)
    cells_out: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    gene_ids: np.ndarray | None = None
    genes_kept: np.ndarray | None = None
    computed: MappingABC[str, np.ndarray] = field(default_factory=dict)
    cell_ids: np.ndarray | None = None
    obs_replaced: MappingABC[str, np.ndarray] = field(default_factory=dict)
    vectors_renamed: MappingABC[str, str] = field(default_factory=dict)
    turn: Turn = ""
    fixes: tuple[AppliedFix, ...] = ()

    @property
    def overruled(self) -> frozenset[str]:
        """Ids of the rules whose findings the user declared to be wrong."""
        return frozenset(fix.rule for fix in self.fixes if fix.overruled)

    def with_fix(self, fix: AppliedFix, **changes: Any) -> Mapping:
        """Return a mapping with the given changes and the fix that made them."""
        fix = replace(fix, only_genes=bool(changes) and changes.keys() <= _OF_GENES)
        return replace(self, fixes=(*self.fixes, fix), **changes)

    def digest(self) -> str:
        """Return a hash (24 hexadecimal digits) that is equal for equal choices, as a key of caches."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        state = hashlib.sha256()
        for item in fields(self):
            state.update(f"\0{item.name}\0".encode())
            state.update(_bytes(getattr(self, item.name)))
        return state.hexdigest()[:24]


def _bytes(value: Any) -> bytes:
    if isinstance(value, np.ndarray):
        return json.dumps(value.tolist()).encode() if value.dtype.kind == "O" else value.tobytes()
    if isinstance(value, MappingABC):
        return b"".join(str(key).encode() + b"=" + _bytes(item) for key, item in value.items())
    return repr(value).encode()


def is_vector_field(key: str) -> bool:
    """Tell by its name whether an obsm array holds displacements rather than coordinates.

    Cellucid's convention (``compact_v1``, vectors): ``<field>_<basis>`` or ``<field>_<basis>_<dim>d`` without a
    leading ``X_``, as scVelo (``velocity_umap``) and CellRank (``T_fwd_umap``) write them, or any ``<field>_<dim>d``.
    """
    stem = _DIMENSION_SUFFIX.sub("", key)
    if key.startswith("X_") or stem.lower() in _BASES:
        return False
    if stem != key:
        return True
    return any(stem.lower().endswith(f"_{basis}") for basis in _BASES)


def is_wide_vector_field(key: str, array: np.ndarray) -> bool:
    """Tell whether displacements belong to a space of many dimensions (scVelo's ``velocity_pca``)."""
    stem = _DIMENSION_SUFFIX.sub("", key).lower()
    wide = array.ndim == 2 and array.shape[1] > 3
    return wide and is_vector_field(key) and stem.endswith(("_pca", "_diffmap"))


def embedding_candidates(dataset: Dataset, dimension: int) -> list[str]:
    """Return obsm keys that can be the embedding of a dimension, best first.

    ``X_umap_<d>d`` is taken by its name, whatever its shape (preflight tells when it is wrong); all others if they have
    exactly `dimension` columns: ``X_umap``, ``X_tsne``, ``spatial``, ``X_spatial``, then any that is no vector field.
    """
    named = f"X_umap_{dimension}d"
    result = [named] if named in dataset.obsm else []
    fitting = [
        key
        for key, array in dataset.obsm.items()
        if key != named and array.ndim == 2 and array.shape[1] == dimension and not is_vector_field(key)
    ]
    preferred = ["X_umap", "X_tsne", "spatial", "X_spatial"]
    # An X_umap_<d>d of another dimension whose shape is wrong must not be taken for this dimension.
    fitting = [key for key in fitting if not key.startswith("X_umap_") or not _DIMENSION_SUFFIX.search(key)]
    return result + [k for k in preferred if k in fitting] + [k for k in fitting if k not in preferred]


def default_mapping(dataset: Dataset) -> Mapping:
    """Return the choices that are right for most files.

    The first of `embedding_candidates` per dimension, but arrays of unknown names only where no known one is there;
    latent space ``X_pca`` or a well-known integration; matrix X, else raw, else the first layer; all obs columns.
    """
    known = {"X_umap", "X_tsne", "spatial", "X_spatial"}
    embeddings: dict[int, str] = {}
    others: dict[int, str] = {}
    for dimension in DIMENSIONS:
        candidates = embedding_candidates(dataset, dimension)
        best = [key for key in candidates if key in known or key == f"X_umap_{dimension}d"]
        if best:
            embeddings[dimension] = best[0]
        elif candidates:
            others[dimension] = candidates[0]
    if not embeddings:
        latent_names = set(_LATENT)
        embeddings = {d: key for d, key in others.items() if key not in latent_names} or others
    # The column of the ids in the files of samples adds nothing to the cell ids, which contain them.
    left_out = barcode_column(dataset.sample_column) if dataset.parts else None
    return Mapping(
        embeddings=embeddings,
        latent=next((key for key in _LATENT if key in dataset.obsm), None),
        matrix=next(iter(dataset.matrices), None),
        connectivities="connectivities" if "connectivities" in dataset.graphs else None,
        vectors=tuple(
            key for key, array in dataset.obsm.items() if is_vector_field(key) and not is_wide_vector_field(key, array)
        ),
        obs_keys=tuple(str(column) for column in dataset.obs.columns if column != left_out),
    )


def choose(
    dataset: Dataset,
    mapping: Mapping,
    *,
    embeddings: MappingABC[int, str] | None = None,
    latent: str | None = None,
    matrix: str | None = None,
    gene_id: str | None = None,
    connectivities: str | None = None,
    vectors: Literal["auto", "none"] = "auto",
    obs_keys: Sequence[str] | None = None,
    kinds: MappingABC[str, ColumnKind] | None = None,
) -> Mapping:
    """Return a mapping with the named choices, each checked to exist; None keeps what is there.

    Parameters
    ----------
    embeddings
        Replaces all embeddings when given.
    latent
        An obsm key, or ``"none"`` to use the embedding of most dimensions.
    connectivities
        An obsp key, or ``"none"``.
    kinds
        obs column → kind, where it should differ from the kind of the column's type; added to those chosen before.
    vectors
        ``"none"`` leaves all vector fields out.

    Raises
    ------
    InputError
        If something is named that the dataset does not have; a gene-id column is left to preflight.
    """
    changes: dict[str, Any] = {}
    if embeddings:
        for dimension, key in embeddings.items():
            if dimension not in DIMENSIONS:
                raise InputError(f"An embedding cannot have {dimension} dimensions.", "Use 1d, 2d or 3d.")
            _require(key, dataset.obsm, "embedding")
        changes["embeddings"] = dict(sorted(embeddings.items()))
    if latent is not None:
        if latent != "none":
            _require(latent, dataset.obsm, "latent space")
        changes["latent"] = None if latent == "none" else latent
    if matrix is not None:
        _require(matrix, dataset.matrices, "matrix")
        changes["matrix"] = matrix
    if gene_id is not None:
        changes["gene_id"] = gene_id
    if connectivities is not None:
        if connectivities != "none":
            _require(connectivities, dataset.graphs, "graph")
        changes["connectivities"] = None if connectivities == "none" else connectivities
    if vectors == "none":
        changes["vectors"] = ()
    if obs_keys is not None:
        for key in obs_keys:
            _require(key, list(dataset.obs.columns), "obs column")
        changes["obs_keys"] = tuple(dict.fromkeys(obs_keys))
    if kinds:
        for key, kind in kinds.items():
            _require(key, list(dataset.obs.columns), "obs column")
            if kind not in ("categorical", "continuous"):
                raise InputError(f"A column cannot be {kind!r}.", "Use categorical or continuous.")
        changes["kinds"] = {**mapping.kinds, **kinds}
    return replace(mapping, **changes)


def _require(key: str, available: Any, what: str) -> None:
    if key not in available:
        names = ", ".join(str(name) for name in list(available)[:12]) or "none at all"
        raise InputError(f"The dataset has no {what} {key!r}.", f"It has: {names}.")
