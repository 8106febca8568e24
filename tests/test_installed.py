"""The wheel holds all that the dashboard needs, puts one package into site-packages, and runs from any folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
import venv
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

import cellucid_core
from cellucid_core.cli import main
from cellucid_core.cli.app import app_file
from cellucid_core.version import DISTRIBUTION, version

ROOT = Path(__file__).parents[1]
#: What a build reads.
_SOURCES = ("pyproject.toml", "setup.py", "requirements.txt", "README.md", "LICENSE", "app.py")
_FOLDERS = ("cellucid_core", "pages", ".streamlit")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Build the wheel from a copy, so that nothing is left in the checkout, and nothing left there gets in."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in _SOURCES:
        shutil.copy(ROOT / name, source)
    for name in _FOLDERS:
        ignore = shutil.ignore_patterns("__pycache__", "secrets.toml")
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    # setuptools is here (loompy needs it), and nothing is fetched.
    options = ["--no-deps", "--no-build-isolation", "--no-index", "-q", "-w", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", str(source), *options], check=True)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def command(wheel, tmp_path_factory) -> Path:
    """Install the wheel beside this environment's packages; return its command."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    (site,) = (folder / "lib").glob("python*/site-packages")
    here = [path for path in sys.path if path.endswith("site-packages")]
    site.joinpath("here.pth").write_text("\n".join(here), encoding="utf-8")
    python = folder / "bin" / "python"
    options = ["--no-deps", "--no-index", "-q", "--force-reinstall"]
    subprocess.run([sys.executable, "-m", "pip", "--python", str(python), "install", *options, str(wheel)], check=True)
    return folder / "bin" / DISTRIBUTION


def test_the_wheel_holds_every_file_and_one_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        told = archive.read(next(n for n in archive.namelist() if n.endswith("METADATA"))).decode()
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *_FOLDERS, "app.py"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\n")  # fmt: skip
    there = {name for name in tracked if name and (ROOT / name).is_file()}
    wanted = {name if name.startswith("cellucid_core/") else f"cellucid_core/dashboard/{name}" for name in there}
    assert held == wanted
    assert f"Name: {DISTRIBUTION}\nVersion: {version()}\n" in told
    assert "Provides-Extra: cluster" in told


def test_names_and_version_come_from_one_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (project["name"], project["version"]) == (DISTRIBUTION, version())
    assert cellucid_core.__version__ == project["version"]


def asked(command, *arguments, cwd, **environment):
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(command), *arguments], cwd=cwd, capture_output=True, text=True, check=False, env={**clean, **environment}
    )


def test_the_installed_command_checks_the_demo(command, tmp_path):
    done = asked(command, "preflight", "demo", "--json", cwd=tmp_path, CELLUCID_HOME=str(tmp_path / "home"))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["status"], told["dataset"]["n_cells"]) == ("ready", 700)
    assert asked(command, "--version", cwd=tmp_path).stdout.strip() == version()
    assert f"usage: {DISTRIBUTION} app" in asked(command, "app", "--help", cwd=tmp_path).stdout


def test_the_installed_dashboard_runs_from_another_folder(command, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["CELLUCID_HOME"] = str(tmp_path / "home")
    options = ["app", "demo", "--port", str(port), "--address", "127.0.0.1", "--no-browser"]
    log = (tmp_path / "log").open("w+")
    process = subprocess.Popen(
        [str(command), *options], cwd=tmp_path, env=environment, stdout=log, stderr=log, start_new_session=True
    )
    try:
        told = None
        while told is None:
            assert process.poll() is None, (tmp_path / "log").read_text()
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
                told = json.loads(answer.read())
            time.sleep(0.1)
        assert told["status"] == "ok"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
            assert answer.status == 200
        python = command.with_name("python")
        where = "import cellucid_core.cli.app as a; print(a.app_file())"
        place = asked(python, "-c", where, cwd=tmp_path).stdout.strip()
        assert place.endswith("site-packages/cellucid_core/dashboard/app.py")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        log.close()


def test_a_checkout_has_the_app_too(capsys, monkeypatch, tmp_path):
    assert app_file() == ROOT / "app.py"
    ran = []

    def run(command, env, check):
        ran.append((command, env.get("CELLUCID_OPEN")))
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr("cellucid_core.cli.app.subprocess.run", run)
    monkeypatch.chdir(tmp_path)
    Path("cells.h5ad").touch()
    assert main(["app", "cells.h5ad", "--port", "9000"]) == 3
    assert main(["app"]) == 3
    assert [opened for _, opened in ran] == [str(tmp_path / "cells.h5ad"), None]
    assert "--server.port=9000" in ran[0][0]
    assert main(["app", "no-such.h5ad"]) == 2
    assert main(["app", "--port", "99999"]) == 2
    assert "no file or folder no-such.h5ad" in capsys.readouterr().err
