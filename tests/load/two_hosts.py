"""Score and export on two "hosts" of a Dask cluster: network namespaces of their own, joined by cables, with TLS.

Run on demand on Linux, as root, not by the test suite::

    python tests/load/two_hosts.py FOLDER

The scheduler and the command line are on this host, a worker is on each of the others; all share FOLDER. The results
are compared with those of this machine alone, byte by byte.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
HOSTS = {"cellucid-a": "10.213.1", "cellucid-b": "10.213.2"}


def ip(*arguments: str) -> None:
    """Run ip(8)."""
    subprocess.run(["ip", *arguments], check=True)


def main() -> int:
    """Make the hosts, compare, take them away."""
    from tests.benchmarks.bench_samples import make_samples
    from tests.load.kill_workers import work
    from tests.running.clusters import make_certificates

    folder = Path(sys.argv[1])
    shutil.rmtree(folder / "tls", ignore_errors=True)
    certificates = make_certificates(folder / "tls")
    os.environ["CELLUCID_CLUSTER_CERTS"] = str(certificates)
    tls = [f"--tls-{option}={certificates / name}" for option, name in (("ca-file", "ca.pem"), ("cert", "cert.pem"))]
    tls.append(f"--tls-key={certificates / 'key.pem'}")
    make_samples(folder / "parts", 4, 30_000, 400)
    parts = sorted((folder / "parts").glob("*.h5ad"))
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    alone = work(folder, parts, home)
    shutil.rmtree(home)
    processes = []
    dask = [sys.executable, "-m", "dask"]
    try:
        for number, (name, net) in enumerate(HOSTS.items()):
            ip("netns", "add", name)
            ip("link", "add", f"cel{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("addr", "add", f"{net}.1/24", "dev", f"cel{number}")
            ip("link", "set", f"cel{number}", "up")
            for command in (["addr", "add", f"{net}.2/24", "dev", "eth0"], ["link", "set", "eth0", "up"]):
                ip("-n", name, *command)
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "route", "add", "default", "via", f"{net}.1")
        about = folder / "scheduler.json"
        about.unlink(missing_ok=True)
        options = ["--host", "tls://0.0.0.0", "--port", "8786", "--scheduler-file", str(about), "--no-dashboard"]
        processes.append(subprocess.Popen([*dask, "scheduler", *options, *tls]))
        while not about.exists():
            time.sleep(0.1)
        print("scheduler:", json.loads(about.read_text())["address"])
        for name, net in HOSTS.items():
            worker = [*dask, "worker", f"tls://{net}.1:8786", "--nthreads", "1", "--no-nanny", "--no-dashboard", *tls]
            environment = {**os.environ, "CELLUCID_HOME": str(home), "PYTHONPATH": str(ROOT)}
            worker += ["--local-directory", str(folder)]
            processes.append(subprocess.Popen(["ip", "netns", "exec", name, *worker], env=environment))
        together = work(folder, parts, home, "tls://10.213.1.1:8786")
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()
        for name in HOSTS:
            subprocess.run(["ip", "netns", "del", name], check=False)
    print("same bytes" if together == alone else "OTHER BYTES")
    return 0 if together == alone else 1


if __name__ == "__main__":
    sys.exit(main())
