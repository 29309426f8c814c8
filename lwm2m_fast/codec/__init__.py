"""Payload bytes <-> nodes, one file per content format; the table of all of them.

A codec is told the types of resources and knows nothing of devices. Adding a format is one file
with `decode` and `encode` and one row here. Every failure is a PayloadError (a FormatError) that
names the format, the path and the offset.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from lwm2m_fast.codec import (
    cbor,
    link,
    lwm2m_cbor,
    oma_json,
    opaque,
    senml_cbor,
    senml_json,
    text,
    tlv,
)
from lwm2m_fast.codec.kinds import (
    MAX_PAYLOAD_BYTES,
    Kind,
    ObjectLink,
    PayloadError,
    TypeSource,
    Value,
)
from lwm2m_fast.codec.node import Node
from lwm2m_fast.codec.pack import Pack
from lwm2m_fast.codec.path import Path
from lwm2m_fast.codec.types import Types
from lwm2m_fast.errors import FormatError


class Decode(Protocol):
    """Payload bytes to a Pack."""

    def __call__(
        self,
        payload: bytes,
        base: Path | str,
        types: Types | TypeSource | None = None,
        *,
        now_ns: int | None = None,
        root: str = "/",
    ) -> Pack:
        """Values at or below `base`, the path that was asked for.

        `types` says what a resource is (types.Types); without it the wire's own type is kept, or
        the bytes. `now_ns` is the present moment, which relative times need. `root` is the
        device's alternate root path, where names are absolute.
        """


class Encode(Protocol):
    """Nodes, or a Pack of any format, to payload bytes."""

    def __call__(
        self, nodes: Iterable[Node] | Pack, base: Path | str = "/", *, root: str = "/"
    ) -> bytes:
        """The payload for a request to `base`, which contains every node."""


class Format(NamedTuple):
    """One row of the table."""

    name: str
    decode: Decode
    encode: Encode


FORMATS: dict[int, Format] = {
    0: Format("text/plain", text.decode, text.encode),
    40: Format("link format", link.decode, link.encode),
    42: Format("octet-stream", opaque.decode, opaque.encode),
    60: Format("CBOR", cbor.decode, cbor.encode),
    110: Format("SenML JSON", senml_json.decode, senml_json.encode),
    112: Format("SenML CBOR", senml_cbor.decode, senml_cbor.encode),
    320: Format("SenML-ETCH JSON", senml_json.decode_etch, senml_json.encode_etch),
    322: Format("SenML-ETCH CBOR", senml_cbor.decode_etch, senml_cbor.encode_etch),
    1542: Format("TLV", tlv.decode, tlv.encode),
    1543: Format("OMA JSON", oma_json.decode, oma_json.encode),
    11542: Format("TLV", tlv.decode, tlv.encode),
    11543: Format("OMA JSON", oma_json.decode, oma_json.encode),
    11544: Format("LwM2M CBOR", lwm2m_cbor.decode, lwm2m_cbor.encode),
}


def _unknown(content_format: int) -> FormatError:
    known = ", ".join(map(str, FORMATS))
    return FormatError(f"content format {content_format} is not known; known are {known}")


def _too_long(chosen: Format, base: Path | str, size: int) -> PayloadError:
    why = f"{size} bytes: the limit is {MAX_PAYLOAD_BYTES}"
    return PayloadError(chosen.name, str(base), MAX_PAYLOAD_BYTES, why)


def decode(
    content_format: int,
    payload: bytes,
    base: Path | str = "/",
    types: Types | TypeSource | None = None,
    *,
    now_ns: int | None = None,
    root: str = "/",
) -> Pack:
    """Decode `payload` by the number of its content format; see Decode."""
    chosen = FORMATS.get(content_format)
    if chosen is None:
        raise _unknown(content_format)
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise _too_long(chosen, base, len(payload))
    return chosen.decode(payload, base, types, now_ns=now_ns, root=root)


def encode(
    content_format: int,
    nodes: Iterable[Node] | Pack,
    base: Path | str = "/",
    *,
    root: str = "/",
) -> bytes:
    """Encode nodes by the number of a content format; see Encode."""
    chosen = FORMATS.get(content_format)
    if chosen is None:
        raise _unknown(content_format)
    payload = chosen.encode(nodes, base, root=root)
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise _too_long(chosen, base, len(payload))
    return payload


__all__ = [
    "FORMATS",
    "Decode",
    "Encode",
    "Format",
    "MAX_PAYLOAD_BYTES",
    "Kind",
    "Node",
    "ObjectLink",
    "Pack",
    "Path",
    "PayloadError",
    "Types",
    "Value",
    "decode",
    "encode",
]
