"""The examples of the documentation run as they stand, one after another, in an empty folder."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^## (\d+)\. ", re.MULTILINE)


def test_python_examples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "python.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    blocks = list(_BLOCK.finditer(text))
    for block in blocks:
        line = text[: block.start()].count("\n") + 2
        code = compile("\n" * (line - 1) + block[1], str(DOCS / "python.md"), "exec")
        exec(code, names)  # in one namespace, as in a notebook
    assert {"demo.zip", "t_cells.csv", "t_cells.html", "demo.h5ad"} <= {path.name for path in tmp_path.iterdir()}
    headings = [int(number) for number in _HEADING.findall(text)]
    assert headings == list(range(1, 11))
    for begin, end in zip(_HEADING.finditer(text), [*list(_HEADING.finditer(text))[1:], None], strict=True):
        section = text[begin.end() : end.start() if end else None]
        assert "```python" in section, section[:80]
