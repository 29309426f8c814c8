"""Simulated devices before their bootstrap server: datagram by datagram, on a clock of numbers."""

from __future__ import annotations

from typing import Any

import pytest

from lwm2m_fast.codec import FORMATS, Node, Path
from lwm2m_fast.errors import ConfigError
from lwm2m_fast.sim.bootstrapping import NEW, REGISTER, BootstrapDesk, bootstrap_fleet
from lwm2m_fast.sim.identities import Identity
from lwm2m_fast.sim.options import Options
from lwm2m_fast.wire.coap import build, parse
from tests.sim.sim_kit import (
    ACK,
    BAD_REQUEST,
    BLOCK1,
    CHANGED,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    CONTINUE,
    DELETE,
    DELETED,
    GET,
    INCOMPLETE,
    NOT_ALLOWED,
    NOT_FOUND,
    POST,
    PUT,
    S,
)

TLV = 11542
PSK: dict[int, Any] = {0: "coaps://there", 1: False, 2: 0, 3: b"me", 5: b"secret", 10: 1}


class Server:
    """The bootstrap server's side."""

    def __init__(self, **options: Any) -> None:
        given = Options(bootstrap="coap://127.0.0.1", devices=3, **options)
        self.fleet = bootstrap_fleet(given, 0)
        self.desk = BootstrapDesk(self.fleet, given.block_bytes.bit_length() - 5)
        self.mid = 0

    def begin(self) -> list[tuple[int, dict[str, Any]]]:
        self.fleet.load(REGISTER, (NEW,), once=True, now_ns=0)
        return self.turn(0)

    def turn(self, second: float) -> list[tuple[int, dict[str, Any]]]:
        self.fleet.handle_turn(round(second * S))
        return [(device, parse(datagram)) for device, datagram in self.fleet.take_output()]

    def accept(self, device: int, request: dict[str, Any], code: int = CHANGED) -> None:
        self.fleet.receive_datagram(device, build(ACK, code, request["mid"], request["token"]), 1)

    def ask(
        self, code: int, path: str, *options: tuple[int, int], payload: bytes = b"", device: int = 0
    ) -> dict[str, Any]:
        self.mid += 1
        return self.again(code, path, *options, payload=payload, device=device)

    def again(
        self, code: int, path: str, *options: tuple[int, int], payload: bytes = b"", device: int = 0
    ) -> dict[str, Any]:
        segments = [(11, part.encode()) for part in path.split("/") if part]
        request = build(CON, code, self.mid, b"tk", [*segments, *options], payload)
        self.fleet.receive_datagram(device, request, 1)
        ((answering, answer),) = self.fleet.take_output()
        assert answering == device
        return parse(answer)

    def write(self, path: str, values: dict[int, Any]) -> dict[str, Any]:
        payload = written(path, values)
        return self.ask(PUT, path, (CONTENT_FORMAT, TLV), payload=payload)


def written(path: str, values: dict[int, Any]) -> bytes:
    nodes = [Node(Path.parse(f"{path}/{id}"), value) for id, value in values.items()]
    return FORMATS[TLV].encode(nodes, path)


@pytest.mark.parametrize(("version", "pct"), [("1.0", "pct=11542"), ("1.1", "pct=112")])
def test_each_device_asks_once_by_its_own_name(version: str, pct: str) -> None:
    server = Server(version=version)
    asked = server.begin()
    assert [(m["code"], m["path"]) for _, m in asked] == [(POST, [b"bs"])] * 3
    assert [m["query"] for _, m in asked] == [
        [f"ep=sim-00000{number}".encode(), pct.encode()] for number in (1, 2, 3)
    ]
    server.accept(0, asked[0][1])
    server.accept(1, asked[1][1], 0x80)
    later = [device for second in range(1, 400) for device, _ in server.turn(second)]
    assert set(later) == {2}  # which nobody answered
    assert server.desk.outcomes() == {"4.00": 1, "timeout": 1}


