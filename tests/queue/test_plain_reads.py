"""The short way of Reads (queue/plain_reads): the same outcomes, and who goes the long way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from queue_kit import QueueWorld
from scripted import Device

from lwm2m_fast.codec import Kind, Node, encode
from lwm2m_fast.core.orders import Order
from lwm2m_fast.errors import (
    DeviceAsleep,
    DeviceError,
    DeviceTimeout,
    QueueFull,
    RequestError,
    UnknownDevice,
)

READ = Order("read", path="/3/0/9")
CONTENT_FORMAT, ACCEPT, URI_PATH = 12, 17, 11
BATTERY = [Node("/3/0/9", 55, Kind.INTEGER)]


class Kit:
    """A world, and how often an answer went the long way."""

    def __init__(self, **parts: Any) -> None:
        self.world = QueueWorld(**parts)
        self.long: list[str] = []
        operating = self.world.operating
        assert operating is not None
        self.reads, calls = operating._reads, operating.calls
        ask = calls.ask

        def counted(endpoint: str, order: Order, timeout_s: float, end: Any) -> Any:
            self.long.append(endpoint)
            return ask(endpoint, order, timeout_s, end)

        calls.ask = counted  # type: ignore[method-assign]

    def device(self, name: str = "dev-1", address: str = "192.0.2.1:5683", **more: Any) -> Device:
        device = self.world.device(address)
        device.register(name, lifetime=86400, **more)
        return device

    def perform(
        self, asks: Sequence[tuple[str, Order]], then: Any = lambda: None, timeout_s: float = 5.0
    ) -> list[Any]:
        """What `asks` give; `then` happens when they have left."""

        async def performing() -> list[Any]:
            task = asyncio.ensure_future(self.world.direct.perform_many(asks, timeout_s))
            await asyncio.sleep(0)
            self.world.finish_turn()
            then()
            return await task

        return self.world.do(performing())


def answer(device: Device, content_format: int, payload: bytes, code: str = "2.05") -> None:
    options = [(CONTENT_FORMAT, content_format.to_bytes(2, "big").lstrip(b"\0"))]
    device.answer(device.hear(), code, options=options, payload=payload)


@pytest.mark.parametrize("content_format", [0, 60, 110, 112, 11542, 11544])
def test_values_in_each_format_are_the_same_as_by_the_long_way(content_format: int) -> None:
    payload = encode(content_format, BATTERY, "/3/0/9")
    outcomes = []
    for is_long in (False, True):
        kit = Kit()
        device = kit.device()
        if is_long:
            kit.world.settings.set("dev-1", genericUIRetainOldValuesIfError=False)
        [outcome] = kit.perform(
            [("dev-1", READ)], lambda device=device: answer(device, content_format, payload)
        )
        assert kit.long == ["dev-1"] * is_long
        assert outcome.pack.nodes() == BATTERY
        assert kit.world.ear.heard == [("dev-1", "read", True)]
        assert len(kit.reads) == 0
        fields = outcome._asdict() | {"pack": outcome.pack.nodes()}
        outcomes.append(fields | {"answered": outcome.answered[1:]})
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    "code, content_format, payload",
    [
        ("2.05", 60, b"\x61a"),  # text where a number belongs
        ("2.05", 60, b""),
        ("2.05", 60, b"\x18"),
        ("2.05", 112, b"\xff"),
        ("2.05", 9999, b"x"),
        ("2.05", 40, b"</3>"),
        ("2.04", 60, b"\x01"),
        ("4.04", 0, b"no battery"),
        ("5.00", 0, b""),
    ],
)
def test_every_other_answer_is_understood_as_ever(
    code: str, content_format: int, payload: bytes
) -> None:
    outcomes = []
    for is_long in (False, True):
        kit = Kit()
        device = kit.device()
        if is_long:
            kit.world.settings.set("dev-1", genericUIRetainOldValuesIfError=False)
        [outcome] = kit.perform(
            [("dev-1", READ)],
            lambda device=device: answer(device, content_format, payload, code),
        )
        assert not outcome.ok
        assert outcome.error
        assert kit.world.ear.heard == [("dev-1", "read", False)]
        outcomes.append(outcome._replace(answered=outcome.answered[1:]))
    assert outcomes[0] == outcomes[1]


def test_the_request_is_the_same_the_first_time_and_ever_after() -> None:
    kit = Kit()
    device = kit.device()
    seen = []

    def heard() -> None:
        asked = device.hear()
        seen.append(asked)
        device.answer(asked, "2.05", options=[(CONTENT_FORMAT, b"")], payload=b"1")

    for _ in range(3):
        kit.perform([("dev-1", READ)], heard)
    assert [asked.options for asked in seen] == [seen[0].options] * 3
    assert len({asked.token for asked in seen}) == len({asked.mid for asked in seen}) == 3
    assert [value for number, value in seen[0].options if number == URI_PATH] == [b"3", b"0", b"9"]


def test_below_another_root_the_request_goes_there() -> None:
    kit = Kit()
    plain = kit.device("dev-1")
    rooted = kit.device("dev-2", "192.0.2.2:5683", payload=b'</lwm2m>;rt="oma.lwm2m",</lwm2m/3/0>')
    for _ in range(2):
        paths = []

        def heard(paths: list[list[bytes]] = paths) -> None:
            for device in (plain, rooted):
                asked = device.hear()
                paths.append([value for number, value in asked.options if number == URI_PATH])
                device.answer(asked, "2.05", options=[(CONTENT_FORMAT, b"")], payload=b"1")

        assert all(each.ok for each in kit.perform([("dev-1", READ), ("dev-2", READ)], heard))
        assert paths == [[b"3", b"0", b"9"], [b"lwm2m", b"3", b"0", b"9"]]
    assert kit.long == []


def test_another_format_is_another_request() -> None:
    kit = Kit()
    device = kit.device()
    accepts = []

    def heard() -> None:
        asked = device.hear()
        accepts.append(asked.number(ACCEPT))
        device.answer(asked, "2.05", options=[(CONTENT_FORMAT, b"")], payload=b"1")

    for number in (60, 110, 60):
        kit.perform([("dev-1", Order("read", path="/3/0/9", format=number))], heard)
    assert accepts == [60, 110, 60]


def test_what_cannot_be_built_is_refused_by_name_and_nothing_is_sent() -> None:
    kit = Kit()
    device = kit.device()
    orders = [Order("read", path="/"), Order("read", path="/3/0/4"), Order("read", path="x")]
    orders.append(Order("read", path="/3/0/9", format=11544))
    outcomes = kit.perform([("dev-1", order) for order in orders])
    assert [type(outcome) for outcome in outcomes] == [RequestError] * 4
    assert "dev-1" in str(outcomes[3])
    device.hear_nothing()


def test_a_name_that_nobody_can_have_is_unknown() -> None:
    kit = Kit()
    [outcome] = kit.perform([("\ud800", READ)])
    assert isinstance(outcome, UnknownDevice)


def test_orders_may_take_turns() -> None:
    kit = Kit()
    device = kit.device()
    orders = [READ, Order("discover", path="/3"), Order("read", path="/3/0/10"), READ]

    def heard() -> None:
        for _ in orders:
            asked = device.hear()
            links = asked.number(ACCEPT) == 40
            number, payload = (b"\x28", b"</3>") if links else (b"", b"1")
            device.answer(asked, "2.05", options=[(CONTENT_FORMAT, number)], payload=payload)

    outcomes = kit.perform([("dev-1", order) for order in orders], heard)
    assert [outcome.ok for outcome in outcomes] == [True] * 4
    assert outcomes[1].links is not None
    assert [str(outcomes[n].pack[0].path) for n in (0, 2, 3)] == ["/3/0/9", "/3/0/10", "/3/0/9"]
    assert kit.long == ["dev-1"]


def test_a_device_with_a_window_is_asked_inside_it_and_refused_beyond() -> None:
    kit = Kit(queue={"awake_time_ms": 1000})
    device = kit.device()

    def heard() -> None:
        answer(device, 60, b"\x01")

    kit.world.after(0.9)
    [inside] = kit.perform([("dev-1", READ)], heard)
    assert inside.ok
    assert kit.long == []
    kit.world.after(1.001)
    [beyond] = kit.perform([("dev-1", READ)])
    assert isinstance(beyond, DeviceAsleep)


def test_what_a_device_says_of_its_window_counts() -> None:
    kit = Kit()
    kit.device(query=["at=500"])
    kit.world.after(0.6)
    [asleep] = kit.perform([("dev-1", READ)])
    assert isinstance(asleep, DeviceAsleep)


def test_the_settings_of_a_device_count_at_once() -> None:
    kit = Kit()
    device = kit.device()

    def heard() -> None:
        answer(device, 60, b"\x01")

    [usual] = kit.perform([("dev-1", READ)], heard)
    assert usual.ok
    kit.world.settings.set("dev-1", awakeTimeRegistrationParameter=100)
    kit.world.after(1)
    [asleep] = kit.perform([("dev-1", READ)])
    assert isinstance(asleep, DeviceAsleep)


def test_one_request_at_a_time_and_in_order() -> None:
    kit = Kit()
    device = kit.device()
    orders = [Order("read", path=f"/3/0/{n}") for n in (9, 10, 13)]
    seen = []

    def heard() -> None:
        for _ in orders:
            asked = device.hear()
            device.hear_nothing()
            seen.append([value for number, value in asked.options if number == URI_PATH][-1])
            device.answer(asked, "2.05", options=[(CONTENT_FORMAT, b"")], payload=b"1")

    outcomes = kit.perform([("dev-1", order) for order in orders], heard)
    assert [outcome.ok for outcome in outcomes] == [True] * 3
    assert seen == [b"9", b"10", b"13"]


def test_the_bound_of_what_waits_for_a_device_holds() -> None:
    kit = Kit(coap={"max_waiting_per_device": 2})
    kit.device()
    outcomes = kit.perform([("dev-1", READ)] * 3, lambda: kit.world.after(12))
    assert [type(each) for each in outcomes] == [DeviceTimeout, DeviceTimeout, QueueFull]
    assert kit.world.count("requests_refused") == 1
    assert kit.long == []
    assert len(kit.reads) == 0


def test_a_large_answer_comes_in_blocks() -> None:
    kit = Kit()
    device = kit.device()
    order = Order("read", path="/3/0/0")
    text = b"x" * 40

    def heard() -> None:
        for number, more in ((0, True), (1, True), (2, False)):
            asked = device.hear()
            block = (number << 4 | more << 3).to_bytes(1, "big")
            device.answer(
                asked,
                "2.05",
                options=[(CONTENT_FORMAT, b""), (23, block)],
                payload=text[16 * number : 16 * number + 16],
            )

    for _ in range(2):
        [outcome] = kit.perform([("dev-1", order)], heard)
        assert outcome.pack[0].value == text.decode()
    assert kit.long == []


def test_a_device_that_leaves_ends_what_was_asked() -> None:
    kit = Kit()
    device = kit.device()

    def leave() -> None:
        device.hear()
        device.register("dev-1", lifetime=86400)

    [outcome] = kit.perform([("dev-1", READ)], leave)
    assert isinstance(outcome, DeviceError)
    assert "registered anew" in str(outcome)
    assert len(kit.reads) == 0


def test_a_caller_that_goes_away_leaves_nothing_behind() -> None:
    kit = Kit()
    kit.device()

    async def leaving() -> None:
        task = asyncio.ensure_future(kit.world.direct.perform_many([("dev-1", READ)] * 2, 5.0))
        await asyncio.sleep(0)
        kit.world.finish_turn()
        assert (kit.world.count("requests_current"), len(kit.reads)) == (2, 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    kit.world.do(leaving())
    kit.world.finish_turn()
    assert (kit.world.count("requests_current"), len(kit.reads)) == (0, 0)


def test_many_kinds_of_reads_are_remembered_to_a_bound() -> None:
    kit = Kit()
    device = kit.device(payload=b"</3/0>,</3303/0>")

    def heard() -> None:
        answer(device, 60, b"\x01")

    for number in range(300):
        order = Order("read", path=f"/3303/0/{6000 + number}", is_unchecked=True)
        [outcome] = kit.perform([("dev-1", order)], heard)
        assert outcome.ok
    assert kit.long == []


def test_what_is_used_again_for_the_next_read_leaves_earlier_results_as_they_are() -> None:
    kit = Kit()
    devices = [kit.device(f"dev-{n}", f"192.0.2.{n}:5683") for n in (1, 2)]
    kept: list[Any] = []
    for level in (10, 20, 30):

        def heard(level: int = level) -> None:
            answer(devices[0], 60, b"\x18" + bytes([level + 20]))
            if level == 20:
                answer(devices[1], 0, b"no battery", "4.04")
            else:
                answer(devices[1], 60, b"\x18" + bytes([level + 21]))

        kept += kit.perform([("dev-1", READ), ("dev-2", READ)], heard)
    values = [each.pack[0].value if each.ok else each.code for each in kept]
    assert values == [30, 31, 40, "4.04", 50, 51]
    assert [each.answered.payload for each in kept if each.ok] == [
        b"\x18" + bytes([value]) for value in values if value != "4.04"
    ]
    assert len({each.answered.call for each in kept if each.ok}) == 5
    assert len(kit.reads) == 0


def test_an_answer_after_the_caller_gave_up_changes_nothing() -> None:
    kit = Kit()
    device = kit.device()
    asked = []

    async def leaving() -> None:
        task = asyncio.ensure_future(kit.world.direct.perform("dev-1", READ, 5.0))
        await asyncio.sleep(0)
        kit.world.finish_turn()
        asked.append(device.hear())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    kit.world.do(leaving())
    kit.world.finish_turn()
    device.answer(asked[0], "2.05", options=[(CONTENT_FORMAT, b"")], payload=b"1")
    assert kit.world.ear.heard == []
    assert len(kit.reads) == 0
    [outcome] = kit.perform([("dev-1", READ)], lambda: answer(device, 60, b"\x02"))
    assert outcome.pack[0].value == 2


def test_equal_orders_are_one_and_others_are_not() -> None:
    kit = Kit()
    device = kit.device()
    orders = [
        Order("read", path="/3/0/9"),
        Order("read", path="/3/0/9"),
        Order("read", path="/3/0/9", format=0),
        Order("read", path="/3/0/10"),
        Order("discover", path="/3/0/10"),
        Order("read", path="/3/0/10"),
    ]
    seen = []

    def heard() -> None:
        for _ in orders:
            asked = device.hear()
            path = b"/".join(value for number, value in asked.options if number == URI_PATH)
            seen.append((path, asked.number(ACCEPT)))
            device.answer(asked, "2.05", options=[(CONTENT_FORMAT, b"")], payload=b"1")

    kit.perform([("dev-1", order) for order in orders], heard)
    assert [path for path, _ in seen] == [
        b"3/0/9", b"3/0/9", b"3/0/9", b"3/0/10", b"3/0/10", b"3/0/10",
    ]  # fmt: skip
    assert [accept for _, accept in seen] == [60, 60, 0, 60, 60, 40], "the Discover goes last"
