"""What the manifests of an export declare: which arrays there are, in which files, of which length and type.

Manifests are not trusted: what they say is checked before it is used, and what is wrong becomes a sentence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cellucid_core.names import safe_key
from cellucid_core.prepared.containers import IDENTITY, DamagedError, ExportFiles
from cellucid_core.prepared.encoding import MAX_CATEGORIES, encoding
from cellucid_core.prepared.reading import read_json


class Wrong(Exception):
    """A manifest says something that cannot be true; the message is the end of a sentence about it."""


@dataclass(frozen=True)
class Numbers:
    """A vector of numbers: a gene, a column, or the outlier quantiles of a column of categories.

    Attributes
    ----------
    key
        Name of the gene or column.
    file
        Its file.
    bits
        8 or 16 for codes, None for float32 values.
    low, high
        The values of the lowest and the highest code.
    """

    key: str
    file: str
    bits: int | None
    low: float = 0.0
    high: float = 1.0

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its numbers in the file."""
        return encoding(self.bits).dtype


@dataclass(frozen=True)
class Categories:
    """A column of categories.

    Attributes
    ----------
    key, labels
        Name of the column, and the names of its categories in the order of their codes.
    file, dtype, missing
        File and type of the codes, and the code of cells without a category.
    centroids
        Dimension → the ``category``, ``position`` and ``n_points`` of each category that is large enough.
    outliers
        Each cell's distance in the latent space from the mean of its category, as a quantile of the category.
    """

    key: str
    labels: list[str]
    file: str
    dtype: np.dtype[Any]
    missing: int
    centroids: dict[int, list[dict[str, Any]]]
    outliers: Numbers


@dataclass(frozen=True)
class Graph:
    """The edges of the neighbour graph: files of their two ends, the type of these indices, and counts."""

    sources: str
    destinations: str
    dtype: np.dtype[Any]
    n_edges: int
    max_neighbors: int


@dataclass
class Structure:
    """All that an export should hold.

    Attributes
    ----------
    suffix
        Ending of every binary file: ``.gz`` or empty.
    points
        Dimension → file.
    vectors
        (field, dimension) → file.
    quantile
        The quantile of distances beyond which cells are left out of a centroid, or None.
    problems
        What is wrong with the manifests, one sentence each.
    files
        Every file that the manifests name, and themselves.
    """

    n_cells: int = 0
    suffix: str = ""
    points: dict[int, str] = field(default_factory=dict)
    vectors: dict[tuple[str, int], str] = field(default_factory=dict)
    columns: list[Numbers | Categories] = field(default_factory=list)
    genes: list[Numbers] = field(default_factory=list)
    graph: Graph | None = None
    quantile: float | None = None
    problems: list[str] = field(default_factory=list)
    files: set[str] = field(default_factory=set)

    @contextmanager
    def checking(self, where: str) -> Iterator[None]:
        """Add what is raised inside to the problems, as a problem of `where`."""
        try:
            yield
        except (Wrong, DamagedError) as error:
            self.problems.append(f"{where}: {error}.")
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            # A manifest can hold any JSON: what the checks did not foresee must not crash either.
            self.problems.append(f"{where}: it is malformed ({error}).")

    def claim(self, name: str) -> str:
        """Add a file to those that are named and return its name; raises `Wrong` if it was named before."""
        if name in self.files:
            raise Wrong(f"two things are in the file {name}")
        self.files.add(name)
        return name


def read_structure(files: ExportFiles) -> Structure:
    """Read and check all manifests; what is wrong is in the result's `problems`, and nothing is raised."""
    found = Structure()
    identity: dict[str, Any] = {}
    with found.checking(IDENTITY):
        found.files.add(IDENTITY)
        identity = _typed(read_json(files, IDENTITY), dict, "it")
        _read_identity(found, identity)
    if not found.n_cells:
        return found
    _read_obs(found, files)
    if "var_manifest.json" in files.names:
        _read_var(found, files)
    if "connectivity_manifest.json" in files.names:
        _read_graph(found, files)
    with found.checking(IDENTITY):
        _compare_counts(found, identity)
    return found


