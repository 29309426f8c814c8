"""What configured devices are given at a bootstrap, worked out when they ask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from lwm2m_fast.bootstrap.accounts_of import configuration_of
from lwm2m_fast.core.accounts import Configuration
from lwm2m_fast.errors import ConfigError, RequestError
from lwm2m_fast.fleet.key_pairs import certificate_der
from lwm2m_fast.provisioning.profiles import of_device
from lwm2m_fast.provisioning.registry import Registry

OWN = "default"
"""The name of the server's own certificate."""


class Settings(Protocol):
    """What is read of the configuration's section `bootstrap`."""

    @property
    def uri(self) -> str | None: ...
    @property
    def secure_uri(self) -> str | None: ...
    @property
    def default_lifetime_s(self) -> int: ...
    @property
    def default_short_server_id(self) -> int: ...


class NamedCertificates:
    """Certificates of servers by name: NAME.pem in a directory, and our own as "default".

    Read once, at the start. ConfigError: a file that is no certificate.
    """

    def __init__(self, directory: Path | None, own: Callable[[], bytes | None]) -> None:
        self._own = own
        self._by_name: dict[str, bytes] = {}
        for file in sorted(directory.glob("*.pem")) if directory is not None else ():
            try:
                self._by_name[file.stem] = certificate_der(file.read_text("utf-8"))
            except (OSError, UnicodeDecodeError, RequestError) as error:
                raise ConfigError(f"bootstrap.certificates: {file}: {error}") from None

    def is_known(self, name: str) -> bool:
        """Whether a configuration may name it; our own also before there is one."""
        return name == OWN or name in self._by_name

    def __call__(self, name: str) -> bytes | None:
        return self._by_name.get(name) or (self._own() if name == OWN else None)


class Offers:
    """Implements sessions.py: Offer. `version` tells what a registered device speaks."""

    def __init__(
        self,
        registry: Registry,
        settings: Settings,
        certificates: NamedCertificates,
        version: Callable[[str], str | None],
    ) -> None:
        self._registry, self._settings = registry, settings
        self._certificates, self.version = certificates, version
        registry.certificates.is_known = certificates.is_known

    def knows(self, endpoint: str) -> bool:
        return self._registry.route(endpoint) is not None

    def mode(self, endpoint: str) -> str | None:
        found = self._registry.get(endpoint)
        own = None if found is None else found.configuration.bootstrap_security
        return None if own is None else own.security_mode

    def configuration(self, endpoint: str) -> Configuration:
        found = self._registry.get(endpoint)
        if found is None:
            raise RequestError("no bootstrap is configured for this endpoint")
        settings = self._settings
        return configuration_of(
            found.configuration,
            default_lifetime_s=settings.default_lifetime_s,
            default_short_id=settings.default_short_server_id,
            own_uri=lambda is_secure: settings.secure_uri if is_secure else settings.uri,
            certificates=self._certificates,
            profile=of_device(
                self._registry.profiles, found.tenant, found.configuration.device_profile
            ),
        )
