"""Start of the dashboard: ``streamlit run app.py`` finds this ASGI app and serves it.

The page script is ``pages/home.py``; what a browser needs besides pages (uploads, downloads, health) are routes of
`cellucid_core.serving`.
"""

from __future__ import annotations

import sys

import streamlit as st

from cellucid_core.configuration import check_configuration
from cellucid_core.errors import CellucidError
from cellucid_core.serving import lifespan, log_error, middleware, routes, start_logging, upkeep
from pages.shared.sessions import forget_expired

try:
    settings = check_configuration()
except CellucidError as wrong:
    print(wrong, file=sys.stderr)
    sys.exit(2)
start_logging(settings.log)
base_path = str(st.get_option("server.baseUrlPath") or "")

app = st.App(
    "pages/home.py",
    routes=routes(base_path),
    middleware=middleware(base_path),
    lifespan=upkeep(lifespan, forget_expired),
    on_script_error=lambda error: log_error(error, "page"),
)

if __name__ == "__main__":
    app.run()
