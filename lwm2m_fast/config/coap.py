"""Settings of the CoAP endpoint: ports, buffers, times and bounds of RFC 7252 and RFC 7959."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from lwm2m_fast.config.ports import WORDS, MorePorts
from lwm2m_fast.config.section import Section, field, words

BLOCK_SIZES = (16, 32, 64, 128, 256, 512, 1024)


def _block_size(value: int) -> int:
    if value not in BLOCK_SIZES:
        raise ValueError("not a block size")
    return value


class CoapConfig(Section):
    """The CoAP endpoint that devices talk to (RFC 7252, RFC 7959)."""

    host: str = field("0.0.0.0", "Address to listen on; `::` listens on IPv6.", min_length=1)  # noqa: S104 - devices come from outside
    port: int = field(
        5783,
        "Plain CoAP port of the LwM2M server; 5683 is left to the bootstrap server. 0 takes any "
        "free port and prints it.",
        ge=0,
        le=65535,
    )
    more_ports: MorePorts = field(
        "",
        "Further plain ports, for devices that were set up for those. A registration belongs to "
        "the port that it came by; the order tells them apart.",
        json_schema_extra=words(WORDS),
    )
    receive_buffer_bytes: int = field(
        4 << 20,
        "SO_RCVBUF asked for: some 5,000 datagrams wait in it while a turn commits. The kernel "
        "may grant less (net.core.rmem_max); what it grants is logged at start-up.",
        ge=4096,
        le=1 << 30,
    )
    send_buffer_bytes: int = field(
        4 << 20, "SO_SNDBUF asked for, for bursts of answers.", ge=4096, le=1 << 30
    )
    batches_per_wakeup: int = field(
        8,
        "Receive batches of 64 datagrams worked off before the loop turns to HTTP and timers: "
        "keeps a turn within a few milliseconds.",
        ge=1,
        le=64,
    )
    ack_timeout_s: float = field(2.0, "ACK_TIMEOUT (RFC 7252, section 4.8).", ge=0.1, le=120.0)
    ack_random_factor: float = field(
        1.5, "ACK_RANDOM_FACTOR (RFC 7252, section 4.8).", ge=1.0, le=3.0
    )
    max_retransmit: int = field(4, "MAX_RETRANSMIT (RFC 7252, section 4.8).", ge=0, le=20)
    nstart: int = field(
        1, "NSTART (RFC 7252, section 4.7): requests in flight per device.", ge=1, le=16
    )
    exchange_lifetime_s: float = field(
        247.0,
        "EXCHANGE_LIFETIME (RFC 7252, section 4.8.2): how long a confirmable message id of a "
        "device is remembered.",
        ge=1.0,
        le=86400.0,
    )
    non_lifetime_s: float = field(
        145.0,
        "NON_LIFETIME (RFC 7252, section 4.8.2): the same for non-confirmable messages.",
        ge=1.0,
        le=86400.0,
    )
    response_timeout_s: float = field(
        120.0,
        "How long a device that acknowledged a request may take for its separate response.",
        ge=1.0,
        le=86400.0,
    )
    max_exchanges: int = field(
        65536, "Requests under way to devices, all devices together.", ge=1, le=16777216
    )
    max_waiting_per_device: int = field(
        16, "Requests that may wait for one device; more are refused with 429.", ge=1, le=4096
    )
    block_size: Annotated[int, AfterValidator(_block_size)] = field(
        1024,
        "Largest block the server offers (RFC 7959): 1,024 fits an Ethernet MTU.",
        json_schema_extra=words("one of " + ", ".join(map(str, BLOCK_SIZES))),
    )
    max_body_bytes: int = field(
        65536,
        "Largest body assembled from blocks; a longer one is refused with 4.13.",
        ge=1024,
        le=16 << 20,
    )
    max_block_transfers: int = field(
        1024,
        "Block-wise transfers kept at once; bounds their memory to max_body_bytes times this.",
        ge=1,
        le=1 << 20,
    )
    block_timeout_s: float = field(
        247.0,
        "An unfinished block-wise transfer is forgotten after this silence (EXCHANGE_LIFETIME).",
        ge=1.0,
        le=86400.0,
    )
    amplification_limit: int = field(
        3,
        "An unverified source gets at most this many times the bytes it sent (RFC 9175, "
        "section 2.4), so that the server is no weapon against a forged address.",
        ge=1,
        le=100,
    )
