"""The rules, by what they look at. The docstring of a check names what it finds, that of a fix what it does."""
