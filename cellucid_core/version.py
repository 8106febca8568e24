"""The name of the distribution and its version; both come from ``pyproject.toml``."""

from __future__ import annotations

from pathlib import Path

#: As ``pyproject.toml`` names it; a test holds the two together.
DISTRIBUTION = "cellucid-dashboard"


def version() -> str:
    """Return the version: of the checkout this runs from, else of what is installed.

    A checkout is asked first, because an older copy may be installed beside it.
    """
    import tomllib

    try:
        with Path(__file__).parents[1].joinpath("pyproject.toml").open("rb") as file:
            project = tomllib.load(file).get("project", {})
    except (OSError, tomllib.TOMLDecodeError):
        project = {}
    if project.get("name") == DISTRIBUTION:
        return str(project["version"])
    from importlib import metadata

    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:  # a copy of the folder alone
        return "unknown"
