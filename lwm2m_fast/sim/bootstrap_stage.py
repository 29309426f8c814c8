"""The stage before a simulation: every device bootstraps once, and what each was given.

Reads the clock through sim/transport.pyx, and opens the sockets for this stage only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from lwm2m_fast.sim.bootstrapping import NEW, REGISTER, Account, BootstrapDesk, bootstrap_fleet
from lwm2m_fast.sim.identities import Identify, Identity
from lwm2m_fast.sim.opening import open_transport, resolve
from lwm2m_fast.sim.options import Options
from lwm2m_fast.sim.report import BootstrapReport
from lwm2m_fast.sim.securing import build_dtls
from lwm2m_fast.sim.transport import now_ns

SLICE_S: Final = 0.005
WATCH_NS: Final = 250_000_000
SILENCE_NS: Final = 93_000_000_000
"""MAX_TRANSMIT_WAIT (RFC 7252, section 4.8.2)."""

Watch = Callable[[int, int], None]
"""Devices that are done, and datagrams received."""


class Given(NamedTuple):
    """What the devices are to do next."""

    server: str
    """The URI that most of them were given; "" when none was given any."""
    identities: Mapping[int, Identity]
    """By device, counted from 0; who is not in it has nothing to register with."""


def bootstrap(
    options: Options, watch: Watch, is_stopped: Callable[[], bool]
) -> tuple[Given, BootstrapReport]:
    """Bootstrap all devices of `options.bootstrap`, some `options.outstanding` at the same time.

    ConfigError when the sockets or the credentials cannot be used. A server that is silent ends it.
    """
    transport = open_transport(resolve(options.bootstrap), options.devices, options.sockets)
    try:
        began = now_ns()
        fleet = bootstrap_fleet(options, began)
        desk = BootstrapDesk(fleet, options.block_bytes.bit_length() - 5)
        dtls = build_dtls(options, fleet, began) if options.is_secure else None
        if dtls is not None:
            transport.put_beneath(dtls)
        heard, heard_at, watched_at = -1, began, 0
        while not is_stopped():
            now, refused = now_ns(), desk.outcomes().total()
            done = len(desk.finished) + refused
            received = fleet.count_received()
            if received != heard:
                heard, heard_at = received, now
            if done >= options.devices or now - heard_at > SILENCE_NS:
                break
            if now - watched_at > WATCH_NS:
                watched_at = now
                watch(done, received)
            free = options.outstanding - (desk.started() - done)
            if free > 0:
                fleet.load(REGISTER, (NEW,), once=True, outstanding=free, now_ns=now)
            transport.run(fleet, SLICE_S)
            if free > 0:
                fleet.load(0, (), now_ns=now)
        took_s = (now_ns() - began) / 1e9
        while dtls is not None and dtls.close_some(now_ns()):
            transport.flush(dtls)
    finally:
        transport.close()
    failures = desk.outcomes()
    if dtls is not None and dtls.failures:  # says more than that there was no session
        failures.pop("no session", None)
        failures.update(dtls.failures)
    return _conclude(options, desk, failures, took_s)


def _conclude(
    options: Options, desk: BootstrapDesk, failures: Counter[str], took_s: float
) -> tuple[Given, BootstrapReport]:
    missing = options.devices - len(desk.finished) - failures.total()
    if missing > 0:
        failures["no Finish"] = missing
    accounts: dict[int, Account] = {}
    for device in desk.finished:
        account = desk.account(device)
        if account is None:
            failures["no account that can be used"] += 1
        else:
            accounts[device] = account
    servers = Counter(account.uri for account in accounts.values())
    server = servers.most_common(1)[0][0] if servers else ""
    if others := servers.total() - servers[server]:
        failures[f"another server than {server}"] = others
    identities = {
        device: account.identity for device, account in accounts.items() if account.uri == server
    }
    report = BootstrapReport(len(identities), took_s, dict(failures), server)
    return Given(server, identities), report


def identify(given: Given, options: Options) -> Identify:
    """Who each device is to its server. Those without an account are nobody, and never ask."""
    nobody = Identity(b"nobody", bytes(16))
    first = options.first
    return lambda number: given.identities.get(number - first, nobody)
