"""`lwm2m-fast certs`: a certificate authority for trials, and certificates of server and devices.

For trials only: the authority's key lies in a file. Everything is EC on P-256, as the suites of
LwM2M want it. Files of keys are 0600; nothing that is there is written over.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lwm2m_fast.cli.output import tell
from lwm2m_fast.errors import RequestError
from lwm2m_fast.logs import printable

MAX_COMMON_NAME = 64  # RFC 5280, appendix A.1: ub-common-name
CA_DAYS = 3650
LEEWAY = timedelta(hours=1)
"""Valid from a little before now on: clocks of devices differ."""


class Pair(NamedTuple):
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def certs(
    directory: Annotated[Path, typer.Argument(help="Where the files are, or will be.")] = Path(
        "certs"
    ),
    device: Annotated[
        list[str] | None,
        typer.Option(help="Endpoint name of a device; may be given repeatedly."),
    ] = None,
    server: Annotated[
        list[str] | None,
        typer.Option(help="Name or address of the server; may be given repeatedly."),
    ] = None,
    days: Annotated[int, typer.Option(help="How long they are valid.", min=1, max=3650)] = 365,
) -> None:
    """Make a test CA (once), a server's certificate (once), and one for each device.

    ca.pem, server.pem and a NAME.pem for each device, each with its key beside it (ca.key ...). A
    CA that is there is used; nothing that is there is written over.
    """
    now = datetime.now(UTC)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority = _authority(directory, now)
        if server or not (directory / "server.pem").exists():
            names = server or ["localhost", "127.0.0.1", "::1"]
            _keep(directory, "server", server_pair(names, authority, now, days))
        for name in device or ():
            _keep(directory, file_name(name), device_pair(name, authority, now, days))
    except OSError as error:
        raise RequestError(f"{error.filename or directory}: {error.strerror}") from None


def file_name(endpoint: str) -> str:
    """The endpoint name as the name of a file."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", endpoint).lstrip(".") or "device"


def _authority(directory: Path, now: datetime) -> Pair:
    certificate, key = directory / "ca.pem", directory / "ca.key"
    if not certificate.exists() and not key.exists():
        made = authority_pair(now)
        _keep(directory, "ca", made)
        return made
    try:
        loaded = load_pem_private_key(key.read_bytes(), None)
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (ValueError, TypeError) as error:
        raise RequestError(f"the CA in {directory} cannot be read: {error}") from None
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise RequestError(f"{key} is no EC key")
    return Pair(found, loaded)


def _keep(directory: Path, name: str, pair: Pair) -> None:
    key = pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write(directory / f"{name}.key", key, 0o600)
    _write(directory / f"{name}.pem", pair.certificate.public_bytes(Encoding.PEM), 0o644)
    tell(printable(f"{directory / name}.pem  {pair.certificate.subject.rfc4514_string()}"))


def _write(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def authority_pair(now: datetime) -> Pair:
    """A CA that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("lwm2m-fast test CA")
    builder = _builder(name, name, key, now, CA_DAYS)
    usage = _usage(signs=True)
    builder = builder.add_extension(x509.BasicConstraints(True, None), True)
    return Pair(builder.add_extension(usage, True).sign(key, hashes.SHA256()), key)


def server_pair(names: list[str], authority: Pair, now: datetime, days: int) -> Pair:
    """A server's: the first name is its common name, all of them alternative names."""
    others = [_general_name(name) for name in names]
    usage = ExtendedKeyUsageOID.SERVER_AUTH
    return _signed(_name(names[0]), others, usage, authority, now, days)


def device_pair(endpoint: str, authority: Pair, now: datetime, days: int) -> Pair:
    """A device's: its endpoint name is the common name, or where it is too long for that, a URI."""
    usage = ExtendedKeyUsageOID.CLIENT_AUTH
    if len(endpoint) <= MAX_COMMON_NAME:
        return _signed(_name(endpoint), [], usage, authority, now, days)
    try:
        others = [x509.UniformResourceIdentifier(endpoint)]
    except ValueError:
        raise RequestError(
            f"endpoint {endpoint!r:.80} has more than {MAX_COMMON_NAME} characters, and not all of "
            "them are ASCII: neither a common name nor a URI can hold it"
        ) from None
    return _signed(x509.Name([]), others, usage, authority, now, days)


def _signed(
    subject: x509.Name,
    others: Iterable[x509.GeneralName],
    usage: x509.ObjectIdentifier,
    authority: Pair,
    now: datetime,
    days: int,
) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(subject, authority.certificate.subject, key, now, days)
    builder = builder.add_extension(x509.BasicConstraints(False, None), True)
    builder = builder.add_extension(_usage(signs=False), True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = builder.add_extension(signer, False)
    given = list(others)
    if given:  # critical where it is all there is (RFC 5280, section 4.2.1.6)
        builder = builder.add_extension(x509.SubjectAlternativeName(given), not list(subject))
    return Pair(builder.sign(authority.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    days: int,
) -> x509.CertificateBuilder:
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - LEEWAY)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
    )


def _name(common_name: str) -> x509.Name:
    try:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    except ValueError as error:
        raise RequestError(f"{common_name!r:.80} can be no common name: {error}") from None


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError as error:
        raise RequestError(f"{name!r:.80} is no name of a server: {error}") from None


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
