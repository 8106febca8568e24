"""Real clusters of this machine's processes, with certificates of their own."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]


def make_certificates(folder: Path) -> Path:
    """Write an authority's certificate, and one of ours signed by it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def certificate(name, key, issuer, issuer_key, ca):
        now = datetime.datetime.now(datetime.UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .sign(issuer_key, hashes.SHA256())
        )

    def pem(key):
        return key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    folder.mkdir(parents=True)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = certificate(f"authority {folder.name}", ca_key, None, ca_key, True)
    ours = certificate("cellucid", key, ca.subject, ca_key, False)
    (folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    (folder / "cert.pem").write_bytes(ours.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(pem(key))
    return folder


class Running:
    """A scheduler and its workers."""

    def __init__(self, folder: Path, certificates: Path | None):
        self.folder, self.certificates = folder, certificates
        self.workers: list[subprocess.Popen] = []
        self.tls = []
        if certificates is not None:
            for option, name in (("ca-file", "ca"), ("cert", "cert"), ("key", "key")):
                self.tls += [f"--tls-{option}", str(certificates / f"{name}.pem")]
        about = folder / "scheduler.json"
        host = ["--host", "tls://127.0.0.1" if certificates is not None else "127.0.0.1", "--port", "0"]
        self.scheduler = self._start("scheduler", *host, "--scheduler-file", str(about), "--no-dashboard")
        self.address = self._wait(lambda: json.loads(about.read_text())["address"])

    def _wait(self, look):
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return look()
            except (OSError, ValueError, KeyError):
                assert time.monotonic() < end
                assert self.scheduler.poll() is None, (self.folder / "cluster.log").read_text()
                time.sleep(0.05)

    def _start(self, what, *options, largest_file=None, **environment):
        def limit():
            import resource

            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

        with (self.folder / "cluster.log").open("a") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", what, *options, *self.tls],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=None if largest_file is None else limit,
                env={k: v for k, v in os.environ.items() if not k.startswith("CELLUCID")}
                | {"PYTHONPATH": str(ROOT)}
                | environment,
            )

    def add_worker(self, **environment):
        # Without its nanny, so that a killed worker stays away; local folder, not the checkout.
        options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(self.folder)]
        worker = self._start("worker", self.address, *options, **environment)
        self.workers.append(worker)
        return worker

    def stop(self):
        for process in (*self.workers, self.scheduler):
            process.kill()
        for process in (*self.workers, self.scheduler):
            process.wait(PATIENCE)


@contextmanager
def cluster(folder: Path, workers: int = 2, certificates: Path | None = None):
    folder.mkdir(parents=True, exist_ok=True)
    running = Running(folder, certificates)
    try:
        for _ in range(workers):
            running.add_worker()
        yield running
    finally:
        running.stop()
