"""What ``pyproject.toml`` cannot say: the dashboard's pages lie at the top of the checkout, but not of site-packages.

In a wheel, ``app.py``, ``pages`` and ``.streamlit`` lie in ``cellucid_core/dashboard``. ``cellucid-dashboard app`` runs
Streamlit on the ``app.py`` there, and Streamlit puts that folder on the path and reads its configuration.
"""

from setuptools import find_namespace_packages, setup
from setuptools.command.build_py import build_py

_DASHBOARD = "cellucid_core.dashboard"
_SHOWN = ["*.css", "*.js", "*.html"]


class Build(build_py):
    """Takes ``app.py`` alone of the modules at the top of the checkout."""

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        """Return (package, module, file) of a package."""
        found: list[tuple[str, str, str]] = super().find_package_modules(package, package_dir)
        return [one for one in found if package != _DASHBOARD or one[1] == "app"]


def below(name: str) -> list[str]:
    """Return a package and all below it."""
    return [one for one in find_namespace_packages(include=[name, f"{name}.*"]) if "__pycache__" not in one]


pages = [f"{_DASHBOARD}.{name}" for name in below("pages")]
setup(
    packages=[*below("cellucid_core"), _DASHBOARD, *pages],
    package_dir={"": ".", _DASHBOARD: "."},
    package_data={
        "": ["py.typed", "*.npy", "*.j2", *_SHOWN],
        _DASHBOARD: [".streamlit/config.toml"],
    },
    include_package_data=False,
    cmdclass={"build_py": Build},
)
