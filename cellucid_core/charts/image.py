"""A chart as a picture file, in the size and with the letters that a paper or a slide needs.

Streamlit shows charts without Vega's own menu, so the picture is made here by vl-convert, which runs Vega in a Rust
binary without a browser.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cellucid_core.charts.layout import Room, drawable
from cellucid_core.charts.specification import specification
from cellucid_core.errors import InputError

ImageKind = Literal["pdf", "png", "svg"]
Ground = Literal["white", "transparent", "dark"]
MIME: dict[ImageKind, str] = {"pdf": "application/pdf", "png": "image/png", "svg": "image/svg+xml"}
_INK: dict[Ground, tuple[str | None, str, str]] = {  # background, text, lines of the grid
    "white": ("#FFFFFF", "#31333F", "#E6E9EF"),
    "transparent": (None, "#31333F", "#D5D9E0"),
    "dark": ("#0E1117", "#FAFAFA", "#31343D"),
}
#: Millimetres per point.
_POINT = 25.4 / 72
#: Size of letters in Vega's pixels: a figure is laid out with these and then scaled, lines and marks with it.
_LETTERS = 12
_PADDING = 12
_LEAST_PLOT = 40
#: Vega's pixels that the axis of the scores takes of the width.
_AXIS = 50
#: In a chart that is narrower than this, in Vega's pixels, legends stand below one another.
_NARROW = 480
_MOST_PIXELS = 100_000_000
_SIZE = re.compile(r'(<svg\b[^>]*?) width="([\d.]+)" height="([\d.]+)"')


@dataclass(frozen=True)
class FigureStyle:
    """How a chart is made into a picture.

    Attributes
    ----------
    width
        Width of the picture in millimetres, 20 to 1000.
    height
        Height in millimetres, 20 to 1000; None: as high as the chart needs.
    font_size
        Size of the letters of axes and legends in points (1/72 inch), 3 to 48; lines and marks grow with it.
    ground
        The background: ``white`` and ``transparent`` have dark letters, ``dark`` light ones.
    dpi
        Pixels per inch of a PNG, 50 to 1200.
    title
        Title above the chart; empty for none.
    words
        Titles of axes and legends → the titles that replace them; an empty one removes the title.
    """

    width: float = 180.0
    height: float | None = None
    font_size: float = 9.0
    ground: Ground = "white"
    dpi: int = 300
    title: str = ""
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def room(self) -> Room:
        """The room to build a chart with, so that its names fit into the picture without being shortened."""
        return Room(self._pixels - _AXIS, whole=True)

    @property
    def _pixels(self) -> float:
        return self.width / _POINT / self._scale

    @property
    def _scale(self) -> float:
        return self.font_size / _LETTERS

    def check(self) -> None:
        """Raise `InputError` if the ground is unknown or a number is out of its range."""
        if self.ground not in _INK:
            raise InputError(f"There is no background {self.ground!r}.", f"Use {', '.join(_INK)}.")
        for name, value, low, high in (
            ("width", self.width, 20, 1000),
            ("height", 100 if self.height is None else self.height, 20, 1000),
            ("font size", self.font_size, 3, 48),
            ("resolution", self.dpi, 50, 1200),
        ):
            if not low <= value <= high:
                raise InputError(f"A figure cannot have a {name} of {value:g}.", f"Choose {low:g} to {high:g}.")


def chart_image(chart: Any, kind: ImageKind = "png", style: FigureStyle | None = None) -> bytes:
    """Return a chart as a picture.

    Parameters
    ----------
    chart
        An Altair chart of this package, built with the style's `FigureStyle.room` so that names fit; it is not changed.
    kind
        ``pdf``, ``png`` or ``svg``; text stays text in ``pdf`` and ``svg``.
    style
        Size, letters and ground; by default `FigureStyle()`.

    Raises
    ------
    InputError
        The kind is unknown, `FigureStyle.check` refuses the style, or a PNG would have more than 100 million pixels.
    """
    if kind not in MIME:
        raise InputError(f"A chart cannot be saved as {kind!r}.", "Use pdf, png or svg.")
    style = style or FigureStyle()
    style.check()
    import vl_convert

    drawing, width, height = _drawing(chart, style)
    scale = style._scale
    if kind == "pdf":
        return bytes(vl_convert.svg_to_pdf(_resized(drawing, width * scale, height * scale)))
    if kind == "png":
        per_pixel = scale * style.dpi / 72
        if width * height * per_pixel**2 > _MOST_PIXELS:
            raise InputError(
                f"The picture would have more than {_MOST_PIXELS // 10**6} million pixels.",
                "Choose a lower resolution, or save it as PDF or SVG.",
            )
        return bytes(vl_convert.svg_to_png(drawing, scale=scale, ppi=style.dpi))
    return _resized(drawing, width * scale * _POINT, height * scale * _POINT, "mm").encode()


def titles(chart: Any) -> list[str]:
    """Return the titles of a chart's axes and legends, each once: the keys that `FigureStyle.words` can have."""
    found: dict[str, None] = {}
    for guide in _guides(specification(chart)):
        if title := _title(guide):
            found[title] = None
    return list(found)


