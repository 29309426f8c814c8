"""Sessions of a real server and what befalls them: other addresses, restarts, bad links, floods."""

from __future__ import annotations

import shutil
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bad_proxy import bad_proxy
from dtls_device import KEY, DtlsDevice, Refused, now_ms
from dtls_observing import PATH, notified, notify, observed
from dtls_settings import coaps, give, with_certificates, write_certificates
from scripted import (
    ACK,
    CON,
    POST,
    request,
    write,
)
from serving import Server, served, until

from tests.certificate_kit import made_certificate

CCM_8 = "TLS_PSK_WITH_AES_128_CCM_8"
CBC = "TLS_PSK_WITH_AES_128_CBC_SHA256"
APPLICATION_DATA, TLS12_CID = 23, 25  # content types of records
LENGTHS = [0, 1, 2, 3, 4, 8, 16]


# Addresses


def test_addresses_change_in_the_middle_of_an_observation_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    with served(tmp_path / "data") as server:
        give(server)
        with DtlsDevice(coaps(server)).connect() as device, notified(server) as told:
            assert device.register().code == "2.01"
            token = observed(server, device)
            for number in range(2, 12):
                device.move()
                assert notify(device, token, number).type == ACK
                until(lambda: server.get("/api/v1/devices/dev-1")["address"] == device.address)
            heard: list[float] = []
            while len(heard) < 10:
                heard.append(float(next(told)))
            assert heard == list(range(2, 12))
        assert server.count("dtls_handshakes_done") == 1
        assert server.count("dtls_addresses_moved") == 10


def test_connection_ids_of_devices_may_have_any_length(tmp_path: Path) -> None:
    with served(tmp_path / "data") as server:
        for theirs in LENGTHS:
            endpoint = f"dev-{theirs}"
            give(server, endpoint)
            with DtlsDevice(coaps(server), endpoint, cid_size=theirs).connect() as device:
                moves(server, device, endpoint, theirs)
        assert server.count("dtls_handshakes_done") == len(LENGTHS)
        assert server.count("dtls_addresses_moved") == len(LENGTHS)


@pytest.mark.parametrize("ours", LENGTHS[1:])
def test_our_connection_ids_may_have_any_length(tmp_path: Path, ours: int) -> None:
    with served(tmp_path / "data", env={"LWM2M_FAST_DTLS__CID_LENGTH": str(ours)}) as server:
        give(server)
        with DtlsDevice(coaps(server)).connect() as device:
            moves(server, device, "dev-1", 4)
        assert server.count("dtls_handshakes_done") == 1
        assert server.count("dtls_addresses_moved") == 1


def moves(server: Server, device: DtlsDevice, endpoint: str, theirs: int) -> None:
    """Register; another port; then a request each way. Records to the device have its id."""
    located = device.register(endpoint).location
    device.move()
    del device.received[:]
    assert device.ask(POST, located).code == "2.04"
    operation = server.http.post(
        f"/api/v1/devices/{endpoint}/operations", json={"op": "read", "path": PATH}
    )
    assert operation.status_code in (201, 202), operation.text
    assert device.hear().path == [b"3303", b"0", b"5700"]
    kinds = {record[0] for record in device.received}
    assert kinds == ({TLS12_CID} if theirs else {APPLICATION_DATA})
    if theirs:
        assert all(record[11 : 11 + theirs] == b"\xc0" * theirs for record in device.received)


def test_without_an_id_of_ours_a_device_that_moved_handshakes_and_its_registration_is_good(
    tmp_path: Path,
) -> None:
    with served(tmp_path / "data", env={"LWM2M_FAST_DTLS__CID_LENGTH": "0"}) as server:
        give(server)
        with DtlsDevice(coaps(server)).connect() as device:
            located = device.register().location
            device.move()
            with pytest.raises(AssertionError, match="no answer"):
                device.ask(POST, located, seconds=1.5)
            assert server.count("dtls_unknown_address") > 0
            assert device.renew().ask(POST, located).code == "2.04"
        assert server.count("dtls_sessions_current") == 1


# Restarts


