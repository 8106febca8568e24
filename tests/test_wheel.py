"""The installed product: the wheel holds all it needs, and its command works from any folder."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import tomllib
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

from tests.patience import PATIENCE

pytestmark = pytest.mark.xdist_group("wheel")  # it is built once
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    kept = shutil.ignore_patterns(
        ".git", ".venv*", "__pycache__", ".*_cache", ".hypothesis", "tests", "build", "*.egg-info"
    )
    shutil.copytree(ROOT, folder / "source", ignore=kept)
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "-q", "-w", str(folder)]
    subprocess.run(command, cwd=folder / "source", check=True)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def command(wheel, tmp_path_factory):
    """Install the wheel in an environment of its own that borrows this one's packages; return the command's path."""
    place = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(place, with_pip=False)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(place)}))
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = place / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "--ignore-installed", str(wheel)], check=True)
    return place / "bin" / "cellucid-dashboard"


def tracked(*folders):
    """Return the files of the product that are in the checkout, by their paths."""
    files = [file for folder in folders for file in (ROOT / folder).rglob("*") if file.is_file()]
    return {file.relative_to(ROOT).as_posix() for file in files if "__pycache__" not in file.parts}


def test_the_wheel_holds_every_file_of_the_product(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert not tracked("cellucid_core") - names
    share = {name.partition("share/cellucid-dashboard/")[2] for name in names}
    assert not tracked("pages") - share
    assert {"app.py", ".streamlit/config.toml"} <= share
    assert not [name for name in names if name.startswith(("pages/", "app", "tests"))]


def test_the_command_works_from_any_folder(command, tmp_path):
    environment = {**os.environ, "CELLUCID_HOME": str(tmp_path / "home")}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [command, "preflight", "demo", "--json"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["status"] == "ready"
    asked = [command.with_name("python"), "-c", "import cellucid_core; print(cellucid_core.__version__)"]
    said = subprocess.run(asked, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert said.stdout.strip() == declared


@pytest.mark.parametrize("dataset", ["demo", "mine.h5ad"])
def test_the_dashboard_opens_from_any_folder(command, dataset, tmp_path):
    if dataset != "demo":
        subprocess.run([command, "demo", "--out", tmp_path / dataset], check=True, cwd=tmp_path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "CELLUCID_HOME": str(tmp_path / "home")}
    environment.pop("PYTHONPATH", None)
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [command, "app", dataset, "--headless", "--port", str(port)],
            cwd=tmp_path,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            end = time.monotonic() + PATIENCE
            while True:
                assert server.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < end, "the server did not start"
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=PATIENCE) as answer:
                        assert answer.status == 200
                    break
                except OSError:
                    time.sleep(0.1)
        finally:
            os.killpg(server.pid, 15)
            server.wait(PATIENCE)


def test_a_dataset_that_is_not_there_is_said(command, tmp_path):
    done = subprocess.run([command, "app", "nowhere.h5ad"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "There is no file nowhere.h5ad." in done.stderr
