"""nginx as docs/hosting.md sets it up, with folders and a port of a test's own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.patience import PATIENCE

_CONFIGURATION = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
    upstream dashboards {{ hash $cookie_cellucid_browser consistent; {servers} }}
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 16m;
        location {path} {{
            proxy_pass http://dashboards; proxy_http_version 1.1; proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
            proxy_request_buffering off; proxy_buffering off; proxy_read_timeout 1h;
        }}
    }}
}}
"""


def free_port() -> int:
    """Return a port on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def behind_nginx(folder: Path, servers: list[str], path: str = "/") -> Iterator[str]:
    """Put servers ("host:port") behind nginx, and yield its address once it answers."""
    port, nginx = free_port(), shutil.which("nginx")
    assert nginx is not None, "nginx is not installed"
    upstream = " ".join(f"server {server};" for server in servers)
    text = _CONFIGURATION.format(folder=folder, port=port, servers=upstream, path=path)
    (folder / "nginx.conf").write_text(text)
    proxy = subprocess.Popen([nginx, "-c", folder / "nginx.conf", "-e", folder / "error.log"])
    try:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}healthz", timeout=2)
                break
            except OSError:
                assert time.monotonic() < end
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        proxy.terminate()
        proxy.wait(PATIENCE)
