"""Settings of the HTTP interface: where it listens, who needs a token, bounds of event streams."""

from __future__ import annotations

from pydantic import SecretStr

from lwm2m_fast.config.section import Section, field


class HttpConfig(Section):
    """The HTTP interface for operators and applications."""

    host: str = field(
        "127.0.0.1",
        "Address to listen on. Loopback, because the traffic is not encrypted: put a TLS proxy "
        "in front before opening it.",
        min_length=1,
    )
    port: int = field(8080, "HTTP port. 0 takes any free port and prints it.", ge=0, le=65535)
    admin_token: SecretStr | None = field(
        None,
        "Bearer token with the role admin. Unset: one is made at the first start and printed "
        "once. Only a keyed hash of it is stored.",
        min_length=1,
        max_length=256,
    )
    metrics_open: bool = field(
        False, "Serve /metrics without a token, for a scraper on a trusted network."
    )
    leshan_api: bool = field(
        False,
        "Also serve the HTTP interface of Leshan's demo server (docs/leshan.md), for tools that "
        "were written for it. Off: it is for those who migrate.",
    )
    leshan_open: bool = field(
        False,
        "Serve it without a token, as Leshan does, to programs of this machine: `http.host` has to "
        "be a loopback address. For trials.",
    )
    max_subscribers: int = field(
        64, "Event streams open at once; more are refused with 429.", ge=1, le=10000
    )
    subscriber_queue: int = field(
        1000,
        "Events waiting for one slow subscriber; more are dropped, counted and reported to it.",
        ge=1,
        le=1_000_000,
    )
