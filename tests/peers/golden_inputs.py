"""The arrays and settings that golden files were made from: a fixed seed, nothing but numpy, pandas and scipy.

Each `Case` is one run of both programs: which data, in which matrix form, with which settings. `CASES` have golden
files; `live_cases` are many more, for a peer at hand. Both programs' interpreters import this file, so that both
get the same arrays whatever their versions of pandas are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

N_CELLS, N_GENES = 420, 14


@dataclass(frozen=True)
class Case:
    """One run: `data` names a function below, the rest are arguments of ``cellucid.prepare``.

    Attributes
    ----------
    matrix
        ``"csr"``, ``"csc"``, ``"dense"``, ``"double"`` (dense float64), ``"counts"`` (CSR of int64) or ``"none"``.
    columns
        Of obs; None: all.
    genes
        Ids, in the order of the export; None: all.
    """

    data: str = "mixed"
    matrix: str = "csr"
    dimensions: tuple[int, ...] = (1, 2, 3)
    graph: bool = True
    vectors: bool = True
    columns: tuple[str, ...] | None = None
    genes: tuple[str, ...] | None = None
    var: int | None = 8
    obs: int | None = 8
    compression: int | None = 6
    dtype: str = "auto"
    quantile: float | None = 0.95
    min_points: int = 10
    words: dict[str, str] = field(default_factory=lambda: {"source_name": "nowhere", "source_url": "https://a.org"})


CASES = {
    "u8_gzip6_csr": Case(),
    "u16_plain_dense": Case(matrix="dense", var=16, obs=16, compression=None),
    "f32_gzip1_dense": Case(matrix="dense", var=None, obs=None, compression=1, dtype="uint16", quantile=None),
    "types_u8_gzip9_csc": Case(
        "types",
        "csc",
        (2,),
        compression=9,
        words={"source_name": "Größe", "source_url": "https://a.org/?b=1&c=é", "source_citation": 'X "et al."\n2026'},
    ),
    "types_u16_zero_double": Case(
        "types", "double", (3,), var=16, obs=16, compression=0, dtype="uint8", quantile=0.8, min_points=3, words={}
    ),
    "types_f32_counts": Case(
        "types", "counts", (1, 2), var=None, obs=None, dtype="uint16", min_points=1, words={"source_citation": "one"}
    ),
    "genes_listed": Case(
        matrix="csc", dimensions=(1,), graph=False, vectors=False, genes=("a b/c", "GENE3", "HLA-DRA", "GENE0"), obs=16
    ),
    "numbers_only": Case(matrix="none", dimensions=(2, 3), columns=("n counts", "with holes", "constant"), graph=False),
    "categories_only": Case(
        dimensions=(1, 3), columns=("cell type", "flag", "c255"), var=16, obs=None, quantile=0.99, min_points=50
    ),
    "tangled_graph": Case("tangled", "none", (2,), columns=(), vectors=False, compression=None),
}

#: Too large to be kept: `make_golden` writes digests of its arrays, which have to be equal to the last bit.
LARGE = Case("large", "none", (2,), vectors=False, columns=("group",), words={})


def live_cases(n: int = 40) -> dict[str, Case]:
    """Return `n` cases with settings drawn at random, the same ones every time."""
    rng = np.random.default_rng(9)

    def draw(*choices: Any) -> Any:
        return choices[int(rng.integers(len(choices)))]

    dimensions = [(1,), (2,), (3,), (1, 2), (2, 3), (1, 3), (1, 2, 3)]
    cases = {}
    for number in range(n):
        data = draw("mixed", "types")
        quantile, min_points = draw(0.51, 0.75, 0.9, 0.95, 0.999, None), draw(1, 2, 10, 40, 10_000)
        cases[f"live{number:02d}"] = Case(
            data,
            draw("csr", "csc", "dense", "double", "counts", "none"),
            dimensions[int(rng.integers(len(dimensions)))],
            graph=draw(True, False),
            vectors=draw(True, False),
            var=draw(8, 16, None),
            obs=draw(8, 16, None),
            compression=draw(None, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
            dtype=draw("auto", "uint16", *(["uint8"] if data == "types" else [])),
            quantile=quantile,
            min_points=min_points,
        )
    return cases


def make_inputs(case: Case) -> dict[str, Any]:
    """Return the arrays of a case."""
    given = {"mixed": _mixed, "types": _types, "tangled": _tangled, "large": _large}[case.data]()
    if case.columns is not None:
        given["obs"] = given["obs"][list(case.columns)]
    given["embeddings"] = {d: array for d, array in given["embeddings"].items() if d in case.dimensions}
    if case.matrix == "none":
        given["X"], given["genes"] = None, None
    elif case.matrix == "counts":
        given["X"] = np.rint(np.nan_to_num(given["X"], nan=0, posinf=9, neginf=-9)).astype(np.int64)
    elif case.matrix == "double":
        given["X"] = given["X"].astype(np.float64) * (1 + 1e-12)
    if not case.graph:
        given["graph"] = None
    if not case.vectors:
        given["vectors"] = {}
    return given


def _expression(rng: np.random.Generator, n: int) -> tuple[np.ndarray, list[str]]:
    X = np.where(rng.random((n, N_GENES)) < 0.2, rng.gamma(2.0, 1.0, (n, N_GENES)), 0.0).astype(np.float32)
    X[:, 1] = 0
    X[:, 2] = 3.5
    X[:, 3] = rng.normal(size=n)
    X[::7, 4] = np.nan
    X[3, 5], X[4, 5], X[5, 5] = np.inf, -np.inf, np.nan
    X[:, 6] = np.nan
    X[:, 7] = rng.integers(0, 128, n)
    genes = [f"GENE{i}" for i in range(N_GENES)]
    genes[8:11] = ["HLA-DRA", "MT-CO1", "a b/c"]
    return X, genes


def _mixed() -> dict[str, Any]:
    """Return what is special in numbers and categories: gaps, infinities, constants, many categories, dates."""
    rng = np.random.default_rng(20261121)
    n = N_CELLS
    X, genes = _expression(rng, n)
    numbers = rng.normal(50, 10, n)
    holes = numbers.copy()
    holes[::5], holes[1], holes[2] = np.nan, np.inf, -np.inf
    small = rng.choice(["B cell", "T/NK", "rare"], n, p=[0.6, 0.38, 0.02]).astype(object)
    gaps = small.copy()
    gaps[::9] = None
    days = np.array(["2026-01-01", "2026-03-05", "2025-12-31"], dtype="datetime64[ns]")
    many = np.array([f"c{i:03d}" for i in range(300)])
    obs = pd.DataFrame(
        {
            "n counts": rng.integers(100, 9000, n),
            "numbers": numbers,
            "with holes": holes,
            "constant": np.full(n, 2.0),
            "all missing": np.full(n, np.nan),
            "negative": -np.abs(rng.normal(size=n)).astype(np.float32),
            "cell type": pd.Categorical(small, categories=["T/NK", "B cell", "rare", "unused"]),
            "strings": small,
            "gaps/here": gaps,
            "flag": rng.random(n) < 0.3,
            "date": pd.Series(days[rng.integers(0, 3, n)]),
            "c254": pd.Categorical(many[rng.integers(0, 254, n)], categories=many[:254]),
            "c255": pd.Categorical(many[rng.integers(0, 255, n)], categories=many[:255]),
            "c300": pd.Categorical(many[rng.integers(0, 300, n)], categories=many),
            "numbered": pd.Categorical(rng.integers(0, 4, n)),
        }
    )
    graph = sparse.random(n, n, 0.02, random_state=3, format="lil")
    graph.setdiag(0)
    graph = graph.tocsr()
    graph.eliminate_zeros()
    return {
        "obs": obs,
        "X": X,
        "genes": genes,
        "latent": rng.normal(size=(n, 10)),
        "embeddings": {
            1: rng.normal(size=(n, 1)),
            2: rng.normal(3, 5, size=(n, 2)),
            3: rng.normal(-1, 2, size=(n, 3)).astype(np.float32),
        },
        "graph": graph,
        "vectors": {
            "velocity_umap_2d": rng.normal(size=(n, 2)),
            "velocity_umap": rng.normal(size=(n, 3)),
            "drift_umap": rng.normal(size=(n, 2)),
            "other_1d": rng.normal(size=n),
        },
    }


def _types() -> dict[str, Any]:
    """Return a column of every type that pandas has, names that are no file names, and other awkward arrays."""
    rng = np.random.default_rng(4)
    n = 150
    X, genes = _expression(rng, n)
    genes[0], genes[11], genes[12] = "γδ-TCR", "..weird..", "7SK (RN7SK)"
    of = rng.integers(0, 3, n)

    def pick(values: Any, dtype: Any = object) -> pd.Series:
        return pd.Series([values[i] for i in of], dtype=dtype)

    obs = pd.DataFrame(
        {
            "Int64 gaps": pick([7, None, -3], "Int64"),
            "Float64 gaps": pick([1.5, None, 3.25], "Float64"),
            "boolean gaps": pick([True, None, False], "boolean"),
            "string type": pick(["b", None, "a"], "string"),
            "int8": rng.integers(-128, 128, n).astype(np.int8),
            "uint64": rng.integers(0, 2**63, n).astype(np.uint64),
            "half": rng.normal(size=n).astype(np.float16),
            "infinite": np.where(of == 0, np.inf, np.where(of == 1, -np.inf, np.nan)),
            "minus zero": np.where(of == 0, -0.0, 0.0),
            "tiny": rng.random(n) * 1e-30,
            "größe/µm": rng.normal(170, 10, n),
            "名前": pick(["甲", "乙", "丙丁"]),
            "  spaces  ": rng.random(n),
            "a.b-c_d": rng.random(n),
            "100%": pick(["<b>", "&amp;", 'quo"te']),
            "day": pd.Series(pd.to_datetime(["2026-01-01", "2026-03-05", None]).to_numpy()[of]),
            "clock": pd.Series(pd.to_datetime(["2026-01-01 10:30", "2026-03-05 00:00", None]).to_numpy()[of]),
            "with zone": pd.Series(pd.to_datetime(["2026-01-01", "2026-03-05", None]).tz_localize("UTC")[of]),
            "lasting": pd.Series(pd.to_timedelta([1, 36, 2], unit="h").to_numpy()[of]),
            "month": pd.Series(pd.PeriodIndex(["2026-02", "2026-01", "2026-02"], freq="M")[of]),
            "mixed": pick([1, "a", None]),
            "object flags": pick([True, False, None]),
            "object numbers": pick([1, 2.5, None]),
            "empty text": pick(["", "x", None]),
            "nothing": pd.Categorical([None] * n),
            "nothing but None": pd.Series([None] * n, dtype=object),
            "one": pd.Categorical(["only"] * n),
            "ordered": pd.Categorical(pick(["low", "high", "mid"]), categories=["low", "mid", "high"], ordered=True),
            "of floats": pd.Categorical(pick([0.1, 1e-20, 3.0], float)),
            "of flags": pd.Categorical(pick([True, False, True], bool)),
            "bins": pd.cut(rng.normal(size=n), [-9, -1, 0.5, 9]),
            "c254": pd.Categorical.from_codes(rng.integers(-1, 254, n), [f"c{i:03d}" for i in range(254)]),
        }
    )
    flat = np.round(rng.normal(size=(n, 2)), 1)
    flat[:, 1] = 4.0
    return {
        "obs": obs,
        "X": X,
        "genes": genes,
        "latent": np.round(rng.normal(size=(n, 4)).astype(np.float32), 1),
        "embeddings": {1: np.full((n, 1), 3.0), 2: flat, 3: rng.integers(-9, 9, (n, 3))},
        "graph": _ring(n),
        "vectors": {
            "velocity_umap": rng.normal(size=(n, 2)),
            "T_fwd_umap_3d": rng.normal(size=(n, 3)),
            "x_1d": flat[:, 0],
        },
    }


def _ring(n: int) -> sparse.csr_matrix:
    """Return a graph of short and long leaps, stored in one direction only."""
    start = np.arange(n)
    rows, columns = np.concatenate([start, start]), np.concatenate([(start + 1) % n, (start * 7 + 3) % n])
    kept = rows != columns
    weights = np.ones(int(kept.sum()), np.float32)
    return sparse.csr_matrix((weights, (rows[kept], columns[kept])), shape=(n, n))


def _tangled() -> dict[str, Any]:
    """Return a graph with a diagonal, explicit zeros, one-sided, repeated, NaN and negative weights."""
    given = _types()
    n = len(given["obs"])
    rows = np.array([0, 0, 1, 2, 3, 3, 5, 6, 7, 8, 9, 9, 149])
    columns = np.array([0, 1, 0, 2, 4, 4, 6, 5, 8, 9, 7, 7, 0])
    weights = np.array([1.0, 0.5, 0.5, 3.0, 0.2, 0.3, 0.0, 0.0, np.nan, -1.0, 0.0, 2.0, 1e-30])
    given["graph"] = sparse.coo_matrix((weights, (rows, columns)), shape=(n, n)).tocsr()
    return given


def _large() -> dict[str, Any]:
    """Return 70,000 cells: more than 16 bits can count."""
    n = 70_000
    at = np.arange(n)
    plane = np.stack([(at * 7919 % 1009) / 8, (at * 104_729 % 2003) / 4], axis=1)
    group = pd.Categorical.from_codes(at * 31 % 7 - 1, [f"g{i}" for i in range(6)])
    return {
        "obs": pd.DataFrame({"group": group}),
        "X": None,
        "genes": None,
        "latent": plane,
        "embeddings": {2: plane},
        "graph": _ring(n),
        "vectors": {},
    }
