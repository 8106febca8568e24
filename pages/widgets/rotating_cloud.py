"""A cloud of points that turns, with its legend."""

from __future__ import annotations

from html import escape

import streamlit as st

from cellucid_core.charts import Cloud

HEIGHT = 440
MOST_IN_SIGHT = 60


def draw_cloud(cloud: Cloud, title: str) -> None:
    """Draw a cloud, its legend, and a caption that says how to turn it.

    Parameters
    ----------
    cloud
        The points.
    title
        What the colour means.
    """
    import pydeck  # takes a fifth of a second, so only here

    layer = pydeck.Layer(
        "PointCloudLayer",
        data=cloud.rows,
        get_position="xyz",
        get_color="rgb",
        point_size=3 if len(cloud.rows) < 5_000 else 2,
        pickable=True,
        material={"ambient": 1, "diffuse": 0, "specularColor": [0, 0, 0]},  # colours as in the legend
    )
    deck = pydeck.Deck(
        layers=[layer],
        views=[pydeck.View(type="OrbitView", controller=True)],
        # 2^zoom pixels for one unit: the points reach from −1 to 1.
        initial_view_state=pydeck.ViewState(target=[0, 0, 0], zoom=7.3, rotationX=20, rotationOrbit=30),
        map_provider=None,
        map_style=None,
        tooltip={"text": "{value}"},
    )
    st.pydeck_chart(deck, height=HEIGHT, alt=f"Cells in three dimensions, coloured by {title}")
    _legend(title, cloud.legend)
    shown = f" {len(cloud.rows):,} of {cloud.n_cells:,} cells are shown." if len(cloud.rows) < cloud.n_cells else ""
    st.caption(f"Drag to turn; drag with Shift or the right button to move; scroll to zoom.{shown}")


def _legend(title: str, colours: list[tuple[str, str]]) -> None:
    """Draw the legend; names from data are escaped."""
    rows = "".join(
        f'<span style="display: inline-flex; gap: 0.4rem; margin-right: 0.9rem; overflow-wrap: anywhere">'
        f'<span style="color: {colour}">●</span><span>{escape(name)}</span></span>'
        for name, colour in colours
    )
    with st.container(height="content" if len(colours) <= MOST_IN_SIGHT else 160, border=False):
        st.html(f'<div style="font-size: 0.85rem; line-height: 1.6"><div>{escape(title)}</div>{rows}</div>')
