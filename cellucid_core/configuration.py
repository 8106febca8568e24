# ruff: noqa: RUF009 - `_setting` returns a `dataclasses.field`
"""What an operator configures: environment variables, read into one typed value, or refused in a sentence.

`docs/hosting.md` shows the settings as a table; a test compares it with `configuration_table`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from cellucid_core.errors import InputError

_SIZES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZES |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_DURATIONS = {"s": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "day": 86400, "week": 604800}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")
#: Separates folders; the colon in ``s3://`` does not.
_SEPARATOR = re.compile(re.escape(os.pathsep) + r"(?!//)")
_ADDRESS = re.compile(r"(s3|gs|gcs)://", re.IGNORECASE)
#: Variables that say where a user's folders are: the default of ``CELLUCID_HOME`` depends on them.
_PLACES = ("HOME", "XDG_CACHE_HOME", "USERPROFILE", "LOCALAPPDATA")
#: Least number of characters of the secret for the metrics.
MIN_SECRET = 16
METRICS = ("off", "on")
#: An e-mail address, or only ``@domain``. ASCII: other letters may look alike, or turn into ASCII when lower-cased.
_USER = re.compile(r"[!-?A-~]*@[a-z0-9-]+(\.[a-z0-9-]+)*", re.ASCII)


def parse_size(text: str) -> int:
    """Return the bytes of a size such as "20 GB" (decimal), "512 MiB" (binary) or "4096" (bytes).

    Raises
    ------
    ValueError
        If the text is not a size.
    """
    match = _AMOUNT.fullmatch(text.strip())
    if match is None or match[2].upper() not in _SIZES:
        raise ValueError("a size such as 20 GB")
    return round(float(match[1]) * _SIZES[match[2].upper()])


def parse_duration(text: str) -> int:
    """Return the seconds of a duration such as "30 days", "12 hours" or "90 min".

    Raises
    ------
    ValueError
        If the text is not a duration, or has no unit.
    """
    match = _AMOUNT.fullmatch(text.strip())
    unit = match[2].lower() if match else ""
    seconds = _DURATIONS.get(unit) or _DURATIONS.get(unit.removesuffix("s"))
    if match is None or seconds is None:
        raise ValueError("a duration such as 30 days or 12 hours")
    return round(float(match[1]) * seconds)


def format_size(size: float) -> str:
    """Return a number of bytes as people read it: "1.2 MB"."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f}".removesuffix(".0") + f" {unit}"
        size /= 1000
    raise AssertionError


def format_duration(seconds: float) -> str:
    """Return seconds as people read them, in the largest unit that divides them: "30 days", "1 hour", "90 minutes"."""
    units = (("day", 86400), ("hour", 3600), ("minute", 60))
    whole = (unit for unit in units if seconds >= unit[1] and seconds % unit[1] == 0)
    name, size = next(whole, ("second", 1))
    return f"{seconds / size:,.0f} {name}{'' if seconds == size else 's'}"


def _at_least(parse: Callable[[str], int], least: int, words: str) -> Callable[[str], int]:
    return _between(parse, least, None, words)


def _between(parse: Callable[[str], int], least: int, most: int | None, words: str) -> Callable[[str], int]:
    def checked(text: str) -> int:
        try:
            value = parse(text)
        except OverflowError:
            raise ValueError(words) from None
        if value < least or (most is not None and value > most):
            raise ValueError(words)
        return value

    return checked


def _whole(text: str) -> int:
    words = "a whole number from 1 to 64"
    if not re.fullmatch(r"\d{1,2}", text.strip()) or int(text) > 64:
        raise ValueError(words)
    return int(text)


def _one_of(*words: str) -> Callable[[str], str]:
    def checked(text: str) -> str:
        if text.strip().lower() not in words:
            raise ValueError(" or ".join(word for word in words if word))
        return text.strip().lower()

    return checked


def _metrics(text: str) -> str:
    if text.strip().lower() in METRICS:
        return text.strip().lower()
    if len(text.strip()) < MIN_SECRET or not text.strip().isascii():
        raise ValueError(f"on, off, or a secret of at least {MIN_SECRET} characters")
    return text.strip()


