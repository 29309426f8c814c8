"""Kill -9 with 10,000 pending operations, and again in the middle of their delivery (issue, 3).

A device is given an operation once per contact, under one message id. Across a kill, what was
reported SUCCESSFUL is not given again, and what a device has not answered is. The last answer of a
device, if nobody was told of it yet, may die with the process: that one operation is given again,
as after any answer that is lost.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from serving import Server, served, until
from socket_fleet import SocketFleet, successes

DEVICES = 100
EACH = 100
ALL = list(range(EACH))


@pytest.fixture
def fleet():
    fleet = SocketFleet(DEVICES)
    yield fleet
    fleet.close()


def submit_all(server: Server, fleet: SocketFleet) -> None:
    """Writes of increasing numbers to devices that nobody has heard of."""
    orders = [{"op": "write", "path": "/3/0/14", "value": f"op-{n}"} for n in ALL]
    for device in fleet.devices:
        made = server.http.post(f"/api/v1/devices/{device.name}/operations", json=orders)
        assert made.status_code == 202, made.text


def answered(fleet: SocketFleet) -> int:
    return sum(len(device.answered) for device in fleet.devices)


def kill(server: Server) -> None:
    server.end(signal.SIGKILL)


def test_pending_operations_outlive_kills_and_go_once_per_contact_in_order(tmp_path, fleet):
    data = tmp_path / "data"
    with served(data) as server:
        submit_all(server, fleet)
        kill(server)

    # Half of the devices fall silent after some operations; the kill meets the others at work.
    for number, device in enumerate(fleet.devices):
        device.answers_before_silence = None if number % 2 else number // 2
    stream = {"LWM2M_FAST_HTTP__SUBSCRIBER_QUEUE": "1000000"}  # its reader may be slow
    with served(data, env=stream) as server, successes(server) as reported:
        assert server.count("operations_waiting") == DEVICES * EACH
        fleet.contact(server)
        fleet.serve(server, lambda: answered(fleet) >= 3000 and len(reported) >= 1000)
        kill(server)
        fleet.drain()
    done = {device.name: len(device.answered) for device in fleet.devices}
    for device in fleet.devices:
        assert device.given == ALL[: len(device.given)], "each once, in order"
        assert len(device.given) - len(device.answered) in (0, 1), "one at a time"
    assert all(number < done[name] for name, number in reported), "nothing unanswered is reported"

    for device in fleet.devices:
        device.answers_before_silence = None
    with served(data) as server:
        waiting = server.count("operations_waiting")
        assert DEVICES * EACH - answered(fleet) <= waiting <= DEVICES * EACH - len(reported)
        fleet.contact(server)
        fleet.serve(server, lambda: all(ALL[-1] in device.answered for device in fleet.devices))
        until(lambda: server.count("operations_waiting") == 0)
        for device in fleet.devices:
            first = device.given[0]
            assert device.given == ALL[first:], "the rest, each once, in order"
            assert first - done[device.name] in (0, -1), "one answer is forgotten at most"
            assert (device.name, first) not in reported, "what was reported done is not"
        assert sum(len(device.given) for device in fleet.devices) == waiting
        shown = {device.name: operations_of(server, device.name) for device in fleet.devices}
        kill(server)
    assert all(
        [(each["order"]["value"], each["state"]) for each in operations]
        == [(f"op-{n}", "SUCCESSFUL") for n in reversed(ALL)]
        for operations in shown.values()
    )

    with served(data) as server:
        assert server.count("operations_waiting") == 0
        fleet.contact(server)
        fleet.serve(server, lambda: not any(device.asking for device in fleet.devices))
        assert server.end() == 0
        fleet.drain()
    assert [device.given for device in fleet.devices] == [[]] * DEVICES


def operations_of(server: Server, endpoint: str) -> list[dict]:
    """All operations of a device, newest first, once they have ended and that is kept."""

    def found() -> list[dict]:
        shown = server.get(f"/api/v1/devices/{endpoint}/operations?limit={EACH}")["operations"]
        return shown if all(each["state"] == "SUCCESSFUL" for each in shown) else []

    return until(found)
