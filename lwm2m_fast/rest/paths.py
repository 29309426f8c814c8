"""LwM2M paths in URLs, and CoAP codes as text."""

from __future__ import annotations

import re

from lwm2m_fast.errors import RequestError

MAX_ID = 65534  # 65535 is reserved (LwM2M, section 7.1)

_PATH = re.compile(r"[0-9]{1,5}(/[0-9]{1,5}){0,3}", re.ASCII)


def lwm2m_path(text: str) -> str:
    """`3/0/13` as `/3/0/13`. RequestError when it is no path."""
    ids = [int(part) for part in text.split("/")] if _PATH.fullmatch(text) else []
    if not ids or max(ids) > MAX_ID:
        raise RequestError(
            f"the path {text[:80]!r} is not object[/instance[/resource[/resource instance]]], "
            f"each a number from 0 to {MAX_ID}"
        )
    return "".join(f"/{one}" for one in ids)


def code_text(code: int) -> str:
    """A CoAP code byte as `class.detail` (RFC 7252, section 3)."""
    return f"{code >> 5}.{code & 31:02}"
