"""A Dask cluster as an executor: tasks call functions of this package, files are in a folder that all share."""

from __future__ import annotations

import logging
import os
import queue
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cellucid_core.cache import cellucid_home, home_folder
from cellucid_core.configuration import read_configuration
from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.running.executor import Share
from cellucid_core.running.worker import Errand, NotWanted, carry_out, own_versions

#: Seconds to wait for an answer of the scheduler, and for a first worker.
_PATIENCE = 10
#: Seconds between two checks whether the scheduler is still there and the result still wanted.
_LOOK_EVERY = 0.2
#: How often a part is started again when Dask has given it up because its workers were killed.
_BEGIN_AGAIN = 10
#: Packages that must have the same version everywhere.
_COMPARED = ("dask", "distributed", "numpy")

_connecting = threading.Lock()
_connections: dict[tuple[str, str, int], Cluster] = {}


def connected(address: str) -> Cluster:
    """Return the cluster at an address; connect to it at the first use and after the connection was lost.

    Raises
    ------
    InputError
        If Dask is not installed, if certificates are missing, or if the cluster cannot be reached, has no worker, or
        has other versions than this process.
    """
    certificates = read_configuration().cluster_certs
    key = (address, str(certificates or ""), os.getpid())
    with _connecting:
        known = _connections.get(key)
        if known is None or not known.alive:
            if known is not None:
                known.close()
            known = _connections[key] = Cluster(address, certificates)
        return known


