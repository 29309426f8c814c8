"""The HTTP interface of a running server, as commands use it."""

from __future__ import annotations

from types import TracebackType
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import typer

from lwm2m_fast.errors import Error, RequestError

DEFAULT_URL = "http://127.0.0.1:8080"
TIMEOUT_S = 30.0

Url = Annotated[
    str, typer.Option("--url", envvar="LWM2M_FAST_URL", help="HTTP address of the server.")
]
Token = Annotated[
    str | None,
    typer.Option("--token", envvar="LWM2M_FAST_TOKEN", help="Bearer token; the variable hides it."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

HINTS = {
    401: "; give a token with --token or LWM2M_FAST_TOKEN",
    403: "",
}


class ServerUnreachable(Error):
    """No server answers at the address."""


class ServerRefused(RequestError):
    """The server answered with a problem."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Client:
    """One server. Every failure is an Error with one readable line."""

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url.rstrip("/")
        headers = {"Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            # trust_env off: a proxy variable must not take a loopback address elsewhere.
            self._http = httpx.Client(
                base_url=self._url, headers=headers, timeout=TIMEOUT_S, trust_env=False
            )
        except (httpx.InvalidURL, UnicodeError, ValueError) as error:
            raise RequestError(f"the address or the token cannot be used: {error}") from None

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._http.close()

    def get(self, path: str, /, **params: Any) -> Any:
        return self.ask("GET", path, params=params).json()

    def find(self, path: str, /, **params: Any) -> Any | None:
        """As get(); None where there is nothing (404)."""
        try:
            return self.get(path, **params)
        except ServerRefused as error:
            if error.status != 404:
                raise
            return None

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The answer, if it is a success; ServerUnreachable or ServerRefused otherwise."""
        try:
            answer = self._http.request(method, path, **more)
        except httpx.TimeoutException:
            raise ServerUnreachable(f"{self._url} did not answer in time") from None
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise ServerUnreachable(
                f"no server answers at {self._url} ({error}); give its address with --url"
            ) from None
        if not answer.is_success:
            raise ServerRefused(answer.status_code, _reason(answer))
        return answer


def _reason(answer: httpx.Response) -> str:
    status = answer.status_code
    try:
        body = answer.json()
        said = body.get("detail") or body["title"]
    except (ValueError, KeyError, AttributeError):
        said = answer.reason_phrase or "no reason given"
    return f"{said} (HTTP {status}){HINTS.get(status, '')}"


def segment(name: str) -> str:
    """`name` as one path segment; a slash in it becomes `%2F`."""
    return quote(name, safe=":")
