# ruff: noqa: RUF009 - `_setting` returns a `dataclasses.field`
"""What the user decides about an export."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, get_args

from cellucid_core.errors import InputError
from cellucid_core.export.gene_choice import GeneChoice
from cellucid_core.names import folder_name

CategoricalDtype = Literal["auto", "uint8", "uint16"]
Format = Literal["compact", "h5ad", "zarr.zip"]
FORMATS: tuple[str, ...] = get_args(Format)
_BITS = {"8 bit": 8, "16 bit": 16, "Exact (float32)": None}
_DTYPES = {"As small as fits": "auto", "8 bit (254 categories)": "uint8", "16 bit (65,534)": "uint16"}
_FORMATS = {"Prepared export": "compact", "AnnData (.h5ad)": "h5ad", "AnnData (.zarr.zip)": "zarr.zip"}
#: Choices that can be listed in `ExportSettings.launch`.
LAUNCH = ("embeddings", "gene_id", "latent")


def parse_bits(text: str) -> int | None:
    """Read a quantization: ``8``, ``16`` or ``none``.

    Raises
    ------
    InputError
        For anything else.
    """
    choices = {"8": 8, "16": 16, "none": None}
    if text.strip().lower() not in choices:
        raise InputError(f"{text!r} is not a quantization.", "Use 8, 16 or none.")
    return choices[text.strip().lower()]


def parse_quantile(text: str) -> float | None:
    """Read the centroid quantile: a number, or ``none``; `ExportSettings` checks that it is above 0 and at most 1.

    Raises
    ------
    InputError
        If it is neither.
    """
    if text.strip().lower() == "none":
        return None
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{text!r} is not a quantile.", "Use a number such as 0.95, or none.") from None


def available_threads() -> int:
    """Return how many processors this process may use, at most 8."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        count = os.cpu_count() or 1
    return max(1, min(8, count))


@dataclass(frozen=True)
class Control:
    """How a page asks for a setting.

    Attributes
    ----------
    label, help, placeholder
        Texts of the widget.
    words
        Words that the user chooses from → the value; None: the value is typed or ticked.
    least, most
        Limits of a number.
    """

    label: str
    help: str | None = None
    placeholder: str | None = None
    words: Mapping[str, Any] | None = None
    least: float | None = None
    most: float | None = None

    def said(self, value: Any) -> Any:
        """Return the words for a value; the value itself if nothing is chosen from words."""
        return value if self.words is None else next(words for words, one in self.words.items() if one == value)

    def meant(self, said: Any) -> Any:
        """Return the value that the words stand for; the opposite of `said`."""
        return said if self.words is None else self.words[said]


def _setting(default: Any = MISSING, control: Control | None = None, option: str = "", **shown: Any) -> Any:
    """Declare a setting: its default, how a page asks for it, and its option with what `argparse` takes."""
    usual: dict[str, Any] = {"default_factory": available_threads} if default is MISSING else {"default": default}
    line = {"option": option, "type": str, **shown} if option else None
    return field(metadata={"control": control, "line": line}, **usual)


def options() -> dict[str, dict[str, Any]]:
    """Return the settings that have an option of the command line.

    Returns
    -------
    dict
        Name of the setting → ``option`` and what `argparse` takes: ``type``, ``metavar``, ``choices``, ``help``.
    """
    return {item.name: dict(line) for item in fields(ExportSettings) if (line := item.metadata.get("line"))}


def controls() -> dict[str, Control]:
    """Return the control of each setting that a page shows one widget for, by the setting's name."""
    return {item.name: control for item in fields(ExportSettings) if (control := item.metadata.get("control"))}


