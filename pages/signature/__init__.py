"""The parts of the Gene Signature page: what is put in, what is shown, what is taken home."""
