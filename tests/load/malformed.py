"""Mutate sound files and open each: it opens or is refused in a sentence, within 10 s and 1 GB.

    python tests/load/malformed.py --count 500 --seed 0 [--only 123]

Every file is opened in a process of its own, which is what a crash or a wait would cost a server. Prints what was
found and ends with status 1 if something was; ``--only`` opens one file in this process, for its traceback.
"""

from __future__ import annotations

import argparse
import gzip
import io
import multiprocessing
import os
import re
import resource
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

SECONDS, BYTES = 10.0, 10**9


def mutate(path: Path, rng: np.random.Generator, target: Path) -> str:
    """Write a damaged copy and say how it was damaged."""
    data = path.read_bytes()
    kinds = ["bytes", "bytes", "cut", "zeros", "repeat", "insert"]
    if zipfile.is_zipfile(path):
        kinds += ["entry"] * 6
    elif data[:2] == b"\x1f\x8b":
        kinds += ["inner"] * 5
    elif data[:4] == b"\x89HDF":
        kinds += ["structure"] * 10
    else:
        kinds += ["words"] * 5
    kind = str(rng.choice(kinds))
    if kind == "structure":
        target.write_bytes(data)
        return f"structure: {structure(target, rng)}"
    if kind == "entry":
        return f"entry: {entry(data, rng, target)}"
    if kind == "inner":
        target.write_bytes(gzip.compress(words(gzip.decompress(data), rng)))
    elif kind == "words":
        target.write_bytes(words(data, rng))
    else:
        target.write_bytes(damage(data, kind, rng))
    return kind


def damage(data: bytes, kind: str, rng: np.random.Generator) -> bytes:
    """Damage bytes without knowing what they are."""
    broken = bytearray(data)
    at, length = int(rng.integers(0, max(1, len(data)))), int(rng.integers(1, 512))
    if kind == "bytes":
        for _ in range(int(rng.integers(1, 60))):
            broken[int(rng.integers(0, len(broken)))] = int(rng.integers(0, 256))
    elif kind == "cut":
        del broken[at:]
    elif kind == "zeros":
        broken[at : at + length] = bytes(len(broken[at : at + length]))
    elif kind == "repeat":
        broken[at:at] = broken[at : at + length]
    else:
        broken[at:at] = rng.bytes(length)
    return bytes(broken)


def words(data: bytes, rng: np.random.Generator) -> bytes:
    """Change a number or a word of a text, or its bytes."""
    found = list(re.finditer(rb"-?\d+(\.\d+)?|[A-Za-z_]+", data))
    if not found or rng.random() < 0.3:
        return damage(data, str(rng.choice(["bytes", "cut", "repeat", "insert"])), rng)
    place = found[int(rng.integers(0, min(len(found), 4000)))]
    new = rng.choice([b"-1", b"1000000000000", b"1e308", b"nan", b"", b"null", b"[[[[", b'"', b"\xff\xfe", b"0", b","])
    return data[: place.start()] + bytes(new) + data[place.end() :]


