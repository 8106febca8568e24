"""One browser tab without a browser: speaks Streamlit's websocket protocol, so that many fit on a small machine.

A tab loads the page (which gives it its cookies), connects, and from then on sends the state of its widgets and
receives the page as changes to a tree of elements, as the browser's half of Streamlit does. What a browser draws, this
one only keeps. Differences that do not matter to the server: only widgets that were touched are sent (the server knows
the others' values), and scripts, fonts and styles are not fetched.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pyarrow
from streamlit.components.v2.bidi_component.main import _make_trigger_id
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import connect

from tests.patience import PATIENCE

#: Runs for which a browser keeps large messages (``global.maxCachedMessageAge``).
_CACHED_RUNS = 2
_TUS = {"Tus-Resumable": "1.0.0"}
_TRIGGERS = ("button", "download_button")


class PageError(AssertionError):
    """A page showed an exception, an error, or not what was looked for."""


@dataclass
class Node:
    """An element or a block of the page, and the run that drew it."""

    kind: str
    proto: Any
    run: int


@dataclass
class Session:
    """A tab of a browser of its own, open on the start page.

    Attributes
    ----------
    address
        Of the server, such as ``http://127.0.0.1:8501``.
    cookies
        Those that the browser has already.
    """

    address: str
    cookies: httpx2.Cookies | None = None
    http: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx2.Client(base_url=self.address, timeout=PATIENCE, cookies=self.cookies)
        self.http.get("/", headers={"Accept": "text/html", "Sec-Fetch-Dest": "document"}).raise_for_status()
        # Where a browser asks what it may embed; the answer brings the cookie against cross-site requests.
        self.http.get("/_stcore/host-config").raise_for_status()
        self._nodes: dict[tuple[int, ...], Node] = {}
        self._states: dict[str, WidgetState] = {}
        self._pages: dict[str, str] = {}
        self._page = ""
        self._cached: dict[str, tuple[int, ForwardMsg]] = {}
        self._session = ""
        self._run = 0
        self._connect()
        self._rerun()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Close the tab and the browser."""
        # A server that was killed does not answer the good-bye.
        with suppress(Exception):
            self._open.close()
        self.http.close()

    def _connect(self) -> None:
        xsrf = self.http.cookies.get("_streamlit_xsrf") or "PLACEHOLDER_AUTH_TOKEN"
        place = urlsplit(self.address)
        self._open = ExitStack()
        connecting = connect(
            f"ws://{place.netloc}/_stcore/stream",
            origin=self.address,  # type: ignore[arg-type]
            subprotocols=["streamlit", xsrf],  # type: ignore[list-item]
            additional_headers={"Cookie": "; ".join(f"{name}={value}" for name, value in self.http.cookies.items())},
            compression=None,
            max_size=None,
            open_timeout=PATIENCE,
            ping_interval=None,
        )
        self._socket = self._open.enter_context(connecting)

    # What a user does.

    def go(self, page: str) -> float:
        """Click a page in the navigation; return the seconds until it stands."""
        if page not in self._pages:
            raise PageError(f"no page {page!r} among {list(self._pages)}")
        self._page = self._pages[page]
        return self._rerun()

    def click(self, label: str) -> float:
        """Click a button; return the seconds until the page stands."""
        return self._rerun(self.press(label))

    def press(self, label: str) -> WidgetState:
        """Return the state of a button at the moment it is clicked."""
        button = self.find(label, *_TRIGGERS)
        if button.disabled:
            raise PageError(f"{label!r} cannot be clicked")
        return WidgetState(id=button.id, trigger_value=True)

    def write(self, label: str, text: str) -> float:
        """Write into a text field; return the seconds until the page stands."""
        field_ = self.find(label, "text_area", "text_input")
        self._states[field_.id] = WidgetState(id=field_.id, string_value=text)
        return self._rerun()

    def number(self, label: str, value: float) -> float:
        """Set a number; return the seconds until the page stands."""
        field_ = self.find(label, "number_input")
        whole = field_.data_type == 0
        state = {"int_value": int(value)} if whole else {"double_value": float(value)}
        self._states[field_.id] = WidgetState(id=field_.id, **state)
        return self._rerun()

    def tell(self, component: str, event: str, value: Any) -> float:
        """Let a custom component report an event; return the seconds until the page stands."""
        found = [one for one in self.elements("bidi_component") if one.component_name.endswith(component)]
        if len(found) != 1:
            raise PageError(f"{len(found)} components called {component!r}")
        told = json.dumps([{"event": event, "value": value}])
        return self._rerun(WidgetState(id=_make_trigger_id(found[0].id, "events"), json_trigger_value=told))

    # What a user sees.

    def elements(self, *kinds: str) -> list[Any]:
        """Return the page's elements of these kinds, all without kinds, from top to bottom."""
        ordered = sorted(self._nodes.items())
        return [node.proto for _, node in ordered if node.kind != "block" and (not kinds or node.kind in kinds)]

    def find(self, label: str, *kinds: str) -> Any:
        """Return the one element of a label; a trailing … stands for anything."""
        begins = label.removesuffix("…")
        found = [
            element
            for element in self.elements(*kinds)
            if element.label == label or (begins != label and element.label.startswith(begins))
        ]
        if len(found) != 1:
            shown = [element.label for element in self.elements(*kinds)]
            raise PageError(f"{len(found)} elements called {label!r} among {shown}; the page says: {self.text()[:500]}")
        return found[0]

    def text(self) -> str:
        """Return all that is written on the page, Markdown's escapes taken away."""
        elements = self.elements("heading", "markdown", "alert", "text", "code", "exception")
        named = ([getattr(element, name, "") for name in ("body", "code_text", "message")] for element in elements)
        return re.sub(r"\\(.)", r"\1", "\n".join("".join(texts) for texts in named))

    def problems(self) -> list[str]:
        """Return every exception and every red box of the page."""
        red = [f"{element.type}: {element.message}" for element in self.elements("exception")]
        return red + [element.body for element in self.elements("alert") if element.format == 1]

    def tables(self) -> list[Any]:
        """Return the page's tables as data frames."""
        frames = []
        for element in self.elements("dataframe"):
            lazy = element.HasField("lazy_data")
            data = element.lazy_data.initial_chunk.data if lazy else element.arrow_data.data
            frames.append(pyarrow.ipc.open_stream(io.BytesIO(data)).read_pandas())
        return frames

    def link(self, label: str) -> str:
        """Return the address behind a link."""
        return str(self.find(label, "link_button").url)

    def fetch(self, address: str) -> httpx2.Response:
        """Follow a link with this browser's cookies."""
        return self.http.get(address)

    # The protocol.

    def _rerun(self, clicked: WidgetState | None = None) -> float:
        """Run the page with the widgets as they are; return the seconds until it stands."""
        began = time.perf_counter()
        self._send(clicked)
        self.settle()
        return time.perf_counter() - began

    def _send(self, clicked: WidgetState | None) -> None:
        states = [*self._states.values(), *([clicked] if clicked is not None else [])]
        state = ClientState(page_script_hash=self._page, cached_message_hashes=list(self._cached))
        state.widget_states.widgets.extend(states)
        state.context_info.timezone = "Etc/UTC"
        state.context_info.url = self.address + "/"
        state.context_info.color_scheme = "light"
        self._socket.send(BackMsg(rerun_script=state).SerializeToString())

    def settle(self) -> None:
        """Take in what the server sends until its script has ended and nothing red is on the page."""
        for message in self._messages():
            if message.WhichOneof("type") == "script_finished" and message.script_finished in (
                ForwardMsg.FINISHED_SUCCESSFULLY,
                ForwardMsg.FINISHED_WITH_COMPILE_ERROR,
            ):
                break
        # What this run did not draw is not on the page any more.
        self._nodes = {path: node for path, node in self._nodes.items() if node.run == self._run}
        self._cached = {name: kept for name, kept in self._cached.items() if self._run - kept[0] < _CACHED_RUNS}
        if problems := self.problems():
            raise PageError(f"the page says: {problems}")

    def _messages(self) -> Iterator[ForwardMsg]:
        while True:
            message = ForwardMsg()
            message.ParseFromString(self._socket.recv(PATIENCE))  # type: ignore[arg-type]
            kind = message.WhichOneof("type")
            if kind == "ref_hash":
                known = ForwardMsg()
                known.CopyFrom(self._cached[message.ref_hash][1])
                known.metadata.CopyFrom(message.metadata)
                self._cached[message.ref_hash] = (self._run, known)
                message, kind = known, known.WhichOneof("type")
            elif message.metadata.cacheable:
                self._cached[message.hash] = (self._run, message)
            if kind == "new_session":
                self._run += 1
                self._page = message.new_session.page_script_hash
                self._session = message.new_session.initialize.session_id or self._session
            elif kind == "navigation":
                self._pages = {page.page_name: page.page_script_hash for page in message.navigation.app_pages}
                self._page = message.navigation.page_script_hash or self._page
            elif kind == "delta":
                self._take(tuple(message.metadata.delta_path), message.delta)
            yield message

    def _take(self, path: tuple[int, ...], delta: Any) -> None:
        kind = delta.WhichOneof("type")
        if kind == "add_block":
            self._nodes[path] = Node("block", delta.add_block, self._run)
        elif kind == "new_element":
            for below in [other for other in self._nodes if other[: len(path)] == path]:
                del self._nodes[below]
            name = delta.new_element.WhichOneof("type")
            proto = getattr(delta.new_element, name)
            self._nodes[path] = Node(name, proto, self._run)
            if getattr(proto, "set_value", False):
                self._states.pop(proto.id, None)  # the server gave it another value, and knows it


