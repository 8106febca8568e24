"""The documents are right: their examples run, and the paths that they name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.programs import run_program

ROOT = Path(__file__).parents[1]


def test_every_example_of_the_python_page_runs(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 14
    done = run_program("\n".join(blocks), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {"pbmc.zip", "ready.h5ad", "scores.csv"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_every_path_that_is_named_exists(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    named = re.findall(r"`((?:cellucid_core|pages|tests|docs|\.ci)/[\w./]*|app\.py|pyproject\.toml)`", text)
    assert len(named) > 10
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_configurations_for_clusters_are_whole():
    """They were rendered by hand once; here they are only parsed."""
    import ast

    import yaml

    text = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL)
    manifests = [one for kind, block in blocks if kind == "yaml" for one in yaml.safe_load_all(block)]
    assert [one["kind"] for one in manifests] == ["Deployment", "Service", "Deployment"]
    for one in manifests:
        if one["kind"] == "Deployment":
            pod = one["spec"]["template"]
            assert one["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"]
            volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
            (container,) = pod["spec"]["containers"]
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes
            assert "--tls-ca-file" in container["command"]
    for kind, block in blocks:
        if kind == "python":
            ast.parse(block)
