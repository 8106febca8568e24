"""Read a home's SQLite database without the code that wrote it, and change what a test cannot wait for."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from tests.patience import PATIENCE

_JSON = ("about", "result", "error", "uses", "content", "dataset", "sign_in", "way")


def rows(home: Path, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table as dictionaries, JSON columns parsed; none if the home was never used."""
    if not (home / "state.db").exists():
        return []
    connection = sqlite3.connect(home / "state.db", timeout=PATIENCE)
    try:
        connection.row_factory = sqlite3.Row
        made = connection.execute("SELECT name FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        found = [dict(row) for row in connection.execute(f"SELECT * FROM {table}")] if made else []
    finally:
        connection.close()
    return [{k: json.loads(v) if k in _JSON and v is not None else v for k, v in row.items()} for row in found]


def change(home: Path, statement: str, *values: object) -> None:
    """Run a SQL statement that changes rows."""
    connection = sqlite3.connect(home / "state.db", timeout=PATIENCE)
    try:
        with connection:
            connection.execute(statement, values)
    finally:
        connection.close()
