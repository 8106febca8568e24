"""The tables of the database: who owns what, and the state of workspaces, uploads, jobs, links and sign-ins.

Owners are named by their mark (`owner_mark`), so that nobody who reads the database can act as one of them. Times are
seconds since 1970. Data (uploads, exports, pages of cells) are files below ``CELLUCID_HOME`` that a table names.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    false,
)

#: Name of the SQLite file in the home.
FILE = "state.db"
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
#: Number of hexadecimal digits of a hash (also of an owner's mark), and of an id.
_HASH, _ID = 64, 32


class Json(TypeDecorator[Any]):
    """Plain JSON as text: PostgreSQL's own type refuses NaN, and no query needs to look inside."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        """Return the text of a value; None is SQL's NULL."""
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: str | None, dialect: Any) -> Any:
        """Return the value of a text."""
        return None if value is None else json.loads(value)


def _owner(**how: Any) -> Column[str]:
    return Column("owner", String(_HASH), nullable=False, **how)


def _time(name: str) -> Column[float]:
    return Column(name, Double, nullable=False, server_default="0")


servers = Table(
    "servers",
    metadata,
    Column("id", String(_ID), primary_key=True),
    Column("machine", Text, nullable=False),  # see `servers`; servers with the same text see each other's processes
    Column("process", Text, nullable=False),
    _time("beat"),
)
jobs = Table(
    "jobs",
    metadata,
    Column("id", String(_ID), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("title", Text, nullable=False),
    _owner(index=True),
    Column("key", Text, nullable=False),
    Column("about", Json, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    _time("created"),
    _time("started"),
    _time("finished"),
    Column("result", Json),
    Column("error", Json),
    Column("server", String(_ID), nullable=False),
    Column("uses", Json, nullable=False),
    Column("told", Boolean, nullable=False, server_default=false()),
)
workspaces = Table(
    "workspaces",
    metadata,
    Column("name", String(_HASH), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("content", Json),  # None until it is first saved
    _time("opened"),
)
workspace_owners = Table(
    "workspace_owners",
    metadata,
    _owner(primary_key=True),
    Column(
        "workspace",
        ForeignKey(workspaces.c.name, ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
    _time("used"),
)
uploads = Table(
    "uploads",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    _owner(index=True),
    Column("offset", BigInteger, nullable=False),
    _time("changed"),
    Column("kept", Text, nullable=False, index=True),
    Column("writer", String(_ID), nullable=False),  # the server that is receiving bytes of it, or empty
)
downloads = Table(
    "downloads",
    metadata,
    Column("key", String(_HASH), primary_key=True),
    Column("path", Text, nullable=False),
    Column("file_name", Text, nullable=False),
    _owner(index=True),
    _time("expires"),
)
links = Table(
    "links",
    metadata,
    Column("key", String(_HASH), primary_key=True),
    _owner(index=True),
    Column("dataset", Json, nullable=False),
    _time("made"),
    _time("ends"),
    _time("last"),
    Column("reads", BigInteger, nullable=False, server_default="0"),
    Column("sent", BigInteger, nullable=False, server_default="0"),
    Column("workspace", ForeignKey(workspaces.c.name, ondelete="CASCADE"), index=True),
)
#: One row for each browser at which somebody signed in or out (`serving.sign_in`); `print` is the fingerprint of its
#: cookie, `heir` the owner who now has what was made there, `before` the fingerprint of its cookie before signing in,
#: and `way` a note for coming back from the provider (`serving.way_in`).
browsers = Table(
    "browsers",
    metadata,
    Column("print", String(_HASH), primary_key=True),
    Column("sign_in", Json),
    Column("retired", Boolean, nullable=False, server_default=false()),
    Column("heir", Text, nullable=False, server_default=""),
    Column("before", String(_HASH), nullable=False, server_default=""),
    Column("way", Json),
    _time("changed"),
)
ended_sign_ins = Table(
    "ended_sign_ins",
    metadata,
    Column("key", String(_HASH), primary_key=True),
    _time("ended"),
)
#: Who added an entry of the library. Entries from before the database name the owner in their own record.
entry_owners = Table(
    "entry_owners",
    metadata,
    Column("entry", String(255), primary_key=True),
    _owner(index=True),
)
