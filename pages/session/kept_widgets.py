"""The widgets whose values a workspace keeps, with a check of each value, as values are read from files."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

Check = Callable[[object], bool]


def _text(value: object) -> bool:
    return isinstance(value, str)


def _choice(value: object) -> bool:
    return value is None or isinstance(value, str)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _whole_or_none(value: object) -> bool:
    return value is None or _whole(value)


def _number(value: object) -> bool:
    return isinstance(value, float)


def _number_or_none(value: object) -> bool:
    return value is None or _number(value)


def _truth(value: object) -> bool:
    return isinstance(value, bool)


@cache
def _of_settings() -> dict[str, Check]:
    """Return the checks of the export settings' widgets: a choice of words, or the type of the usual value."""
    from cellucid_core.export import ExportSettings, controls  # not when the app starts

    kinds: dict[type, Check] = {bool: _truth, int: _whole, float: _number}
    usual = ExportSettings()
    return {
        f"export_{name}": _choice if control.words else kinds.get(type(getattr(usual, name)), _text)
        for name, control in controls().items()
    }


#: Name → check of its value; those of the export settings are in `_of_settings`.
#: A widget itself ignores a value that is no longer one of its options.
KNOWN: dict[str, Check] = {
    # Upload & Preflight
    "preflight_colour": _choice,
    "preflight_dimension": _whole_or_none,
    # Export
    "export_centroids": _truth,
    **dict.fromkeys(("export_n", "export_markers_n"), _whole),
    "export_genes": _texts,
    "export_markers_column": _choice,
    "export_list": _text,
    # Gene Signature
    "genes": _text,
    **dict.fromkeys(
        (
            "signature",
            "group_by",
            "method",
            "normalization",
            "p_adjust",
            "chart",
            "library_measure",
            "lines",
        ),
        _choice,
    ),
    **dict.fromkeys(("embedding_shown", "page_order"), _choice),
    "repeats": _truth,
    **dict.fromkeys(("brackets", "brackets_within"), _texts),
    "seed": _whole,
    **dict.fromkeys(("chance_sets", "max_rank", "ctrl_size", "n_bins"), _whole),
    "top_share": _number,
    **dict.fromkeys(("figure_size", "figure_unit", "figure_ground"), _choice),
    "figure_font": _number,
    "figure_dpi": _whole,
    "gene_pool": _text,
    **dict.fromkeys(
        ("points", "mixed_model", "several_ordered", "several_standardized", "several_tested", "several_highest"),
        _truth,
    ),
    # Signature Library
    "library_levels": _texts,
    "library_source": _text,
    "library_normalize": _truth,
    "library_flavor": _choice,
    **dict.fromkeys(("library_hvg", "library_generations", "library_seed"), _whole),
    "library_degs": _whole_or_none,
}
#: The same for the beginnings of names that end in a column, a title or a hash.
BEGINNINGS: dict[str, Check] = {
    "pages ": _texts,
    "rest ": _choice,
    "sample ": _choice,
    "split ": _choice,
    "figure_width ": _number,
    "figure_height ": _number_or_none,
    **dict.fromkeys(("figure_title ", "figure_word "), _text),
    "export_without_": _truth,
}


def fits(name: str, value: object) -> bool:
    """Tell whether a widget of this name can have this value."""
    check = KNOWN.get(name) or next((one for start, one in BEGINNINGS.items() if name.startswith(start)), None)
    if check is None and name.startswith("export_"):
        check = _of_settings().get(name)
    return check is not None and check(value)