@dataclass(frozen=True)
class ExportSettings:
    """How an export is written.

    Attributes
    ----------
    genes
        Which genes.
    var_quantization, obs_quantization
        Bits of gene expression, and of numeric columns and outlier quantiles: 8, 16 or None for float32.
    categorical_dtype
        Integer type of category codes.
    compression
        gzip effort 1…9, or 0 for none.
    centroid_min_points
        Categories with fewer cells get no centroid and no outlier quantiles.
    centroid_quantile
        Share of a category's cells, nearest first, that its centroid is taken from; None: no centroids.
    graph
        Whether the chosen graph is exported.
    vectors
        Whether the chosen vector fields are exported.
    dataset_id
        Name of the folder in the zip; None: the dataset's own id.
    name, description, source_name, source_url, source_citation
        Shown by the viewer. Name None: the dataset's own name.
    threads
        Number of threads that encode and compress.
    format
        ``"compact"`` (the prepared export ``compact_v1``), or ``"h5ad"`` or ``"zarr.zip"`` (Cellucid-ready AnnData).
    launch
        Choices of `LAUNCH` that a Cellucid-ready AnnData tells the viewer even if they are the default ones; the other
        choices it tells only if the user changed them. ``"latent"`` also writes the outlier quantiles.

    Raises
    ------
    InputError
        If a value is wrong.
    """

    genes: GeneChoice = field(default_factory=GeneChoice)
    var_quantization: int | None = _setting(
        8,
        Control("Genes as", "8 bit tells 255 levels apart in each gene, which suits colouring.", words=_BITS),
        "--var-quantization",
        type=parse_bits,
        metavar="8|16|none",
        help="bits of gene values (8); none: float32",
    )
    obs_quantization: int | None = _setting(
        8,
        Control("Numeric columns as", words=_BITS),
        "--obs-quantization",
        type=parse_bits,
        metavar="8|16|none",
        help="bits of numeric columns (8); none: float32",
    )
    categorical_dtype: CategoricalDtype = _setting(
        "auto",
        Control("Category codes", "How many bytes a cell takes in a column of categories.", words=_DTYPES),
        "--categorical-dtype",
        choices=get_args(CategoricalDtype),
        help="integer type of category codes (auto)",
    )
    compression: int = _setting(
        6,
        Control("Compression", "gzip effort; 0: plain files.", least=0, most=9),
        "--compression",
        type=int,
        metavar="0..9",
        help="gzip effort (6); 0: plain files",
    )
    centroid_min_points: int = _setting(
        10,
        Control(
            "Fewest cells for a centroid",
            "Smaller categories get no label in the plot and no outlier quantiles.",
            least=1,
            most=10**6,
        ),
        "--centroid-min-points",
        type=int,
        metavar="N",
        help="fewest cells for a centroid (10)",
    )
    centroid_quantile: float | None = _setting(
        0.95,
        Control(
            "Share of cells for a centroid",
            "Nearest first: the farthest cells of a category do not pull its label away.",
            least=0.01,
            most=1.0,
        ),
        "--centroid-quantile",
        type=parse_quantile,
        metavar="Q|none",
        help="share of cells, nearest first, for a centroid (0.95); none: no centroids",
    )
    graph: bool = _setting(True, Control("Neighbour graph"))
    vectors: bool = _setting(True, Control("Vector fields"))
    dataset_id: str | None = _setting(
        None,
        Control("Id", "Names the folder; letters, digits, dot, dash and underscore."),
        "--id",
        help="name of the folder in the zip",
    )
    name: str | None = _setting(None, Control("Name"), "--name", help="name that the viewer shows")
    description: str = _setting("", Control("Description"), "--description", help="text that the viewer shows")
    source_name: str = _setting(
        "", Control("Source", placeholder="10x Genomics"), "--source-name", help="who the data are from"
    )
    source_url: str = _setting(
        "", Control("Address", placeholder="https://…"), "--source-url", help="web address of the source"
    )
    source_citation: str = _setting(
        "",
        Control("Citation", placeholder="Zheng et al., Nature Communications 2017"),
        "--source-citation",
        help="what to cite",
    )
    threads: int = _setting(
        MISSING,
        Control("Threads", "Threads that encode and compress.", least=1, most=64),
        "--threads",
        type=int,
        metavar="N",
        help="threads that encode and compress",
    )
    format: Format = _setting(
        "compact",
        Control("Format", words=_FORMATS),
        "--format",
        choices=FORMATS,
        help="compact (default), or an AnnData file",
    )
    launch: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for what, bits in (("var", self.var_quantization), ("obs", self.obs_quantization)):
            if bits not in (8, 16, None) or isinstance(bits, (bool, float)):
                raise InputError(f"The {what} quantization cannot be {bits!r}.", "Use 8, 16 or none.")
        if self.categorical_dtype not in ("auto", "uint8", "uint16"):
            raise InputError(
                f"The type of category codes cannot be {self.categorical_dtype!r}.", "Use auto, uint8 or uint16."
            )
        if type(self.compression) is not int or not 0 <= self.compression <= 9:
            raise InputError(f"The compression cannot be {self.compression!r}.", "Use 0 (none) to 9 (smallest).")
        if type(self.centroid_min_points) is not int or self.centroid_min_points < 1:
            raise InputError(f"A centroid needs at least 1 cell, not {self.centroid_min_points!r}.", "Use 1 or more.")
        if self.centroid_quantile is not None and not 0 < self.centroid_quantile <= 1:
            raise InputError(
                f"The centroid quantile cannot be {self.centroid_quantile!r}.",
                "Use a number above 0 and at most 1, or none.",
            )
        if self.format not in FORMATS:
            raise InputError(f"There is no format {self.format!r}.", "Use compact, h5ad or zarr.zip.")
        if unknown := set(self.launch) - set(LAUNCH):
            raise InputError(f"{min(unknown)!r} cannot be listed in launch.", f"Use {', '.join(LAUNCH)}.")
        if type(self.threads) is not int or self.threads < 1:
            raise InputError(f"The number of threads cannot be {self.threads!r}.", "Use 1 or more.")
        if self.dataset_id is not None:
            _check_id(self.dataset_id)

    @property
    def suffix(self) -> str:
        """``".gz"`` with compression, an empty text without."""
        return ".gz" if self.compression else ""

    @property
    def manifest_compression(self) -> int | None:
        """The compression as manifests give it: None instead of 0."""
        return self.compression or None


def _check_id(dataset_id: str) -> None:
    safe = folder_name(dataset_id)
    if safe != dataset_id:
        raise InputError(f"The id {dataset_id!r} is not a valid folder name on every system.", f"Use {safe!r}.")
