"""Start of the dashboard: ``streamlit run app.py`` finds this ASGI app and serves it.

The page script is ``pages/home.py``; what a browser needs besides pages (uploads, downloads, health) are routes of
`cellucid_core.serving`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from cellucid_core.configuration import check_configuration
from cellucid_core.errors import CellucidError, InputError
from cellucid_core.serving import check_auth_section, lifespan, log_error, middleware, routes, start_logging, upkeep
from pages.widgets.sessions import forget_expired


def auth_section() -> dict[str, Any] | None:
    """Return ``[auth]`` of Streamlit's secrets, None if there is none."""
    try:
        section = st.secrets.get("auth")
    except FileNotFoundError:  # also what Streamlit says of a file that is no TOML, which it quotes
        if any(Path(file).is_file() for file in st.get_option("secrets.files")):
            raise InputError("Streamlit's secrets cannot be read.", "Check that the file is TOML.") from None
        return None
    return dict(section) if isinstance(section, Mapping) else None


base_path = str(st.get_option("server.baseUrlPath") or "")
try:
    settings = check_configuration()
    if settings.sign_in != "off":
        check_auth_section(auth_section(), base_path)
except CellucidError as wrong:
    print(wrong, file=sys.stderr)
    sys.exit(2)
start_logging(settings.log)


def tell_error(error: BaseException) -> bool:
    """Say and log what no page caught: also what a click does before its page is drawn."""
    from pages.session.state import show_error

    show_error(log_error(error, "page"))
    st.button("Go on", icon=":material/refresh:")  # draws the page again
    return True


app = st.App(
    "pages/home.py",
    routes=routes(base_path),
    middleware=middleware(base_path),
    lifespan=upkeep(lifespan, forget_expired),
    on_script_error=tell_error,
)

if __name__ == "__main__":
    app.run()
