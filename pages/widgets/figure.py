"""A chart with its caption, and with the ways to keep it as a picture."""

from __future__ import annotations

from typing import Any

import streamlit as st
from altair.utils.schemapi import disable_debug_mode

from cellucid_core import charts

# Altair checks every part of a chart when it is made. Tests do so once; a server would do it for every drawing.
disable_debug_mode()


def figure(chart: Any, caption: str, file_name: str, *, alt: str | None = None) -> None:
    """Draw a chart, its caption, and a menu that saves it as PNG or SVG in the theme that is shown.

    Parameters
    ----------
    chart
        An Altair chart.
    caption
        What its marks mean.
    file_name
        Of the picture, without its ending.
    alt
        What the chart shows, for those who cannot see it.
    """
    draw_chart(chart, alt=alt or caption)
    theme = _theme()  # pictures are made in threads that know no session
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(caption, width="stretch")
        with st.popover("", icon=":material/image:", type="tertiary", help="Save the picture", key=f"save_{file_name}"):
            for kind, mime in charts.MIME.items():
                st.download_button(
                    f"Save as {kind.upper()}",
                    data=lambda kind=kind: charts.chart_image(chart, kind, theme),  # type: ignore[misc]
                    file_name=f"{file_name}.{kind}",
                    mime=mime,
                    key=f"save_{file_name}_{kind}",
                    on_click="ignore",
                    width="stretch",
                )


def draw_chart(chart: Any, *, alt: str | None = None) -> None:
    """Draw a chart as wide as its place; charts side by side have their own width."""
    spec = charts.specification(chart)
    st.vega_lite_chart(spec=spec, width="content" if "hconcat" in spec else "stretch", alt=alt)


def _theme() -> Any:
    return "dark" if st.context.theme.type == "dark" else "light"
