"""Opening a dataset, the findings of preflight, and the buttons that fix them."""
