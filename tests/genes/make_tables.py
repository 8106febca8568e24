"""Turn the facts in ../shared/data/genes into the tables of the project; run again when those change.

python tests/genes/make_tables.py ../shared/data/genes
"""

from __future__ import annotations

import csv
import gzip
import sys
from collections import defaultdict
from pathlib import Path

TARGET = Path(__file__).parents[2] / "cellucid_core" / "genes" / "tables"


def rows(path: Path) -> list[list[str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]


def write(name: str, lines: list[str]) -> None:
    text = "\n".join(sorted(lines)) + "\n"
    (TARGET / name).write_bytes(gzip.compress(text.encode("utf-8"), 9, mtime=0))


def main(source: Path) -> None:
    known: defaultdict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for alias, symbol, kind in rows(source / "human_aliases.tsv.gz"):
        assert not set(";,\t") & set(symbol), symbol
        known[alias][kind == "alias"].append(symbol)
    write("aliases.tsv.gz", [f"{a}\t{','.join(before)};{','.join(also)}" for a, (before, also) in known.items()])
    earlier: defaultdict[str, list[str]] = defaultdict(list)
    for kind in (0, 1):
        for alias in sorted(known):
            for symbol in known[alias][kind]:
                earlier[symbol].append(alias)
    write("earlier.tsv.gz", [f"{symbol}\t{'|'.join(names)}" for symbol, names in earlier.items()])
    for species in ("human", "mouse"):
        genes = [row for row in rows(source / f"{species}_ids.tsv.gz") if row[1] and row[0] != row[1]]
        write(f"{species}.tsv.gz", [f"{ensembl}\t{symbol}" for ensembl, symbol, *_ in genes])
    write("orthologs.tsv.gz", [f"{human}\t{mouse}" for human, mouse in rows(source / "human_mouse_orthologs.tsv.gz")])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