def test_an_observation_goes_on_after_a_restart_without_a_handshake(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with served(data) as server:
        give(server)
        where = coaps(server)
        device = DtlsDevice(where).connect()
        assert device.register().code == "2.01"
        token = observed(server, device)
        assert notify(device, token, 2).type == ACK
        assert server.end() == 0
    device.move()  # and the address is another one at the same time
    with (
        device,
        served(data, "--dtls-port", str(where[1])) as server,
        notified(server) as told,
    ):
        assert server.count("dtls_sessions_current") == 1
        assert notify(device, token, 3).type == ACK
        assert float(next(told)) == 3
        assert server.count("dtls_handshakes_begun") == 0


def test_after_a_kill_a_device_handshakes_and_goes_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with served(data) as server:
        give(server)
        where = coaps(server)
        device = DtlsDevice(where).connect()
        located = device.register().location
        token = observed(server, device)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
    with (
        device,
        served(data, "--dtls-port", str(where[1])) as server,
        notified(server) as told,
    ):
        assert server.count("dtls_sessions_current") == 0
        device.send(write(CON, POST, 0x7000, b"x"))  # a record of the session that is lost
        until(lambda: server.count("dtls_unknown_cid") == 1)
        assert server.count("dtls_sessions_current") == 0
        device.renew()
        assert notify(device, token, 2).type == ACK
        assert float(next(told)) == 2
        assert device.ask(POST, located).code == "2.04"
        assert server.get("/api/v1/devices/dev-1")["address"] == device.address


def nonces(records: list[bytes]) -> list[tuple[bytes, bytes]]:
    """Of each record to a device without connection id: epoch and number, and the explicit nonce.

    RFC 6655, section 3, and RFC 5288, section 3: the second is what the cipher is given.
    """
    found = [(record[3:11], record[13:21]) for record in records if record[0] == APPLICATION_DATA]
    return found


@pytest.mark.parametrize("suite", [CCM_8, "TLS_PSK_WITH_AES_128_GCM_SHA256"])
def test_no_nonce_is_used_twice_though_the_store_is_copied_and_put_back(
    tmp_path: Path, suite: str
) -> None:
    """Stop, copy the data, start and use, kill, put the copy back, start and use, twice."""
    data, copy = tmp_path / "data", tmp_path / "copy"
    with served(data) as server:
        give(server)
        where = coaps(server)
        device = DtlsDevice(where, cid_size=0, suites=[suite]).connect()
        located = device.register().location
        assert server.end() == 0
    shutil.copytree(data, copy)
    seen = nonces(device.received)
    flags = ("--dtls-port", str(where[1]))
    with device:
        for _ in range(3):
            del device.received[:]
            with served(data, *flags) as server:
                assert server.count("dtls_sessions_current") == 1
                for _ in range(20):
                    assert device.ask(POST, located).code == "2.04"
                assert server.count("dtls_handshakes_begun") == 0
                server.process.send_signal(signal.SIGKILL)
                server.process.wait()
            fresh = nonces(device.received)
            assert len(fresh) >= 20
            seen += fresh
            shutil.rmtree(data)
            shutil.copytree(copy, data)
    assert len({number for number, _ in seen}) == len(seen)
    assert len({explicit for _, explicit in seen}) == len(seen)


def test_what_was_loaded_is_gone_from_the_disk(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with served(data) as server:
        give(server)
        where = coaps(server)
        device = DtlsDevice(where).connect()
        located = device.register().location
        assert server.end() == 0
    flags = ("--dtls-port", str(where[1]))
    with device:
        with served(data, *flags) as server:
            assert server.count("dtls_sessions_current") == 1
            server.process.send_signal(signal.SIGKILL)  # before the session is used at all
            server.process.wait()
        with served(data, *flags) as server:
            assert server.count("dtls_sessions_current") == 0
            assert device.renew().ask(POST, located).code == "2.04"


def test_a_session_that_cannot_be_saved_is_told_that_it_ends(tmp_path: Path) -> None:
    with served(tmp_path / "data") as server:
        give(server)
        with DtlsDevice(coaps(server), suites=[CBC]).connect() as device:
            device.register()
            assert server.end() == 0
            until(lambda: device.take(0.1) or not device.session.is_ready)
            assert not device.session.is_ready, "it was not told"


# Bad links


@pytest.mark.parametrize("is_certified", [False, True])
def test_handshakes_over_a_bad_link(tmp_path: Path, is_certified: bool) -> None:
    """A fifth is lost, a sixth is late, a seventh comes twice; each way."""
    authority = write_certificates(tmp_path)
    env = {**with_certificates(tmp_path), "LWM2M_FAST_DTLS__RETRANSMIT_FIRST_S": "0.3"}
    own = made_certificate("dev-1", authority)
    parts: dict[str, Any] = {"own": own, "anchor": authority} if is_certified else {}
    with served(tmp_path / "data", env=env) as server:
        if not is_certified:
            give(server)
        with bad_proxy(coaps(server), seed=1, loss=0.2) as link:
            for _ in range(5):
                with DtlsDevice(link.where, **parts) as device:
                    device.connect(40.0)
                    assert device.register(seconds=40.0).code == "2.01"
        assert link.lost and link.doubled and link.overtaken
        until(lambda: server.count("dtls_handshakes_current") == 0, 70.0)
        assert server.count("dtls_sessions_current") == 1
        assert server.count("dtls_faults") == 0


# Floods


def stamped(device: socket.socket) -> int | None:
    """When the next datagram came, by the system's clock in ns; None: there is none."""
    try:
        _, notes, _, _ = device.recvmsg(4096, 64)
    except BlockingIOError:
        return None
    (_, _, data) = notes[0]
    seconds, nanoseconds = struct.unpack("@ll", data)
    return seconds * 10**9 + nanoseconds


SO_TIMESTAMPNS = 35  # Linux, asm-generic/socket.h


@pytest.mark.skipif(sys.platform != "linux", reason="the system must say when a datagram came")
def test_a_flood_of_handshakes_lets_registered_devices_through(tmp_path: Path) -> None:
    """A hundred hellos with good cookies wait in front of an Update, which is answered among the
    first: judged by when the answers left, not by how long they took."""
    authority = write_certificates(tmp_path)
    env = {**with_certificates(tmp_path), "LWM2M_FAST_DTLS__RETRANSMIT_FIRST_S": "60"}
    with served(tmp_path / "data", env=env) as server:
        give(server)
        strangers = [
            DtlsDevice(
                coaps(server),
                own=made_certificate("stranger", None),
                anchor=authority,
                retransmit_first_ms=60_000,
            )
            for _ in range(100)
        ]
        with DtlsDevice(coaps(server)).connect() as device:
            located = device.register().location
            seconds: list[bytes] = []
            for stranger in strangers:  # as far as the cookie
                stranger.start()
                datagram = stranger.socket.recv(4096)
                stranger.session.receive(datagram, now_ms())
                seconds.append(stranger.session.sent.pop())
            for each in (device, *strangers):
                each.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
                each.socket.setblocking(False)
            server.process.send_signal(signal.SIGSTOP)
            for stranger, hello in zip(strangers, seconds, strict=True):
                stranger.socket.sendto(hello, stranger.where)
            device.send(request(POST, located, mid=0x5000))
            server.process.send_signal(signal.SIGCONT)
            answered = until(lambda: stamped(device.socket))
            greeted = [until(lambda one=one: stamped(one.socket)) for one in strangers]
            assert server.count("dtls_handshakes_begun") == 101
            earlier = sum(moment < answered for moment in greeted)
            assert earlier < len(strangers) // 2, f"{earlier} handshakes went first"
        for stranger in strangers:
            stranger.close()


def test_hellos_without_a_cookie_leave_nothing_and_the_registered_are_served(
    tmp_path: Path,
) -> None:
    with served(tmp_path / "data") as server:
        give(server)
        with DtlsDevice(coaps(server)).connect() as device, DtlsDevice(coaps(server)) as stranger:
            located = device.register().location
            stranger.session.connect(now_ms())
            (hello,) = stranger.session.sent
            for _ in range(20):
                for _ in range(50):
                    stranger.socket.sendto(hello, stranger.where)
                assert device.ask(POST, located).code == "2.04"
            until(lambda: server.count("dtls_hello_verifies") >= 1000)
            assert server.count("dtls_handshakes_begun") == 1
            assert server.count("dtls_handshakes_current") == 0
            assert server.count("dtls_sessions_current") == 1


def test_a_flood_of_wrong_keys_is_refused_and_the_registered_are_served(tmp_path: Path) -> None:
    with served(tmp_path / "data") as server:
        give(server)
        with DtlsDevice(coaps(server)).connect() as device:
            located = device.register().location
            for _ in range(50):
                with (
                    DtlsDevice(coaps(server), key=b"another key") as stranger,
                    pytest.raises(Refused),
                ):
                    stranger.connect()
                assert device.ask(POST, located).code == "2.04"
        assert server.count("dtls_handshakes_failed") == 50
        assert server.count("dtls_handshakes_current") == 0
        assert server.count("dtls_sessions_current") == server.count("principals_current") == 1
        assert KEY.hex() not in server.logged()
