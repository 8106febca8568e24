"""Archives and folders of samples, as GEO and other tools lay them out; dangerous and damaged ones."""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
import warnings
import zipfile
from types import SimpleNamespace

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import io as scipy_io
from scipy import sparse

from cellucid_core.cache import home_folder
from cellucid_core.dataset import View, default_mapping, open_dataset
from cellucid_core.errors import InputError
from cellucid_core.preflight import apply_fixes, preflight
from cellucid_core.reading import gunzip
from cellucid_core.reading.safety.limits import SPARE

GENES = ["CD3D", "CD3E", "LYZ", "NKG7", "MS4A1", "GNLY"]


def make(n, seed=0, genes=GENES):
    x = sparse.random(n, len(genes), 0.5, random_state=seed, format="csr", dtype=np.float32)
    x.data = np.rint(x.data * 9) + 1
    cells = [f"{'ACGTACGTACGT'}{i:03d}-{seed}" for i in range(n)]
    return ad.AnnData(x, obs=pd.DataFrame(index=cells), var=pd.DataFrame(index=list(genes)))


def matrix_market(matrix, *, packed=True):
    stream = io.BytesIO()
    scipy_io.mmwrite(stream, sparse.coo_matrix(matrix))
    return gzip.compress(stream.getvalue()) if packed else stream.getvalue()


def lines(names, *, packed=True):
    text = "".join(f"{name}\n" for name in names).encode()
    return gzip.compress(text) if packed else text


def triple(adata, prefix="", *, features=True):
    files = {
        f"{prefix}matrix.mtx.gz": matrix_market(adata.X.T),
        f"{prefix}barcodes.tsv.gz": lines(adata.obs_names),
    }
    if features:
        files[f"{prefix}features.tsv.gz"] = lines(
            f"ENSG{i:011d}\t{g}\tGene Expression" for i, g in enumerate(adata.var_names)
        )
    return files


