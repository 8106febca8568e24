"""``serve``: let the Cellucid viewer read one dataset from here."""

from __future__ import annotations

import argparse
import json
import secrets
import socket
from typing import Any

from cellucid_core.cli.arguments import DONE, add_command, dataset_arguments, names, open_view, show
from cellucid_core.cli.terminal import counted, say
from cellucid_core.errors import InputError


def add(commands: Any) -> None:
    """Add the command to the parser."""
    serve = add_command(commands, "serve", run, "let the Cellucid viewer read a dataset from here, without a download")
    dataset_arguments(serve)
    serve.add_argument("--port", type=int, default=0, metavar="N", help="by default a free one")
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="H",
        help="address to listen on; by default only this machine can reach it",
    )
    serve.add_argument(
        "--origins", metavar="A,B", help="web addresses whose pages may read it (https://www.cellucid.com)"
    )


def run(options: argparse.Namespace) -> tuple[int, dict[str, Any] | None]:
    """Serve the dataset until interrupted; return the exit status, and no JSON object, as it was printed at the start.

    Raises
    ------
    WorkRefused
        If preflight blocks the export.
    InputError
        If an origin is not one, or the port is taken.
    """
    import uvicorn

    from cellucid_core.configuration import read_configuration
    from cellucid_core.export import ExportSettings
    from cellucid_core.preflight import Scope, require_ready
    from cellucid_core.serving.live import live_app, ready_file

    settings = ExportSettings(format="h5ad")
    origins = names(options.origins) or read_configuration().viewer_origins
    for origin in origins:
        if not origin.startswith(("https://", "http://")) or origin.count("/") != 2:
            raise InputError(f"{origin} is not the origin of a page.", "Write it as https://www.cellucid.com.")
    listening = _listen(options.host, options.port)
    with listening:
        scope = Scope.of(settings)
        view = open_view(options.dataset, options, scope)
        require_ready(view, scope, keys_are_files=False)
        dataset = ready_file(view, settings, counted())
        token = secrets.token_urlsafe(32)
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{port}/live/{token}/"
        if options.json:
            print(json.dumps({"url": url, **dataset.datasets()}), flush=True)
        show(f"{dataset.name} can be read at {url}", options)
        say("Paste this address into the viewer's remote box. Interrupt (Ctrl-C) to stop.")
        config = uvicorn.Config(live_app(dataset, token, origins), log_level="warning", access_log=False)
        uvicorn.Server(config).run(sockets=[listening])
    return DONE, None


def _listen(host: str, port: int) -> socket.socket:
    """Open the port before the slow work, so that a port that is taken is an error at once."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"The address {host}:{port} cannot be used ({reason}).", "Choose another --host or --port."
        ) from error
