"""A chart as a picture file, for papers and slides.

Streamlit shows charts without Vega's own menu, so the picture is made here, by vl-convert: Vega itself in a Rust
binary, no browser.
"""

from __future__ import annotations

from typing import Any, Literal

from cellucid_core.charts.layout import drawable
from cellucid_core.errors import InputError

ImageKind = Literal["png", "svg"]
Theme = Literal["light", "dark"]
MIME: dict[ImageKind, str] = {"png": "image/png", "svg": "image/svg+xml"}
_INK: dict[Theme, tuple[str, str, str]] = {  # background, text, lines of the grid
    "light": ("#FFFFFF", "#31333F", "#E6E9EF"),
    "dark": ("#0E1117", "#FAFAFA", "#31343D"),
}
#: Pixels per point of a PNG: 300 dpi at the size that it has on a screen.
_SCALE = 3


def chart_image(chart: Any, kind: ImageKind = "png", theme: Theme = "light", *, width: int = 720) -> bytes:
    """Return a chart as a picture.

    Parameters
    ----------
    chart
        An Altair chart of this package; it is not changed.
    kind
        ``png`` (three pixels per point) or ``svg``.
    theme
        ``light`` or ``dark`` background.
    width
        Of the picture in points, for charts that otherwise take the width of their container.

    Raises
    ------
    InputError
        The kind or the theme is unknown.
    """
    if kind not in MIME:
        raise InputError(f"A chart cannot be saved as {kind!r}.", "Use png or svg.")
    if theme not in _INK:
        raise InputError(f"There is no theme {theme!r}.", "Use light or dark.")
    import vl_convert

    spec = _drawable(chart.to_dict())
    if spec.get("width") == "container":
        spec["width"] = width
    background, ink, grid = _INK[theme]
    spec["background"] = background
    spec["padding"] = 12
    text = {"labelColor": ink, "titleColor": ink, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": 500}
    config = {
        # The first comes with vl-convert, so a PNG is the same on every machine; an SVG takes what its viewer has.
        "font": "Liberation Sans, Arial, Helvetica, sans-serif",
        "axis": text | {"gridColor": grid, "domainColor": grid, "tickColor": grid},
        "legend": text,
        "text": {"color": ink},
        "title": {"color": ink},
    }
    spec["config"] = _merged(config, spec.get("config", {}))
    if kind == "png":
        return bytes(vl_convert.vegalite_to_png(spec, scale=_SCALE))
    return str(vl_convert.vegalite_to_svg(spec)).encode()


def _drawable(value: Any) -> Any:
    """Return a specification whose texts a picture can hold."""
    if isinstance(value, dict):
        return {key: _drawable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_drawable(one) for one in value]
    return drawable(value) if isinstance(value, str) else value


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return settings with others laid over them."""
    merged = dict(base)
    for key, value in over.items():
        known = merged.get(key)
        merged[key] = _merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged
