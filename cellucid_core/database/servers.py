"""Know which servers are alive: each renews its row every few seconds, and deletes it when it stops.

For servers on the same machine the table of processes is read instead, so that a killed one is noticed at once.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from sqlalchemy import Connection, delete, select

from cellucid_core.database.connecting import DatabaseRefused, database_url, writing
from cellucid_core.database.statements import upsert
from cellucid_core.database.tables import servers
from cellucid_core.errors import InputError

#: Seconds between two renewals of a row, and after how many without one a server counts as dead.
_BEAT, _DEAD_AFTER = 5.0, 30.0
#: Address of the database → id of this process in it.
_known: dict[str, str] = {}
_starting = threading.Lock()


def this_server() -> str:
    """Return the id of this process in the database; the first call adds its row and begins to renew it.

    Raises
    ------
    DatabaseRefused, InputError
        As `connecting.writing`.
    """
    url = str(database_url())
    with _starting:
        if url not in _known:
            server = secrets.token_hex(16)
            _beat(server)
            _known.clear()  # after a change of home; the old row counts while this process lives
            _known[url] = server
            threading.Thread(target=_go_on, args=(url, server), name="signs of life", daemon=True).start()
        return _known[url]


def leave() -> None:
    """Delete this process's row, since it does no jobs and takes no uploads any more."""
    with _starting:
        server = _known.pop(str(database_url()), None)
    if server is not None:
        with suppress(DatabaseRefused), writing() as connection:
            connection.execute(delete(servers).where(servers.c.id == server))


def living_servers(connection: Connection) -> set[str]:
    """Return the ids of the servers that are alive."""
    machine, now = _machine(), time.time()
    living = set()
    for row in connection.execute(select(servers)):
        here = bool(machine) and row.machine == machine
        if row.process == _process(int(row.process.partition(":")[0])) if here else now - row.beat < _DEAD_AFTER:
            living.add(row.id)
    return living


def forget_dead_servers(connection: Connection) -> None:
    """Delete the rows of servers that are not alive."""
    connection.execute(delete(servers).where(servers.c.id.not_in(living_servers(connection))))


def _go_on(url: str, server: str) -> None:
    while True:
        time.sleep(_BEAT)
        with suppress(DatabaseRefused, InputError):
            if str(database_url()) != url or _known.get(url) != server:
                return
            _beat(server)


def _beat(server: str) -> None:
    with writing() as connection:
        row = {"id": server, "machine": _machine(), "process": _process(os.getpid()), "beat": time.time()}
        upsert(connection, servers, row)


@lru_cache(maxsize=1)
def _machine() -> str:
    """Return a text that is the same for all processes that see each other's numbers; empty on other than Linux."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux
        return ""


def _process(number: int) -> str:
    """Return a process's number and start time, since numbers are used again; only the number if it has ended."""
    try:
        fields = Path(f"/proc/{number}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return f"{number}:"
    return f"{number}:" if fields[0] in "ZX" else f"{number}:{fields[19]}"
