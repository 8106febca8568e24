"""The rules of docs/architecture.md that lint-imports does not check, such as importing only a package's `__init__`."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]


def reaching_past():
    """Yield every import of the product that names a file of another package of ``cellucid_core``."""
    for file in [*(ROOT / "cellucid_core").rglob("*.py"), *(ROOT / "pages").rglob("*.py"), ROOT / "app.py"]:
        place = ".".join(file.relative_to(ROOT).parent.parts)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("cellucid_core."):
                continue
            package = node.module.rpartition(".")[0]
            inside = place == package or place.startswith(f"{package}.")
            if package != "cellucid_core" and not inside and not (ROOT / node.module.replace(".", "/")).is_dir():
                yield f"{file.relative_to(ROOT)}:{node.lineno} {node.module}"


def test_only_the_faces_of_packages_are_imported():
    assert list(reaching_past()) == []


def test_every_package_says_what_it_is_for():
    silent = [
        str(file.relative_to(ROOT))
        for file in [*(ROOT / "cellucid_core").rglob("__init__.py"), *(ROOT / "pages").rglob("__init__.py")]
        if not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_a_package_holds_one_subject():
    """At most about fifteen files; beyond that a package holds two subjects."""
    for folder in {file.parent for file in (ROOT / "cellucid_core").rglob("*.py")}:
        assert len(list(folder.glob("*.py"))) - 1 <= 18, folder
