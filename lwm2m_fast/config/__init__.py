"""Every setting of the server: name, unit, bounds, default and the reason for it.

A section is one file here and one row in tree.py; settings.py lists them all, and docs/config.md is
printed from that. Knows neither what a setting does nor where its value comes from: sources.py
reads flags, environment and file.
"""

from __future__ import annotations

from lwm2m_fast.config.bootstrap import BootstrapConfig
from lwm2m_fast.config.coap import CoapConfig
from lwm2m_fast.config.dtls import DtlsConfig, suite_names
from lwm2m_fast.config.files import FilesConfig
from lwm2m_fast.config.http import HttpConfig
from lwm2m_fast.config.log import LogConfig
from lwm2m_fast.config.queue import QueueConfig
from lwm2m_fast.config.registration import RegistrationConfig
from lwm2m_fast.config.reporting import ReportingConfig
from lwm2m_fast.config.settings import Setting, sections, settings
from lwm2m_fast.config.store import StoreConfig
from lwm2m_fast.config.tree import ENV_PREFIX, Config, contradictions

__all__ = [
    "ENV_PREFIX",
    "BootstrapConfig",
    "CoapConfig",
    "Config",
    "DtlsConfig",
    "FilesConfig",
    "HttpConfig",
    "LogConfig",
    "QueueConfig",
    "RegistrationConfig",
    "ReportingConfig",
    "Setting",
    "StoreConfig",
    "contradictions",
    "sections",
    "settings",
    "suite_names",
]
