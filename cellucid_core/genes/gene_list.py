"""Gene lists as people paste them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "„": "“", "`": "`"}
_SEPARATORS = ",;\t\r\n"


def parse_genes(text: str) -> list[str]:
    r"""Read a pasted gene list.

    Commas, semicolons, tabs and line ends (LF, CR LF, CR) separate genes. Spaces and quotes around a gene are removed;
    a quoted gene keeps the separators inside its quotes. Order and repeats are kept.

    Examples
    --------
    >>> parse_genes('CD3E, CD4;"a,b"\r\nMS4A1\tCD4')
    ['CD3E', 'CD4', 'a,b', 'MS4A1', 'CD4']
    """
    genes: list[str] = []
    at = 0
    text = text.replace("\ufeff", "").replace("\u2028", "\n").replace("\u2029", "\n")
    while at < len(text):
        if text[at] in _SEPARATORS or text[at].isspace():
            at += 1
            continue
        end = _quoted_end(text, at)
        if end is None:
            end = at
            while end < len(text) and text[end] not in _SEPARATORS:
                end += 1
        genes.append(_bare(text[at:end]))
        at = end
    return [gene for gene in genes if gene]


def _quoted_end(text: str, at: int) -> int | None:
    """Return where a gene that opens with a quote ends, or None if no quote closes it before a separator."""
    closing = _QUOTES.get(text[at])
    if closing is None:
        return None
    line_end = min((i for i in (text.find("\n", at), text.find("\r", at)) if i >= 0), default=len(text))
    close = text.find(closing, at + 1, line_end)
    while close >= 0:
        after = close + 1
        while after < len(text) and text[after].isspace() and text[after] not in _SEPARATORS:
            after += 1
        if after == len(text) or text[after] in _SEPARATORS:
            return close + 1
        close = text.find(closing, close + 1, line_end)
    return None


def _bare(gene: str) -> str:
    """Remove spaces and quotes from both ends; a single prime at the end belongs to the name."""
    gene = gene.strip()
    while len(gene) > 1 and _QUOTES.get(gene[0]) == gene[-1]:
        gene = gene[1:-1].strip()
    return gene.strip('"').strip()


# ---- what people paste besides plain lists ------------------------------------------------------------------------

#: Characters that cannot be seen, among them the soft hyphen.
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f"))
_SPACES = dict.fromkeys(map(ord, "\u00a0\u2007\u2009\u202f\u3000"), " ")
_MARK = re.compile(r"^\s*(?:[•●▪◦‣·○■□*–—-]\s*|[\[(]?\d{1,4}[.):\]]\s*)")
_CODE = re.compile(r"^\s*(?:[\w.]+\s*(?:<-|=)\s*)?(?:[A-Za-z_][\w.]*(?=[(\[{]))?[(\[{]+|[)\]}]+\s*;?\s*$")
_COMMENT = re.compile(r"\s+[(\[][^()\[\]]*[)\]]?\s*$")
_COMMENTS = re.compile(r"(?<=\w)[ \u00a0]+\([^()\n\"']*\)")
#: A name with more than letters, digits, dots and dashes may be several names, or a name with something around it.
_ODD = re.compile(r"[^\w.\-]|^[\-\d]")
#: What no name with spaces consists of: letters and digits in each of its parts.
_SYMBOL = re.compile(r"(?=.*\d)[A-Za-z][A-Za-z0-9.\-]*")
_SPLITS = (
    (re.compile(r"\s+(?:and|und|&)\s+|\s+"), "spaces"),
    (re.compile(r"\s*[|/&·、，；\\]\s*"), "marks such as / and |"),
    (re.compile(r"\s*\+\s*"), "plus signs"),
    (re.compile(r"\s*[|/&·、，；\\+]\s*|\s+(?:and|und)\s+|\s+"), "spaces and marks"),
)


def without_spaces(name: str) -> str:
    """Return a name without spaces of any kind and without characters that cannot be seen."""
    return "".join(name.translate(_INVISIBLE).split())


def understand_genes(
    text: str, has: Callable[[str], bool], could_be: Callable[[str], bool] = lambda gene: False, *, signed: bool = False
) -> tuple[list[str], list[str]]:
    """Read a pasted list for a dataset: each line first as one gene, then as `parse_genes`, then in other forms.

    The other forms are lists of R and Python, bullets, numbers, notes in brackets, and genes between spaces, ``/``,
    ``|`` or ``+``; each is used only where it finds more genes than the plain form.

    Parameters
    ----------
    text
        The text as pasted.
    has
        Whether the dataset has a gene.
    could_be
        Whether there is a proposal for a missing gene; it decides where no form finds a gene. Where there is none
        either, names that all look like symbols of genes are several genes.
    signed
        Whether ``+`` and ``-`` at the end of a gene are its sign, so that ``+`` is not a separator.

    Returns
    -------
    tuple
        Genes in order, repeats kept; and a sentence on how they were read, if another form was used, in a list.
    """
    pieces: list[str] = []
    plain = text.replace("\u2028", "\n").replace("\u2029", "\n").replace("\r", "\n")
    for line in plain.split("\n"):
        whole = next((name for name in (line, line.strip()) if name and has(name)), None)
        # A comma inside brackets ("CD3D (T cell, CD4)") is not a separator.
        pieces += [whole] if whole else parse_genes(_COMMENTS.sub("", line) if "," in line else line)
    genes, notes = understand_names(pieces, has, could_be, signed=signed)
    return genes, notes


def understand_names(
    names: Sequence[str],
    has: Callable[[str], bool],
    could_be: Callable[[str], bool] = lambda gene: False,
    *,
    signed: bool = False,
    apart: bool = True,
) -> tuple[list[str], list[str]]:
    """Read each name as `understand_genes` does; with ``apart=False`` a name is not split into several."""
    genes: list[str] = []
    how: dict[str, None] = {}
    for name in names:
        if has(name) or not _ODD.search(name):
            genes.append(name)
            continue
        best, best_score, best_how = [name], (0, could_be(name), False), ""
        for words, form in _forms(name, signed=signed, apart=apart):
            found = sum(map(has, form))
            symbols = len(form) > 1 and all(map(_SYMBOL.fullmatch, form))
            score = (found, bool(found) or all(map(could_be, form)), symbols)
            if score > best_score:
                best, best_score, best_how = form, score, words
        genes += best
        if best_how:
            how[best_how] = None
    return genes, [f"Read as {len(genes):,} genes: {'; '.join(how)}."] if how else []


def _forms(name: str, *, signed: bool, apart: bool) -> list[tuple[str, list[str]]]:
    """Return other forms of a name, the plainest first, each with words that describe it."""
    seen = name.translate(_INVISIBLE).translate(_SPACES).strip()
    core = _bare(_CODE.sub("", _CODE.sub("", seen)))
    forms = [("characters that cannot be seen left out", [seen]), ("what is around the names left out", [core])]
    barer = (_MARK.sub("", core), _COMMENT.sub("", core), _COMMENT.sub("", _MARK.sub("", core)))
    forms += [("list marks and notes left out", [_bare(bare)]) for bare in barer]
    for start in dict.fromkeys((seen, forms[-1][1][0])) if apart else ():
        for split, words in _SPLITS:
            if (signed and "plus" in words) or (signed and split is _SPLITS[-1][0]):
                continue
            parts = [_bare(_CODE.sub("", part)) for part in split.split(start)]
            forms.append((f"separated at {words}", [part for part in parts if part]))
    return [(words, form) for words, form in forms if form and all(form)]
