"""The whole server as a process: devices on sockets, operators over HTTP, end and return."""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from serving import Socket, register_many, served, until

sys.path.insert(0, str(Path(__file__).parent.parent / "scenario"))

from scripted import ACK, CON, DELETE, GET, POST, RST, read, register, write

from tests.this_machine import disk_of, has_ipv6


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("live") / "data") as server:
        yield server


def answer_read(device: Socket, payload: bytes) -> bytes:
    """Answer the next request; its path."""
    asked = device.hear()
    assert (asked.type, asked.code) == (CON, "0.01")
    device.socket.send(write(ACK, 69, asked.mid, asked.token, [(12, b"")], payload))
    return b"/".join(asked.path)


def read_over_http(server, endpoint: str, path: str) -> subprocess.Popen:
    """An HTTP request of its own process, under way."""
    code = (
        "import sys, httpx\n"
        "answer = httpx.get(sys.argv[1], headers={'Authorization': sys.argv[2]}, timeout=20,"
        " trust_env=False)\n"
        "print(answer.status_code, answer.text)"
    )
    url = str(server.http.base_url.join(f"/api/v1/devices/{endpoint}/{path}"))
    return subprocess.Popen(
        [sys.executable, "-c", code, url, server.http.headers["Authorization"]],
        stdout=subprocess.PIPE,
        text=True,
    )


# One device


def test_a_device_registers_updates_is_read_and_leaves(server):
    with Socket(server) as device:
        answer = device.register("one")
        assert answer.code == "2.01"
        shown = server.get("/api/v1/devices/one")
        assert shown["address"] == "{}:{}".format(*device.socket.getsockname())
        assert shown["registration_id"] == answer.location.removeprefix("rd/")
        assert device.ask(POST, answer.location).code == "2.04"
        reading = read_over_http(server, "one", "3/0/0")
        device.socket.settimeout(20)
        assert answer_read(device, b"Acme") == b"3/0/0"
        said, _ = reading.communicate(timeout=20)
        assert said.startswith("200 ")
        assert '"value":"Acme"' in said
        device.socket.settimeout(2)
        assert device.ask(DELETE, answer.location).code == "2.02"
        assert server.http.get("/api/v1/devices/one").status_code == 404


def test_an_operator_removes_a_device(server):
    with Socket(server) as device:
        location = device.register("removed").location
        assert server.http.delete("/api/v1/devices/removed").status_code == 204
        assert device.ask(POST, location).code == "4.04"


def test_a_read_of_a_silent_device_is_a_timeout(server):
    with Socket(server) as device:
        device.register("silent")
        answer = server.http.get("/api/v1/devices/silent/3/0", params={"timeout": 0.2})
        assert answer.status_code == 504
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_forever_registered_device_is_shown(server):
    with Socket(server) as device:
        device.register("forever", lifetime=0)
        assert server.get("/api/v1/devices/forever")["expires_at"] is None


# What must not stop it


def test_a_closed_device_socket_never_stops_the_loop(server):
    with Socket(server) as kept:
        location = kept.register("kept").location
        for number in range(30):
            with Socket(server) as gone:  # closed before its answer: ICMP port unreachable
                gone.socket.send(register(f"gone-{number}", mid=number))
        for _ in range(5):
            assert kept.ask(POST, location).code == "2.04"
        assert server.get("/healthz") == {"status": "alive"}


def test_a_read_of_a_device_that_is_gone_hurts_nobody(server):
    with Socket(server) as gone:
        gone.register("gone")
    answer = server.http.get("/api/v1/devices/gone/3/0", params={"timeout": 0.5})
    assert answer.status_code == 504
    with Socket(server) as device:
        assert device.ask(GET, ".well-known/core").code == "2.05"


