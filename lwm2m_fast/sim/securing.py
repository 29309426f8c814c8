"""DTLS for a fleet as its options ask for it: credentials found, suites named, sessions set up.

Reads the files that options name. Knows no socket.
"""

from __future__ import annotations

import functools
import operator
from pathlib import Path

from lwm2m_fast.errors import ConfigError
from lwm2m_fast.sim.answers import Naming
from lwm2m_fast.sim.certificates import in_directory
from lwm2m_fast.sim.dtls import SUITES, Dtls
from lwm2m_fast.sim.fleet import Fleet
from lwm2m_fast.sim.identities import Identify, derived, listed, shared, write
from lwm2m_fast.sim.options import Options


def identify(options: Options) -> Identify:
    """Who each device is; ConfigError when a file or a value cannot be used."""
    name, numbers = Naming(options.prefix, options.digits).name, _numbers(options)
    if options.psk:
        return listed(Path(options.psk), name, numbers)
    if options.psk_key:
        return shared(options.psk_identity, options.psk_key, name)
    if options.psk_secret:
        return derived(options.psk_secret, options.psk_identity, name)
    return in_directory(Path(options.x509), name, numbers)


def write_credentials(options: Options, path: Path) -> None:
    """What the server has to know of the devices, one line each; ConfigError for certificates, of
    which it knows the authority."""
    if options.x509:
        raise ConfigError("write-psk: devices with certificates have no keys to write")
    name = Naming(options.prefix, options.digits).name
    write(path, identify(options), name, _numbers(options))


def build_dtls(options: Options, fleet: Fleet, at_ns: int, who: Identify | None = None) -> Dtls:
    """The sessions of `fleet`; `who` they are where the options do not say it."""
    return Dtls(
        fleet,
        who or identify(options),
        suites=_suites(options.suites),
        # 1 s, as RFC 6347 has it (section 4.2.4.1), where ACK_TIMEOUT is the 2 s of RFC 7252.
        retransmit_first_s=options.ack_timeout_s / 2,
        retransmit_most_s=options.ack_timeout_s * 8,
        cid_size=-1 if options.cid is None else options.cid,
        most_live=options.live_sessions,
        resumes=options.resumes,
        now_ns=at_ns,
        seed=options.seed,
    )


def _numbers(options: Options) -> range:
    return range(options.first, options.first + options.devices)


def _suites(names: tuple[str, ...]) -> int:
    for name in names:
        if name not in SUITES:
            raise ConfigError(f"suite {name!r}: must be one of {', '.join(SUITES)}")
    return functools.reduce(operator.or_, (SUITES[name] for name in names or SUITES))
