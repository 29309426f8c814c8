"""Fresh secrets for access tokens, and the tokens that a store has. Knows no HTTP."""

from __future__ import annotations

import secrets

from lwm2m_fast.fleet.tokens import KEY_BYTES, Fleet, Tokens


def new_secret() -> str:
    """A fresh token: 256 bits, with a prefix that secret scanners can look for."""
    return "lf_" + secrets.token_urlsafe(32)


def open_tokens(fleet: Fleet) -> Tokens:
    """The tokens kept in the fleet store."""
    return Tokens(fleet, secrets.token_bytes(KEY_BYTES))
