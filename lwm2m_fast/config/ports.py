"""Several ports in one setting: a text such as `5689, 5690`, as a variable or a flag has it.

Knows no setting by name.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

MOST = 2
"""Further ports of a kind: an engine tells apart four of its own in all."""


def port_numbers(text: str) -> tuple[int, ...]:
    """The ports in a setting, in its order. ValueError: something else stands there."""
    return tuple(int(part) for part in text.split(",")) if text.strip() else ()


def _text(value: Any) -> Any:
    """One port may be a number, as a file has it."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _checked(value: str) -> str:
    found = port_numbers(value)
    if len(found) > MOST or not all(0 <= port <= 65535 for port in found):
        raise ValueError("not a list of ports")
    return value


MorePorts = Annotated[str, BeforeValidator(_text), AfterValidator(_checked)]
WORDS = f"up to {MOST} ports from 0 to 65535, with commas"
