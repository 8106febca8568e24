"""A chart with its caption, and a dialog that saves it with the size and font of a paper or a slide."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st
from altair.utils.schemapi import disable_debug_mode

from cellucid_core import charts
from cellucid_core.errors import CellucidError
from pages.session.state import kept, literal, show_error, widget_key
from pages.widgets.remembered import remembered

# Altair would validate every chart each time it is drawn. Tests validate them once instead.
disable_debug_mode()

_USUAL = charts.FigureStyle()
_OWN = "Another width"
#: Widths that journals ask for, in millimetres.
_SIZES: dict[str, float | None] = {
    "Two columns, 180 mm": _USUAL.width,
    "One and a half, 120 mm": 120.0,
    "One column, 85 mm": 85.0,
    _OWN: None,
}
_UNITS = {"mm": 1.0, "inch": 25.4}
_GROUNDS: dict[charts.Ground, str] = {"white": "White", "transparent": "Transparent", "dark": "Dark"}
_DPI = (150, 300, 600)
#: Pixels per inch of a screen, as in style sheets; the greatest width in mm of a preview with twice as many.
_SCREEN_DPI, _WIDE = 96, 300


def figure(
    draw: Callable[[charts.Room], Any],
    caption: str,
    file_name: str,
    *,
    made_of: Hashable = None,
    alt: str | None = None,
) -> None:
    """Draw a chart, its caption, and the button of the dialog that saves it.

    Parameters
    ----------
    draw
        Returns the chart, given the room that labels have: on the screen, or in a figure.
    caption
        What its marks mean.
    file_name
        Name of the picture file, without its ending; different for each figure of a page.
    made_of
        Key of the chart's inputs: while it is the same, the earlier chart is drawn again. None makes it each time.
    alt
        What the chart shows, for people who cannot see it; by default the caption.
    """
    make = partial(draw, charts.SCREEN)
    chart = make() if made_of is None else remembered(f"chart {file_name}", made_of, make)
    draw_chart(chart, alt=alt or caption)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(caption, width="stretch")
        if st.button("", icon=":material/image:", type="tertiary", help="Save the figure", key=f"save_{file_name}"):
            _save(draw, file_name, charts.titles(chart), alt or caption)


def draw_chart(chart: Any, *, alt: str | None = None) -> None:
    """Draw a chart as wide as its container; charts side by side keep their own width."""
    spec = charts.specification(chart)
    st.vega_lite_chart(spec=spec, width="content" if "hconcat" in spec else "stretch", alt=alt)


def figure_style(file_name: str = "", titles: Sequence[str] = ()) -> charts.FigureStyle:
    """Return the style of saved figures, as chosen in the dialog.

    Parameters
    ----------
    file_name, titles
        A figure, and its axis and legend titles, for its own title and words.
    """

    def chosen(name: str, usual: Any) -> Any:
        value = st.session_state.get(widget_key(f"figure_{name}"))
        return usual if value is None else value

    unit = chosen("unit", "mm")
    factor = _UNITS.get(unit, 1.0)
    width = _SIZES.get(chosen("size", ""), _USUAL.width)
    height = chosen(f"height {unit}", None)
    words = {title: chosen(f"word {file_name} {title}", title) for title in titles}
    return charts.FigureStyle(
        width=chosen(f"width {unit}", _USUAL.width / factor) * factor if width is None else width,
        height=None if height is None else height * factor,
        font_size=chosen("font", _USUAL.font_size),
        ground=chosen("ground", _USUAL.ground),
        dpi=chosen("dpi", _USUAL.dpi),
        title=chosen(f"title {file_name}", ""),
        words={title: word for title, word in words.items() if word != title},
    )


@st.dialog("Save the figure", width="large")
def _save(draw: Callable[[charts.Room], Any], file_name: str, titles: list[str], alt: str) -> None:
    look, choices = st.columns([3, 2], gap="large")
    with choices:
        _choose(file_name, titles)
    style = figure_style(file_name, titles)
    with look:
        try:
            style.check()
            chart = draw(style.room)
            # In its real size, where there is room, with twice the pixels for sharp screens.
            fine = 2 * _SCREEN_DPI if style.width <= _WIDE else _SCREEN_DPI
            preview = charts.chart_image(chart, "png", replace(style, dpi=fine))
            st.image(preview, width=int(style.width / 25.4 * _SCREEN_DPI), alt=alt)
        except CellucidError as error:
            show_error(error)
            return
    with choices, st.container(horizontal=True):
        for kind, mime in charts.MIME.items():
            st.download_button(
                f"Save as {kind.upper()}",
                # Called in a thread without a session, so everything it needs is bound here.
                data=partial(charts.chart_image, chart, kind, style),
                file_name=f"{file_name}.{kind}",
                mime=mime,
                icon=":material/download:",
                key=f"save_{file_name}_{kind}",
                on_click="ignore",
            )


def _choose(file_name: str, titles: list[str]) -> None:
    """Draw the choices; all but the titles apply to every figure of the dataset."""
    with st.container(horizontal=True):
        sized = st.selectbox("Size", list(_SIZES), width=230, **kept("figure_size"))
        unit = st.segmented_control("Unit", list(_UNITS), default="mm", required=True, **kept("figure_unit"))
    factor = _UNITS[unit]
    if sized == _OWN:
        st.number_input(
            f"Width ({unit})",
            20 / factor,
            1000 / factor,
            _USUAL.width / factor,
            format="%.4g",
            **kept(f"figure_width {unit}"),
        )
    st.number_input(
        f"Height ({unit})",
        20 / factor,
        1000 / factor,
        None,
        placeholder="Automatic",
        format="%.4g",
        **kept(f"figure_height {unit}"),
    )
    font, dpi = st.columns(2)
    font.number_input("Font size (pt)", 3.0, 48.0, _USUAL.font_size, step=1.0, format="%.3g", **kept("figure_font"))
    dpi.selectbox("PNG (dpi)", _DPI, index=_DPI.index(_USUAL.dpi), **kept("figure_dpi"))
    st.segmented_control(
        "Background",
        list(_GROUNDS),
        format_func=_GROUNDS.__getitem__,
        default=_USUAL.ground,
        required=True,
        **kept("figure_ground"),
    )
    st.text_input("Title", placeholder="None", **kept(f"figure_title {file_name}"))
    for title in titles:
        name = f"figure_word {file_name} {title}"
        st.text_input(f"Replace “{literal(title)}” by", **_said(name, title))


def _said(name: str, usual: str) -> dict[str, Any]:
    """Return the arguments of a kept text box that begins with the text it replaces."""
    arguments = kept(name)
    return arguments if arguments["key"] in st.session_state else {**arguments, "value": usual}