def _read_identity(found: Structure, identity: dict[str, Any]) -> None:
    if identity.get("version") != 2:
        raise Wrong(f"its version is {identity.get('version')!r}, not 2")
    for name in ("id", "name", "description", "created_at", "cellucid_data_version"):
        _get(identity, name, str)
    compression = _get(_get(identity, "export_settings", dict), "compression", (int, type(None)))
    found.suffix = _suffix(compression)
    n_cells = _get(_get(identity, "stats", dict), "n_cells", int)
    if n_cells < 1:
        raise Wrong(f"it has {n_cells} cells")
    found.n_cells = n_cells
    embeddings = _get(identity, "embeddings", dict)
    dimensions = _get(embeddings, "available_dimensions", list)
    listed = _get(embeddings, "files", dict)
    if not dimensions or sorted(listed) != sorted(f"{d}d" for d in dimensions) or not set(dimensions) <= {1, 2, 3}:
        raise Wrong("its embeddings do not fit their files")
    if _get(embeddings, "default_dimension", int) not in dimensions:
        raise Wrong("its default dimension does not exist")
    for d in dimensions:
        if listed[f"{d}d"] != f"points_{d}d.bin{found.suffix}":
            raise Wrong(f"its {d}D points are in {listed[f'{d}d']!r}")
        found.points[d] = found.claim(listed[f"{d}d"])
    if "vector_fields" in identity:
        _read_vectors(found, _get(identity, "vector_fields", dict))


def _read_vectors(found: Structure, section: dict[str, Any]) -> None:
    fields = _get(section, "fields", dict)
    if _get(section, "default_field", str) not in fields:
        raise Wrong("its default vector field does not exist")
    for name, entry in fields.items():
        dimensions = _get(_typed(entry, dict, name), "available_dimensions", list)
        listed = _get(entry, "files", dict)
        if safe_key(name) != name:
            raise Wrong(f"the vector field {name!r} cannot be a file name")
        for d in dimensions:
            if d not in found.points or listed.get(f"{d}d") != f"vectors/{name}_{d}d.bin{found.suffix}":
                raise Wrong(f"the vector field {name} does not fit its files")
            found.vectors[name, d] = found.claim(listed[f"{d}d"])


def _read_obs(found: Structure, files: ExportFiles) -> None:
    where = "obs_manifest.json"
    with found.checking(where):
        manifest = _manifest(found, files, where)
        quantile = _get(manifest, "centroid_outlier_quantile", (int, float, type(None)))
        if quantile is not None and not 0 <= quantile <= 1:
            found.problems.append(f"{where}: the centroid quantile {quantile} is not between 0 and 1.")
            quantile = None
        found.quantile = quantile
        schemas = _get(manifest, "_obsSchemas", dict)
        continuous, categorical = (_get(manifest, f"_{kind}Fields", list) for kind in ("continuous", "categorical"))
        if ("continuous" in schemas) != bool(continuous) or ("categorical" in schemas) != bool(categorical):
            raise Wrong("its schemas do not fit its fields")
        for entry in continuous:
            with found.checking(f"{where}, {_named(entry)}"):
                bits = _bits(schemas["continuous"])
                _pattern(schemas["continuous"], "pathPattern", f"obs/{{key}}.values.{encoding(bits).ext}{found.suffix}")
                found.columns.append(_numbers(found, entry, bits, "obs"))
        for entry in categorical:
            with found.checking(f"{where}, {_named(entry)}"):
                found.columns.append(_categories(found, entry, schemas["categorical"]))


