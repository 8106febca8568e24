"""What a reader has to know about each method: its name, its scale, what a 0 means, what it is blind to."""

from __future__ import annotations

from dataclasses import dataclass

from cellucid_core.signature.scoring.methods import Method


@dataclass(frozen=True)
class About:
    """One method in words.

    Attributes
    ----------
    label
        Its name in a list of methods.
    title
        Its name on an axis.
    scale, zero, blind
        Its scale; what a 0 means; what it is blind to.
    """

    label: str
    title: str
    scale: str
    zero: str
    blind: str

    @property
    def sentence(self) -> str:
        """Scale, zero and what the method is blind to, in one sentence."""
        return f"Scale: {self.scale}; 0: {self.zero}; blind to {self.blind}."


ABOUT: dict[Method, About] = {
    "mean": About(
        "Mean",
        "Mean expression",
        "that of the matrix",
        "none of the genes was detected",
        "the cell's overall expression; the most expressed genes dominate it",
    ),
    "sum": About(
        "Sum",
        "Summed expression",
        "that of the matrix, times the number of genes",
        "none of the genes was detected",
        "the cell's overall expression; signatures of different size cannot be compared",
    ),
    "median": About(
        "Median",
        "Median expression",
        "that of the matrix",
        "half of the genes or more were not detected",
        "genes that fewer than half of the signature's genes vary with",
    ),
    "score_genes": About(
        "Against control genes",
        "score_genes (signature minus control genes)",
        "that of the matrix, minus control genes",
        "as much as genes of similar mean expression",
        "what the control genes have in common with the signature",
    ),
    "ucell": About(
        "UCell rank score",
        "UCell score",
        "0 to 1",
        "none of the genes is among the ranks that count",
        "by how much a gene is higher, and to genes beyond the largest rank",
    ),
    "aucell": About(
        "AUCell (top genes)",
        "AUCell score",
        "0 to 1",
        "none of the genes is among the top share",
        "genes below the top share, and to by how much a gene is higher",
    ),
    "zscore": About(
        "Z-score within the cell",
        "z-score (against the cell's other genes)",
        "SDs of the cell's genes, times √genes",
        "the genes are like the cell's average gene",
        "genes that are high in every cell, such as those of ribosomes",
    ),
    "ulm": About(
        "ULM (linear model)",
        "ULM score (t-value)",
        "a t-value",
        "the genes are like the cell's other genes",
        "genes that are high in every cell; it grows with the number of genes",
    ),
    "ssgsea": About(
        "ssGSEA",
        "ssGSEA score (ES)",
        "an enrichment score, up to about half the number of genes",
        "the genes are spread over the ranking like the others",
        "by how much a gene is higher; unstable where most genes are 0",
    ),
}
