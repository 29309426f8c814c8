"""The server's own certificate chain and key: read from files, checked, and read anew on a change.

PEM (chain and key in one file or two) or PKCS#12. A new file that cannot be used keeps the old
identity, and the log says why. Knows no session: who needs the chain is called back.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from lwm2m_fast.errors import ConfigError
from lwm2m_fast.fleet.certificates import UNREADABLE, certificate_facts

LOOK_S = 2.0
MAX_FILE_BYTES = 1 << 20
CURVE = "secp256r1"
"""LwM2M 1.1, transport bindings, section 5.2.5: the suites of X.509 mode are used with it."""

KEY_STORES = {b"\xfe\xed\xfe\xed": "JKS", b"\xce\xce\xce\xce": "JCEKS"}

_log = logging.getLogger("lwm2m_fast.identity")

Stamp = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """What a DTLS context is made from."""

    chain: bytes
    """PEM, the server's own certificate first."""
    key: bytes = field(repr=False)
    """PEM (PKCS#8), not encrypted: never to be shown."""
    leaf: bytes = field(repr=False)
    """The first certificate as DER."""


@dataclass(frozen=True, slots=True)
class IdentityFiles:
    """Where it is. `key` None: in the certificate's file, as always in PKCS#12."""

    certificate: Path
    key: Path | None = None
    password: str | None = field(default=None, repr=False)
    alias: str | None = None
    """PKCS#12: the friendly name that the entry must have; None: any."""


class ServerIdentity:
    """The identity of `files` as it is now; `current` None: there is none that can be used.

    `changed` is called on the loop's thread with each new one but the first, which load() gives.
    """

    def __init__(
        self,
        files: IdentityFiles,
        changed: Callable[[Identity], None],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._files, self._changed, self._clock = files, changed, clock
        self._stamp: Stamp | None = None
        self._task: asyncio.Task[None] | None = None
        self.current: Identity | None = None
        self.problem: str | None = None
        """Why the newest files cannot be used; None: they can."""
        self.reloads = 0

    def load(self) -> Identity | None:
        """Read the files now. None: they cannot be used, and the log says why."""
        self._stamp = self._stamped()
        self._take(self._read())
        return self.current

    async def look(self) -> None:
        """Read them again if they have changed since; called every LOOK_S by start()."""
        stamp = await asyncio.to_thread(self._stamped)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        before = self.current
        found = await asyncio.to_thread(self._read)
        self._take(found)
        if self.current is not None and self.current != before:
            self.reloads += 1
            self._changed(self.current)

    def start(self) -> None:
        """Go on looking, in the running loop."""
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except Exception:  # a task's end: it must go on looking
                _log.exception("looking at the server's certificate failed")

    def _stamped(self) -> Stamp:
        paths = (self._files.certificate, self._files.key)
        return tuple(None if path is None else _stamp_of(path) for path in paths)

    def _read(self) -> Identity | str:
        try:
            return read_identity(self._files)
        except ConfigError as error:
            return str(error)

    def _take(self, found: Identity | str) -> None:
        if isinstance(found, str):
            self.problem = found
            kept = "the one before it stays" if self.current is not None else "no X.509 without it"
            _log.error("the server's certificate cannot be used: %s", found, extra={"so": kept})
            return
        self.problem = None
        if found == self.current:
            return
        self.current = found
        facts = certificate_facts(found.leaf)
        _log.info("the server's certificate", extra=facts)
        if not _is_valid(found.leaf, self._clock()):
            _log.warning("the server's certificate is not valid today", extra=facts)

    def counters(self) -> dict[str, int]:
        return {
            "server_certificate_reloads": self.reloads,
            "server_certificate_unusable": int(self.problem is not None),
        }


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _is_valid(leaf: bytes, now: float) -> bool:
    certificate = x509.load_der_x509_certificate(leaf)
    moment = datetime.fromtimestamp(now, UTC)
    return certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc


def read_identity(files: IdentityFiles) -> Identity:
    """Read and check the files. ConfigError names the file and what is wrong, never a secret."""
    data = _bytes_of(files.certificate)
    kind = KEY_STORES.get(data[:4])
    if kind is not None:
        raise ConfigError(
            f"{files.certificate} is a Java key store ({kind}), which is not read here; "
            "convert it: keytool -importkeystore -srckeystore OLD -destkeystore NEW.p12 "
            "-deststoretype PKCS12"
        )
    if b"-----BEGIN" in data:
        return _from_pem(files, data)
    return _from_pkcs12(files, data)


def _bytes_of(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    if not 0 < len(data) <= MAX_FILE_BYTES:
        raise ConfigError(f"{path} is empty, or longer than {MAX_FILE_BYTES} bytes")
    return data


def _from_pem(files: IdentityFiles, data: bytes) -> Identity:
    try:
        certificates = x509.load_pem_x509_certificates(data)
    except UNREADABLE as error:
        raise ConfigError(f"{files.certificate} has no PEM certificate: {error}") from None
    where = files.key or files.certificate
    password = files.password.encode() if files.password else None
    key_data = data if files.key is None else _bytes_of(files.key)
    is_locked = b"ENCRYPTED" in key_data
    try:
        # A password that is not needed is no error: one setting serves old and new files.
        key = load_pem_private_key(key_data, password if is_locked else None)
    except TypeError:
        raise ConfigError(f"the private key in {where} needs a password") from None
    except ValueError as error:
        why = "wrong password?" if is_locked else f"no PEM private key: {error}"
        raise ConfigError(f"the private key in {where} cannot be read: {why}") from None
    return _checked(files, certificates, key)


def _from_pkcs12(files: IdentityFiles, data: bytes) -> Identity:
    password = files.password.encode() if files.password else None
    try:
        found = pkcs12.load_pkcs12(data, password)
    except ValueError:
        raise ConfigError(
            f"{files.certificate} is neither PEM nor PKCS#12 that opens with the given password"
        ) from None
    if found.key is None or found.cert is None:
        raise ConfigError(f"{files.certificate} has no private key with its certificate")
    name = (found.cert.friendly_name or b"").decode(errors="replace")
    if files.alias is not None and name.lower() != files.alias.lower():
        raise ConfigError(f"{files.certificate} has the entry {name!r}, not {files.alias!r}")
    certificates = [found.cert.certificate, *(one.certificate for one in found.additional_certs)]
    return _checked(files, certificates, found.key)


def _checked(files: IdentityFiles, certificates: list[x509.Certificate], key: object) -> Identity:
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != CURVE:
        kind = key.curve.name if isinstance(key, ec.EllipticCurvePrivateKey) else type(key).__name__
        raise ConfigError(
            f"the private key of {files.certificate} is {kind.strip('_')}, needed is EC on {CURVE} "
            "(prime256v1)"
        )
    public = key.public_key().public_numbers()
    leaves = [one for one in certificates if _numbers(one) == public]
    if not leaves:
        where = files.key or files.certificate
        raise ConfigError(f"the private key in {where} is of no certificate in {files.certificate}")
    chain = [leaves[0], *(one for one in certificates if one != leaves[0])]
    return Identity(
        b"".join(one.public_bytes(Encoding.PEM) for one in chain),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        leaves[0].public_bytes(Encoding.DER),
    )


def _numbers(certificate: x509.Certificate) -> object:
    key = certificate.public_key()
    return key.public_numbers() if isinstance(key, ec.EllipticCurvePublicKey) else None