def _categories(found: Structure, entry: Any, schema: Any) -> Categories:
    _typed(schema, dict, "its schema")
    bits = {"u8": 8, "u16": 16, "f32": None}.get(schema.get("outlierExt"), 0)
    if bits == 0 or schema.get("outlierDtype") != encoding(bits).name:
        raise Wrong("its schema's outlier type is unknown")
    if schema.get("outlierQuantized") is not (bits is not None):
        raise Wrong("its schema contradicts itself")
    ext = encoding(bits).ext
    _pattern(schema, "codesPathPattern", f"obs/{{key}}.codes.{{ext}}{found.suffix}")
    _pattern(schema, "outlierPathPattern", f"obs/{{key}}.outliers.{ext}{found.suffix}")
    if len(entry) != (5 if bits is None else 7) or entry[2] not in MAX_CATEGORIES:
        raise Wrong("its entry is not as its schema says")
    key, labels, name, missing, centroids = entry[:5]
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise Wrong("its labels are not a list of texts")
    if missing != MAX_CATEGORIES[name] + 1:
        raise Wrong(f"its missing marker is {missing!r}")
    if len(labels) > MAX_CATEGORIES[name]:
        raise Wrong(f"{name} cannot hold its {len(labels):,} categories")
    safe = safe_key(key)
    dtype = np.dtype(name).newbyteorder("<")
    codes = found.claim(f"obs/{safe}.codes.{'u8' if name == 'uint8' else 'u16'}{found.suffix}")
    outliers = found.claim(f"obs/{safe}.outliers.{ext}{found.suffix}")
    limits = _limits(entry[5:]) if bits else (0.0, 1.0)
    return Categories(
        key,
        labels,
        codes,
        dtype,
        int(missing),
        _centroids(found, centroids, labels),
        Numbers(key, outliers, bits, *limits),
    )


def _centroids(found: Structure, section: Any, labels: list[str]) -> dict[int, list[dict[str, Any]]]:
    section = _typed(section, dict, "its centroids")
    if sorted(section) != sorted(str(d) for d in found.points):
        raise Wrong("its centroids do not fit the embeddings")
    known = set(labels)
    for d in found.points:
        for entry in _typed(section[str(d)], list, "its centroids"):
            position = _get(_typed(entry, dict, "a centroid"), "position", list)
            if len(position) != d or not all(_is_number(value) for value in position):
                raise Wrong(f"a {d}D centroid has the position {str(position)[:80]}")
            if _get(entry, "category", str) not in known or _get(entry, "n_points", int) < 1:
                raise Wrong(f"a centroid is of no category ({str(entry.get('category'))[:80]})")
    return {d: section[str(d)] for d in found.points}


def _read_var(found: Structure, files: ExportFiles) -> None:
    where = "var_manifest.json"
    with found.checking(where):
        manifest = _manifest(found, files, where)
        _get(manifest, "var_gene_id_column", str)
        schema = _get(manifest, "_varSchema", dict)
        bits = _bits(schema)
        if manifest.get("quantization") != bits or schema.get("kind") != "continuous":
            raise Wrong("its schema contradicts its quantization")
        _pattern(schema, "pathPattern", f"var/{{key}}.values.{encoding(bits).ext}{found.suffix}")
        for entry in _get(manifest, "fields", list):
            with found.checking(f"{where}, {_named(entry)}"):
                found.genes.append(_numbers(found, entry, bits, "var"))


def _read_graph(found: Structure, files: ExportFiles) -> None:
    where = "connectivity_manifest.json"
    with found.checking(where):
        manifest = _manifest(found, files, where, form=("format", "edge_pairs"), count="n_cells")
        name = "uint16" if found.n_cells <= 65_535 else "uint32"
        dtype = np.dtype(name).newbyteorder("<")
        if manifest.get("index_dtype") != name or manifest.get("index_bytes") != dtype.itemsize:
            raise Wrong(f"its index type is not {name}")
        paths = []
        for key, end in (("sourcesPath", "src"), ("destinationsPath", "dst")):
            if manifest.get(key) != f"connectivity/edges.{end}.bin{found.suffix}":
                raise Wrong(f"its {key} is {manifest.get(key)!r}")
            paths.append(found.claim(manifest[key]))
        n_edges, max_neighbors = (_get(manifest, key, int) for key in ("n_edges", "max_neighbors"))
        if min(n_edges, max_neighbors) < 0:
            raise Wrong("a count is negative")
        found.graph = Graph(paths[0], paths[1], dtype, n_edges, max_neighbors)


