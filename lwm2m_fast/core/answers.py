"""What came of an order: an answer's bytes as values, links, a location or an error.

Whatever a device sends is an answer or is told as an error; nothing here raises on it, except
decode_report(), whose caller has nobody else to tell. Knows which codes end which operation from
the table in core/operations.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from lwm2m_fast import codec
from lwm2m_fast.codec import Kind, Pack, Path
from lwm2m_fast.codec.link import decode_links
from lwm2m_fast.core.ask import Answered, Report
from lwm2m_fast.core.choice import place_of
from lwm2m_fast.core.contexts import ObservedContext, read_context
from lwm2m_fast.core.orders import Order
from lwm2m_fast.core.target import Target
from lwm2m_fast.core.typed_values import node_json
from lwm2m_fast.core.value_shapes import is_map
from lwm2m_fast.errors import FormatError
from lwm2m_fast.wire.numbers import Code, ContentFormat, code_text

MAX_TEXT: Final = 256
"""Characters of a device's diagnostic text that are kept."""

MAX_RAW_BYTES: Final = 65_536
"""Bytes of a raw answer that result_json() shows."""

_LINK: Final = int(ContentFormat.LINK)
_TEXTS: Final = (None, int(ContentFormat.TEXT))
_SUCCESS: Final = 2
_ROOT: Final = Path()
_Utf8: Final = codecs.getincrementaldecoder("utf-8")

OUTCOMES: Final[Mapping[str, str]] = {
    "timeout": "the device did not acknowledge the request",
    "no_response": "the device acknowledged the request and then did not answer",
    "reset": "the device rejected the request (reset)",
    "cancelled": "the request was cancelled: the device registered anew, moved or left",
    "malformed": "the device answered with an unusable message",
    "too_large": "the answer is larger than coap.max_body_bytes",
    "store": "the store refused what had to be kept before the request",
}
"""How a request can end without an answer, and what its caller is told."""


class Result(NamedTuple):
    """What came of one order."""

    ok: bool
    """The device did it, and what it said could be read."""
    code: str
    """"2.05"; empty when no answer came."""
    pack: Pack | None = None
    links: list[dict[str, Any]] | None = None
    """Of discover: url as it came, path below the root (null outside LwM2M), attributes."""
    location: str | None = None
    """Of create: "/3303/5"."""
    error: str | None = None
    """The device's diagnostic text, or why its answer cannot be used."""
    content_format: int | None = None
    payload: bytes | None = None
    """Of coap, and of an answer that could not be read: what came."""
    answered: Answered | None = None
    """What came, whatever came of it; never stored or shown as a whole."""


class Asked(NamedTuple):
    """The question that an answer belongs to."""

    order: Order
    target: Target
    answered: Answered
    now_ns: int


@lru_cache(maxsize=256)
def _code_text(code: int) -> str:
    return code_text(code)


def _decoded(target: Target, content_format: int, payload: bytes, path: Path, now_ns: int) -> Pack:
    """The values at or below `path`; FormatError when they cannot be read."""
    if content_format == _LINK and target.kind(path) is not Kind.CORELNK:
        raise FormatError("links are no values")
    return codec.decode(
        content_format, payload, path, target.types, now_ns=now_ns, root=target.root
    )


def _decoded_composite(
    target: Target, content_format: int, payload: bytes, paths: tuple[str, ...], now_ns: int
) -> Pack:
    if content_format == _LINK:
        raise FormatError("links are no values")
    pack = codec.decode(
        content_format, payload, _ROOT, target.types, now_ns=now_ns, root=target.root
    )
    outside = pack.outside(paths)
    if outside is not None:
        raise FormatError(f"{outside.path} was not asked for")
    return pack


def _unreadable(asked: Asked, why: str) -> Result:
    answered = asked.answered
    return Result(
        False,
        _code_text(answered.code),
        error=why,
        content_format=answered.content_format,
        payload=answered.payload,
    )


def values(asked: Asked) -> Result:
    """Of Read and Observe: values at or below the path."""
    order, target, answered, now_ns = asked
    if answered.content_format is None:
        return _unreadable(asked, "the answer names no content format")
    try:
        path = place_of(order.path or "").path
        pack = _decoded(target, answered.content_format, answered.payload, path, now_ns)
    except FormatError as error:
        return _unreadable(asked, f"the answer cannot be read: {error}")
    code, number = _code_text(answered.code), answered.content_format
    return Result(True, code, pack, content_format=number, answered=answered)


def composite_values(asked: Asked) -> Result:
    """Of Read-Composite and Observe-Composite: values at or below the paths."""
    order, target, answered, now_ns = asked
    if answered.content_format is None:
        return _unreadable(asked, "the answer names no content format")
    try:
        pack = _decoded_composite(
            target, answered.content_format, answered.payload, order.paths, now_ns
        )
    except FormatError as error:
        return _unreadable(asked, f"the answer cannot be read: {error}")
    return Result(True, _code_text(answered.code), pack, content_format=answered.content_format)


def if_any(read: Callable[[Asked], Result]) -> Callable[[Asked], Result]:
    """Of a cancel, whose answer need not have values: they are read where there are some."""

    def read_or_done(asked: Asked) -> Result:
        return read(asked) if asked.answered.payload else done(asked)

    return read_or_done


