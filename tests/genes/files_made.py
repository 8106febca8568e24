"""Ten files of genes as people have them, each of which holds the same three genes."""

from __future__ import annotations

GENES = ["CD3D", "MS4A1", "ÖRG1"]
FILES = {
    "one per line.txt": "CD3D\nMS4A1\nÖRG1\n",
    "with a header.txt": "gene\r\nCD3D\r\nMS4A1\r\n\r\nÖRG1",
    "pasted.txt": "# from a paper\nCD3D, MS4A1; ÖRG1",
    "columns.csv": "CD3D,2.5\nMS4A1,1\nÖRG1,0.5\n",
    "german.csv": "Gene Symbol;logFC\nCD3D;2,5\nMS4A1;1,0\nÖRG1;0,5\n",
    "annotated.csv": '# exported\n"CD3D","T, cells"\n"MS4A1",""\n"ÖRG1","x"\n',
    "one row.csv": "CD3D,MS4A1,ÖRG1",
    "scanpy.csv": ",names,scores,pvals\n0,CD3D,9.5,0.1\n1,MS4A1,8,0.2\n2,ÖRG1,7,0.3\n",
    "weights.tsv": "Transcript\tchange\nCD3D\t2.5\nMS4A1\t1\nÖRG1\t0.5\n",
    "sets.gmt": "# sets\nall\tof a paper\tCD3D\tMS4A1\tÖRG1\n",
}
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"]