class Cluster:
    """The workers of a Dask scheduler; it connects when it is made and raises as `connected`.

    Parameters
    ----------
    address
        ``tls://host:8786``, or ``tcp://`` on this machine.
    certificates
        Folder with ``ca.pem``, ``cert.pem`` and ``key.pem``, for ``tls://``.
    """

    def __init__(self, address: str, certificates: Path | None = None) -> None:
        self.address = address
        self._client: Any = _connect(address, certificates)
        self._wanted: set[Path] = set()
        try:
            self._compare_versions()
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether the scheduler is connected."""
        return str(self._client.status) == "running"

    def map(
        self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], progress: Share | None = None
    ) -> Iterator[tuple[int, Any]]:
        """See `Executor.map`; `progress` gets the share of the calls that have ended, on the caller's thread.

        Raises
        ------
        WorkRefused
            If the scheduler is gone, or the workers of a call were killed again and again.
        InputError
            If the work was cancelled, or a worker has other versions or not the shared folder.
        """
        if not calls:
            return
        token = secrets.token_hex(8)
        wanted = home_folder("cluster") / f"{token}.wanted"
        wanted.touch()
        self._wanted.add(wanted)
        errand = Errand(str(cellucid_home()), _mark(), str(wanted), own_versions())
        ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        numbers: dict[str, int] = {}
        running: dict[int, Any] = {}

        def begin(number: int, attempt: int) -> None:
            key = f"part-{token}-{number}-{attempt}"  # Dask shows keys to others, so they hold no names
            numbers[key] = number
            future = self._client.submit(carry_out, errand, function, calls[number], key=key, pure=False)
            running[number] = future
            future.add_done_callback(ended.put)

        attempts = dict.fromkeys(range(len(calls)), 0)
        try:
            self._require_alive()
            for number in range(len(calls)):
                begin(number, 0)
            while running:
                try:
                    future = ended.get(timeout=_LOOK_EVERY)
                except queue.Empty:
                    self._require_alive()
                    if not wanted.exists():
                        raise NotWanted("This was cancelled.", "Start it again.") from None
                    future = None
                if progress is not None:
                    progress(1 - len(running) / len(calls))
                if future is None:
                    continue
                number = numbers[future.key]
                result = self._result(future, last=attempts[number] >= _BEGIN_AGAIN)
                if result is _KILLED:
                    attempts[number] += 1
                    begin(number, attempts[number])
                    continue
                del running[number]
                yield number, result[0]
            if progress is not None:
                progress(1.0)
        finally:
            self._wanted.discard(wanted)
            wanted.unlink(missing_ok=True)  # calls that still run check for it between two blocks
            if running and self.alive:
                with suppress(Exception):
                    self._client.cancel(list(running.values()))

    def cancel(self) -> None:
        """See `Executor.cancel`."""
        for wanted in list(self._wanted):
            wanted.unlink(missing_ok=True)

    def close(self) -> None:
        """See `Executor.close`."""
        with suppress(Exception):
            self._client.close(timeout=2)

    def _result(self, future: Any, *, last: bool) -> Any:
        """Return a tuple with the result, or `_KILLED`; raise the error that the call ended with."""
        from distributed.scheduler import KilledWorker

        if future.status == "finished":
            try:
                return (future.result(timeout=10 * _PATIENCE),)
            except (OSError, TimeoutError):
                self._require_alive()
                if last:
                    raise
                return _KILLED  # its worker was gone before it handed over the result
        if future.status == "error":
            error = future.exception()
            if isinstance(error, KilledWorker) and not last:
                return _KILLED
            if isinstance(error, KilledWorker):
                raise WorkRefused(
                    "The workers of a part were killed again and again.",
                    "Give them more memory (dask worker --memory-limit), then start it again.",
                ) from error
            if isinstance(error, ModuleNotFoundError) and "cellucid_core" in str(error):
                raise InputError(
                    f"A worker of {self.address} does not have cellucid-dashboard.",
                    "Install the same version in the environment of every worker.",
                ) from error
            assert error is not None
            raise error
        self._require_alive()
        raise self._gone()

    def _require_alive(self) -> None:
        if not self.alive:
            raise self._gone()

    def _gone(self) -> WorkRefused:
        return WorkRefused(
            f"The cluster at {self.address} went away.",
            "Start its scheduler again, then repeat this: parts that were finished are kept.",
        )

    def _compare_versions(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError:
            raise InputError(
                f"The cluster at {self.address} has no worker.", f"Start one: dask worker {self.address}"
            ) from None
        found = self._client.get_versions()
        here = found["client"]["packages"]
        for where, theirs in [("scheduler", found["scheduler"]), *found["workers"].items()]:
            for name in ("python", *_COMPARED):
                ours, other = here.get(name), theirs["packages"].get(name)
                if name == "python":
                    ours, other = (".".join(str(version).split(".")[:2]) for version in (ours, other))
                if ours != other and (name != "numpy" or where != "scheduler"):
                    who = "The scheduler" if where == "scheduler" else f"The worker {where}"
                    raise InputError(
                        f"{who} has {name} {other}, and here it is {ours}.", "Install the same version everywhere."
                    )


_KILLED = object()


def _connect(address: str, certificates: Path | None) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            "A cluster needs Dask, which is not installed.", "Install it: pip install 'cellucid-dashboard[cluster]'"
        ) from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # errors here say that the scheduler is lost
    try:
        connect: Any = Client
        return connect(address, security=_security(address, certificates), timeout=_PATIENCE, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        if _because_of_tls(error):
            raise InputError(
                f"The cluster at {address} does not have certificates of the authority in CELLUCID_CLUSTER_CERTS.",
                "Use the certificates that it was started with.",
            ) from error
        raise InputError(
            f"The cluster at {address} does not answer.", "Start its scheduler, or check address and certificates."
        ) from error


def _security(address: str, certificates: Path | None) -> Any:
    from distributed import Security

    if not address.startswith("tls://"):
        return None
    if certificates is None:
        raise InputError(
            f"The cluster at {address} uses TLS, but no certificates are named.",
            "Set CELLUCID_CLUSTER_CERTS to the folder with ca.pem, cert.pem and key.pem.",
        )
    files = [certificates / name for name in ("ca.pem", "cert.pem", "key.pem")]
    if missing := [file.name for file in files if not file.is_file()]:
        raise InputError(f"{certificates} lacks {', '.join(missing)}.", "Put the cluster's certificates there.")
    ca, cert, key = map(str, files)
    secure: Any = Security
    return secure(tls_ca_file=ca, tls_client_cert=cert, tls_client_key=key, require_encryption=True)


def _because_of_tls(error: BaseException | None) -> bool:
    seen = 0
    while error is not None and seen < 10:
        if isinstance(error, ssl.SSLError) or "SSL" in str(error) or "certificate" in str(error).lower():
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


def _mark() -> str:
    """Return the random text in the shared folder that tells it from others of its name; the first to ask writes it."""
    file, mark = home_folder("cluster") / "id", secrets.token_hex(16)
    try:
        with file.open("x", encoding="ascii") as made:
            made.write(mark)
        return mark
    except FileExistsError:
        pass
    for _ in range(100):  # another process may still be writing it
        found = file.read_text(encoding="ascii")
        if len(found) == len(mark):
            return found
        time.sleep(0.05)
    file.unlink(missing_ok=True)  # the process that wrote it was killed
    return _mark()