def _compare_counts(found: Structure, identity: dict[str, Any]) -> None:
    stats, settings = identity["stats"], identity["export_settings"]
    fields = _get(identity, "obs_fields", list)
    n_categorical = sum(isinstance(column, Categories) for column in found.columns)
    actual = {
        "n_genes": len(found.genes),
        "n_obs_fields": len(found.columns),
        "n_categorical_fields": n_categorical,
        "n_continuous_fields": len(found.columns) - n_categorical,
        "has_connectivity": found.graph is not None,
        "n_edges": found.graph.n_edges if found.graph else None,
    }
    for name, value in actual.items():
        if stats.get(name) != value:
            raise Wrong(f"its {name} is {stats.get(name)!r}, the manifests have {value!r}")
    listed = [(f.get("key"), f.get("kind")) for f in fields if isinstance(f, dict)]
    kinds = {column.key: "category" if isinstance(column, Categories) else "continuous" for column in found.columns}
    if len(listed) != len(fields) or dict(listed) != kinds:
        raise Wrong("its obs_fields are not those of obs_manifest.json")
    if found.genes and settings.get("var_quantization") != found.genes[0].bits:
        raise Wrong("its var_quantization is not that of var_manifest.json")


# ---- small checks ------------------------------------------------------------------------------------------------


def _manifest(
    found: Structure,
    files: ExportFiles,
    name: str,
    form: tuple[str, str] = ("_format", "compact_v1"),
    count: str = "n_points",
) -> dict[str, Any]:
    found.files.add(name)
    if name not in files.names:
        raise Wrong("it is missing")
    manifest: dict[str, Any] = _typed(read_json(files, name), dict, "it")
    if manifest.get(form[0]) != form[1]:
        raise Wrong(f"its format is {manifest.get(form[0])!r}, not {form[1]}")
    if _get(manifest, count, int) != found.n_cells:
        raise Wrong(f"it has {manifest[count]:,} cells, the dataset has {found.n_cells:,}")
    if _suffix(_get(manifest, "compression", (int, type(None)))) != found.suffix:
        raise Wrong("its compression is not that of the dataset")
    return manifest


def _numbers(found: Structure, entry: Any, bits: int | None, folder: str) -> Numbers:
    if len(entry) != (1 if bits is None else 3):
        raise Wrong("its entry is not as its schema says")
    file = found.claim(f"{folder}/{safe_key(entry[0])}.values.{encoding(bits).ext}{found.suffix}")
    return Numbers(entry[0], file, bits, *(_limits(entry[1:]) if bits else (0.0, 1.0)))


def _named(entry: Any) -> str:
    """Return the key of a manifest entry; raises `Wrong` if it has none."""
    if not isinstance(entry, list) or not entry or not isinstance(entry[0], str):
        raise Wrong(f"it has an entry without a key: {str(entry)[:80]}")
    return entry[0]


def _bits(schema: Any) -> int | None:
    _typed(schema, dict, "its schema")
    for bits in (8, 16, None):
        kind = encoding(bits)
        expected = (kind.ext, kind.name, kind.quantized, bits)
        if tuple(schema.get(name) for name in ("ext", "dtype", "quantized", "quantizationBits")) == expected:
            return bits
    raise Wrong("its schema's type is unknown or contradicts itself")


def _pattern(schema: dict[str, Any], name: str, expected: str) -> None:
    if schema.get(name) != expected:
        raise Wrong(f"its {name} is {schema.get(name)!r}, not {expected!r}")


def _limits(pair: list[Any]) -> tuple[float, float]:
    if len(pair) != 2 or not all(_is_number(value) for value in pair) or not pair[0] < pair[1]:
        raise Wrong(f"its limits are {str(pair)[:80]}")
    return float(pair[0]), float(pair[1])


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def _suffix(compression: int | None) -> str:
    if compression is not None and not 1 <= compression <= 9:
        raise Wrong(f"its compression is {compression}")
    return "" if compression is None else ".gz"


def _typed(value: Any, kind: Any, what: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise Wrong(f"{what} has the wrong type ({type(value).__name__})")
    return value


def _get(section: dict[str, Any], name: str, kind: Any) -> Any:
    if name not in section:
        raise Wrong(f"{name} is missing")
    return _typed(section[name], kind, name)