def _users(text: str) -> tuple[str, ...]:
    """Read e-mail addresses and ``@domain``s, lower-cased: capitals do not make another person."""
    users = [user.strip().lower() for user in text.split(",") if user.strip()]
    if not users or not all(_USER.fullmatch(user) for user in users):
        raise ValueError("e-mail addresses or domains such as @institute.org, separated by commas")
    return tuple(dict.fromkeys(users))


def _folders(text: str) -> tuple[Path | str, ...]:
    given = [name.strip() for name in _SEPARATOR.split(text) if name.strip()]
    named = [name.rstrip("/") if _ADDRESS.match(name) else _expanded(name) for name in given]
    if any("\0" in str(one) or (isinstance(one, Path) and not one.is_absolute()) for one in named):
        raise ValueError(f"full paths of folders, or s3:// and gs:// addresses, separated by {os.pathsep}")
    return tuple(dict.fromkeys(one.resolve() if isinstance(one, Path) else one for one in named))


def _origins(text: str) -> tuple[str, ...]:
    origins = [origin.strip() for origin in text.split(",") if origin.strip()]
    if not origins or not all(re.fullmatch(r"https?://[^/\s]+", origin) for origin in origins):
        raise ValueError("origins such as https://www.cellucid.com, separated by commas")
    return tuple(dict.fromkeys(origins))


def _cluster(text: str) -> str:
    words = "tls://host:port, or tcp://127.0.0.1:port on this machine"
    found = re.fullmatch(r"(tls|tcp)://(\[[0-9a-f:]+\]|[\w.-]+):(\d{1,5})", text.strip(), re.ASCII)
    if found is None or not 0 < int(found[3]) < 65536:
        raise ValueError(words)
    if found[1] == "tcp" and not (found[2] in ("localhost", "[::1]") or re.fullmatch(r"127(\.\d+){3}", found[2])):
        raise ValueError(words)  # unencrypted traffic can be read and changed on the way
    return text.strip()


def _database(text: str) -> str:
    if not re.fullmatch(r"postgres(ql)?://[^\s]+", text.strip()):
        raise ValueError("postgresql://user:password@host/name")
    return "postgresql" + text.strip().removeprefix("postgresql").removeprefix("postgres")


def _web_address(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s<>()]+", text.strip()):
        raise ValueError("an address that begins with http:// or https://")
    return text.strip()


def _opened(text: str) -> str:
    if text.lower() in ("", "demo"):
        return text.lower()
    path = _expanded(text)
    if "\0" in text or not path.exists():
        raise ValueError("`demo`, or the path of a dataset that is there")
    return str(path.resolve())


def _folder(text: str) -> Path:
    if "\0" in text:
        raise ValueError("the path of a folder")
    return _expanded(text)


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:  # ~somebody whom the system does not know
        raise ValueError("the path of a folder; ~ stands for the home of a user that exists") from None


def _default_home() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("cellucid-dashboard", appauthor=False)


def machine_memory() -> int:
    """Return how many bytes of memory this process may use: the machine's, or its container's limit if that is less."""
    limits = []
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limits.append(int(Path(file).read_text(encoding="ascii")))
        except (OSError, ValueError):  # not Linux, another version of cgroups, or "max"
            continue
    try:
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        limits.append(8 * 2**30)
    return min(limits)


