"""Whether the server certificates that a configuration names are there (row P8): refused when it is
written, and not only by the bootstrap that would write them.

Which there are, the bootstrap server knows, and only while it runs. Knows no store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lwm2m_fast.fleet.configuration import ConfigurationError, Problem
from lwm2m_fast.fleet.device_fields import DeviceConfiguration
from lwm2m_fast.fleet.key_pairs import server_certificate

FIELD = "x509ServerCertificateName"


class ServerCertificates:
    """`is_known` says of a name whether there is such a certificate; None: nobody can say, and a
    bootstrap that does not find it fails with the reason."""

    def __init__(self) -> None:
        self.is_known: Callable[[str], bool] | None = None

    def check(self, given: DeviceConfiguration, before: DeviceConfiguration | None = None) -> None:
        """ConfigurationError: a name, not of `before` already, of no certificate and none itself.

        A certificate may also stand there itself, in PEM or base64.
        """
        if self.is_known is None:
            return
        kept = set() if before is None else {name for _, name in _names(before)}
        problems = [
            Problem(f"{where}.{FIELD}", f"is {_brief(name)}, which nobody has given")
            for where, name in _names(given)
            if name not in kept and not self.is_known(name) and server_certificate(name) is None
        ]
        if problems:
            raise ConfigurationError(problems)


def _names(given: DeviceConfiguration) -> Iterator[tuple[str, str]]:
    securities = [("serverSecurity", given.server_security)]
    for number, server in enumerate(given.further_servers):
        securities.append((f"furtherServers.{number}.security", server.security))
    for where, security in securities:
        if security.x509_server_certificate_name:
            yield where, security.x509_server_certificate_name


def _brief(name: str) -> str:
    """Nothing of what may be a private key in the certificate's place."""
    return f"{name!r}" if len(name) <= 80 else f"a text of {len(name)} characters"
