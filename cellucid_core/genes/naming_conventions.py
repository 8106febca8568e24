"""What gene names look like: which kind of id, which species, whether they are cell barcodes or spreadsheet dates.

Patterns, tables of known genes and a few dozen genes that nearly every dataset has decide; samples of names are enough.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from cellucid_core.genes.known_names import known_names

IdKind = Literal["ensembl", "entrez", "symbol"]
#: Names of any kind of array.
Names: TypeAlias = "Sequence[str] | np.ndarray | pd.Index[Any]"

_ENSEMBL = re.compile(r"^(ENS[A-Z]{0,6}?)G\d{11}(?:\.\d+)?(?:_PAR_Y)?$")
_OTHER_ID = {"fly": re.compile(r"^FBgn\d{7}$"), "worm": re.compile(r"^WBGene\d{8}$")}
_ENTREZ = re.compile(r"^\d{1,9}$")
_GENOME = re.compile(
    r"^(GRCh3[78]|hg19|hg38|GRCm3[89]|mm9|mm10|mm39|mRatBN7|Rnor6|GRCz1[01])_+(?=[A-Za-z0-9])", re.IGNORECASE
)
_BARCODE = re.compile(r"(?:^|[^A-Za-z])[ACGT]{12,}(?![a-z])")

_SPECIES = {
    "ENS": "human",
    "ENSMUS": "mouse",
    "ENSRNO": "rat",
    "ENSDAR": "zebrafish",
    "ENSGAL": "chicken",
    "ENSSSC": "pig",
    "ENSMMU": "macaque",
    "ENSMFA": "crab-eating macaque",
    "ENSBTA": "cow",
    "ENSCAF": "dog",
    "ENSPTR": "chimpanzee",
    "ENSOCU": "rabbit",
    "ENSXET": "frog",
}
_GENOME_SPECIES = {
    "grch": "human",
    "hg": "human",
    "grcm": "mouse",
    "mm": "mouse",
    "mrat": "rat",
    "rnor": "rat",
    "grcz": "zebrafish",
}

#: Symbols of genes that nearly every human dataset has; in mouse they are spelled "Actb".
_COMMON_TEXT = (
    "ACTB ACTG1 B2M CALM1 CD3D CD74 EEF1A1 EEF2 ENO1 FAU FTH1 FTL GAPDH HMGB1 HSP90AB1 HSPA8 JUN FOS "
    "LGALS1 MALAT1 NACA NPM1 OAZ1 PABPC1 PFN1 PPIA PTMA RACK1 RPL10 RPL11 RPL13 RPL19 RPL3 RPL32 RPLP0 "
    "RPLP1 RPLP2 RPS12 RPS18 RPS2 RPS27A RPS3 RPS6 RPSA S100A4 S100A6 TMSB10 TMSB4X TPT1 TUBA1B UBA52 UBB "
    "UBC VIM LYZ NKG7 MS4A1 CD79A CST3 ALB MT-CO1 MT-CO2 MT-CO3 MT-ND1 MT-CYB "
)
_COMMON = frozenset(_COMMON_TEXT.split())
_COMMON_MOUSE = frozenset(
    "mt-" + gene[3:].capitalize() if gene.startswith("MT-") else gene.capitalize() for gene in _COMMON
)

#: Names of columns that hold gene symbols, lower-cased, best first.
SYMBOL_COLUMNS = (
    "feature_name", "gene_symbols", "gene_symbol", "symbol", "symbols", "gene_name", "gene_names", "gene_short_name",
    "hgnc_symbol", "mgi_symbol", "gene", "name", "index",
)  # fmt: skip

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = "|".join(_MONTHS)
_DAY_MONTH = re.compile(rf"^(\d{{1,2}})-({_MONTH})$", re.IGNORECASE)
_MONTH_DAY = re.compile(rf"^({_MONTH})-(\d{{1,2}})$", re.IGNORECASE)
_DATE = re.compile(r"^(?:(?:19|20)\d{2}-\d{2}-\d{2}(?: 00:00:00)?|\d{1,2}/\d{1,2}/(?:\d{2}|\d{4}))$")
_POWER = re.compile(r"^\d(?:\.\d+)?E\+\d{2}$")
_SAMPLE = 20_000


def sampled(names: Names, most: int = _SAMPLE) -> list[str]:
    """Return at most `most` names as text, evenly spaced."""
    if len(names) <= most:
        return [str(name) for name in names]
    return [str(names[int(at)]) for at in np.linspace(0, len(names) - 1, most)]


def id_kind(names: Names) -> IdKind | None:
    """Tell which kind of id at least 9 of 10 names are; names of neither kind are symbols.

    ``ensembl`` stands for ids of Ensembl, FlyBase or WormBase. None if there are no names, if they are consecutive
    numbers, or if at least half but fewer than 9 of 10 are ids.
    """
    some = [name for name in sampled(names) if name.strip()]
    if not some:
        return None
    if _share(some, is_stable_id) >= 0.9:
        return "ensembl"
    if _share(some, lambda name: bool(_ENTREZ.match(name))) >= 0.9:
        # 0, 1, 2 … numbers the rows of a table without names; it is not a list of Entrez ids.
        numbers = sorted(int(name) for name in some if _ENTREZ.match(name))
        return None if numbers == list(range(numbers[0], numbers[0] + len(numbers))) else "entrez"
    return "symbol" if _share(some, is_stable_id) < 0.5 else None


def is_stable_id(name: str) -> bool:
    """Tell whether a name is an id of Ensembl, FlyBase or WormBase."""
    return bool(_ENSEMBL.match(name)) or any(pattern.match(name) for pattern in _OTHER_ID.values())


def _share(names: Sequence[str], holds: Callable[[str], bool]) -> float:
    return sum(map(holds, names)) / len(names) if names else 0.0


def share_of_genes(names: Names, *, any_case: bool = False) -> float:
    """Return the share of names, 0 to 1, that are genes: ids of a database, or human or mouse symbols.

    Parameters
    ----------
    names
        Names, of which at most 2,000, evenly spaced, are looked at.
    any_case
        Whether letter case is ignored; symbols of other animals are often the human ones in small letters.
    """
    some = [_GENOME.sub("", name).strip() for name in sampled(names, 2000)]
    known = known_names()

    def is_gene(name: str) -> bool:
        if is_stable_id(name):
            return True
        if len(name) < 2:  # the mouse has genes a, c and T, but small examples have such names, too
            return False
        if any_case:
            return name.casefold() in known.folded
        return name in known.human_symbols or name in known.mouse_symbols

    return _share(some, is_gene)


def look_like_genes(names: Names) -> bool:
    """Tell whether names are genes: more than half are known genes, or three are in nearly every dataset (ACTB, …)."""
    if share_of_genes(names) > 0.5:
        return True
    bare = {_GENOME.sub("", name) for name in sampled(names)}
    return len(bare & _COMMON) >= 3 or len(bare & _COMMON_MOUSE) >= 3


def look_like_barcodes(names: Names) -> bool:
    """Tell whether names are cell barcodes: more than 9 of 10 have 12 or more of the letters A, C, G, T in a row."""
    some = sampled(names)
    return bool(some) and _share(some, lambda name: bool(_BARCODE.search(name))) > 0.9


def species(names: Names) -> dict[str, int]:
    """Count the names that tell a species, most frequent species first.

    Genome prefixes (``GRCh38_ACTB``) and ids of Ensembl, FlyBase and WormBase tell it for sure. If there are none,
    symbols count: those that are human (ACTB) and not mouse (Actb), or the reverse, if there are at least three.
    """
    found: Counter[str] = Counter()
    bare = []
    for name in map(str, names):
        if prefix := _GENOME.match(name):
            low = prefix[1].lower()
            found[next(kind for start, kind in _GENOME_SPECIES.items() if low.startswith(start))] += 1
        elif stable := _ENSEMBL.match(name):
            found[_SPECIES.get(stable[1], f"{stable[1]}…")] += 1
        elif other := next((kind for kind, pattern in _OTHER_ID.items() if pattern.match(name)), None):
            found[other] += 1
        else:
            bare.append(name)
    if not found:
        known = known_names()
        for kind, mine, others in (
            ("human", known.human_symbols, known.mouse_symbols),
            ("mouse", known.mouse_symbols, known.human_symbols),
        ):
            if (n := sum(name in mine and name not in others for name in bare)) >= 3:
                found[kind] = n
    return dict(found.most_common())


def is_spreadsheet_damage(name: str) -> bool:
    """Tell whether a spreadsheet turned this gene name into a date or a number (1-Mar, 2-Sep, 2.31E+13)."""
    return any(pattern.match(name) for pattern in (_DAY_MONTH, _MONTH_DAY, _DATE, _POWER))


def undamaged(name: str, others: frozenset[str]) -> str | None:
    """Return the gene that a damaged name must have been, or None where several genes are possible or none is known.

    Only septins, membrane-associated ring fingers above 2 (1-Mar may be MARCH1 or MARC1), selenoprotein F (SEP15) and
    DELEC1 (DEC1) are certain. The other names decide between the old and the present symbol, and between the human and
    the mouse spelling.

    Parameters
    ----------
    name
        A name for which `is_spreadsheet_damage` holds.
    others
        All names of the dataset.
    """
    match = _DAY_MONTH.match(name)
    day, month = (match[1], match[2]) if match else (None, None)
    if match is None and (match := _MONTH_DAY.match(name)):
        day, month = match[2], match[1]
    if day is None or month is None:
        return None
    number, month = int(day), month.lower()
    if month == "sep" and number in (*range(1, 13), 14):
        pair = (f"SEPT{number}", f"SEPTIN{number}")
    elif month == "sep" and number == 15:
        pair = ("SEP15", "SELENOF")
    elif month == "mar" and 3 <= number <= 11:
        pair = (f"MARCH{number}", f"MARCHF{number}")
    elif month == "dec" and number == 1:
        pair = ("DEC1", "DELEC1")
    else:
        return None
    mouse = len(others & _COMMON_MOUSE) > len(others & _COMMON)
    if mouse and month == "dec":
        return None
    old = re.compile(r"^(SEPT\d+|MARCH\d+|SEP15|DEC1)$", re.IGNORECASE)
    today = re.compile(r"^(SEPTIN\d+|MARCHF\d+|SELENOF|DELEC1)$", re.IGNORECASE)
    n_old, n_today = (sum(bool(p.match(gene)) for gene in others) for p in (old, today))
    symbol = pair[0] if n_old > n_today else pair[1]
    return symbol.capitalize() if mouse else symbol
