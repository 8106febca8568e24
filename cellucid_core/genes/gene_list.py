"""Gene lists as people paste them."""

from __future__ import annotations

_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "„": "“", "`": "`"}
_SEPARATORS = ",;\t\r\n"


def parse_genes(text: str) -> list[str]:
    r"""Read a pasted gene list.

    Commas, semicolons, tabs and line ends (LF, CR LF, CR) separate genes; spaces and quotes around a gene go; a quoted
    gene keeps the separators inside its quotes. Order and repeats are kept.

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
    """Take spaces and quotes off both ends; a lone prime at the end belongs to the name."""
    gene = gene.strip()
    while len(gene) > 1 and _QUOTES.get(gene[0]) == gene[-1]:
        gene = gene[1:-1].strip()
    return gene.strip('"').strip()