def links(asked: Asked) -> Result:
    """Of Discover."""
    answered = asked.answered
    if answered.content_format != _LINK:
        return _unreadable(
            asked, f"content format {answered.content_format} is not links ({_LINK})"
        )
    try:
        found = decode_links(answered.payload)
    except FormatError as error:
        return _unreadable(asked, f"the answer cannot be read: {error}")
    made = [
        {"url": url, "path": _below(asked.target.root, url), "attributes": attributes}
        for url, attributes in found
    ]
    return Result(True, _code_text(answered.code), links=made, content_format=_LINK)


def _below(root: str, url: str) -> str | None:
    """The LwM2M path that `url` is below the alternate root path, None when it is none."""
    prefix = root.rstrip("/") + "/"
    if not url.startswith(prefix):
        return None
    try:
        return str(Path.parse(url[len(prefix) - 1 :]))
    except FormatError:
        return None


def location(asked: Asked) -> Result:
    """Of Create: where the instance is; what the device left out is known if we gave the id."""
    order, target, answered, _ = asked
    created = place_of(order.path or "").path
    code = _code_text(answered.code)
    if answered.location is None:
        return Result(True, code, location=_given_location(created, order))
    text = "/" + answered.location.strip("/")
    # Some devices leave the alternate root out where they say where something is.
    found = _below(target.root, text) or _below("/", text)
    path = None if found is None else Path.parse(found)
    if path is None or path.depth != 2 or path.ids[0] != created.ids[0]:
        shown = answered.location[:MAX_TEXT]
        return Result(True, code, error=f"created, but location {shown!r} is no instance of it")
    return Result(True, code, location=found)


def _given_location(created: Path, order: Order) -> str | None:
    """The one instance that we gave an id; None when the device chose, or there are several."""
    if created.depth > 1:
        return str(created)
    values = order.values or {}
    if len(values) == 1 and all(is_map(each) for each in values.values()):
        return f"{created}/{int(next(iter(values)))}"
    return None


def done(asked: Asked) -> Result:
    """Of operations whose answer is its code."""
    return Result(True, _code_text(asked.answered.code))


def raw(asked: Asked) -> Result:
    """Of coap: what came, as it came."""
    answered = asked.answered
    return Result(
        answered.code >> 5 == _SUCCESS,
        _code_text(answered.code),
        error=None if answered.code >> 5 == _SUCCESS else diagnostic(answered),
        content_format=answered.content_format,
        payload=answered.payload,
    )


def diagnostic(answered: Answered) -> str | None:
    """The text in an error answer (RFC 7252, section 5.5.2), else the code's name in words."""
    if answered.payload and answered.content_format in _TEXTS:
        try:
            # Not finished: where the text is cut, half a character is no fault.
            text = _Utf8().decode(answered.payload[: MAX_TEXT * 4])[:MAX_TEXT]
        except UnicodeDecodeError:
            text = ""
        if text:
            return text
    name = Code._value2member_map_.get(answered.code)
    return name.name.lower().replace("_", " ") if isinstance(name, Code) else None


def refused(asked: Asked) -> Result:
    """Of an answer that is an error."""
    return Result(False, _code_text(asked.answered.code), error=diagnostic(asked.answered))


def unanswered(answered: Answered) -> Result:
    """Of a request that ended without an answer."""
    outcome = answered.outcome
    return Result(False, "", error=OUTCOMES.get(outcome, f"the request ended: {outcome}"))


def unexpected(asked: Asked, expected: tuple[int, ...]) -> Result:
    """Of an answer that succeeds at something else."""
    wanted = " or ".join(map(_code_text, expected))
    code = _code_text(asked.answered.code)
    return _unreadable(asked, f"{code} is no answer to {asked.order.op}, which ends in {wanted}")


def result_json(result: Result) -> dict[str, Any]:
    """The result as it is stored and shown; what there is none of is left out, except code."""
    found: dict[str, Any] = {"code": result.code}
    if result.pack is not None:
        found["values"] = [node_json(node) for node in result.pack]
    for name in ("links", "location", "error"):
        value = getattr(result, name)
        if value is not None:
            found[name] = value
    if result.payload is not None:
        found["content_format"] = result.content_format
        found["payload_hex"] = bytes(result.payload[:MAX_RAW_BYTES]).hex()
        found["payload_bytes"] = len(result.payload)
    return found


def decode_send(target: Target, content_format: int, payload: bytes, at: float) -> Pack:
    """The values of a Send that came at `at` (unix seconds); FormatError when it has none."""
    row = codec.FORMATS.get(content_format)
    if row is None or content_format == _LINK:
        raise FormatError(f"a Send of content format {content_format} carries no values")
    return row.decode(payload, _ROOT, target.types, now_ns=int(at * 1e9), root=target.root)


def decode_report(target: Target, context: ObservedContext | bytes | None, report: Report) -> Pack:
    """The values of a notification, or, without a context, of a Send.

    FormatError for one that carries none (an error that ended the observation), or values that
    cannot be read or were not asked for.
    """
    if report.code >> 5 not in (0, _SUCCESS):
        raise FormatError(f"the observation ended with {_code_text(report.code)}")
    if report.content_format < 0:
        raise FormatError("the notification names no content format")
    now_ns = int(report.at * 1e9)
    number, payload = report.content_format, report.payload
    if context is None:  # of any path: nothing in it was not asked for
        if number == _LINK:
            raise FormatError("links are no values")
        return codec.decode(number, payload, _ROOT, target.types, now_ns=now_ns, root=target.root)
    about = read_context(context) if isinstance(context, bytes) else context
    if about.is_composite:
        return _decoded_composite(target, number, payload, about.paths, now_ns)
    return _decoded(target, number, payload, place_of(about.paths[0]).path, now_ns)
