"""Formats that are not opened: what each is, and what to open instead or how to convert it."""

from __future__ import annotations

from dataclasses import dataclass

from cellucid_core.errors import InputError


@dataclass(frozen=True)
class Foreign:
    """A format that is not opened.

    Attributes
    ----------
    what
        What a file of it is, with its article: "an R object (.rds)".
    fix
        How to get a file that can be opened.
    """

    what: str
    fix: str

    def error(self, file_name: str) -> InputError:
        """Return the error for a file of this format."""
        return InputError(f"{file_name} is {self.what}, which is not a dataset that can be opened.", self.fix)


_SEURAT = (
    "for Seurat: library(Seurat); sce <- as.SingleCellExperiment(object); "
    "zellkonverter::writeH5AD(sce, 'file.h5ad') (zellkonverter is in Bioconductor)"
)
_R = f"Convert it in R. object <- readRDS('file.rds'); {_SEURAT}. For a SingleCellExperiment the last line is enough."
_R_WORKSPACE = f"Convert it in R. load('file.rda'), then, {_SEURAT}."
_H5SEURAT = (
    "Convert it in R: SeuratDisk::Convert('file.h5seurat', dest = 'h5ad'), or, with "
    "object <- SeuratDisk::LoadH5Seurat('file.h5seurat'), "
    "zellkonverter::writeH5AD(Seurat::as.SingleCellExperiment(object), 'file.h5ad')."
)
_READS = "Count genes per cell first (Cell Ranger, STARsolo, alevin-fry …), then open the matrix it writes."
_SHEET = "Save the sheet as CSV (File, Save as, CSV UTF-8) and open that. Check that no gene became a date."
_DOCUMENT = "Open the dataset that it belongs to (.h5ad, for example)."
_IMAGE = "Open the dataset that it was drawn from (.h5ad, for example)."
_RUN = "It is not opened, because opening it can run any code. In Python: adata.write_h5ad('file.h5ad')."

_BY_ENDING: dict[tuple[str, ...], Foreign] = {
    (".rds", ".rds.gz"): Foreign("an R object (.rds)", _R),
    (".rda", ".rdata", ".robj"): Foreign("an R workspace", _R_WORKSPACE),
    (".h5seurat",): Foreign("a Seurat file (.h5seurat)", _H5SEURAT),
    (".qs", ".qs2"): Foreign("an R object (.qs)", _R.replace("readRDS('file.rds')", "qs::qread('file.qs')")),
    (".pdf",): Foreign("a PDF document", _DOCUMENT),
    (".docx", ".doc", ".odt", ".rtf"): Foreign("a text document", _DOCUMENT),
    (".pptx", ".ppt"): Foreign("a presentation", _DOCUMENT),
    (".html", ".htm"): Foreign("a web page", "If it was a download, the address led to a page: download the file."),
    (".xls", ".ods"): Foreign("a spreadsheet", _SHEET),
    (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".svg", ".gif"): Foreign("an image", _IMAGE),
    (".bam", ".cram", ".sam"): Foreign("a file of aligned reads", _READS),
    (".fastq", ".fq", ".fastq.gz", ".fq.gz"): Foreign("a file of sequencing reads", _READS),
    (".fa", ".fasta", ".fa.gz", ".fasta.gz", ".gtf", ".gtf.gz", ".gff", ".gff3"): Foreign("a reference file", _READS),
    (".7z", ".rar", ".bz2", ".xz", ".zst"): Foreign("a packed file", "Unpack it, then open what is inside."),
    (".pkl", ".pickle", ".joblib"): Foreign("a Python pickle", _RUN),
    (".npy", ".npz"): Foreign(
        "a bare numpy array",
        "Cells and genes have no names in it. In Python: anndata.AnnData(X, obs=…, var=…).write_h5ad('file.h5ad').",
    ),
    (".parquet", ".feather", ".arrow"): Foreign(
        "a columnar table", "In Python: anndata.AnnData(pandas.read_parquet('file.parquet')).write_h5ad('file.h5ad')."
    ),
    (".mat",): Foreign(
        "a MATLAB file",
        "In Python, read it with scipy.io.loadmat (h5py for version 7.3), make an anndata.AnnData and write_h5ad it.",
    ),
    (".cloupe", ".vloupe"): Foreign(
        "a Loupe Browser file", "Open filtered_feature_bc_matrix.h5 from the same Cell Ranger output folder."
    ),
    (".gct", ".gct.gz"): Foreign(
        "a GCT table", "Remove its first two lines and the Description column, and save it as .tsv."
    ),
    (".json",): Foreign("a JSON file", _DOCUMENT),
}

_BY_CONTENT: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", ".pdf"),
    (b"RDX", ".rda"),
    (b"RDA", ".rda"),
    (b"X\n\0\0\0", ".rds"),
    (b"\x89PNG", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF8", ".gif"),
    (b"BZh", ".bz2"),
    (b"\xfd7zXZ", ".xz"),
    (b"7z\xbc\xaf", ".7z"),
    (b"Rar!", ".rar"),
    (b"\x28\xb5\x2f\xfd", ".zst"),
    (b"\x93NUMPY", ".npy"),
    (b"PAR1", ".parquet"),
    (b"ARROW1", ".arrow"),
    (b"MATLAB 5.0", ".mat"),
    (b"BAM\1", ".bam"),
    (b"CRAM", ".cram"),
    (b"\xd0\xcf\x11\xe0", ".xls"),
    (b"{\\rtf", ".rtf"),
    (b"#1.2\n", ".gct"),
    (b"#1.3\n", ".gct"),
)
_PAGES = (b"<!doctype html", b"<html")


def foreign_by_name(file_name: str) -> Foreign | None:
    """Return the format that a name's ending stands for, or None if it may be opened or is unknown."""
    low = file_name.lower()
    if low.endswith((".tar.bz2", ".tar.xz")):
        return None
    return next((foreign for endings, foreign in _BY_ENDING.items() if low.endswith(endings)), None)


def foreign_by_content(head: bytes) -> Foreign | None:
    """Return the format that a file's first bytes stand for, or None if it may be opened or is unknown."""
    if head.lstrip()[:64].lower().startswith(_PAGES):
        return foreign_by_name("x.html")
    return next((foreign_by_name(f"x{ending}") for magic, ending in _BY_CONTENT if head.startswith(magic)), None)
