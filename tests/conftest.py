"""What all tests share: a cache folder of their own, the demo, and small datasets made to order."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace
from pathlib import Path

import anndata
import pytest
from hypothesis import settings

from cellucid_core.dataset import Dataset, View, default_mapping, open_dataset

pytest_plugins = ["tests.databases"]

# No deadlines. Local runs look for new examples; CI gives the same result for the same commit.
settings.register_profile("own", deadline=None)
settings.register_profile("ci", derandomize=True, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "own")


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the whole run a cache folder of its own, so that the user's is neither read nor written."""
    folder = tmp_path_factory.mktemp("home")
    os.environ["CELLUCID_HOME"] = str(folder)
    os.environ.pop("CELLUCID_OPEN", None)
    os.environ.pop("SOURCE_DATE_EPOCH", None)
    return folder


@pytest.fixture(scope="session")
def demo() -> Dataset:
    return open_dataset("demo")


@pytest.fixture
def demo_view(demo: Dataset) -> View:
    return View(demo, default_mapping(demo))


@pytest.fixture
def opened(tmp_path: Path):
    """Return a function that writes an AnnData to a file and opens it."""

    count = itertools.count()

    def write_and_open(adata: anndata.AnnData) -> Dataset:
        path = tmp_path / str(next(count)) / "data.h5ad"  # an open file cannot be written again
        path.parent.mkdir()
        adata.write_h5ad(path)
        return open_dataset(path)

    return write_and_open


@pytest.fixture
def viewed(opened):
    """Return a function that writes an AnnData and returns its view with the default mapping."""

    def view(adata: anndata.AnnData, **changes: object) -> View:
        dataset = opened(adata)
        return View(dataset, replace(default_mapping(dataset), **changes))

    return view
