"""Settings of operations that wait for devices: times, and the bounds of every line.

Which of them cannot be at once is said in tree.py.
"""

from __future__ import annotations

from lwm2m_fast.config.section import Section, field


class QueueConfig(Section):
    """Operations kept for devices until they can be reached."""

    awake_time_ms: int = field(
        0,
        "How long a device listens after it was heard, unless its settings or its `at` attribute "
        "say otherwise. 0: always.",
        ge=0,
        le=86_400_000,
    )
    max_operations_per_device: int = field(
        1000,
        "Operations that may wait for one device; more are refused with 429.",
        ge=1,
        le=100_000,
    )
    max_operations: int = field(
        10_000_000,
        "Operations that may wait in all (some 200 bytes of memory for a device that has any).",
        ge=1,
        le=1_000_000_000,
    )
    request_timeout_s: float = field(
        120.0,
        "An operation that is not answered in this time waits for the device's next contact.",
        ge=1.0,
        le=3600.0,
    )
    min_request_timeout_s: float = field(
        0.1, "Shortest timeout that an operation may ask for.", ge=0.1, le=3600.0
    )
    max_request_timeout_s: float = field(
        600.0, "Longest timeout that an operation may ask for.", ge=1.0, le=3600.0
    )
    stale_after_s: float = field(
        172_800.0,
        "An operation that has been executing for so long fails as stale.",
        ge=1.0,
        le=31_536_000.0,
    )
    max_attempts: int = field(
        30,
        "An operation that was sent so often without an answer fails as unanswered: else a device "
        "that restarts instead of answering would be asked for ever. 0: never.",
        ge=0,
        le=1_000_000,
    )
    history_per_device: int = field(
        100, "Ended operations kept per device; the oldest go first.", ge=1, le=10_000
    )
    post_registration_pending: int = field(
        10,
        "Operations already pending that a device gets before its post-registration list; the "
        "rest come after it.",
        ge=0,
        le=1000,
    )
    max_batches: int = field(
        100, "Batches remembered; the oldest one that has ended makes room.", ge=1, le=10_000
    )
    max_waiters: int = field(
        10_000, "Callers that wait for the end of an operation at once.", ge=1, le=1_000_000
    )
