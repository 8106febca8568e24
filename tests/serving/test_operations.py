"""Health, metrics, logs, headers, sweeping, and the files that an operator runs."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import re
import shlex
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient

from cellucid_core.serving import log_error, middleware, routes, start_logging, upload_address
from cellucid_core.serving.jobs.workers import Workers, set_workers
from cellucid_core.serving.logs import LOGGER
from cellucid_core.serving.starting import lifespan, sweep
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
SECRET = "a-secret-that-nobody-guesses"


async def _page(request):
    return PlainTextResponse("page")


async def _broken(request):
    raise KeyError("CD3D of cell AAACCTG-1")


async def _socket(websocket):
    await websocket.accept()
    await websocket.receive_text()
    await websocket.close()


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def client(home):
    more = [Route("/", _page), Route("/broken", _broken), WebSocketRoute("/socket", _socket)]
    return TestClient(Starlette(routes=[*routes(), *more], middleware=middleware()), raise_server_exceptions=False)


def values(client, **headers):
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_liveness_and_readiness(client, home, monkeypatch):
    assert client.get("/healthz").json() == {"status": "ok"}
    answer = client.get("/healthz/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    monkeypatch.setenv("CELLUCID_FREE_SPACE", "900 TB")
    assert client.get("/healthz/ready").json()["checks"] == {
        "configuration": True,
        "home": True,
        "space": False,
        "database": True,
        "workers": True,
    }
    monkeypatch.setenv("CELLUCID_FREE_SPACE", "nonsense")
    assert client.get("/healthz/ready").status_code == 503
    monkeypatch.setenv("CELLUCID_FREE_SPACE", "0")
    monkeypatch.setenv("CELLUCID_HOME", "/proc/nowhere")
    answer = client.get("/healthz/ready")
    assert answer.status_code == 503
    assert "proc" not in answer.text
    assert client.get("/healthz").status_code == 200


def test_a_database_that_fails_is_a_sentence_everywhere(client, home):
    (home / "state.db").parent.mkdir(parents=True, exist_ok=True)
    (home / "state.db").write_bytes(b"not a database" * 100)
    for path in ("/cellucid/download/" + "A" * 43, "/live/" + "A" * 43 + "/"):
        answer = client.get(path)
        assert answer.status_code == 503
        assert "database cannot be used" in answer.json()["what"]
    assert client.get("/healthz/ready").json()["checks"]["database"] is False


def test_metrics_are_off_unless_asked_for(client, monkeypatch):
    assert client.get("/metrics").status_code == 404
    monkeypatch.setenv("CELLUCID_METRICS", SECRET)
    assert client.get("/metrics").status_code == 401
    for wrong in ("Bearer x", "Bearer ä".encode(), "Bearer", f"Basic {SECRET}x"):
        assert client.get("/metrics", headers={"Authorization": wrong}).status_code == 401
    assert values(client, Authorization=f"Bearer {SECRET}")


def test_what_is_counted(client, home, monkeypatch):
    monkeypatch.setenv("CELLUCID_METRICS", "on")
    client.get("/", headers={"Accept": "text/html"})
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "5", "Upload-Metadata": "filename eC5oNWFk"}
    location = client.post(upload_address(), headers=headers).headers["location"]
    sends = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    client.patch(location, content=b"12345", headers=sends)
    client.get("/cellucid/download/" + "A" * 43)
    client.request("BREW", "/")
    found = values(client)
    assert found["cellucid_received_bytes_total", "uploads.grow"] == 5
    assert found["cellucid_requests_total", "204", "PATCH", "uploads.grow"] == 1
    assert found["cellucid_requests_total", "404", "GET", "downloads.download"] == 1
    assert found["cellucid_requests_total", "405", "other", "page"] == 1
    assert found["cellucid_disk_bytes", "incoming"] == 5
    assert found["cellucid_disk_free_bytes",] > 0
    text = client.get("/metrics").text
    assert location.rpartition("/")[2] not in text
    assert "x.h5ad" not in text
    with client.websocket_connect("/socket") as socket:
        assert values(client)["cellucid_open_pages",] == 1
        socket.send_text("bye")


@pytest.fixture
def log():
    """Return what was logged as JSON; the handlers of before come back."""
    before = (LOGGER.handlers[:], LOGGER.level, LOGGER.propagate)
    start_logging("json")
    stream = io.StringIO()
    handler = LOGGER.handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    LOGGER.handlers[:], LOGGER.propagate = before[0], before[2]
    LOGGER.setLevel(before[1])
    for name in ("streamlit.error_util", "uvicorn.error"):
        logging.getLogger(name).filters.clear()


def test_logs_tell_routes_and_never_tokens_or_messages(client, log):
    token = "T" * 43
    client.get(f"/cellucid/download/{token}")
    assert client.get("/broken?gene=CD3D").status_code == 500
    lines = log()
    text = json.dumps(lines)
    assert token not in text
    assert "CD3D" not in text
    assert "AAACCTG" not in text
    request = next(line for line in lines if line["event"] == "request")
    assert (request["route"], request["status"], request["level"]) == ("downloads.download", 404, "info")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", request["time"])
    error = next(line for line in lines if line["event"] == "error")
    assert error["type"] == "KeyError"
    assert any("_broken" in where for where in error["lines"])
    assert not logging.getLogger("streamlit.error_util").filter(logging.makeLogRecord({}))


SERVED = """
import sys, threading, urllib.error, urllib.request
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from cellucid_core.serving import middleware, routes, start_logging

