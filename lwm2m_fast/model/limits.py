"""The range or enumeration of a resource, from its text to numbers.

The text of a definition is written for people; only what states clear numbers is understood, in
the meaning its type gives them. Everything else stays text and refuses nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_NUMBER = r"[+-]?[0-9]{1,20}(?:\.[0-9]{1,20})?"
_SPAN = re.compile(rf"({_NUMBER})\s*(?:\.{{2,3}}|-|to)\s*({_NUMBER})", re.ASCII | re.IGNORECASE)
_ONE = re.compile(_NUMBER, re.ASCII)
_SIZES = re.compile(r"(.*[0-9])\s*bytes?", re.ASCII | re.IGNORECASE)
_SIZE_LIST = re.compile(r"[0-9]{1,9}(?:-[0-9]{1,9}){2,}", re.ASCII)
_LABELLED = re.compile(r"(?:[0-9]{1,9}\s*:\s*[A-Za-z][\w-]*(?:\s+|$))+", re.ASCII)
_LABEL_NUMBER = re.compile(r"([0-9]+)\s*:", re.ASCII)
_SEPARATOR = re.compile(r"\s*[,;]\s*|\s+or\s+", re.ASCII | re.IGNORECASE)

_MAX_TEXT_CHARS = 256

Span = tuple[int | float, int | float]


@dataclass(frozen=True, slots=True)
class Limits:
    """Allowed spans, both ends included: of the value itself, or of its size in bytes."""

    spans: tuple[Span, ...]
    in_bytes: bool = False

    def allows(self, value: object) -> bool:
        """Whether `value` is inside. A value of another kind than the limits speak of is not."""
        measure = _size_of(value) if self.in_bytes else _number_of(value)
        return measure is not None and any(low <= measure <= high for low, high in self.spans)


def _size_of(value: object) -> int | None:
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    return len(value) if isinstance(value, bytes | bytearray | memoryview) else None


def _number_of(value: object) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value


_MEASURES = {
    "INTEGER": False,
    "UNSIGNED_INTEGER": False,
    "FLOAT": False,
    "TIME": False,
    "STRING": True,
    "OPAQUE": True,
}
"""Type to "measured in bytes"; a range on any other type has no meaning."""


@lru_cache(maxsize=1024)
def parse_limits(text: str, type: str) -> Limits | None:
    """The spans that `text` states for a resource of `type`, or None.

    Understood: `0..100`, `0-100`, `0,1,2`, `0..3, 99`, `0: off 1: on` for numbers; `1-8 bytes`,
    `0 or 26 bytes`, `16-32-48 bytes` for strings and opaque values. A bare number for a string
    is not: the definitions do not say whether it counts bytes, characters or is the only size.
    """
    in_bytes = _MEASURES.get(type)
    if in_bytes is None or len(text) > _MAX_TEXT_CHARS:
        return None
    spans = _sizes(text.strip()) if in_bytes else _values(text.strip())
    return Limits(spans, in_bytes) if spans else None


def _sizes(text: str) -> tuple[Span, ...] | None:
    match = _SIZES.fullmatch(text)
    if not match:
        return None
    if _SIZE_LIST.fullmatch(match[1]):
        return tuple((int(size), int(size)) for size in match[1].split("-"))
    spans = _list(match[1])
    exact = spans is not None and all(isinstance(end, int) for span in spans for end in span)
    return spans if exact and spans and min(low for low, _ in spans) >= 0 else None


def _values(text: str) -> tuple[Span, ...] | None:
    if _LABELLED.fullmatch(text):
        numbers = [int(each) for each in _LABEL_NUMBER.findall(text)]
        return tuple((number, number) for number in numbers)
    if _ONE.fullmatch(text):
        return None  # "255" or "16" alone is a maximum, a width or a constant: it does not say
    return _list(text)


def _list(text: str) -> tuple[Span, ...] | None:
    spans = [_span(part) for part in _SEPARATOR.split(text)]
    return None if None in spans else tuple(span for span in spans if span)


def _span(text: str) -> Span | None:
    if _ONE.fullmatch(text):
        return _number(text), _number(text)
    match = _SPAN.fullmatch(text)
    if not match:
        return None
    low, high = _number(match[1]), _number(match[2])
    return (low, high) if low <= high else None


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)
