"""Settings of the log: what is written, and in which form."""

from __future__ import annotations

from typing import Literal

from lwm2m_fast.config.section import Section, field


class LogConfig(Section):
    """Lines on standard error; never one per datagram."""

    level: Literal["debug", "info", "warning", "error"] = field(
        "info", "Least severity that is written."
    )
    format: Literal["json", "console"] = field(
        "json", "`json` is one object per line, for collectors; `console` is for people."
    )
    device_events: bool = field(
        False,
        "Also one line per registration, deregistration and expiry. Off, because a fleet of a "
        "million devices would fill the disk.",
    )