def tar_of(files, path, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def zip_of(files, path):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def folder_of(files, path):
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def values(dataset, genes=GENES):
    view = View(dataset, default_mapping(dataset))
    ids = view.gene_ids.tolist()
    return view.expression.block([ids.index(gene) for gene in genes]).T


PACKERS = {
    "tar": lambda files, folder: tar_of(files, folder / "GSE1_RAW.tar"),
    "tgz": lambda files, folder: tar_of(files, folder / "GSE1_RAW.tar.gz", "w:gz"),
    "bz2": lambda files, folder: tar_of(files, folder / "GSE1_RAW.tar.bz2", "w:bz2"),
    "xz": lambda files, folder: tar_of(files, folder / "GSE1_RAW.tar.xz", "w:xz"),
    "zip": lambda files, folder: zip_of(files, folder / "GSE1_RAW.zip"),
    "folder": lambda files, folder: folder_of(files, folder / "GSE1_RAW"),
}


@pytest.mark.parametrize("packer", PACKERS)
def test_samples_of_geo_open_together_and_apart(packer, tmp_path):
    one, other = make(7, 1), make(5, 2)
    path = PACKERS[packer]({**triple(one, "GSM1_blood_"), **triple(other, "GSM2_tumour_")}, tmp_path)
    both = open_dataset(path)
    assert both.name == "GSE1_RAW"
    assert [part.name for part in both.parts] == ["blood", "tumour"]
    assert list(both.obs["sample"]) == ["blood"] * 7 + ["tumour"] * 5
    np.testing.assert_array_equal(values(both), np.vstack([one.X.toarray(), other.X.toarray()]))
    alone = open_dataset(path, samples=["tumour"])
    np.testing.assert_array_equal(values(alone), other.X.toarray())
    assert not alone.parts
    with pytest.raises(InputError, match="no sample 'liver'"):
        open_dataset(path, samples=["liver"])


def test_one_list_of_features_for_all(tmp_path):
    one, other = make(7, 1), make(5, 2)
    files = {**triple(one, "A_", features=False), **triple(other, "B_", features=False)}
    files["features.tsv.gz"] = triple(one)["features.tsv.gz"]
    both = open_dataset(zip_of(files, tmp_path / "x.zip"))
    np.testing.assert_array_equal(values(both), np.vstack([one.X.toarray(), other.X.toarray()]))


def test_lists_that_do_not_fit_are_a_sentence_and_leave_nothing(tmp_path):
    files = triple(make(7, 1), "A_")
    files["A_barcodes.tsv.gz"] = lines("ABC")
    files |= triple(make(5, 2), "B_")
    with pytest.raises(InputError, match=r"A: .*7.*3 barcodes"):
        open_dataset(tar_of(files, tmp_path / "x.tar"))


def h5ad(adata, tmp_path):
    adata.write_h5ad(tmp_path / "made.h5ad")
    return (tmp_path / "made.h5ad").read_bytes()


@pytest.mark.parametrize("packer", ["tar", "zip", "folder"])
def test_files_of_other_formats_are_samples(packer, tmp_path):
    one, other = make(7, 1), make(5, 2)
    files = {"a/one.h5ad": h5ad(one, tmp_path), "b/two.h5ad.gz": gzip.compress(h5ad(other, tmp_path))}
    both = open_dataset(PACKERS[packer](files, tmp_path))
    assert [part.name for part in both.parts] == ["one", "two"]
    np.testing.assert_array_equal(values(both), np.vstack([one.X.toarray(), other.X.toarray()]))


def test_a_single_dataset_in_a_tar_is_opened_as_itself(tmp_path):
    one = make(7, 1)
    dataset = open_dataset(tar_of({"run/one.h5ad": h5ad(one, tmp_path)}, tmp_path / "study.tar.gz", "w:gz"))
    assert (dataset.name, dataset.path.name, dataset.parts) == ("study", "study.tar.gz", ())
    np.testing.assert_array_equal(values(dataset), one.X.toarray())


def test_zarr_stores_in_a_tar(tmp_path):
    one = make(7, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one.write_zarr(tmp_path / "one.zarr")
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.add(tmp_path / "one.zarr", "deep/one.zarr")
    np.testing.assert_array_equal(values(open_dataset(tmp_path / "x.tar")), one.X.toarray())


def other_tools(adata):
    """Return folders as other tools write them."""
    x, cells, genes = adata.X, list(adata.obs_names), list(adata.var_names)
    ids = [f"ENSG{i:011d}" for i in range(len(genes))]
    thirds = sparse.hstack([x, x * 2, x * 0])
    return {
        "kallisto": {
            "counts_unfiltered/cells_x_genes.mtx": matrix_market(x, packed=False),
            "counts_unfiltered/cells_x_genes.barcodes.txt": lines(cells, packed=False),
            "counts_unfiltered/cells_x_genes.genes.txt": lines(ids, packed=False),
            "counts_unfiltered/cells_x_genes.genes.names.txt": lines(genes, packed=False),
        },
        "STARsolo": {
            "Solo.out/Gene/filtered/matrix.mtx": matrix_market(x.T, packed=False),
            "Solo.out/Gene/filtered/barcodes.tsv": lines(cells, packed=False),
            "Solo.out/Gene/filtered/features.tsv": lines(
                (f"{i}\t{g}\tGene Expression" for i, g in zip(ids, genes, strict=True)), packed=False
            ),
        },
        "alevin-fry": {
            "af_quant/alevin/quants_mat.mtx": matrix_market(x, packed=False),
            "af_quant/alevin/quants_mat_rows.txt": lines(cells, packed=False),
            "af_quant/alevin/quants_mat_cols.txt": lines(genes, packed=False),
        },
        "alevin-fry, USA mode": {
            "af_quant/alevin/quants_mat.mtx": matrix_market(thirds, packed=False),
            "af_quant/alevin/quants_mat_rows.txt": lines(cells, packed=False),
            "af_quant/alevin/quants_mat_cols.txt": lines(
                [*genes, *(f"{g}-U" for g in genes), *(f"{g}-A" for g in genes)], packed=False
            ),
        },
        "Parse": {
            "all-sample/DGE_filtered/DGE.mtx": matrix_market(x, packed=False),
            "all-sample/DGE_filtered/cell_metadata.csv": (
                "bc_wells,sample,tscp_count\n" + "".join(f"{cell},s1,{i}\n" for i, cell in enumerate(cells))
            ).encode(),
            "all-sample/DGE_filtered/all_genes.csv": (
                "gene_id,gene_name,genome\n" + "".join(f"{i},{g},hg38\n" for i, g in zip(ids, genes, strict=True))
            ).encode(),
        },
    }


@pytest.mark.parametrize("tool", other_tools(make(2)))
@pytest.mark.parametrize("packer", ["folder", "tar", "zip"])
def test_folders_of_other_tools_open(tool, packer, tmp_path):
    adata = make(9, 3)
    dataset = open_dataset(PACKERS[packer](other_tools(adata)[tool], tmp_path))
    np.testing.assert_array_equal(values(dataset), adata.X.toarray())
    assert list(dataset.obs.index) == list(adata.obs_names)
    if tool == "Parse":
        assert list(dataset.obs["tscp_count"]) == list(range(9))
        assert set(dataset.obs["sample"]) == {"s1"}
    if "USA" in tool:
        assert set(dataset.matrices) == {"X", "unspliced"}


# ---- dangerous and damaged -------------------------------------------------------------------------------------------


def entry_of(name, kind=tarfile.REGTYPE, size=0, link=""):
    entry = tarfile.TarInfo(name)
    entry.type, entry.size, entry.linkname = kind, size, link
    return entry


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (entry_of("../a.h5ad"), "outside"),
        (entry_of("/etc/a.h5ad"), "outside"),
        (entry_of("a.h5ad", tarfile.SYMTYPE, link="/etc/passwd"), "a link"),
        (entry_of("a.h5ad", tarfile.LNKTYPE, link="/etc/passwd"), "a link"),
        (entry_of("a.h5ad", tarfile.CHRTYPE), "a device"),
        (entry_of("a.h5ad", tarfile.FIFOTYPE), "a device"),
    ],
)
def test_dangerous_tars_are_refused(entry, words, tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.addfile(entry)
    before = set(home_folder("unpacked").iterdir())
    with pytest.raises(InputError, match=words):
        open_dataset(tmp_path / "x.tar")
    assert {path for path in home_folder("unpacked").iterdir() if path.suffix != ".lock"} <= before


def test_tar_bombs_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setenv("CELLUCID_UNPACKED_LIMIT", "1 MB")
    tar_of({"a.h5ad": bytes(3 * 10**6)}, tmp_path / "x.tar.gz", "w:gz")
    with pytest.raises(InputError, match="unpacks to more than"):
        open_dataset(tmp_path / "x.tar.gz")


def test_a_gzip_file_on_a_nearly_full_disk_names_the_disk(tmp_path, monkeypatch):
    (tmp_path / "x.gz").write_bytes(gzip.compress(bytes(2000)))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=SPARE + 1000))
    with pytest.raises(InputError, match="more than the disk has room for"):
        gunzip(tmp_path / "x.gz", tmp_path / "x", "x.gz")
    monkeypatch.setenv("CELLUCID_UNPACKED_LIMIT", "1 MB")
    (tmp_path / "y.gz").write_bytes(gzip.compress(bytes(2 * 10**6)))
    with pytest.raises(InputError, match="unpacks at most 1 MB"):
        gunzip(tmp_path / "y.gz", tmp_path / "y", "y.gz")
    assert not {"x", "y"} & {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_tars_that_were_cut_off(share, mode, tmp_path):
    rng = np.random.default_rng(0)
    content = tar_of({"a.h5ad": rng.bytes(40_000), "b.h5ad": rng.bytes(40_000)}, tmp_path / "x.tar", mode).read_bytes()
    (tmp_path / "y.tar.gz").write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError):
        open_dataset(tmp_path / "y.tar.gz")


