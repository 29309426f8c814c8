"""The arguments of Execute, as text: `0='http://example.org',1` (LwM2M Core, section 6.3.5).

    arglist = arg *( "," arg )
    arg     = DIGIT / DIGIT "=" "'" *CHAR "'"
    CHAR    = "!" / %x23-26 / %x28-5B / %x5D-7E

So at most ten arguments, and no blank, quote, apostrophe or backslash in a value. Knows no device
and no resource: what an argument means is the object's business.
"""

from __future__ import annotations

import re
from typing import Final

from lwm2m_fast.errors import RequestError

MAX_BYTES: Final = 4096
"""The longest argument list, or free text, of one Execute."""

_ARGUMENT: Final = re.compile(r"([0-9])(?:='([!\x23-\x26\x28-\x5b\x5d-\x7e]*)')?", re.ASCII)
_SHOWN: Final = 24


def _fault(text: str, at: int, why: str) -> RequestError:
    shown = text[at : at + _SHOWN]
    return RequestError(
        f"arguments: {why} at character {at} ({shown!r}); an argument is a digit, or a digit and "
        "a value, such as 0='text', without blanks, quotes and backslashes; commas between them"
    )


def parse_arglist(text: str) -> list[tuple[int, str | None]]:
    """The arguments as (digit, value), value None where none is given; an empty text has none.

    RequestError names the character at fault; a digit may come once.
    """
    if len(text) > MAX_BYTES:
        raise RequestError(f"arguments: {len(text)} characters, the limit is {MAX_BYTES}")
    arguments: dict[int, str | None] = {}
    at = 0
    while at < len(text) or arguments:
        found = _ARGUMENT.match(text, at)
        if not found:
            raise _fault(text, at, "no argument")
        digit = int(found[1])
        if digit in arguments:
            raise _fault(text, at, f"argument {digit} for the second time")
        arguments[digit] = found[2]
        at = found.end()
        if at == len(text):
            break
        if text[at] != ",":
            raise _fault(text, at, "neither a comma nor the end")
        at += 1
    return list(arguments.items())
