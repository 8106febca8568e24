"""Start of the dashboard: ``streamlit run app.py`` finds this ASGI app and serves it.

The page script is ``pages/home.py``; what a browser needs besides pages (downloads, health) are routes of
`cellucid_core.serving`.
"""

from __future__ import annotations

import streamlit as st

from cellucid_core.serving import middleware, routes

base_path = str(st.get_option("server.baseUrlPath") or "")
app = st.App("pages/home.py", routes=routes(base_path), middleware=middleware(base_path))

if __name__ == "__main__":
    app.run()
