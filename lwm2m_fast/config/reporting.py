"""Settings of what devices report: observations, last values, and the bounds of both."""

from __future__ import annotations

from lwm2m_fast.config.section import Section, field


class ReportingConfig(Section):
    """What devices report by themselves, notifications (LwM2M, section 6.4) and Send, and the last
    values that are kept of it."""

    reestablish: bool = field(
        True,
        "Keep what a device was asked to report when it registers anew without leaving, and ask "
        "for it again. Off: it ends with the registration, as in the standard.",
    )
    max_observations_per_device: int = field(
        64, "Observations of one device; more are refused with 429.", ge=1, le=4096
    )
    max_observations: int = field(
        1_000_000,
        "Observations of all devices together (about 200 bytes of memory each).",
        ge=1,
        le=16777216,
    )
    values_flush_s: float = field(
        1.0,
        "Last values are written to the store within this time. A killed process loses those of "
        "the last interval, and nothing else; a stopped one loses none.",
        ge=0.05,
        le=60.0,
    )
    max_values_per_device: int = field(
        1000,
        "Last values kept of one device; beyond, those that are oldest by their time go.",
        ge=1,
        le=65536,
    )
    max_value_bytes: int = field(
        65536, "A longer text or opaque value is not kept, and counted.", ge=64, le=1 << 19
    )
    max_valued_devices: int = field(
        4_000_000,
        "Devices whose last values are kept, registered or not; of further ones nothing is kept "
        "until some are forgotten.",
        ge=1,
        le=1 << 26,
    )
    max_unflushed_reports: int = field(
        65536,
        "Reports waiting in memory to be written. At half of it they are written at once; at all "
        "of it, as the store does not follow, the oldest go, and are counted.",
        ge=64,
        le=1 << 24,
    )
