"""What core/ is asked to send to a device, and what came of it; values only."""

from __future__ import annotations

from mmap import mmap
from typing import NamedTuple


class CoapRequest(NamedTuple):
    """One request of ours as CoAP sees it (RFC 7252, section 5.1); sent confirmable.

    A payload larger than a block leaves by Block1 (RFC 7959), read from the buffer block by block:
    a mapped file never sits in memory. It must not change, nor its file become shorter, while the
    request lasts; until then it cannot be closed. The most is 2**20 blocks (section 2.2).
    A named tuple, because one is made per operation: a frozen dataclass takes thrice as long.
    """

    method: int
    """GET 1, POST 2, PUT 3, DELETE 4, FETCH 5, PATCH 6, iPATCH 7."""
    path: tuple[bytes, ...] = ()
    """Uri-Path segments, 0 to 255 bytes each; below the device's root path unless `is_absolute`.

    Path and query together fit a datagram (about 1,100 bytes).
    """
    query: tuple[bytes, ...] = ()
    """Uri-Query items, 0 to 255 bytes each."""
    content_format: int | None = None
    accept: int | None = None
    payload: bytes | mmap = b""
    observe: int | None = None
    """0 asks for notifications, 1 cancels (RFC 7641); only through Engine.observe()/unobserve()."""
    is_absolute: bool = False


class Answered(NamedTuple):
    """How one request of ours ended, told once (Output.answers)."""

    call: int
    """What Engine.start() returned."""
    outcome: str
    """answered · timeout (no acknowledgement) · no_response (acknowledged, then silence) · reset ·
    cancelled (the registration ended, moved, or our side gave up) · malformed · too_large ·
    store (what had to be kept first was refused)."""
    code: int
    """CoAP code byte of an answer, 69 for 2.05; 0 without one."""
    content_format: int | None
    payload: bytes
    etag: bytes | None
    location: str | None
    """Location-Path, "3303/5"; None when there is none."""
    observation: int
    """The observation that this answer began, 0 for none."""


AnsweredTuple = tuple[int, str, int, int | None, bytes, bytes | None, str | None, int]
"""An Answered as the compiled core makes it; Answered._make() gives it names."""


class Report(NamedTuple):
    """Values that a device sent by itself (Output.reports)."""

    slot: int
    """Of the device table; Engine.endpoint_of(slot) is its name, valid in this turn."""
    observation: int
    """Of a notification (LwM2M Core, section 6.4). Below zero: the device used Send (section
    6.4.6), and a later one of the same number brings the same values. 0: a Send nobody judged."""
    code: int
    """2.05 or 2.04, else the error that ended the observation; of a Send 0."""
    content_format: int
    """-1 when the device named none."""
    payload: bytes
    at: float
    """Unix time of its arrival in seconds."""
    sequence: int
    """The Observe number (24 bits), -1 without one."""


ReportTuple = tuple[int, int, int, int, bytes, float, int]
"""A Report as the compiled core makes it; Report._make() gives it names."""


class Contact(NamedTuple):
    """A device that somebody watches was heard (Output.contacts)."""

    endpoint: str
    kind: str
    """registered (a full Register) · updated · uplink (a notification, a Send, a response)."""
