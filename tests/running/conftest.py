"""One cluster with certificates for all tests here that do not kill theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.running.clusters import cluster, make_certificates


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "running" in getattr(item, "fixturenames", ()) and item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.xdist_group("cluster"))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="session")
def running(tmp_path_factory, certificates):
    with cluster(tmp_path_factory.mktemp("cluster"), certificates=certificates) as made:
        yield made
