"""Uploads in resumable pieces, streamed to disk: the tus protocol 1.0 (https://tus.io/protocols/resumable-upload).

Core, creation, checksum (sha256), expiration and termination are supported, so any tus client works, not only the
page's own. Bodies are written to disk piece by piece; memory does not grow with their size.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from email.utils import formatdate

from anyio import CancelScope, to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from cellucid_core.configuration import read_configuration
from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.serving.browser_cookie import browser_of
from cellucid_core.serving.incoming import (
    ChecksumMismatch,
    Growing,
    NoRoom,
    TooLarge,
    Upload,
    begin_upload,
    cancel_upload,
    find_upload,
    sole_writer,
)
from cellucid_core.serving.same_site import is_own_request

PREFIX = "cellucid/upload"
VERSION = "1.0.0"
_OFFSET_TYPE = "application/offset+octet-stream"
#: Bytes that are gathered before a thread hashes and writes them.
_GATHER = 2**20
#: Seconds without a byte after which a connection counts as dropped, so that another one can go on with its upload.
_PATIENCE = 30.0


async def begin(request: Request) -> Response:
    """POST: announce a file's name and size; the answer holds the address to send its bytes to."""
    browser = browser_of(request.cookies)
    if refused := _refuse(request):
        return refused
    if browser is None:
        return _sentence(403, "This browser did not accept the cookie that uploads need.", "Allow it, then reload.")
    try:
        size = int(request.headers.get("upload-length", ""))
        name = _metadata(request.headers.get("upload-metadata", "")).get("filename", "upload")
        token = await to_thread.run_sync(begin_upload, name, size, browser)
    except ValueError:
        return _sentence(400, "The announcement of the upload is malformed.", "Reload the page and try again.")
    except TooLarge as error:
        return _sentence(413, error.what, error.fix)
    except InputError as error:
        return _sentence(415, error.what, error.fix)
    return _answer(201, {"Location": f"{request.url.path.rstrip('/')}/{token}", "Upload-Offset": "0"})


async def state(request: Request) -> Response:
    """HEAD: how many bytes have arrived."""
    upload = await _find(request)
    if upload is None:
        return _answer(404)
    return _answer(200, {**_progress(upload), "Upload-Length": str(upload.size)})


async def grow(request: Request) -> Response:
    """PATCH: the next bytes, from the offset that both sides agree on."""
    if refused := _refuse(request):
        return refused
    if request.headers.get("content-type") != _OFFSET_TYPE:
        return _sentence(415, "The piece of the upload is of the wrong type.", "Reload the page and try again.")
    token = request.path_params["token"]
    upload = await _find(request)
    if upload is None:
        return _sentence(404, "This upload is not on the server any more.", "Upload the file again.")
    claim = sole_writer(token)
    try:
        await to_thread.run_sync(claim.__enter__)
    except WorkRefused as error:
        return _sentence(423, error.what, error.fix)
    try:
        upload = await _find(request)  # again, since another writer may have changed it before the claim
        if upload is None:
            return _sentence(404, "This upload is not on the server any more.", "Upload the file again.")
        if request.headers.get("upload-offset") != str(upload.offset):
            return _answer(409, _progress(upload))
        return _answer(204, _progress(await _receive(request, token, upload)))
    except TooLarge as error:
        return _sentence(507 if isinstance(error, NoRoom) else 413, error.what, error.fix)
    except InputError as error:
        return _sentence(410, error.what, error.fix)
    except ValueError as error:
        status = 460 if isinstance(error, ChecksumMismatch) else 400
        return _sentence(status, "A piece was damaged on its way.", "It is sent again.")
    except (ClientDisconnect, TimeoutError):
        return _answer(408)
    finally:
        with CancelScope(shield=True):  # also if the request was cancelled
            await to_thread.run_sync(claim.__exit__, None, None, None)


async def cancel(request: Request) -> Response:
    """DELETE: forget an upload and what has arrived of it."""
    if refused := _refuse(request):
        return refused
    upload = await _find(request)
    if upload is None:
        return _answer(404)
    if not upload.kept:
        await to_thread.run_sync(cancel_upload, request.path_params["token"])
    return _answer(204)


async def abilities(request: Request) -> Response:
    """OPTIONS: which parts of the protocol are supported."""
    return _answer(
        204,
        {
            "Tus-Version": VERSION,
            "Tus-Extension": "creation,checksum,expiration,termination",
            "Tus-Checksum-Algorithm": "sha256",
            "Tus-Max-Size": str(read_configuration().upload_limit),
        },
    )


async def _receive(request: Request, token: str, upload: Upload) -> Upload:
    """Write a request's body. If the connection drops, what has arrived is kept, unless there is a checksum."""
    digest = _checksum(request.headers.get("upload-checksum"))
    growing = await to_thread.run_sync(Growing, token, upload)
    with growing:
        held: list[bytes] = []
        size = 0
        body = request.stream().__aiter__()
        try:
            while True:
                piece = await asyncio.wait_for(anext(body, None), _PATIENCE)
                if piece is not None:
                    held.append(piece)
                    size += len(piece)
                if held and (piece is None or size >= _GATHER):
                    await to_thread.run_sync(growing.write, b"".join(held))
                    held, size = [], 0
                if piece is None:
                    break
        except (ClientDisconnect, TimeoutError):
            if digest is None:
                await to_thread.run_sync(growing.write, b"".join(held))
                await to_thread.run_sync(growing.commit)
            raise
        return await to_thread.run_sync(growing.commit, digest)


async def _find(request: Request) -> Upload | None:
    return await to_thread.run_sync(find_upload, request.path_params["token"], browser_of(request.cookies))


def _refuse(request: Request) -> Response | None:
    """Refuse what another site made a browser send, and other versions of the protocol.

    A page of another site cannot set the protocol's header without a CORS preflight, which is never granted here.
    """
    if not is_own_request(request.headers):
        return _sentence(403, "Uploads are only taken from this server's own pages.", "Open the dashboard itself.")
    if request.headers.get("tus-resumable") != VERSION:
        return _answer(412, {"Tus-Version": VERSION})
    return None


def _checksum(header: str | None) -> bytes | None:
    if header is None:
        return None
    algorithm, _, digest = header.partition(" ")
    if algorithm != "sha256":
        raise ValueError("unknown checksum")
    try:
        return base64.b64decode(digest, validate=True)
    except binascii.Error as error:
        raise ValueError("malformed checksum") from error


def _metadata(header: str) -> dict[str, str]:
    """Read ``Upload-Metadata``: comma-separated keys, each with its value in base64.

    Raises
    ------
    ValueError
        If it is malformed.
    """
    found = {}
    for pair in filter(None, (part.strip() for part in header.split(","))):
        key, _, value = pair.partition(" ")
        found[key] = base64.b64decode(value, validate=True).decode("utf-8", "replace")
    return found


def _progress(upload: Upload) -> dict[str, str]:
    expires = upload.changed + read_configuration().upload_lifetime
    return {"Upload-Offset": str(upload.offset), "Upload-Expires": formatdate(expires, usegmt=True)}


def _answer(status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(status_code=status, headers={"Tus-Resumable": VERSION, **(headers or {})})


def _sentence(status: int, what: str, fix: str) -> Response:
    return JSONResponse({"what": what, "fix": fix}, status, headers={"Tus-Resumable": VERSION})
