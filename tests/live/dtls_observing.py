"""An observation of a device over DTLS: begun, reported under, and told by the server's events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dtls_device import DtlsDevice
from scripted import ACK, CON, CONTENT_FORMAT, OBSERVE, Heard, number_bytes, write
from serving import Server, until

CONTENT = 0x45
PATH = "/3303/0/5700"


def observed(server: Server, device: DtlsDevice) -> bytes:
    """Have a resource observed; the token of it."""
    operation = server.http.post(
        "/api/v1/devices/dev-1/operations", json={"op": "observe", "path": PATH}
    )
    assert operation.status_code in (201, 202), operation.text
    asked = device.hear()
    assert asked.number(OBSERVE) == 0
    options = [(OBSERVE, b"\1"), (CONTENT_FORMAT, b"")]
    device.send(write(ACK, CONTENT, asked.mid, asked.token, options, b"0"))
    number = operation.json()["id"]
    where = f"/api/v1/devices/dev-1/operations/{number}"
    until(lambda: server.get(where)["state"] == "SUCCESSFUL")
    return asked.token


def notify(device: DtlsDevice, token: bytes, number: int) -> Heard:
    """A confirmable notification with its number for a value; what the server says to it."""
    options = [(OBSERVE, number_bytes(number)), (CONTENT_FORMAT, b"")]
    mid = 0x4000 + number
    device.send(write(CON, CONTENT, mid, token, options, str(number).encode()))
    while (answer := device.hear()).mid != mid or answer.type == CON:
        continue
    return answer


@contextmanager
def notified(server: Server) -> Iterator[Iterator[str]]:
    """Values as the event stream tells them."""

    def values(lines: Iterator[str]) -> Iterator[str]:
        kind = ""
        for line in lines:
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: ") and kind == "notification":
                yield from _values(json.loads(line.removeprefix("data: ")))

    with server.http.stream("GET", "/api/v1/events") as events:
        yield values(events.iter_lines())


def _values(event: dict[str, Any]) -> list[str]:
    return [str(one["value"]) for one in event["data"]["values"]]
