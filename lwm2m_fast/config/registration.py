"""Settings of registrations: who may register, how long one lives, how many there may be."""

from __future__ import annotations

from typing import Literal

from lwm2m_fast.config.section import Section, field


class RegistrationConfig(Section):
    """Who may register, and how long a registration lives."""

    policy: Literal["provisioned", "open"] = field(
        "provisioned",
        "`provisioned` lets only listed endpoint names register (4.03 otherwise); `open` lets "
        "everybody, which suits a trial and nothing else.",
    )
    default_lifetime_s: int = field(
        86400,
        "Lifetime of a registration that names none (LwM2M, section 6.2.1).",
        ge=1,
        le=4294967295,
    )
    grace_s: float = field(
        93.0,
        "Kept this long past its lifetime: MAX_TRANSMIT_WAIT (RFC 7252, section 4.8.2), so "
        "that an Update that was sent in time still arrives in time.",
        ge=0.0,
        le=86400.0,
    )
    max_devices: int = field(
        4_000_000,
        "Registrations held at most (about 1 KiB of memory each); more get 5.03.",
        ge=1,
        le=16777216,
    )
    max_link_bytes: int = field(
        256 << 20,
        "Memory of all distinct object lists together; devices of one firmware share one.",
        ge=65536,
        le=1 << 34,
    )
    contact_flush_s: float = field(
        60.0,
        "An Update that changes nothing is written to the store within this time; after a "
        "restart a registration may live that much longer.",
        ge=0.1,
        le=3600.0,
    )