def test_archives_in_archives_end(tmp_path):
    path = tar_of({"a.h5ad": h5ad(make(3), tmp_path)}, tmp_path / "0.tar")
    for depth in range(1, 6):
        path = tar_of({path.name: path.read_bytes()}, tmp_path / f"{depth}.tar")
    with pytest.raises(InputError, match="packed several times"):
        open_dataset(path)


# ---- names that stand twice, MuData in zarr, comments, workbooks -----------------------------------------------------


def test_the_last_of_two_entries_counts(tmp_path):
    first, last = h5ad(make(3, 1), tmp_path), h5ad(make(4, 2), tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
            archive.writestr("a.h5ad", first)
            archive.writestr("a.h5ad", last)
    assert open_dataset(tmp_path / "x.zip").n_cells == 4


def test_zarr_zips_as_anndata_writes_them(tmp_path):
    import zarr

    adata = make(6, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store = zarr.storage.ZipStore(tmp_path / "x.zarr.zip", mode="w")
        adata.write_zarr(store)
        store.close()
    np.testing.assert_array_equal(values(open_dataset(tmp_path / "x.zarr.zip")), adata.X.toarray())


def write_workbook(path, sheets):
    """Write an .xlsx by hand, as ECMA-376 lays it out."""
    kinds = "http://schemas.openxmlformats.org/package/2006/content-types"
    main, links = (
        f"http://schemas.openxmlformats.org/{part}"
        for part in ("spreadsheetml/2006/main", "package/2006/relationships")
    )
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    cell = lambda at, v: (  # noqa: E731
        f'<c r="{at}"><v>{v}</v></c>'
        if isinstance(v, int | float)
        else f'<c r="{at}" t="inlineStr"><is><t>{v}</t></is></c>'
    )
    with zipfile.ZipFile(path, "w") as book:
        book.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{kinds}"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.'
            'relationships+xml"/><Default Extension="xml" ContentType="application/vnd.openxmlformats-officedocument.'
            'spreadsheetml.sheet.main+xml"/></Types>',
        )
        book.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{links}"><Relationship Id="r" Type="{office}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        )
        names = "".join(f'<sheet name="{name}" sheetId="{i}" r:id="r{i}"/>' for i, name in enumerate(sheets, 1))
        book.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{names}</sheets></workbook>'
        )
        to = "".join(
            f'<Relationship Id="r{i}" Type="{office}/worksheet" Target="worksheets/sheet{i}.xml"/>'
            for i in range(1, len(sheets) + 1)
        )
        book.writestr("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{links}">{to}</Relationships>')
        for i, rows in enumerate(sheets.values(), 1):
            body = "".join(
                f'<row r="{r}">' + "".join(cell(f"{chr(65 + c)}{r}", v) for c, v in enumerate(row)) + "</row>"
                for r, row in enumerate(rows, 1)
            )
            book.writestr(
                f"xl/worksheets/sheet{i}.xml", f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData></worksheet>'
            )


@pytest.mark.parametrize("packed", [False, True])
def test_mudata_in_zarr(packed, tmp_path):
    import mudata

    rna, adt = make(6, 4), make(6, 4, ["CD3", "CD19"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mudata.MuData({"adt": adt, "rna": rna}).write_zarr(str(tmp_path / "x.zarr"))
    path = tmp_path / "x.zarr"
    if packed:
        path = tmp_path / "x.zarr.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted((tmp_path / "x.zarr").rglob("*")):
                if file.is_file():
                    archive.write(file, file.relative_to(tmp_path / "x.zarr").as_posix())
    dataset = open_dataset(path)
    assert (dataset.modality, set(dataset.modalities)) == ("rna", {"rna", "adt"})
    np.testing.assert_array_equal(values(dataset), rna.X.toarray())
    other = open_dataset(path, modality="adt")
    np.testing.assert_array_equal(values(other, ["CD3", "CD19"]), adt.X.toarray())


def test_comments_before_a_table(tmp_path):
    adata = make(5, 6)
    rows = "".join(
        f"{cell},{','.join(str(v) for v in row)}\n"
        for cell, row in zip(adata.obs_names, adata.X.toarray(), strict=True)
    )
    named = tmp_path / "named.csv"
    named.write_text(f"# made by a tool\n#cell,{','.join(GENES)}\n{rows}")
    above = tmp_path / "above.csv"
    above.write_text(f"## BD Rhapsody\n## Version 2\nCell_Index,{','.join(GENES)}\n{rows}")
    for path in (named, above):
        np.testing.assert_array_equal(values(open_dataset(path)), adata.X.toarray())


def test_workbooks(tmp_path):
    adata = make(5, 7)
    rows = [["cell", *GENES]]
    rows += [[cell, *map(float, row)] for cell, row in zip(adata.obs_names, adata.X.toarray(), strict=True)]
    write_workbook(tmp_path / "x.xlsx", {"counts": rows, "again": [["cell", *GENES], ["c", *range(6)]]})
    dataset = open_dataset(tmp_path / "x.xlsx")
    np.testing.assert_array_equal(values(dataset), adata.X.toarray())
    assert dataset.modalities == ("counts", "again")
    assert open_dataset(tmp_path / "x.xlsx", modality="again").n_cells == 1


def test_probes_and_the_barcodes_that_are_cells(tmp_path):
    adata = make(6, 8)
    probes = [f"{gene}|p{i}" for i, gene in enumerate(GENES)]
    with h5py.File(tmp_path / "raw_probe_bc_matrix.h5", "w") as file:
        matrix = file.create_group("matrix")
        for part in ("data", "indices", "indptr"):
            matrix[part] = getattr(adata.X, part)
        matrix["shape"] = [len(GENES), 6]
        matrix["barcodes"] = [name.encode() for name in adata.obs_names]
        matrix["filtered_barcodes"] = np.array([True, False, True, True, False, True])
        features = matrix.create_group("features")
        features["name"] = features["id"] = [probe.encode() for probe in probes]
        features["gene_name"] = [gene.encode() for gene in GENES]
        features["gene_id"] = [f"ENSG{i:011d}".encode() for i in range(len(GENES))]
        features["feature_type"] = [b"Gene Expression"] * len(GENES)
        features["filtered_probes"] = np.ones(len(GENES), bool)
        features.create_group("target_sets")["A Probe Set"] = np.arange(len(GENES))
    dataset = open_dataset(tmp_path / "raw_probe_bc_matrix.h5")
    np.testing.assert_array_equal(values(dataset, probes), adata.X.toarray())
    assert list(dataset.variables["X"]["gene_name"]) == GENES
    mapping = default_mapping(dataset)
    (finding,) = [one for one in preflight(View(dataset, mapping)).findings if one.rule == "cells-unfiltered"]
    assert finding.count == 2
    assert View(dataset, apply_fixes(dataset, mapping, ["cells-unfiltered"])).n_cells == 4
