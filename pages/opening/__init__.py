"""Opening a dataset, what preflight says of it, and the changes that fix it."""
