"""Routes that tell whether the server is alive and can take work."""

from __future__ import annotations

import os
import shutil
import tempfile

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cellucid_core.cache import cellucid_home
from cellucid_core.configuration import read_configuration
from cellucid_core.database import reading
from cellucid_core.errors import CellucidError
from cellucid_core.serving.jobs import workers


async def health(request: Request) -> Response:
    """GET: the process is alive."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """GET: whether work can be sent here, 503 if not; says which check failed, but no paths and no sizes."""
    checks = await to_thread.run_sync(readiness)
    good = all(checks.values())
    return JSONResponse({"status": "ready" if good else "not ready", "checks": checks}, 200 if good else 503)


def readiness() -> dict[str, bool]:
    """Return check → whether it passed.

    The settings are valid, the home folder can be written, its disk has room, the database can be read, and the queue
    of jobs is served.
    """
    checks = dict.fromkeys(("configuration", "home", "space", "database"), False)
    crew = workers()
    checks["workers"] = crew is None or crew.serving  # a process without workers does jobs itself
    try:
        settings = read_configuration()
        checks["configuration"] = True
        home = cellucid_home()
        with tempfile.TemporaryFile(dir=home) as file:  # permissions do not show a read-only or full disk
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
        checks["home"] = True
        checks["space"] = shutil.disk_usage(home).free >= settings.free_space
        with reading():
            checks["database"] = True
    except (CellucidError, OSError):
        pass
    return checks
