"""`lwm2m-fast simulate`: simulated devices, as a demonstration fleet or as load.

Progress and the summary are all that is here; the devices are in sim/.
"""

from __future__ import annotations

import math
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Annotated, Final, Literal, Protocol, Self

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from lwm2m_fast.cli.output import tell, tell_json, tell_table
from lwm2m_fast.sim.misbehaviour import KINDS
from lwm2m_fast.sim.options import Options
from lwm2m_fast.sim.report import BootstrapReport, DtlsReport, PhaseReport, Report
from lwm2m_fast.sim.securing import write_credentials
from lwm2m_fast.sim.simulation import Simulation, Snapshot

LINE_EVERY_S: Final = 5.0
"""Pause between two lines of progress where no terminal draws a bar."""


def simulate(
    server: Annotated[
        str,
        typer.Option(
            help="Where the LwM2M server is: coap://HOST:PORT, or coaps://HOST:PORT for DTLS with "
            "--psk, --psk-secret, --psk-key or --x509."
        ),
    ] = "coap://127.0.0.1:5783",
    bootstrap: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="Bootstrap first, at coap://HOST:PORT or coaps://HOST:PORT with --psk and the "
            "like, and then register where and with what this server writes; --server says "
            "nothing then.",
        ),
    ] = "",
    devices: Annotated[int, typer.Option(help="How many devices.")] = 20,
    prefix: Annotated[
        str, typer.Option(help="Endpoint names are this and a number: sim-000001.")
    ] = "sim-",
    first: Annotated[int, typer.Option(help="Number of the first device.")] = 1,
    lwm2m: Annotated[
        Literal["1.0", "1.1", "1.2"], typer.Option(help="LwM2M version of the devices.")
    ] = "1.1",
    lifetime: Annotated[int, typer.Option(help="Lifetime of a registration, seconds.")] = 300,
    update_at: Annotated[
        float, typer.Option(help="Part of the lifetime after which a device updates.")
    ] = 0.8,
    mode: Annotated[
        Literal["live", "register", "update", "send", "ping"],
        typer.Option(
            help="live: paced by the lifetime. The others are load: registrations, updates, Sends "
            "or CoAP pings, one after the other."
        ),
    ] = "live",
    outstanding: Annotated[
        int, typer.Option(help="Requests under way at the same time, over all devices.")
    ] = 64,
    rate: Annotated[
        float, typer.Option(help="Requests started per second; 0: as fast as they are answered.")
    ] = 0.0,
    duration: Annotated[
        float | None,
        typer.Option(help="Seconds after registering; live: until stopped, load: 10."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Repeats message ids, tokens and pauses; default: random.")
    ] = None,
    deregister: Annotated[
        bool, typer.Option("--deregister/--stay", help="Whether the devices leave at the end.")
    ] = True,
    sockets: Annotated[
        Literal["auto", "device", "shared"],
        typer.Option(
            help="device: a socket each. shared: one for all, each device with its own "
            "127.x.y.z address. auto: shared where the server is on this machine (127.x.y.z)."
        ),
    ] = "auto",
    ack_timeout: Annotated[
        float,
        typer.Option(
            help="ACK_TIMEOUT in seconds (RFC 7252, section 4.8); half of it for handshakes."
        ),
    ] = 2.0,
    notify_every: Annotated[
        float,
        typer.Option(
            help="Notify at this pace, seconds, whatever the values; 0: as values and attributes "
            "(pmin pmax gt lt st) ask for."
        ),
    ] = 0.0,
    confirm_every: Annotated[
        int, typer.Option(help="Every so manyth notification is confirmable; 0: none.")
    ] = 16,
    send_every: Annotated[
        float, typer.Option(help="Seconds between two Sends of a device; 0: none.")
    ] = 0.0,
    send_samples: Annotated[
        int,
        typer.Option(help="1: a Send tells all of a sensor; more: its last readings with times."),
    ] = 1,
    sensors: Annotated[
        int, typer.Option(help="Temperature sensors; with 80 or so a Register needs blocks.")
    ] = 3,
    block: Annotated[
        int, typer.Option(help="Largest block a device takes and makes, 16 to 1024 bytes.")
    ] = 1024,
    loss: Annotated[
        float, typer.Option(help="Share of datagrams lost, in each direction, 0 to 1.")
    ] = 0.0,
    reorder: Annotated[
        float, typer.Option(help="Share of datagrams overtaken by later ones, 0 to 1.")
    ] = 0.0,
    delay: Annotated[
        float, typer.Option(help="Seconds a datagram takes, in each direction.")
    ] = 0.0,
    sleep: Annotated[
        float,
        typer.Option(
            help="Queue mode: deaf this many seconds after the last datagram; 0: always awake."
        ),
    ] = 0.0,
    slow: Annotated[
        float,
        typer.Option(help="Acknowledge the server's requests, answer so many seconds later."),
    ] = 0.0,
    rebind: Annotated[
        float,
        typer.Option(
            help="Each device changes its address about every so many seconds, as behind a NAT; "
            "0: never."
        ),
    ] = 0.0,
    psk: Annotated[
        str, typer.Option(metavar="FILE", help="Lines endpoint,identity,key in hex, or JSON lines.")
    ] = "",
    psk_secret: Annotated[
        str,
        typer.Option(
            help="Derive a key for each device from this: the first 16 bytes of "
            "HMAC-SHA-256(secret, endpoint). --write-psk tells them to a server."
        ),
    ] = "",
    psk_key: Annotated[str, typer.Option(help="The same key for all devices, in hex.")] = "",
    psk_identity: Annotated[
        str,
        typer.Option(help="With --psk-key and --psk-secret; {endpoint} is the endpoint name."),
    ] = "{endpoint}",
    write_psk: Annotated[
        Path | None,
        typer.Option(
            help="Write endpoint,identity,key of every device, and send nothing; into NAME.json as "
            "what POST /api/v1/credentials takes."
        ),
    ] = None,
    x509: Annotated[
        str,
        typer.Option(
            metavar="DIR",
            help="Certificates as `lwm2m-fast certs` writes them: ca.pem, NAME.pem and NAME.key; "
            "with ca.key each device without files gets one in memory.",
        ),
    ] = "",
    cid: Annotated[
        int | None,
        typer.Option(
            help="Offer connection ids (RFC 9146); the devices' own have so many bytes, 0 to 16."
        ),
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Offer this cipher suite (IANA name); may be repeated."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Resume sessions that have ended.")
    ] = True,
    live_sessions: Annotated[
        int,
        typer.Option(
            help="Sessions that keep their buffers (5 KiB); of others the bytes are kept."
        ),
    ] = 16384,
    misbehave: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND[:SHARE]",
            help="Spoil a share of the answers (0 to 1, default all); may be repeated. Kinds: "
            + ", ".join(KINDS)
            + ".",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Run simulated devices against a server, and sum up what they saw.

    They have objects 1, 3, 4, 5, 6, 3303 and 3442, register and update, answer every operation of
    LwM2M device management, notify and send, over UDP or DTLS 1.2. Control-C ends them in order,
    twice at once. The exit code is 0 when every device was registered (with --mode ping: when every
    ping was answered), else 1.
    """
    options = Options(
        server=server,
        bootstrap=bootstrap,
        devices=devices,
        prefix=prefix,
        first=first,
        version=lwm2m,
        lifetime_s=lifetime,
        update_at=update_at,
        mode=mode,
        outstanding=outstanding,
        rate=rate,
        duration_s=duration,
        seed=secrets.randbits(63) if seed is None else seed,
        deregister=deregister,
        sockets=sockets,
        ack_timeout_s=ack_timeout,
        sensors=sensors,
        block_bytes=block,
        notify_every_s=notify_every,
        confirm_every=confirm_every,
        send_every_s=send_every,
        send_samples=send_samples,
        loss=loss,
        reorder=reorder,
        delay_s=delay,
        sleep_s=sleep,
        slow_s=slow,
        rebind_s=rebind,
        psk=psk,
        psk_identity=psk_identity,
        psk_key=psk_key,
        psk_secret=psk_secret,
        x509=x509,
        cid=cid,
        suites=tuple(suite or ()),
        resumes=resume,
        live_sessions=live_sessions,
        misbehave=tuple(misbehave or ()),
    )
    if write_psk is not None:
        write_credentials(options, write_psk)
        tell(f"{write_psk}: keys of {devices} devices")
        return
    with _watcher(as_json) as watcher:
        simulation = Simulation(options, watcher.watch)
        with _stopped_by_signals(simulation):
            report = simulation.run()
    tell_json(report.as_dict()) if as_json else tell_report(report)
    raise typer.Exit(0 if report.complete else 1)


@contextmanager
def _stopped_by_signals(simulation: Simulation) -> Iterator[None]:
    def stop(number: int, frame: object) -> None:
        simulation.stop()

    before = {n: signal.signal(n, stop) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Watcher(Protocol):
    """Shows how a simulation stands."""

    def watch(self, at: Snapshot) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def _watcher(as_json: bool) -> Watcher:
    """Standard output belongs to the summary where a machine reads it."""
    if as_json:
        return Silence()
    return Bar() if sys.stdout.isatty() else Lines()


class Silence:
    """Shows nothing."""

    def watch(self, at: Snapshot) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class Pace:
    """Datagrams per second between two looks."""

    def __init__(self) -> None:
        self._phase, self._seconds, self._received, self.rate = "", 0.0, 0, 0.0

    def look(self, at: Snapshot) -> float:
        """The rate since the last look, which is at least half a second ago."""
        if at.phase != self._phase:
            self._phase, self._seconds, self._received, self.rate = at.phase, 0.0, at.received, 0.0
        elif at.seconds - self._seconds >= 0.5:
            self.rate = (at.received - self._received) / (at.seconds - self._seconds)
            self._seconds, self._received = at.seconds, at.received
        return self.rate


def _line(at: Snapshot, rate: float) -> str:
    pace = f", {rate:,.0f} datagrams/s received" if rate else ""
    told = (("notifications", at.notifications), ("sends", at.sends))
    reported = "".join(f", {count:,} {name}" for name, count in told if count)
    done = (
        f"{at.settled}/{at.devices} done"
        if at.phase == "bootstrap"
        else (f"{at.registered}/{at.devices} registered")
    )
    return f"{done}{pace}{reported}"


class Bar(Silence):
    """One line of a terminal that is drawn anew."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<11}"),
            BarColumn(),
            TextColumn("{task.fields[line]}"),
            TimeElapsedColumn(),
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, line="")
        self._pace = Pace()

    def watch(self, at: Snapshot) -> None:
        self._progress.update(
            self._task,
            description=at.phase,
            total=at.devices,
            completed=at.registered if at.phase not in ("registering", "bootstrap") else at.settled,
            line=_line(at, self._pace.look(at)),
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()


class Lines(Silence):
    """A line at the beginning of every phase and every few seconds."""

    def __init__(self) -> None:
        self._pace, self._phase, self._next_s = Pace(), "", 0.0

    def watch(self, at: Snapshot) -> None:
        rate = self._pace.look(at)
        if at.phase != self._phase:
            self._phase, self._next_s = at.phase, 0.0
        if at.seconds >= self._next_s:
            self._next_s = at.seconds + LINE_EVERY_S
            tell(f"{at.phase}: {_line(at, rate)}")


COLUMNS: Final = (
    "phase", "request", "started", "answered", "per second", "p50 ms", "p90 ms", "p99 ms",
    "max ms", "sent again", "timeouts", "endings",
)  # fmt: skip


def tell_report(report: Report) -> None:
    """The summary for people."""
    if report.bootstrap is not None:
        tell_bootstrap(report.bootstrap)
    tell_table(COLUMNS, [cells for phase in report.phases for cells in _cells(phase)])
    served: dict[str, int] = {}
    for phase in report.phases:
        for code, count in phase.served.items():
            served[code] = served.get(code, 0) + count
    tell(f"server's requests answered: {_counts(served)}")
    operations = {name: n for name, n in report.operations.items() if n}
    tell(f"operations and reports: {_counts(operations)}")
    for phase in report.phases:
        told = phase.operations.get("notifications", 0)
        if told:
            tell(f"{phase.name}: {told / phase.seconds:,.0f} notifications/s")
    if report.dtls is not None:
        tell_dtls(report.dtls)
    counters = {name: n for name, n in report.counters.items() if n}
    tell(f"datagrams: {_counts(counters)}")
    for note in report.notes:
        tell(f"note: {note}")
    tell(f"{report.registered} of {report.devices} devices registered (seed {report.seed})")


def tell_bootstrap(bootstrap: BootstrapReport) -> None:
    """Bootstraps, for people."""
    rate = bootstrap.finished / max(bootstrap.seconds, 1e-9)
    to = f", told to register at {bootstrap.server}" if bootstrap.server else ""
    tell(
        f"bootstraps: {bootstrap.finished:,} finished in {bootstrap.seconds:.1f} s "
        f"({rate:,.0f}/s){to}"
    )
    for why, count in sorted(bootstrap.failures.items()):
        tell(f"bootstraps failed: {count:,} times: {why}")


def tell_dtls(dtls: DtlsReport) -> None:
    """Handshakes, for people."""
    times = zip(
        ("p50", "p90", "p99", "max"),
        (dtls.p50_ms, dtls.p90_ms, dtls.p99_ms, dtls.max_ms),
        strict=True,
    )
    took = ", ".join(f"{name} {_milliseconds(ms)}" for name, ms in times)
    tell(
        f"handshakes: {dtls.handshakes:,} begun, {dtls.secured:,} done, {dtls.resumed:,} of them "
        f"resumed; ms: {took}"
    )
    for why, count in sorted(dtls.failures.items()):
        tell(f"handshakes failed: {count:,} times: {why}")


def _cells(phase: PhaseReport) -> Iterator[tuple[str, ...]]:
    for row in phase.rows:
        yield (
            f"{phase.name} {phase.seconds:.1f} s",
            row.request,
            f"{row.started:,}",
            f"{row.answered:,}",
            f"{row.rate:,.0f}",
            *(_milliseconds(x) for x in (row.p50_ms, row.p90_ms, row.p99_ms, row.max_ms)),
            f"{row.retransmitted:,}",
            f"{row.timeouts:,}",
            _counts(row.endings),
        )


def _milliseconds(value: float) -> str:
    """Three digits that count."""
    if value <= 0:
        return "-"
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())) or "none"