@dataclass
class Upload:
    """A file on its way in pieces, as the page's upload box sends it; goes on where an earlier attempt stopped.

    Attributes
    ----------
    data, name
        The file.
    piece
        Bytes per request.
    location
        Its address on the server, once that gave it one.
    """

    data: bytes
    name: str
    piece: int = 2**18
    location: str | None = None

    def send(self, http: httpx2.Client) -> str:
        """Send what has not arrived yet; return the token by which the page takes it."""
        offset = self._find(http)
        while offset < len(self.data):
            part = self.data[offset : offset + self.piece]
            digest = base64.b64encode(hashlib.sha256(part).digest()).decode()
            answer = http.patch(
                self.location or "",
                content=part,
                headers=_TUS
                | {
                    "Content-Type": "application/offset+octet-stream",
                    "Upload-Offset": str(offset),
                    "Upload-Checksum": f"sha256 {digest}",
                },
            )
            if answer.status_code != 204:
                raise PageError(f"a piece of {self.name} is answered with {answer.status_code}: {answer.text[:300]}")
            offset = int(answer.headers["Upload-Offset"])
        return (self.location or "").rpartition("/")[2]

    def _find(self, http: httpx2.Client) -> int:
        """Return how much has arrived, announcing the file where nothing has."""
        if self.location is not None:
            answer = http.head(self.location, headers=_TUS)
            if answer.status_code == 200:
                return int(answer.headers["Upload-Offset"])
            if answer.status_code != 404:
                raise PageError(f"the upload of {self.name} is answered with {answer.status_code}")
        name = base64.b64encode(self.name.encode()).decode()
        described = {"Upload-Length": str(len(self.data)), "Upload-Metadata": f"filename {name}"}
        answer = http.post("/cellucid/upload", headers=_TUS | described)
        if answer.status_code != 201:
            raise PageError(f"the upload of {self.name} is refused: {answer.status_code} {answer.text[:300]}")
        self.location = answer.headers["Location"]
        return 0


def frame_named(session: Session, *columns: str) -> Any:
    """Return the one table of a page that has these columns."""
    found = [frame for frame in session.tables() if set(columns) <= set(map(str, frame.columns))]
    if len(found) != 1:
        raise PageError(f"{len(found)} tables with {columns}")
    return found[0]