@pytest.mark.parametrize("size", [2049, 9000, 60000])
def test_a_truncated_datagram_is_counted_and_its_neighbours_are_answered(server, size):
    before = server.count("udp_truncated")
    with Socket(server) as device:
        device.socket.send(register("cut", payload=bytes(size)))
        device.socket.send(write(CON, 0, 77))
        assert (device.hear().type) == RST
    assert server.count("udp_truncated") == before + 1
    assert server.http.get("/api/v1/devices/cut").status_code == 404


def test_garbage_changes_nothing(server):
    before = server.get("/api/v1/devices")["devices"]
    with Socket(server) as device:
        for number in range(500):
            device.socket.send(bytes([number & 255]) * (number % 60))
        device.socket.settimeout(0.5)
        assert device.ask(GET, ".well-known/core").code == "2.05"
    assert server.get("/api/v1/devices")["devices"] == before


# Operators


def test_metrics_count_what_devices_do(server):
    before = server.count("coap_pings")
    with Socket(server) as device:
        device.socket.send(write(CON, 0, 1))
        device.hear()
    assert server.count("coap_pings") == before + 1
    assert server.count("udp_receive_buffer_bytes") > 0


def test_an_event_reaches_its_reader_after_the_devices_answer(server):
    with (
        # Less than a heartbeat: an event that never comes must not be waited for.
        server.http.stream(
            "GET", "/api/v1/events", params={"endpoint": "told"}, timeout=5.0
        ) as stream,
        Socket(server) as device,
    ):
        assert stream.status_code == 200
        lines = stream.iter_lines()
        answer = device.register("told")
        line = next(line for line in lines if line.startswith("data:"))
        assert answer.location.removeprefix("rd/") in line
        device.ask(DELETE, answer.location)
        assert any("deregistered" in line for line, _ in zip(lines, range(9), strict=False))


def test_a_device_that_sleeps_is_told_awake_and_asleep(server):
    about = {"endpoint": "dozes"}
    with (
        server.http.stream("GET", "/api/v1/events", params=about, timeout=5.0) as stream,
        Socket(server) as device,
    ):
        lines = (line for line in stream.iter_lines() if line.startswith("event:"))
        location = device.register("dozes", query=["at=200"]).location
        told = [next(lines).removeprefix("event:").strip() for _ in range(3)]
        assert told == ["registered", "awake", "asleep"]
        device.ask(POST, location)
        assert [next(lines).removeprefix("event:").strip() for _ in range(2)] == [
            "updated",
            "awake",
        ]
        device.ask(DELETE, location)


def test_no_token_no_devices(server):
    answer = server.http.get("/api/v1/devices", headers={"Authorization": "Bearer wrong"})
    assert answer.status_code == 401


# Its end and its return


def test_sigterm_ends_it_within_five_seconds_with_everything_answered(tmp_path):
    with (
        served(tmp_path / "data") as server,
        Socket(server) as device,
        server.http.stream("GET", "/api/v1/events") as stream,
    ):
        assert stream.status_code == 200
        for number in range(200):
            device.socket.send(register(f"dev-{number}", mid=number))
        heard = {device.hear().mid}
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(5) == 0
        device.socket.setblocking(False)
        try:
            while True:
                heard.add(device.hear().mid)
        except (BlockingIOError, ConnectionRefusedError):
            pass
    with served(tmp_path / "data") as server:
        # Exactly what was answered is kept, and nothing else was received.
        assert server.count("registrations_current") == len(heard)


def test_sigterm_does_not_wait_for_a_silent_device(tmp_path):
    with served(tmp_path / "data") as server, Socket(server) as device:
        device.register("silent")
        reading = read_over_http(server, "silent", "3/0")
        device.socket.settimeout(20)
        assert device.hear().code == "0.01"
        assert server.end() == 0
        said, _ = reading.communicate(timeout=20)
        assert not said.startswith("200")


def test_a_device_that_is_not_provisioned_is_refused_until_it_is(tmp_path):
    with served(tmp_path / "data", "--policy", "provisioned") as server, Socket(server) as device:
        answer = device.register("dev-1")
        assert (answer.code, answer.payload) == ("4.03", b"")
        added = server.http.post("/api/v1/provisioned", json={"endpoints": ["dev-1"]})
        assert added.status_code in (200, 201), added.text
        assert device.register("dev-1").code == "2.01"
        assert server.end() == 0


def test_a_restart_keeps_every_registration(tmp_path):
    with served(tmp_path / "data") as server, Socket(server) as device:
        locations = {name: device.register(name).location for name in ("a", "b", "\u20ac")}
        assert device.ask(DELETE, locations.pop("b")).code == "2.02"
        before = {shown["endpoint"]: shown for shown in server.get("/api/v1/devices")["devices"]}
        assert server.end() == 0
        with served(tmp_path / "data") as server:
            after = {s["endpoint"]: s for s in server.get("/api/v1/devices")["devices"]}
            assert after.keys() == before.keys() == locations.keys()
            for name in after:
                # Deadlines are generous after a restart; moments are kept to the millisecond.
                del after[name]["expires_at"], before[name]["expires_at"]
                heard = before[name].pop("updated_at")
                assert after[name].pop("updated_at") == pytest.approx(heard, abs=0.01)
            assert after == before
            device.socket.connect(server.coap)
            for location in locations.values():
                assert device.ask(POST, location).code == "2.04"
            assert server.end() == 0


@pytest.mark.parametrize("stop_at", [1, 500, 4000])
def test_kill_9_under_load_loses_nothing_that_was_answered(tmp_path, stop_at):
    with served(tmp_path / "data") as server:
        located = register_many(server, 100_000, seconds=10, stop_at=stop_at)
        assert len(located) >= stop_at
    with served(tmp_path / "data") as server:
        assert server.count("registrations_current") >= len(located)
        with Socket(server) as device:
            lost = [
                name
                for name, location in located.items()
                if device.ask(POST, location).code != "2.04"
            ]
        assert lost == []
        assert server.end() == 0


def test_a_second_server_on_the_same_data_is_refused(tmp_path):
    with served(tmp_path / "data") as server:
        with pytest.raises(AssertionError, match="never ready"), served(tmp_path / "data"):
            pass
        assert server.get("/healthz") == {"status": "alive"}


# Both families


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_devices_over_ipv6_are_served(tmp_path):
    with served(tmp_path / "data", host="::1") as server, Socket(server) as device:
        location = device.register("six").location
        assert device.ask(POST, location).code == "2.04"
        shown = server.get("/api/v1/devices/six")
        assert shown["address"] == f"[::1]:{device.socket.getsockname()[1]}"


# Other people's clients

COAP_CLIENT = shutil.which("coap-client-notls")


@pytest.mark.skipif(COAP_CLIENT is None, reason="libcoap's coap-client-notls is not installed")
def test_libcoaps_client_registers_updates_and_leaves(server):
    def ask(method: str, path: str, *flags: str) -> str:
        url = "coap://{}:{}/{}".format(*server.coap, path)
        done = subprocess.run(
            [str(COAP_CLIENT), "-m", method, "-B", "5", "-v", "7", *flags, url],
            capture_output=True,
            text=True,
            timeout=20,
        )
        return done.stdout + done.stderr

    assert 'rt="core.rd"' in ask("get", ".well-known/core")
    links = "</3/0>;ver=1.1,</3303/0>," + ",".join(f"</33{n}/0>" for n in range(10, 99))
    said = ask("post", "rd?ep=libcoap&lwm2m=1.1&lt=300", "-t", "40", "-e", links, "-b", "256")
    shown = server.get("/api/v1/devices/libcoap")
    assert "2.01" in said
    assert shown["links"] == links
    location = "rd/" + shown["registration_id"]
    assert "2.04" in ask("post", location)
    assert "4.04" in ask("post", "rd/AAAAAAAAAAAAAA")
    assert "2.02" in ask("delete", location)
    assert server.http.get("/api/v1/devices/libcoap").status_code == 404


def test_a_device_is_read_block_by_block(server):
    with Socket(server) as device:
        device.register("large")
        reading = read_over_http(server, "large", "3")
        device.socket.settimeout(20)
        body = b"".join(b"%06d" % n for n in range(500))
        at, more = 0, True
        while more:
            asked = device.hear()
            number = (asked.block(23) or (0, False, 512))[0]
            at = number * 512
            more = at + 512 < len(body)
            value = (number << 4 | (8 if more else 0) | 5).to_bytes(2, "big").lstrip(b"\0")
            options = [(12, b""), (23, value)]
            device.socket.send(write(ACK, 69, asked.mid, asked.token, options, body[at : at + 512]))
        said, _ = reading.communicate(timeout=20)
        assert body.decode() in said


def test_a_reboot_under_the_same_port_is_noticed(server):
    with Socket(server) as device:
        first = device.register("again")
        device.mid = 0
        second = device.register("again", token=b"new")
        assert second.location != first.location
        assert read(second.data).token == b"new"
        until(lambda: server.count("registrations_replaced"))


# A full disk


@pytest.fixture
def small_disk():
    with disk_of(8) as path:
        yield path


def register_until_refused(device: Socket, prefix: str) -> tuple[dict[str, str], str]:
    """Register devices with long lists; the locations given, and the code that ended it."""
    located = {}
    links = b"</3/0>," + b",".join(b"</33%02d/%d>" % (n % 99, n) for n in range(100))
    for number in range(100_000):
        answer = device.register(f"{prefix}-{number}", payload=links + b",</7/%d>" % number)
        if answer.code != "2.01":
            return located, answer.code
        located[f"{prefix}-{number}"] = answer.location
    raise AssertionError("the disk is never full")


def is_ready(server) -> bool:
    return server.http.get("/readyz").status_code == 200


def full_and_well_again(server, device: Socket, make_room) -> dict[str, str]:
    """Fill the disk, look at what devices and operators see, make room, and go on."""
    located, code = register_until_refused(device, "dev")
    assert code == "5.03"
    assert located, "some fit before the disk was full"
    until(lambda: not is_ready(server))
    assert server.http.get("/readyz").status_code == 503
    assert server.get("/healthz") == {"status": "alive"}
    name, location = next(iter(located.items()))
    assert device.ask(POST, location).code == "2.04", "a plain Update goes on"
    assert device.ask(GET, ".well-known/core").code == "2.05"
    assert server.get(f"/api/v1/devices/{name}")["endpoint"] == name
    make_room()
    until(lambda: is_ready(server), 20)
    answer = device.register("after")
    assert answer.code == "2.01"
    located["after"] = answer.location
    return located


def all_are_there(data_dir: Path, located: dict[str, str]) -> None:
    with served(data_dir) as server, Socket(server) as device:
        lost = [n for n, where in located.items() if device.ask(POST, where).code != "2.04"]
        assert lost == []


def test_a_full_disk_is_5_03_and_not_ready_until_there_is_room(small_disk):
    ballast = small_disk / "ballast"
    with served(small_disk / "data") as server, Socket(server) as device:
        free = shutil.disk_usage(small_disk).free
        ballast.write_bytes(bytes(max(0, free - 300_000)))
        located = full_and_well_again(server, device, ballast.unlink)
        server.end(signal.SIGKILL)
    all_are_there(small_disk / "data", located)


def test_a_file_that_may_not_grow_is_5_03_until_it_may(tmp_path):
    unlimited = (resource.RLIM_INFINITY, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    with served(tmp_path / "data") as server, Socket(server) as device:
        pid = server.process.pid
        largest = max(file.stat().st_size for file in (tmp_path / "data").rglob("*"))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest + 200_000, unlimited[1]))
        located = full_and_well_again(
            server, device, lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
        )
        server.end(signal.SIGKILL)
    all_are_there(tmp_path / "data", located)