def machine_cores() -> int:
    """Return how many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def _setting(variable: str, parse: Callable[[str], Any], unset: str, meaning: str, **how: Any) -> Any:
    """Return a field that knows its variable, how it is read, its default in words, and what it means."""
    return field(metadata={"variable": variable, "parse": parse, "unset": unset, "meaning": meaning}, **how)


@dataclass(frozen=True)
class Configuration:
    """All settings of the environment; sizes are in bytes, durations in seconds.

    The metadata of each field name its variable and say what it means.
    """

    home: Path = _setting(
        "CELLUCID_HOME",
        _folder,
        "the user's cache folder",
        "Folder for uploads, stores and exports. Put it on a large, fast disk.",
        default_factory=_default_home,
    )
    data_roots: tuple[Path | str, ...] = _setting(
        "CELLUCID_DATA_ROOTS",
        _folders,
        "none",
        "Folders whose files users may open without uploading them, separated like PATH; also `s3://` and `gs://` "
        "addresses (extra `remote`). Links in them are refused.",
        default=(),
    )
    signatures: Path | None = _setting(
        "CELLUCID_SIGNATURES",
        _folder,
        "none",
        "Folder of a team's own gene sets (GMT, CSV, JSON …), offered beside the ready ones; only read.",
        default=None,
    )
    live_links: str = _setting(
        "CELLUCID_LIVE_LINKS",
        _one_of("on", "off"),
        "on",
        "`off`: nobody can make links through which the viewer reads a dataset from here, and existing links stop "
        "working.",
        default="on",
    )
    viewer_origins: tuple[str, ...] = _setting(
        "CELLUCID_VIEWER_ORIGINS",
        _origins,
        "https://www.cellucid.com",
        "Origins of pages that may read a live dataset, separated by commas; pages of this server may, too.",
        default=("https://www.cellucid.com",),
    )
    open: str = _setting(
        "CELLUCID_OPEN",
        _opened,
        "nothing",
        "What every new session opens: `demo`, or the path of a dataset on the server.",
        default="",
    )
    upload_limit: int = _setting(
        "CELLUCID_UPLOAD_LIMIT",
        _at_least(parse_size, 10**6, "a size of at least 1 MB, such as 20 GB"),
        "20 GB",
        "Largest file that can be uploaded.",
        default=20 * 10**9,
    )
    quota: int = _setting(
        "CELLUCID_QUOTA",
        _at_least(parse_size, 10**6, "a size of at least 1 MB, such as 100 GB"),
        "100 GB",
        "Most that one user, or one browser where nobody is signed in, may have uploaded at a time, finished or not.",
        default=100 * 10**9,
    )
    free_space: int = _setting(
        "CELLUCID_FREE_SPACE",
        _at_least(parse_size, 0, "a size such as 2 GB"),
        "2 GB",
        "Disk space that uploads leave free; below it the server says that it is not ready.",
        default=2 * 10**9,
    )
    upload_lifetime: int = _setting(
        "CELLUCID_UPLOAD_LIFETIME",
        _at_least(parse_duration, 60, "a duration of at least a minute, such as 2 days"),
        "2 days",
        "How long an interrupted upload can be continued.",
        default=2 * 86400,
    )
    time_to_live: int = _setting(
        "CELLUCID_TIME_TO_LIVE",
        _at_least(parse_duration, 3600, "a duration of at least an hour, such as 30 days"),
        "30 days",
        "Workspaces, uploads and what was computed from them are deleted when nobody has opened them for this long.",
        default=30 * 86400,
    )
    memory: int = _setting(
        "CELLUCID_MEMORY",
        _at_least(parse_size, 10**8, "a size of at least 100 MB, such as 8 GB"),
        "half of the machine's or container's",
        "Most memory that the tables and arrays of one dataset may take; a file that declares more is refused.",
        default_factory=lambda: max(10**8, machine_memory() // 2),
    )
    unpacked_limit: int = _setting(
        "CELLUCID_UNPACKED_LIMIT",
        _at_least(parse_size, 10**6, "a size of at least 1 MB, such as 64 GB"),
        "64 GB",
        "Most that an archive or a compressed matrix may unpack to on the disk.",
        default=64 * 10**9,
    )
    sign_in: Literal["off", "optional", "required"] = _setting(
        "CELLUCID_SIGN_IN",
        _one_of("off", "optional", "required"),
        "off",
        "`required` shows nothing to anybody who has not signed in; `optional` lets everybody in and offers it.",
        default="off",
    )
    sign_in_lifetime: int = _setting(
        "CELLUCID_SIGN_IN_LIFETIME",
        _between(parse_duration, 300, 30 * 86400, "a duration from 5 minutes to 30 days, such as 12 hours"),
        "12 hours",
        "How long after signing in users have to sign in again.",
        default=12 * 3600,
    )
    allowed_users: tuple[str, ...] = _setting(
        "CELLUCID_ALLOWED_USERS",
        _users,
        "everybody whom the provider lets in",
        "Who may sign in: e-mail addresses, or domains such as `@institute.org`, separated by commas.",
        default=(),
    )
    workers: int = _setting(
        "CELLUCID_WORKERS",
        _at_least(_whole, 1, "a whole number from 1 to 64"),
        "the number of cores, at least 3 and at most 8",
        "How many jobs (opening, fixes that compute, exports, library builds, zips) run at once, each in a process of "
        "its own. With two or more, one is left for opening files.",
        default_factory=lambda: max(3, min(8, machine_cores())),
    )
    worker_memory: int = _setting(
        "CELLUCID_WORKER_MEMORY",
        _at_least(parse_size, 2 * 10**8, "a size of at least 200 MB, such as 4 GB"),
        "four fifths of the machine's or container's, shared among the workers",
        "Most memory that one job may allocate; files that are mapped do not count. A job that wants "
        "more is stopped with a message.",
        default=0,
    )
    opening_limit: int = _setting(
        "CELLUCID_OPENING_LIMIT",
        _at_least(parse_duration, 1, "a duration of at least a second, such as 10 min"),
        "10 min",
        "Longest that opening a file may take; then its process is ended.",
        default=600,
    )
    job_limit: int = _setting(
        "CELLUCID_JOB_LIMIT",
        _at_least(parse_duration, 1, "a duration of at least a second, such as 12 hours"),
        "12 hours",
        "Longest that any other job may take.",
        default=12 * 3600,
    )
    metrics: str = _setting(
        "CELLUCID_METRICS",
        _metrics,
        "off",
        "`on` serves `/metrics` to everybody who reaches the server; a secret, to those who send it as a bearer token.",
        default="off",
    )
    database: str = _setting(
        "CELLUCID_DATABASE",
        _database,
        "SQLite in `CELLUCID_HOME`",
        "`postgresql://user:password@host/name` for several servers that share `CELLUCID_HOME` (extra `postgres`).",
        default="",
    )
    cluster: str = _setting(
        "CELLUCID_CLUSTER",
        _cluster,
        "none: everything runs on this machine",
        "Address of a Dask scheduler, `tls://host:8786`, whose workers open, score and export the parts of datasets "
        "(extra `cluster`, `docs/cluster.md`); `tcp://` only on this machine.",
        default="",
    )
    cluster_certs: Path | None = _setting(
        "CELLUCID_CLUSTER_CERTS",
        _folder,
        "none",
        "Folder with `ca.pem`, `cert.pem` and `key.pem`, the certificates for `CELLUCID_CLUSTER`.",
        default=None,
    )
    cluster_dashboard: str = _setting(
        "CELLUCID_CLUSTER_DASHBOARD",
        _web_address,
        "not shown",
        "Address of Dask's own dashboard, shown beside the progress of jobs: only where all users may see it.",
        default="",
    )
    log: str = _setting(
        "CELLUCID_LOG", _one_of("json", "text", "off"), "text", "How requests and errors are logged.", default="text"
    )

    def __post_init__(self) -> None:
        if not self.worker_memory:
            share = machine_memory() * 4 // 5 // self.workers
            object.__setattr__(self, "worker_memory", max(5 * 10**8, share))


def read_configuration(environment: Mapping[str, str] | None = None) -> Configuration:
    """Read the environment.

    The result is kept for each environment: links in `data_roots` are followed, and the machine's memory is looked up,
    only the first time.

    Parameters
    ----------
    environment
        Variables and their values; by default those of this process. Empty values count as not given.

    Raises
    ------
    InputError
        If a value makes no sense.
    """
    environment = os.environ if environment is None else environment
    given = tuple((name, text) for name in _VARIABLES if (text := environment.get(name, "")).strip())
    return _configuration(given, tuple(os.environ.get(name) for name in _PLACES))


_VARIABLES = tuple(setting.metadata["variable"] for setting in fields(Configuration))


@lru_cache(maxsize=16)  # drawing a page asks for it a hundred times
def _configuration(given: tuple[tuple[str, str], ...], places: tuple[str | None, ...]) -> Configuration:
    environment, values = dict(given), {}
    for setting in fields(Configuration):
        variable = setting.metadata["variable"]
        if variable not in environment:
            continue
        text = environment[variable]
        try:
            values[setting.name] = setting.metadata["parse"](text)
        except ValueError as error:
            shown = "its value" if variable == "CELLUCID_METRICS" else repr(text[:60])
            raise InputError(
                f"{variable} cannot be {shown}.", f"Give it {error}, or leave it out ({setting.metadata['unset']})."
            ) from None
    return Configuration(**values)


def check_configuration(environment: Mapping[str, str] | None = None) -> Configuration:
    """Read the environment of a server that is about to start, and check the folders that it names.

    Parameters
    ----------
    environment
        As for `read_configuration`.

    Raises
    ------
    InputError
        If a value makes no sense, contradicts another, or names a missing folder; or if a variable is misspelt.
    """
    environment = os.environ if environment is None else environment
    found = read_configuration(environment)
    known = [setting.metadata["variable"] for setting in fields(Configuration)]
    for variable in sorted(set(environment).difference(known)):
        meant = get_close_matches(variable, known, 1, 0.87) if variable.startswith("CELLUCID") else []
        if meant:
            raise InputError(f"There is no setting {variable}.", f"Did you mean {meant[0]}?")
    for root in found.data_roots:
        if isinstance(root, str):  # an address is tried when its files are listed
            continue
        if not root.is_dir():
            raise InputError(
                f"CELLUCID_DATA_ROOTS names {root}, which is not a folder.", "Create it, or remove it from the list."
            )
        if found.home.resolve() == root or found.home.resolve().is_relative_to(root):
            raise InputError(
                f"CELLUCID_HOME ({found.home}) lies in {root} of CELLUCID_DATA_ROOTS, so users could open each "
                "other's uploads.",
                "Put it elsewhere.",
            )
    if found.signatures is not None and not found.signatures.is_dir():
        raise InputError(
            f"CELLUCID_SIGNATURES names {found.signatures}, which is not a folder.", "Create it, or remove the setting."
        )
    if found.cluster.startswith("tls:") and found.cluster_certs is None:
        raise InputError(
            "CELLUCID_CLUSTER uses TLS, but no certificates are named.",
            "Set CELLUCID_CLUSTER_CERTS to the folder with ca.pem, cert.pem and key.pem.",
        )
    if found.cluster_certs is not None and not found.cluster_certs.is_dir():
        raise InputError(
            f"CELLUCID_CLUSTER_CERTS names {found.cluster_certs}, which is not a folder.",
            "Create it, or remove the setting.",
        )
    if found.quota < found.upload_limit:
        raise InputError(
            f"CELLUCID_QUOTA ({format_size(found.quota)}) is less than CELLUCID_UPLOAD_LIMIT "
            f"({format_size(found.upload_limit)}).",
            "Raise the quota, or lower the limit.",
        )
    if found.allowed_users and found.sign_in == "off":
        raise InputError(
            "CELLUCID_ALLOWED_USERS says who may sign in, but CELLUCID_SIGN_IN is off.",
            "Set CELLUCID_SIGN_IN to required or optional, or remove the list.",
        )
    return found


def configuration_table() -> str:
    """Return the settings as a Markdown table, as `docs/hosting.md` shows them."""
    lines = ["| Variable | By default | What it means |", "| --- | --- | --- |"]
    for setting in fields(Configuration):
        about = setting.metadata
        lines.append(f"| `{about['variable']}` | {about['unset']} | {about['meaning']} |")
    return "\n".join(lines)