def test_what_is_written_is_found_and_becomes_the_account() -> None:
    server = Server()
    assert server.ask(GET, "/")["payload"] == b"</>;lwm2m=1.1,</0/0>"
    assert server.write("/0/1", PSK)["code"] == CHANGED
    assert server.write("/1/1", {0: 1, 1: 60, 6: False, 7: "U"})["code"] == CHANGED
    found = server.ask(GET, "/")
    assert found["code"] == CONTENT
    assert found["payload"] == b"</>;lwm2m=1.1,</0/0>,</0/1>;ssid=1,</1/1>;ssid=1"
    assert not server.desk.finished
    assert server.ask(POST, "/bs")["code"] == CHANGED
    assert server.desk.finished == {0}
    account = server.desk.account(0)
    assert account == ("coaps://there", Identity(b"me", b"secret"))
    assert server.desk.account(1) is None


def test_a_write_in_blocks_is_one_write() -> None:
    server = Server(block_bytes=16)
    payload = written("/0/1", PSK)
    first, rest = payload[:32], payload[32:]
    form = (CONTENT_FORMAT, TLV)
    assert server.ask(PUT, "/0/1", form, (BLOCK1, 1 << 4 | 1), payload=rest)["code"] == INCOMPLETE
    answer = server.ask(PUT, "/0/1", form, (BLOCK1, 8 | 1), payload=first)
    assert (answer["code"], answer["block1"]) == (CONTINUE, (0, True, 0))
    assert server.desk.account(0) is None
    answer = server.ask(PUT, "/0/1", form, (BLOCK1, 1 << 4 | 1), payload=rest[:32])
    assert answer["code"] == CHANGED
    assert server.desk.account(0) is not None


def test_a_duplicate_is_answered_as_before_and_done_once() -> None:
    server = Server()
    server.write("/0/1", PSK)
    assert server.ask(DELETE, "/0/1")["code"] == DELETED
    assert server.again(DELETE, "/0/1")["code"] == DELETED
    assert server.ask(DELETE, "/0/1")["code"] == NOT_FOUND


def test_a_delete_of_everything_leaves_the_bootstrap_account() -> None:
    server = Server()
    server.write("/0/1", PSK)
    assert server.ask(DELETE, "/")["code"] == DELETED
    assert server.ask(GET, "/")["payload"] == b"</>;lwm2m=1.1,</0/0>"


@pytest.mark.parametrize(
    ("code", "path", "payload", "expected"),
    [
        (PUT, "/0/1", b"\xff\xff", BAD_REQUEST),
        (PUT, "/0", b"", BAD_REQUEST),
        (PUT, "/0/x", b"", BAD_REQUEST),
        (GET, "/3/0", b"", NOT_ALLOWED),
        (POST, "/3/0/4", b"", NOT_ALLOWED),
    ],
)
def test_what_cannot_be_is_refused(code: int, path: str, payload: bytes, expected: int) -> None:
    server = Server()
    assert server.ask(code, path, (CONTENT_FORMAT, TLV), payload=payload)["code"] == expected
    assert server.desk.account(0) is None


@pytest.mark.parametrize(
    "change", [{3: b""}, {5: b""}, {2: 1}, {1: True}, {0: "http://there"}, {0: ""}]
)
def test_an_account_that_nobody_can_use_is_none(change: dict[int, Any]) -> None:
    server = Server()
    server.write("/0/1", PSK | change)
    assert server.desk.account(0) is None


def test_keys_belong_to_the_bootstrap_server() -> None:
    with pytest.raises(ConfigError, match="bootstrap 'coaps://there': needs exactly one of"):
        Options(bootstrap="coaps://there")
    with pytest.raises(ConfigError, match="psk-key: the server must be coaps://"):
        Options(bootstrap="coap://there", server="coaps://here", psk_key="00")
    assert Options(bootstrap="coaps://there", psk_key="00").is_secure


@pytest.mark.parametrize(("usage", "place"), [(None, "pinned"), (0, "anchors"), (1, "pinned"),
                                              (2, "anchors"), (3, "pinned")])  # fmt: skip
def test_a_certificate_is_an_authority_or_the_servers_own(usage: int | None, place: str) -> None:
    server = Server()
    values = PSK | {2: 2, 3: b"own", 4: b"server", 5: b"key"}
    server.write("/0/1", values if usage is None else values | {15: usage})
    account = server.desk.account(0)
    assert account is not None
    assert account.identity == Identity(chain=b"own", key=b"key", **{place: b"server"})
