"""A view of arrays in memory, for what no h5ad file can hold (dates, mixed columns); and an independent decoder."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from cellucid_core.dataset import natural_kind
from cellucid_core.dataset.log_rule import log_rule
from cellucid_core.dataset.scale import scale_of
from cellucid_core.errors import InputError


class ArrayExpression:
    """Genes of an array, as `cellucid_core.dataset.Expression` hands them out."""

    spread = False  # nothing of it lies in parts

    def __init__(self, dense, sparse):
        self._genes = np.ascontiguousarray(np.asarray(dense).T)
        self.is_sparse = sparse
        self.n_genes, self.n_cells = self._genes.shape
        self.dtype = self._genes.dtype
        self.n_stored = self._genes.size
        finite = np.where(np.isfinite(self._genes), self._genes, 0)
        self.cell_total = finite.sum(axis=0, dtype=np.float64)
        self.stats = SimpleNamespace(
            minimum=finite.min(axis=1),
            maximum=finite.max(axis=1),
            n_nonzero=(finite != 0).sum(axis=1),
            n_not_finite=(~np.isfinite(self._genes)).sum(axis=1),
        )

    @property
    def rule(self):
        """How the values become logs: decided as `cellucid_core.dataset.Dataset.scale` decides."""
        return log_rule(scale_of(self._genes.T), self.cell_total)

    def gene_stored(self, position):
        values = self._genes[position]
        cells = np.flatnonzero(values != 0) if self.is_sparse else np.arange(self.n_cells)
        return cells.astype(np.int32), values[cells]

    def forget(self):
        pass


class ArrayView:
    """Arrays as `cellucid_core.dataset.View` hands them out."""

    def __init__(
        self, obs, embeddings, *, latent=None, X=None, genes=None, sparse=True, graph=None, vectors=None, name="Arrays"
    ):
        self._obs, self._embeddings = obs, embeddings
        self._latent, self._graph, self._vectors = latent, graph, vectors or {}
        self.n_cells = len(obs)
        self.obs_keys = tuple(obs.columns)
        self.dimensions = tuple(sorted(embeddings))
        self.expression = None if X is None else ArrayExpression(X, sparse)
        self.gene_ids = np.array([] if genes is None else genes, dtype=object)
        self.n_genes = len(self.gene_ids)
        self.renamed = {}
        matrices = {} if X is None else {"X": X}
        self.dataset = SimpleNamespace(
            path=Path("/nowhere/data.h5ad"),
            paths=(Path("/nowhere/data.h5ad"),),
            id="arrays",
            name=name,
            obsm={},
            matrices=matrices,
            scale=lambda matrix: scale_of(matrices[matrix]),
        )
        self.mapping = SimpleNamespace(
            matrix=None if X is None else "X",
            gene_id="index",
            computed={},
            fixes=(),
            vectors=tuple(self._vectors),
            connectivities=None,
        )

    def obs(self, key):
        if key not in self._obs:
            raise InputError(f"The cell table has no column {key!r}.")
        return self._obs[key]

    def kind(self, key):
        return natural_kind(self.obs(key))

    def exported_name(self, key):
        return self.renamed.get(key, key)

    def embedding(self, dimension):
        return self._embeddings[dimension]

    def latent(self):
        return self._embeddings[self.dimensions[-1]] if self._latent is None else self._latent

    def graph(self):
        return self._graph

    def vectors(self):
        return self._vectors


def small_view(n_cells=120, n_genes=12, seed=0, sparse=True, **changes):
    """Return a view with a bit of everything."""
    from scipy import sparse as sp

    rng = np.random.default_rng(seed)
    X = np.where(rng.random((n_cells, n_genes)) < 0.3, rng.gamma(2, 1, (n_cells, n_genes)), 0).astype(np.float32)
    obs = pd.DataFrame(
        {
            "cell type": pd.Categorical(rng.choice(["B", "T", "NK cell"], n_cells)),
            "depth": rng.gamma(5, 100, n_cells),
            "treated": rng.random(n_cells) < 0.5,
        }
    )
    ends = rng.integers(0, n_cells, (2, 6 * n_cells))
    graph = sp.csr_matrix((rng.random(6 * n_cells), tuple(ends)), shape=(n_cells, n_cells))
    given = {
        "latent": rng.normal(size=(n_cells, 6)),
        "X": X,
        "genes": [f"G{i}" for i in range(n_genes)],
        "graph": graph,
        "vectors": {"velocity_umap": rng.normal(size=(n_cells, 2))},
    }
    embeddings = {2: rng.normal(size=(n_cells, 2)), 3: rng.normal(size=(n_cells, 3))}
    given.update(changes)
    return ArrayView(given.pop("obs", obs), given.pop("embeddings", embeddings), sparse=sparse, **given)


# ---- an independent reader: nothing of cellucid_core.export is used below ------------------------------------------

_DTYPES = {"u8": "<u1", "u16": "<u2", "f32": "<f4"}


def read_files(path):
    """Return {path within the dataset: bytes} of a zip or a folder, without compression."""
    path = Path(path)
    if path.is_dir():
        found = {f.relative_to(path).as_posix(): f.read_bytes() for f in path.rglob("*") if f.is_file()}
    else:
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            found = {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}
    return {name.removesuffix(".gz"): gzip.decompress(b) if name.endswith(".gz") else b for name, b in found.items()}


def decode_codes(codes, low, high):
    top = {1: 254, 2: 65534}[codes.dtype.itemsize]
    return np.where(codes == top + 1, np.nan, low + codes.astype(float) * (high - low) / top)


def decode(path):
    """Return everything in an export as arrays and dicts."""
    files = read_files(path)
    manifests = {name: json.loads(raw) for name, raw in files.items() if name.endswith(".json")}

    def vector(stem):
        (name,) = [n for n in files if n.startswith(stem + ".") and n[len(stem) + 1 :] in _DTYPES]
        return np.frombuffer(files[name], _DTYPES[name.rpartition(".")[2]])

    import re

    def safe(key):
        return re.sub(r"[^A-Za-z0-9._-]+", "_", key).strip("._") or "field"

    obs = manifests["obs_manifest.json"]
    result = {"manifests": manifests, "raw": {}, "values": {}, "points": {}, "vectors": {}, "labels": {}}

    def numbers(name, stem, limits):
        result["raw"][name] = codes = vector(stem)
        result["values"][name] = decode_codes(codes, *limits) if limits else codes.astype(float)

    for key, *limits in obs["_continuousFields"]:
        numbers(f"obs/{key}", f"obs/{safe(key)}.values", limits)
    for key, labels, _, missing, _, *limits in obs["_categoricalFields"]:
        codes = result["raw"][f"codes/{key}"] = vector(f"obs/{safe(key)}.codes")
        result["labels"][key] = [None if c == missing else labels[c] for c in codes]
        numbers(f"outliers/{key}", f"obs/{safe(key)}.outliers", limits)
    for key, *limits in manifests.get("var_manifest.json", {"fields": []})["fields"]:
        numbers(f"var/{key}", f"var/{safe(key)}.values", limits)
    for name, raw in files.items():
        if name.startswith("points_"):
            result["points"][int(name[7])] = np.frombuffer(raw, "<f4").reshape(-1, int(name[7]))
        if name.startswith("vectors/"):
            result["vectors"][name] = np.frombuffer(raw, "<f4")
    if graph := manifests.get("connectivity_manifest.json"):
        dtype = np.dtype(graph["index_dtype"]).newbyteorder("<")
        ends = [np.frombuffer(files[f"connectivity/edges.{end}.bin"], dtype) for end in ("src", "dst")]
        result["edges"] = list(zip(*map(np.ndarray.tolist, ends), strict=True))
    return result
