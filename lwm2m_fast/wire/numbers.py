"""CoAP's and LwM2M's numbers by name, each with the section that defines it.

Knows names only: what a number makes anybody do is decided elsewhere. numbers.pxd holds the same
values for the compiled rooms; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final


class _Number(IntEnum):
    """A number with the `section` of the standard that defines it."""

    section: str

    def __new__(cls, value: int, section: str) -> _Number:
        member = int.__new__(cls, value)
        member._value_ = value
        member.section = section
        return member


class Type(_Number):
    """Message types."""

    CON = 0, "RFC 7252, section 4.2"
    NON = 1, "RFC 7252, section 4.3"
    ACK = 2, "RFC 7252, section 4.2"
    RST = 3, "RFC 7252, section 4.2"


class Code(_Number):
    """Methods and response codes, as the code byte: class << 5 | detail."""

    EMPTY = 0x00, "RFC 7252, section 4.1"
    GET = 0x01, "RFC 7252, section 5.8.1"
    POST = 0x02, "RFC 7252, section 5.8.2"
    PUT = 0x03, "RFC 7252, section 5.8.3"
    DELETE = 0x04, "RFC 7252, section 5.8.4"
    FETCH = 0x05, "RFC 8132, section 2"
    PATCH = 0x06, "RFC 8132, section 3"
    IPATCH = 0x07, "RFC 8132, section 3"
    CREATED = 0x41, "RFC 7252, section 5.9.1.1"
    DELETED = 0x42, "RFC 7252, section 5.9.1.2"
    VALID = 0x43, "RFC 7252, section 5.9.1.3"
    CHANGED = 0x44, "RFC 7252, section 5.9.1.4"
    CONTENT = 0x45, "RFC 7252, section 5.9.1.5"
    CONTINUE = 0x5F, "RFC 7959, section 2.9.1"
    BAD_REQUEST = 0x80, "RFC 7252, section 5.9.2.1"
    UNAUTHORIZED = 0x81, "RFC 7252, section 5.9.2.2"
    BAD_OPTION = 0x82, "RFC 7252, section 5.9.2.3"
    FORBIDDEN = 0x83, "RFC 7252, section 5.9.2.4"
    NOT_FOUND = 0x84, "RFC 7252, section 5.9.2.5"
    METHOD_NOT_ALLOWED = 0x85, "RFC 7252, section 5.9.2.6"
    NOT_ACCEPTABLE = 0x86, "RFC 7252, section 5.9.2.7"
    REQUEST_ENTITY_INCOMPLETE = 0x88, "RFC 7959, section 2.9.2"
    CONFLICT = 0x89, "RFC 8132, section 3.4"
    PRECONDITION_FAILED = 0x8C, "RFC 7252, section 5.9.2.8"
    REQUEST_ENTITY_TOO_LARGE = 0x8D, "RFC 7252, section 5.9.2.9"
    UNSUPPORTED_CONTENT_FORMAT = 0x8F, "RFC 7252, section 5.9.2.10"
    UNPROCESSABLE_ENTITY = 0x96, "RFC 8132, section 3.4"
    TOO_MANY_REQUESTS = 0x9D, "RFC 8516"
    INTERNAL_SERVER_ERROR = 0xA0, "RFC 7252, section 5.9.3.1"
    NOT_IMPLEMENTED = 0xA1, "RFC 7252, section 5.9.3.2"
    BAD_GATEWAY = 0xA2, "RFC 7252, section 5.9.3.3"
    SERVICE_UNAVAILABLE = 0xA3, "RFC 7252, section 5.9.3.4"
    GATEWAY_TIMEOUT = 0xA4, "RFC 7252, section 5.9.3.5"
    PROXYING_NOT_SUPPORTED = 0xA5, "RFC 7252, section 5.9.3.6"
    HOP_LIMIT_REACHED = 0xA8, "RFC 8768"

    @property
    def text(self) -> str:
        """As people write it: "2.05"."""
        return code_text(self)


class Option(_Number):
    """Option numbers. What a receiver or proxy that does not know one must do is in its bits."""

    IF_MATCH = 1, "RFC 7252, section 5.10.8.1"
    URI_HOST = 3, "RFC 7252, section 5.10.1"
    ETAG = 4, "RFC 7252, section 5.10.6"
    IF_NONE_MATCH = 5, "RFC 7252, section 5.10.8.2"
    OBSERVE = 6, "RFC 7641, section 2"
    URI_PORT = 7, "RFC 7252, section 5.10.1"
    LOCATION_PATH = 8, "RFC 7252, section 5.10.7"
    OSCORE = 9, "RFC 8613, section 2"
    URI_PATH = 11, "RFC 7252, section 5.10.1"
    CONTENT_FORMAT = 12, "RFC 7252, section 5.10.3"
    MAX_AGE = 14, "RFC 7252, section 5.10.5"
    URI_QUERY = 15, "RFC 7252, section 5.10.1"
    HOP_LIMIT = 16, "RFC 8768"
    ACCEPT = 17, "RFC 7252, section 5.10.4"
    Q_BLOCK1 = 19, "RFC 9177"
    LOCATION_QUERY = 20, "RFC 7252, section 5.10.7"
    EDHOC = 21, "RFC 9668"
    BLOCK2 = 23, "RFC 7959, section 2.1"
    BLOCK1 = 27, "RFC 7959, section 2.1"
    SIZE2 = 28, "RFC 7959, section 4"
    Q_BLOCK2 = 31, "RFC 9177"
    PROXY_URI = 35, "RFC 7252, section 5.10.2"
    PROXY_SCHEME = 39, "RFC 7252, section 5.10.2"
    SIZE1 = 60, "RFC 7252, section 5.10.9"
    ECHO = 252, "RFC 9175"
    NO_RESPONSE = 258, "RFC 7967, section 2"
    REQUEST_TAG = 292, "RFC 9175"

    @property
    def is_critical(self) -> bool:
        """Who does not know it must refuse the message (RFC 7252, section 5.4.1)."""
        return bool(self & 1)

    @property
    def is_unsafe(self) -> bool:
        """A proxy that does not know it must not forward it (RFC 7252, section 5.4.2)."""
        return bool(self & 2)

    @property
    def is_no_cache_key(self) -> bool:
        """Safe to forward and no part of the cache key (RFC 7252, section 5.4.2)."""
        return self & 0x1E == 0x1C


class ContentFormat(_Number):
    """Content formats with their media types. Devices older than the IANA registration say OLD_."""

    media_type: str

    def __new__(cls, value: int, media_type: str, section: str) -> ContentFormat:
        member = int.__new__(cls, value)
        member._value_ = value
        member.media_type = media_type
        member.section = section
        return member

    TEXT = 0, "text/plain;charset=utf-8", "RFC 7252, section 12.3"
    LINK = 40, "application/link-format", "RFC 7252, section 12.3"
    OPAQUE = 42, "application/octet-stream", "RFC 7252, section 12.3"
    JSON = 50, "application/json", "RFC 7252, section 12.3"
    CBOR = 60, "application/cbor", "RFC 8949"
    SENML_JSON = 110, "application/senml+json", "RFC 8428"
    SENML_CBOR = 112, "application/senml+cbor", "RFC 8428"
    SENML_XML = 310, "application/senml+xml", "RFC 8428"
    SENML_ETCH_JSON = 320, "application/senml-etch+json", "RFC 8790"
    SENML_ETCH_CBOR = 322, "application/senml-etch+cbor", "RFC 8790"
    OLD_TLV = 1542, "application/vnd.oma.lwm2m+tlv", "before the IANA registration"
    OLD_JSON = 1543, "application/vnd.oma.lwm2m+json", "before the IANA registration"
    TLV = 11542, "application/vnd.oma.lwm2m+tlv", "OMA TS LwM2M Core 1.1, section 7.4"
    LWM2M_JSON = 11543, "application/vnd.oma.lwm2m+json", "OMA TS LwM2M Core 1.0, section 6.4"
    LWM2M_CBOR = 11544, "application/vnd.oma.lwm2m+cbor", "OMA TS LwM2M Core 1.2, section 7.4"


def code_text(code: int) -> str:
    """A code byte as people write it: 69 is "2.05". ValueError: not 0 to 255."""
    if not 0 <= code <= 255:
        raise ValueError(f"code {code} is not one byte")
    return f"{code >> 5}.{code & 31:02d}"


RESPONSES: Final[Mapping[str, Code]] = {code.text: code for code in Code if code >= Code.CREATED}
"""Response codes by what people write: "2.05" is Code.CONTENT."""