def broken(request):
    raise RuntimeError("File at path /data/exports/Secret_patient-cohort.zip does not exist.")

async def cut(websocket):
    await websocket.accept()
    raise RuntimeError("Secret_patient-cohort")

start_logging("json")
more = [Route("/broken", broken), WebSocketRoute("/cut", cut)]
app = Starlette(routes=[*routes(), *more], middleware=middleware())
server = uvicorn.Server(uvicorn.Config(app, port=0))
thread = threading.Thread(target=server.run)
thread.start()
while not server.started:
    pass
host = "127.0.0.1:%d" % server.servers[0].sockets[0].getsockname()[1]
try:
    urllib.request.urlopen(f"http://{host}/broken")
except urllib.error.HTTPError as error:
    assert error.code == 500
from websockets.sync.client import connect
from websockets.exceptions import ConnectionClosed
try:
    with connect(f"ws://{host}/cut", origin=f"http://{host}") as socket:
        socket.recv()
except ConnectionClosed:
    pass
server.should_exit = True
thread.join()
"""


def test_what_serves_us_logs_no_messages_either(tmp_path):
    environment = {**os.environ, "CELLUCID_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", SERVED], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Exception in ASGI application") == 1  # requests are answered with a sentence
    assert "Secret" not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    errors = [json.loads(line) for line in done.stderr.splitlines() if '"event": "error"' in line]
    assert [(error["where"], error["type"]) for error in errors] == [
        ("request", "RuntimeError"),
        ("page", "RuntimeError"),
    ]


def test_not_ready_where_no_job_gets_its_turn(client):
    crew = Workers()
    set_workers(crew)
    try:
        assert client.get("/healthz/ready").status_code == 200
        crew.close()
        answer = client.get("/healthz/ready")
        assert (answer.status_code, answer.json()["checks"]["workers"]) == (503, False)
    finally:
        set_workers(None)


def test_logs_can_be_off(capsys):
    before = (LOGGER.handlers[:], LOGGER.level, LOGGER.propagate)
    try:
        start_logging("off")
        log_error(ValueError("x"), "here")
        assert capsys.readouterr().err == ""
    finally:
        LOGGER.handlers[:], LOGGER.propagate = before[0], before[2]
        LOGGER.setLevel(before[1])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/healthz"),
        ("GET", "/healthz/ready"),
        ("GET", "/metrics"),
        ("GET", "/cellucid/download/x"),
        ("POST", "/cellucid/upload"),
        ("OPTIONS", "/cellucid/upload"),
        ("HEAD", "/cellucid/upload/x"),
        ("PATCH", "/cellucid/upload/x"),
        ("DELETE", "/cellucid/upload/x"),
    ],
)
def test_headers_of_own_routes(client, method, path):
    headers = client.request(method, path, headers={"Origin": "https://evil.example"}).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "no-store" in headers["cache-control"]
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["referrer-policy"] == "no-referrer"
    assert not [name for name in headers if name.startswith("access-control")]


def test_headers_of_pages(client):
    headers = client.get("/").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert "content-security-policy" not in headers


def age(path, seconds):
    os.utime(path, (time.time() - seconds,) * 2)


def test_what_is_swept(home):
    day = 86400
    made = {
        "stores/v1-old/meta.json": 40 * day,
        "stores/v1-new/meta.json": 1 * day,
        "stores/.v1-half.abc/data.npy": 2 * 3600,
        "stores/.v1-writing.abc/data.npy": 60,
        "stores/v1-old.lock": 40 * day,
        "uploads/old.h5ad": 40 * day,
        "uploads/new.h5ad": 1 * day,
        "uploads/.draft.x": 2 * 3600,
        "rewritten/v2-used.h5ad": 40 * day,
        "rewritten/v2-used.seal.json": 1 * day,
        "rewritten/v2-old.h5ad": 40 * day,
        "rewritten/v2-old.seal.json": 40 * day,
        "unpacked/tmpabc/matrix.mtx": 2 * 3600,
        "incoming/.record.x": 2 * 3600,
        "elsewhere/mine.txt": 40 * day,
    }
    for name, seconds in made.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
        age(path, seconds)
        if path.parent.parent.parent == home:
            age(path.parent, seconds)
    sweep()
    files = (path for path in home.rglob("*") if path.is_file() and not path.name.startswith("state.db"))
    left = {path.relative_to(home).as_posix() for path in files}
    assert left == {
        "stores/v1-new/meta.json",
        "stores/.v1-writing.abc/data.npy",
        "stores/v1-old.lock",
        "uploads/new.h5ad",
        "rewritten/v2-used.h5ad",
        "rewritten/v2-used.seal.json",
        "elsewhere/mine.txt",
    }


def test_an_upload_that_is_opened_again_and_again_stays(home, tmp_path):
    from cellucid_core.cache.content import note_of
    from cellucid_core.dataset import open_dataset
    from tests.making import make_adata

    (home / "uploads").mkdir(parents=True)
    path = home / "uploads" / "x.h5ad"
    make_adata().write_h5ad(path)
    age(path, 40 * 86400)
    for _ in range(2):  # a hash is only remembered of a file that has not changed just now
        time.sleep(2.1)
        open_dataset(path)
    assert note_of(path).exists()
    sweep()
    assert path.exists()
    age(note_of(path), 40 * 86400)
    sweep()
    assert not path.exists()


def test_a_link_in_the_home_is_deleted_not_followed(home, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.txt").write_text("x")
    (home / "stores").mkdir(parents=True)
    (home / "stores" / ".v1-x.link").symlink_to(outside)
    sweep(time.time() + 10 * 86400)
    assert (outside / "precious.txt").exists()
    assert not (home / "stores" / ".v1-x.link").is_symlink()


# ---- container -----------------------------------------------------------------------------------------------------


def instructions():
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    return [(line.split(None, 1)[0].upper(), line.split(None, 1)[1]) for line in lines]


def ignored(name):
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    return name.rstrip("/") not in {rule.removeprefix("!").rstrip("/") for rule in rules if rule.startswith("!")}


def test_the_image_copies_what_exists_and_what_the_product_needs():
    copied = set()
    for name, rest in instructions():
        if name == "COPY":
            words = [word for word in shlex.split(rest) if not word.startswith("--")]
            if any(word.startswith("--from=") for word in shlex.split(rest)):
                continue
            for source in words[:-1]:
                assert (ROOT / source).exists(), source
                assert not ignored(source.split("/")[0]), source
                copied.add(source.rstrip("/"))
    assert {"app.py", "cellucid_core", "pages", ".streamlit", "requirements.txt", "LICENSE"} <= copied


def test_the_image_runs_as_nobody_special_and_is_watched():
    by_name = {}
    for name, rest in instructions():
        by_name.setdefault(name, []).append(rest)
    user = by_name["USER"][-1]
    assert user.split(":")[0].isdigit()
    assert int(user.split(":")[0]) >= 1000
    assert "/healthz" in by_name["HEALTHCHECK"][0]
    assert by_name["VOLUME"] == ['["/data"]']
    assert any("CELLUCID_HOME=/data" in line for line in by_name["ENV"])
    python = re.search(r"python:(3\.\d+)-slim", by_name["FROM"][-1])
    assert python is not None
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert tuple(map(int, python[1].split("."))) >= tuple(map(int, needed.removeprefix(">=").split(".")))
    command = json.loads(by_name["CMD"][-1])
    assert command[:3] == ["streamlit", "run", "app.py"]
    options = {option.removeprefix("--").partition("=")[0] for option in command[3:]}
    from streamlit import config

    assert options <= set(config._config_options_template)


def test_the_compose_file_is_strict():
    yaml = pytest.importorskip("yaml")
    service = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]["dashboard"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    from cellucid_core.configuration import check_configuration

    environment = {name: str(value) for name, value in service["environment"].items()}
    check_configuration({**environment, "CELLUCID_DATA_ROOTS": ""})


def _run(work):
    # On a thread of its own: a browser test may have left a loop running on this one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(asyncio.wait_for(work(), 30))).result()


def test_what_charts_and_tests_need_is_imported_when_the_server_starts(home, monkeypatch):
    imported, told = [], []
    monkeypatch.setattr("cellucid_core.serving.starting.import_module", _import(imported))
    monkeypatch.setattr("cellucid_core.serving.starting.log_error", lambda error, place: told.append(place))

    async def start():
        async with lifespan(None):
            while len(imported) < 2:
                await asyncio.sleep(0.01)

    _run(start)
    assert imported == ["altair", "scipy.stats"]
    assert told == ["warm-up"], "a package that is broken does not keep the server from starting"


def _import(names):
    def import_module(name):
        names.append(name)
        if name == "altair":
            raise ImportError(name)

    return import_module


def test_what_killed_processes_leave_is_swept_wherever_it_lies(tmp_path, monkeypatch):
    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path))
    drafts = [
        "library/.pbmc-1234/signature.h5",
        "library/.pbmc-1234.deleted/signature.h5",
        "demo/v1/.demo.h5ad.abc",
        "collections/0123/.pbmc.0a1b2c3d.partial/points.bin",
        "computed/.0a1b.npz",
        "scratch/tmpabc/scores.npy",
        "unpacked/tmpabc/matrix.mtx",
    ]
    # Names that people give may begin as temporary ones do.
    whole = [
        "library/tmp-1234/signature.h5",
        "exports/tmp-1.zip",
        "collections/0123/tmp/points.bin",
        "demo/v1/demo.h5ad",
    ]
    for name in (*drafts, *whole):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    sweep()
    assert all((tmp_path / name).exists() for name in (*drafts, *whole))
    sweep(time.time() + 2 * 3600)
    assert not [name for name in drafts if (tmp_path / name).exists()]
    assert all((tmp_path / name).exists() for name in whole)


def test_results_that_nobody_used_for_long_go(tmp_path, monkeypatch):
    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path))
    (tmp_path / "computed").mkdir()
    (tmp_path / "computed" / "0a1b.npz").write_bytes(b"x")
    sweep(time.time() + 29 * 86400)
    assert list((tmp_path / "computed").iterdir())
    sweep(time.time() + 31 * 86400)
    assert not list((tmp_path / "computed").iterdir())


def test_collections_that_no_workspace_has_go(tmp_path, monkeypatch):
    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path))
    folder = tmp_path / "collections" / ("0" * 32)
    (folder / "pbmc").mkdir(parents=True)
    (folder / "datasets.json").write_text("{}")
    sweep(time.time() + 29 * 86400)
    assert (folder / "pbmc").is_dir()
    sweep(time.time() + 31 * 86400)
    assert not folder.exists()


def test_memory_is_given_back_again_and_again_whatever_fails():
    from contextlib import asynccontextmanager

    from cellucid_core.serving import upkeep

    happened = []

    @asynccontextmanager
    async def life(app):
        happened.append("started")
        yield
        happened.append("stopped")

    def forget():
        happened.append("forgot")
        if len(happened) == 2:
            raise RuntimeError("once")

    async def run():
        async with upkeep(life, forget, pause=0.01)(None):
            while happened.count("forgot") < 3:
                await asyncio.sleep(0.01)

    _run(run)
    assert happened[0] == "started"
    assert happened[-1] == "stopped"
