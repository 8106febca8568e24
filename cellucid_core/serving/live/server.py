"""The server of one dataset that the command ``serve`` runs."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from cellucid_core.serving.live.answers import LiveDataset, answer


def live_app(dataset: LiveDataset, token: str, origins: Sequence[str]) -> Starlette:
    """Return an application that answers below ``/live/<token>/``, and nowhere else.

    Parameters
    ----------
    dataset
        The dataset.
    token
        A text in the address that nobody can guess.
    origins
        Origins of web pages that may read it, besides this server's own.
    """

    async def live(request: Request) -> Response:
        return await answer(request, dataset, request.path_params["route"], origins)

    async def nothing(request: Request) -> Response:
        return PlainTextResponse("There is nothing at this address.", 404)

    return Starlette(
        routes=[
            Route(f"/live/{token}/{{route:path}}", live, methods=["GET", "HEAD", "OPTIONS"]),
            Route("/{other:path}", nothing),
        ]
    )