def _title(guide: dict[str, Any]) -> str:
    title = guide.get("title") or ""
    return title if isinstance(title, str) else " ".join(title)


def _drawing(chart: Any, style: FigureStyle) -> tuple[str, float, float]:
    """Return a chart as SVG, and its width and height in pixels of Vega."""
    import vl_convert

    spec = _drawable(specification(chart))
    for guide in _guides(spec):
        if (title := _title(guide)) in style.words:
            guide["title"] = drawable(style.words[title]) or None
    background, ink, grid = _INK[style.ground]
    spec["background"] = background
    spec["padding"] = _PADDING
    if style.title.strip():
        spec["title"] = {"text": drawable(style.title), "fontSize": _LETTERS + 2, "fontWeight": 600, "anchor": "start"}
    text = {
        "labelColor": ink,
        "titleColor": ink,
        "labelFontSize": _LETTERS,
        "titleFontSize": _LETTERS,
        "titleFontWeight": 500,
    }
    below = {"direction": "vertical", "anchor": "start", "bounds": "full", "margin": 4}
    legends = {"layout": {"bottom": below}} if style._pixels < _NARROW else {}
    config = {
        # The first font comes with vl-convert, so PDF and PNG look the same from every machine; an SVG uses a font that
        # its viewer has.
        "font": "Liberation Sans, Arial, Helvetica, sans-serif",
        "axis": text | {"gridColor": grid, "domainColor": grid, "tickColor": grid},
        "legend": text | legends,
        "text": {"color": ink},
        "title": {"color": ink},
    }
    spec["config"] = _merged(config, spec.get("config", {}))
    width = style._pixels
    height = None if style.height is None else style.height / _POINT / style._scale
    plots = spec.get("hconcat", [spec])
    if spec.get("width") == "container":
        spec["width"] = width
    drawing, wide, high = _measured(vl_convert.vegalite_to_svg(spec))
    # How much room names and legends take up is known only after drawing; the plots get the rest.
    more_width = (width - wide) / len(plots) if "hconcat" in spec else 0.0
    more_height = more_width if height is None else height - high
    if abs(more_width) >= 1 or abs(more_height) >= 1:
        for plot in plots:
            plot["width"] = max(plot["width"] + more_width, _LEAST_PLOT)
            plot["height"] = max(plot["height"] + more_height, _LEAST_PLOT)
        drawing, wide, high = _measured(vl_convert.vegalite_to_svg(spec))
    return drawing, wide, high


def _resized(drawing: str, width: float, height: float, unit: str = "") -> str:
    """Return an SVG with another width and height, its content scaled with it; without a unit they are points."""
    return _SIZE.sub(rf'\1 width="{width:.6g}{unit}" height="{height:.6g}{unit}"', drawing, count=1)


def _measured(drawing: str) -> tuple[str, float, float]:
    found = _SIZE.search(drawing)
    assert found is not None
    return drawing, float(found[2]), float(found[3])


def _guides(value: Any) -> list[dict[str, Any]]:
    """Return every axis and legend of a specification."""
    found: list[dict[str, Any]] = []
    if isinstance(value, dict):
        for key, one in value.items():
            if key in ("axis", "legend") and isinstance(one, dict):
                found.append(one)
            elif key not in ("datasets", "data", "config", "tooltip"):
                found += _guides(one)
    elif isinstance(value, list | tuple):
        for one in value:
            found += _guides(one)
    return found


def _drawable(value: Any) -> Any:
    """Return a specification whose texts are `drawable`."""
    if isinstance(value, dict):
        return {key: _drawable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_drawable(one) for one in value]
    return drawable(value) if isinstance(value, str) else value


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return nested settings in which `over` replaces what `base` has."""
    merged = dict(base)
    for key, value in over.items():
        known = merged.get(key)
        merged[key] = _merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged
