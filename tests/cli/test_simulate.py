"""`lwm2m-fast simulate`, against a server that answers every Register and nothing else."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from outcome import Run

from lwm2m_fast.sim import simulation
from lwm2m_fast.wire.coap import build, parse

WAIT_S = 20.0


class Registrar:
    """Answers a Register 2.01, anything else 2.04, and a ping with a reset."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.url = f"coap://127.0.0.1:{self.socket.getsockname()[1]}"
        self.heard = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            datagram, peer = self.socket.recvfrom(2048)
            if datagram == b"over":
                return
            request = parse(datagram)
            registers = request["path"] == [b"rd"]
            answer = build(2, 65 if registers else 68, request["mid"], request["token"],
                           [(8, b"rd"), (8, b"1")] if registers else [])  # fmt: skip
            ping = build(3, 0, request["mid"])
            self.socket.sendto(answer if request["code"] else ping, peer)
            self.heard.set()

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as knock:
            knock.sendto(b"over", self.socket.getsockname())
        self._thread.join(WAIT_S)
        self.socket.close()


@pytest.fixture
def registrar() -> Iterator[Registrar]:
    up = Registrar()
    yield up
    up.close()


def test_a_fleet_that_registers_ends_with_a_summary_and_0(run: Run, registrar: Registrar) -> None:
    done = run("simulate", "--server", registrar.url, "--devices", "3", "--duration", "0.1")
    assert done.code == 0
    assert "3 of 3 devices registered" in done.out
    assert "registering" in done.out and "deregister" in done.out


def test_json_is_all_that_is_printed(run: Run, registrar: Registrar) -> None:
    done = run("simulate", "--server", registrar.url, "--devices", "2", "--mode", "update",
               "--duration", "0.1", "--stay", "--seed", "7", "--json")  # fmt: skip
    report = json.loads(done.out)
    assert (done.code, report["complete"], report["registered"], report["seed"]) == (0, True, 2, 7)
    assert [phase["name"] for phase in report["phases"]] == ["registering", "running", "ending"]
    assert report["phases"][1]["rows"][0]["endings"]["2.04"] > 0


def test_sends_and_a_bad_link_show_in_the_summary(run: Run, registrar: Registrar) -> None:
    behaviour = (
        "--send-every 0.1 --delay 0.001 --reorder 0.1 --sensors 2 --block 512 --notify-every 1 "
        "--confirm-every 4 --sleep 5 --slow 0.1 --misbehave reset:0.1 --misbehave empty-ack:0.1"
    )
    done = run("simulate", "--server", registrar.url, "--devices", "3", "--duration", "0.5",
               *behaviour.split())  # fmt: skip
    assert done.code == 0
    assert " send " in done.out
    assert "operations and reports:" in done.out
    done = run("simulate", "--server", registrar.url, "--devices", "2", "--mode", "send",
               "--duration", "0.1", "--json")  # fmt: skip
    (row,) = json.loads(done.out)["phases"][1]["rows"]
    assert row["request"] == "send" and row["endings"]["2.04"] > 0


def test_pings_need_no_registration(run: Run, registrar: Registrar) -> None:
    done = run("simulate", "--server", registrar.url, "--mode", "ping", "--duration", "0.1")
    assert done.code == 0
    assert "0 of 20 devices registered" in done.out


def test_a_silent_server_is_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "SILENCE_S", 0.1)
    monkeypatch.setattr(simulation, "DRAIN_S", 0.1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"coap://127.0.0.1:{silent.getsockname()[1]}"
        done = run("simulate", "--server", url, "--devices", "2")
    assert done.code == 1
    assert "0 of 2 devices registered" in done.out


@pytest.mark.parametrize(
    "arguments, why",
    [
        (("--devices", "0"), "devices 0: must be 1 to"),
        (("--server", "http://127.0.0.1"), "must be coap://"),
        (("--lifetime", "0"), "lifetime-s 0: must be"),
        (("--misbehave", "rudely"), "misbehave 'rudely': the kind must be one of wrong-token"),
        (("--lwm2m", "1.0", "--mode", "send"), "Send came with LwM2M 1.1"),
    ],
)
def test_what_cannot_be_is_one_line_and_2(run: Run, arguments: tuple[str, ...], why: str) -> None:
    done = run("simulate", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ") and why in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_live_fleet_in_order(registrar: Registrar, number: signal.Signals) -> None:
    arguments = ["simulate", "--server", registrar.url, "--devices", "2", "--json"]
    child = subprocess.Popen(
        [sys.executable, "-m", "lwm2m_fast", *arguments], stdout=subprocess.PIPE, env=os.environ
    )
    try:
        assert registrar.heard.wait(WAIT_S)
        child.send_signal(number)
        out, _ = child.communicate(timeout=WAIT_S)
    finally:
        child.kill()
        child.wait()
    report = json.loads(out)
    assert child.returncode == (0 if report["registered"] == 2 else 1)
    assert report["phases"][-1]["name"] == "leaving"
