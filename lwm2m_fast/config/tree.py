"""The whole configuration: its sections in the order of the file, and what cannot be at once.

Knows no setting of a section but those that contradict each other.
"""

from __future__ import annotations

from typing import Literal

from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from lwm2m_fast.config.bootstrap import BootstrapConfig
from lwm2m_fast.config.coap import CoapConfig
from lwm2m_fast.config.dtls import DtlsConfig
from lwm2m_fast.config.files import FilesConfig
from lwm2m_fast.config.http import HttpConfig
from lwm2m_fast.config.log import LogConfig
from lwm2m_fast.config.queue import QueueConfig
from lwm2m_fast.config.registration import RegistrationConfig
from lwm2m_fast.config.reporting import ReportingConfig
from lwm2m_fast.config.section import field, words
from lwm2m_fast.config.store import StoreConfig
from lwm2m_fast.presets import PRESETS

ENV_PREFIX = "LWM2M_FAST_"


class Config(BaseSettings):
    """The whole configuration. `Config()` is the defaults; sources.load() reads the rest."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
    )

    preset: (
        Literal[
            "cumulocity", "thingsboard", "thingsboard-psk", "thingsboard-x509", "thingsboard-legacy"
        ]
        | None
    ) = field(
        None,
        "Ports, times and lengths that fleets of another server expect; every other source of "
        "a setting wins over it.",
        json_schema_extra=words("one of " + ", ".join(PRESETS)),
    )
    enabled: bool = field(
        True,
        "Off: no port for devices is opened, whatever else says so; the HTTP interface serves.",
    )
    coap: CoapConfig = CoapConfig()
    dtls: DtlsConfig = DtlsConfig()
    bootstrap: BootstrapConfig = BootstrapConfig()
    registration: RegistrationConfig = RegistrationConfig()
    reporting: ReportingConfig = ReportingConfig()
    queue: QueueConfig = QueueConfig()
    store: StoreConfig = StoreConfig()
    files: FilesConfig = FilesConfig()
    http: HttpConfig = HttpConfig()
    log: LogConfig = LogConfig()
    shard: int = field(
        0,
        "Number of this worker. Registration ids, tokens and message ids carry it, so that any "
        "worker can forward a datagram to its owner.",
        ge=0,
        le=63,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # `Config(...)` alone depends on its arguments only; sources.load() adds the rest.
        return (init_settings,)


def contradictions(config: Config) -> list[str]:
    """What cannot be at once, though each value by itself may; empty when all is well."""
    queue = config.queue
    least, own, most = (
        queue.min_request_timeout_s,
        queue.request_timeout_s,
        queue.max_request_timeout_s,
    )
    return [
        f"queue.{name} is {value:g}, {how} queue.{other}, {bound:g}"
        for name, value, how, other, bound, is_wrong in (
            ("request_timeout_s", own, "less than", "min_request_timeout_s", least, own < least),
            ("request_timeout_s", own, "more than", "max_request_timeout_s", most, own > most),
            ("max_request_timeout_s", most, "less than", "min_request_timeout_s", least,
             most < least),
        )
        if is_wrong
    ]  # fmt: skip