def entry(data: bytes, rng: np.random.Generator, target: Path) -> str:
    """Change one entry of a zip, or leave it out, and zip again."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    # Documents say what the rest is, so they are damaged as often as all the rest.
    documents = [name for name in parts if name.rpartition("/")[2].startswith((".z", "zarr.json")) or ".json" in name]
    name = str(rng.choice(documents if documents and rng.random() < 0.5 else list(parts)))
    if rng.random() < 0.15:
        del parts[name]
    elif parts[name][:2] == b"\x1f\x8b" and rng.random() < 0.6:
        parts[name] = gzip.compress(words(gzip.decompress(parts[name]), rng))
    else:
        parts[name] = words(parts[name], rng)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    return name


def structure(path: Path, rng: np.random.Generator) -> str:
    """Change what an HDF5 file says of itself, leaving it a sound HDF5 file."""
    import h5py

    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        name = str(rng.choice(names))
        change = str(
            rng.choice(["delete", "huge", "kind", "short", "attribute", "attribute", "noise", "swap", "scalar"])
        )
        node = file[name]
        attributes = dict(node.attrs)
        if change == "attribute" and attributes:
            key = str(rng.choice(list(attributes)))
            values = [-1, 2**62, "", "csr_matrix", "dataframe", "x", [], [2**62, 2**62], float("nan"), b"\xff\xff"]
            node.attrs[key] = values[int(rng.integers(0, len(values)))]
            return f"{name} {key}"
        if isinstance(node, h5py.Group) or change in ("delete", "swap"):
            if change == "swap":
                other = str(rng.choice(names))
                if not (other.startswith(name) or name.startswith(other)):
                    file.move(name, "aside")
                    file.move(other, name)
                    return f"{name} is {other}"
            del file[name]
            return f"no {name}"
        shape, dtype = node.shape, node.dtype
        values = node[()]
        del file[name]
        if change == "huge" and shape:
            axis = int(rng.integers(0, len(shape)))
            shape = tuple(int(rng.choice([10**7, 10**12, 2**40])) if i == axis else n for i, n in enumerate(shape))
            node = file.create_dataset(name, shape, dtype, chunks=tuple(max(1, min(n, 1000)) for n in shape))
        elif change == "short" and shape:
            node = file.create_dataset(name, data=values[: shape[0] // 2])
        elif change == "noise" and dtype.kind in "iuf":
            noise = np.frombuffer(rng.bytes(values.nbytes), dtype).reshape(shape)
            node = file.create_dataset(name, data=noise)
        elif change == "scalar":
            node = file.create_dataset(name, data=7)
        else:
            node = file.create_dataset(name, data=np.full(shape, b"text", "S4"))
        for key, value in attributes.items():
            node.attrs[key] = value
        return f"{name} {change}"


def sound_files(folder: Path) -> list[Path]:
    """Write one sound file of every kind."""
    from cellucid_core.dataset import View, default_mapping, open_dataset
    from cellucid_core.export import ExportSettings, write
    from tests.making import make_adata
    from tests.reading.test_formats_broken import KINDS, make

    paths = [make(kind, folder / kind.replace(" ", "-")) for kind in KINDS]
    dense = make_adata()
    dense.X = dense.X.toarray()
    dense.layers["counts"] = dense.X.copy()
    dense.raw = dense.copy()
    paths.append(folder / "dense.h5ad")
    dense.write_h5ad(paths[-1])
    dataset = open_dataset(paths[-1])
    paths.append(folder / "export.zip")
    write(View(dataset, default_mapping(dataset)), ExportSettings(), paths[-1])
    return paths


def open_and_use(path: Path) -> str:
    """Open a file and do what pages do with it; return what came of it."""
    from cellucid_core.dataset import View, default_mapping, open_dataset
    from cellucid_core.errors import CellucidError
    from cellucid_core.preflight import preflight

    try:
        dataset = open_dataset(path)
        view = View(dataset, default_mapping(dataset))
        preflight(view)
        if view.expression is not None:
            view.expression.block(range(min(20, view.n_genes)))
        for key in list(view.obs_keys)[:20]:
            view.obs(key)
    except CellucidError as error:
        return "refused" if error.what.strip() and error.fix.strip() else f"without a way out: {error}"
    return "opened"


def _child(path: Path, answer: multiprocessing.connection.Connection) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        result = open_and_use(path)
    except BaseException as error:  # that is what is looked for
        result = f"{type(error).__name__}: {str(error)[:200]}"
    answer.send((result, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024))
    answer.close()


def watched(path: Path) -> str:
    """Open a file in a process of its own; return ``opened``, ``refused``, or what is wrong."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_child, args=(path, theirs))
    began = time.monotonic()
    process.start()
    theirs.close()
    try:
        if not ours.poll(SECONDS * 3):
            return f"takes more than {SECONDS * 3:.0f} s"
        result, size = ours.recv()
    except EOFError:
        process.join()
        return f"the process died ({process.exitcode})"
    finally:
        process.kill()
        process.join()
    if time.monotonic() - began > SECONDS:
        return f"{result}, but took {time.monotonic() - began:.1f} s"
    return result if size < BYTES else f"{result}, but took {size / 1e9:.1f} GB"


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["CELLUCID_HOME"] = str(folder / "home")
        sound = sound_files(folder)
        problems, counts = [], Counter[str]()
        for number in range(options.count):
            if options.only not in (None, number):
                continue
            rng = np.random.default_rng([options.seed, number])
            path = sound[number % len(sound)]
            target = folder / f"{number}-{path.name}"
            how = mutate(path, rng, target)
            if options.only is not None:
                print(path.name, how, target.stat().st_size, flush=True)
                print(open_and_use(target))
                return 0
            result = watched(target)
            counts[result if result in ("opened", "refused") else "wrong"] += 1
            if result not in ("opened", "refused"):
                problems.append(f"{number} {path.name} ({how}): {result}")
                print(problems[-1], flush=True)
            target.unlink()
        print(", ".join(f"{count} {result}" for result, count in sorted(counts.items())))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
