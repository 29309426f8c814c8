"""Leshan's words: data types with their JSON forms, formats and response codes.

Both ways, one row per type. The other form of a value is the house's own: what core/orders calls
JSON (an Order's value, a result's values), or a codec's Python value. Knows no path and no node.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from lwm2m_fast.codec import Kind
from lwm2m_fast.codec.link import decode_links
from lwm2m_fast.errors import FormatError, RequestError
from lwm2m_fast.wire.numbers import Code

FORMATS = {
    "TLV": 11542,
    "JSON": 11543,
    "SENML_JSON": 110,
    "SENML_CBOR": 112,
    "TEXT": 0,
    "OPAQUE": 42,
    "CBOR": 60,
    "LINK": 40,
}

STATUS = {
    code.text: code.name
    for code in (
        Code.CREATED,
        Code.DELETED,
        Code.CHANGED,
        Code.CONTENT,
        Code.BAD_REQUEST,
        Code.UNAUTHORIZED,
        Code.BAD_OPTION,
        Code.FORBIDDEN,
        Code.NOT_FOUND,
        Code.METHOD_NOT_ALLOWED,
        Code.NOT_ACCEPTABLE,
        Code.REQUEST_ENTITY_INCOMPLETE,
        Code.PRECONDITION_FAILED,
        Code.REQUEST_ENTITY_TOO_LARGE,
        Code.UNSUPPORTED_CONTENT_FORMAT,
        Code.INTERNAL_SERVER_ERROR,
    )
}
"""The response codes that Leshan has a name for; any other is UNKNOWN there."""

INT64 = (-(1 << 63), (1 << 63) - 1)
UINT64 = (0, (1 << 64) - 1)
NULL_LINK_ID = 65535

_WHOLE = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?", re.ASCII)
_LINK = re.compile(r"([0-9]{1,5}):([0-9]{1,5})", re.ASCII)
_MAX_NUMBER = 128
_JAVA_FLOATS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def format_number(name: str | None) -> int | None:
    """The content format of this name, in any case; no format for a name nobody knows."""
    return FORMATS.get(name.upper()) if name else None


def status_text(code: str) -> str:
    """`2.05` as Leshan writes it: CONTENT(205)."""
    return f"{STATUS.get(code, 'UNKNOWN')}({code.replace('.', '')})"


def code_words(code: str) -> str:
    """`4.04` in words, which stand where the device said nothing of its own: not found."""
    return STATUS.get(code, "").lower().replace("_", " ")


# From a request


def _wrong(given: Any, wanted: str) -> RequestError:
    return RequestError(f"{str(given)[:80]!r} is not {wanted}")


def _whole(low: int, high: int, given: Any) -> int:
    if isinstance(given, str) and _WHOLE.fullmatch(given):
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int) or not low <= given <= high:
        raise _wrong(given, f"a whole number from {low} to {high}")
    return given


def _integer(given: Any) -> int:
    return _whole(*INT64, given)


def _unsigned(given: Any) -> int:
    return _whole(*UINT64, given)


def _float(given: Any) -> float:
    if isinstance(given, str) and len(given) <= _MAX_NUMBER and _DECIMAL.fullmatch(given):
        given = float(given)
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise _wrong(given, "a number")
    try:
        value = float(given)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise _wrong(given, "a finite number")
    return value


def _boolean(given: Any) -> bool:
    if not isinstance(given, bool):
        raise _wrong(given, "true or false")
    return given


def _string(given: Any) -> str:
    if not isinstance(given, str):
        raise _wrong(given, "a text")
    return given


def _opaque(given: Any) -> dict[str, str]:
    try:
        return {"hex": bytes.fromhex(_string(given)).hex()}
    except ValueError:
        raise _wrong(given, "hexadecimal digits, two for each byte") from None


def _time(given: Any) -> int:
    """Milliseconds since 1970; a Time resource holds whole seconds (LwM2M Core, appendix C)."""
    if isinstance(given, str):
        raise _wrong(given, "a number of milliseconds since 1970")
    return _integer(given) // 1000


def _objlnk(given: Any) -> str:
    ids = [given.get(k) for k in ("objectId", "objectInstanceId")] if type(given) is dict else []
    if len(ids) != 2 or not all(type(one) is int and 0 <= one <= 65535 for one in ids):
        raise _wrong(given, 'a link {"objectId": 0..65535, "objectInstanceId": 0..65535}')
    return "{}:{}".format(*ids)


def _corelink(given: Any) -> str:
    text = _string(given)
    try:
        decode_links(text.encode())
    except (FormatError, UnicodeEncodeError):
        raise _wrong(given, "a list of links (RFC 6690)") from None
    return text


# For an answer


def _as_it_is(value: Any) -> Any:
    return value


def _digits(value: Any) -> str:
    # Text, because JavaScript's numbers end at 2^53.
    return str(value)


def _float_text(value: Any) -> str:
    text = repr(float(value))
    return _JAVA_FLOATS.get(text, text)


def _hex(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return str(value["hex"]).lower() if isinstance(value, dict) else str(value)


def _milliseconds(value: Any) -> int:
    if isinstance(value, str):  # RFC 3339
        value = datetime.fromisoformat(value).timestamp()
    low, high = INT64
    return max(low, min(high, int(value * 1000)))


def _link_ids(value: Any) -> dict[str, Any]:
    match = _LINK.fullmatch(str(value))
    ids = (int(match[1]), int(match[2])) if match else (NULL_LINK_ID, NULL_LINK_ID)
    return {
        "objectId": ids[0],
        "objectInstanceId": ids[1],
        "nullLink": ids == (NULL_LINK_ID, NULL_LINK_ID),
    }


class Form(NamedTuple):
    """One row: a type as this face and as the house write it."""

    name: str
    kind: Kind
    read: Callable[[Any], Any]
    """Leshan's JSON to an Order's value; RequestError."""
    show: Callable[[Any], Any]
    """A codec's value, or a result's JSON, to Leshan's JSON; never fails."""


_FORMS = (
    Form("STRING", Kind.STRING, _string, _as_it_is),
    Form("INTEGER", Kind.INTEGER, _integer, _digits),
    Form("UNSIGNED_INTEGER", Kind.UNSIGNED_INTEGER, _unsigned, _digits),
    Form("FLOAT", Kind.FLOAT, _float, _float_text),
    Form("BOOLEAN", Kind.BOOLEAN, _boolean, _as_it_is),
    Form("OPAQUE", Kind.OPAQUE, _opaque, _hex),
    Form("TIME", Kind.TIME, _time, _milliseconds),
    Form("OBJLNK", Kind.OBJLNK, _objlnk, _link_ids),
    Form("CORELINK", Kind.CORELNK, _corelink, _as_it_is),
)

BY_NAME = {form.name: form for form in _FORMS}
"""By Leshan's name of the type."""
BY_KIND = {form.kind.name: form for form in _FORMS}
"""By the name that the object model and the codecs have for it."""


def form_called(name: Any) -> Form:
    """The row of a type's name in any case. RequestError when there is no such type."""
    form = BY_NAME.get(name.upper()) if isinstance(name, str) else None
    if form is None:
        raise RequestError(f"type {str(name)[:80]!r} is none of {', '.join(BY_NAME)}")
    return form


def model_name(kind: str) -> str:
    """A type of the object model as Leshan calls it: CORELNK is CORELINK there."""
    form = BY_KIND.get(kind)
    return form.name if form else kind
