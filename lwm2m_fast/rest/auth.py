"""Who is asking, and whether their role is enough.

Bearer tokens (RFC 6750). Checked before a body is read. Failures are counted one by one but
logged at most once a minute, so that somebody who guesses cannot fill the disk.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request

from lwm2m_fast.fleet.tokens import Role, Tokens

REALM = "lwm2m-fast"
LOG_INTERVAL_S = 60.0

_log = logging.getLogger("lwm2m_fast.rest.auth")


class Guard:
    """Decides on each request. `clock` counts seconds, from anywhere."""

    def __init__(self, tokens: Tokens, counters: Counter[str], clock: Callable[[], float]) -> None:
        self._tokens = tokens
        self._counters = counters
        self._clock = clock
        self._next_log_at = float("-inf")
        self._unlogged = 0

    def check(self, request: Request, role: Role | None) -> None:
        """Return when the request may go on; None lets everybody. HTTPException 401 or 403."""
        if role is None:
            return  # routes.py: such a request is of the tenant that runs the server
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secret:
            raise self._refused(request, 401, "a bearer token is needed", "")
        token = self._tokens.find(secret.strip())
        if token is None:
            raise self._refused(request, 401, "the bearer token is not known", "invalid_token")
        if token.role < role:
            detail = (
                f"the token has the role {token.role.name.lower()}, {role.name.lower()} is needed"
            )
            raise self._refused(request, 403, detail, "insufficient_scope")
        request.state.tenant, request.state.role = token.tenant, token.role

    def _refused(self, request: Request, status: int, detail: str, error: str) -> HTTPException:
        self._counters[f"http_refused_{'token' if status == 401 else 'role'}"] += 1
        if error:  # a browser that has not logged in yet is not worth a line
            self._tell(request, detail)
        challenge = f'Bearer realm="{REALM}"' + (f', error="{error}"' if error else "")
        return HTTPException(status, detail, {"WWW-Authenticate": challenge})

    def _tell(self, request: Request, detail: str) -> None:
        self._unlogged += 1
        now = self._clock()
        if now < self._next_log_at:
            return
        facts = {
            "peer": request.client.host if request.client else None,
            "path": request.scope["path"][:200],
            "failures": self._unlogged,
        }
        _log.warning("refused HTTP access: %s", detail, extra=facts)
        self._next_log_at, self._unlogged = now + LOG_INTERVAL_S, 0
