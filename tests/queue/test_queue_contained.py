"""Faults of our own in the middle of the queue: each ends with what it is about."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from queue_kit import Ear, QueueWorld, answer_all, answer_next, path_of

from lwm2m_fast import codec
from lwm2m_fast.core import operations
from lwm2m_fast.core.orders import Order
from lwm2m_fast.errors import Error
from lwm2m_fast.faults import MESSAGE, Faults
from lwm2m_fast.queue.calls import Ended

NAMES = ["dev-1", "dev-2", "dev-3"]
CONTENT_FORMAT = 12
READ = Order("read", path="/3/0/9")


class Fault(Exception):
    """Nobody has foreseen it."""


class Noted(Faults):
    """Every one, beside the count."""

    def __init__(self) -> None:
        super().__init__()
        self.met: list[BaseException] = []

    def note(self, fault: BaseException, where: str) -> None:
        super().note(fault, where)
        self.met.append(fault)


class Deaf(Ear):
    """Listens, and fails at what is about one device."""

    def answered(self, target: Any, order: Any, result: Any, at: float) -> None:
        if target.endpoint == "dev-2":
            raise Fault
        super().answered(target, order, result, at)

    def read(self, endpoints: Any, orders: Any, results: Any, at: float) -> None:
        raise Fault


def three(**parts: Any) -> tuple[QueueWorld, list[Any]]:
    world = QueueWorld(faults=Noted(), **parts)
    devices = []
    for number, name in enumerate(NAMES):
        device = world.device(f"192.0.2.{number + 1}:5683")
        device.register(name, lifetime=86400)
        devices.append(device)
    return world, devices


def met(world: QueueWorld) -> list[BaseException]:
    assert isinstance(world.faults, Noted)
    return world.faults.met


def parts_of(world: QueueWorld) -> Any:
    assert world.operating is not None
    return world.operating


def answer_together(world: QueueWorld, devices: list[Any], payload: bytes = b"7") -> None:
    """All answers in one turn, as a busy server sees them."""
    answers: list[Any] = []
    resolve = parts_of(world).resolve
    parts_of(world).resolve = answers.extend
    for device in devices:
        device.answer(device.hear(), "2.05", options=[(CONTENT_FORMAT, b"")], payload=payload)
    parts_of(world).resolve = resolve
    resolve(answers)
    world.finish_turn()


def read_together(world: QueueWorld, devices: list[Any], payload: bytes = b"7") -> list[Any]:
    """Direct Reads of all, answered in one turn."""

    async def performing() -> list[Any]:
        asks = [(name, READ) for name in NAMES]
        task = asyncio.ensure_future(world.direct.perform_many(asks, 5.0))
        await asyncio.sleep(0)
        world.finish_turn()
        answer_together(world, devices, payload)
        return await task

    return world.do(performing())


def test_a_listener_that_fails_at_one_answer_keeps_no_result_back() -> None:
    world, devices = three()
    parts_of(world).calls._hears.insert(0, Deaf())
    ids = [world.submit(name, "/3/0/9", "/3/0/1")[0] for name in NAMES]
    answer_together(world, devices)
    assert [world.state(*each) for each in zip(NAMES, ids, strict=True)] == ["SUCCESSFUL"] * 3
    assert [name for name, _, _ in world.ear.heard] == NAMES
    assert [path_of(device.hear()) for device in devices] == ["/3/0/1"] * 3
    assert [type(each) for each in met(world)] == [Fault]


def test_an_answer_that_we_fail_to_read_fails_its_operation_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, devices = three()
    interpret = operations.interpret

    def failing(order: Any, target: Any, *more: Any) -> Any:
        if target.endpoint == "dev-1":
            raise Fault
        return interpret(order, target, *more)

    monkeypatch.setattr(operations, "interpret", failing)
    ids = [world.submit(name, "/3/0/9", "/3/0/1")[0] for name in NAMES]
    answer_together(world, devices)
    shown = world.shown_operation("dev-1", ids[0])
    assert (shown["state"], shown["result"]) == ("FAILED", {"code": "2.05", "error": MESSAGE})
    assert [world.state(n, i) for n, i in zip(NAMES[1:], ids[1:], strict=True)] == [
        "SUCCESSFUL", "SUCCESSFUL",
    ]  # fmt: skip
    assert path_of(devices[0].hear()) == "/3/0/1"


def test_a_result_that_we_fail_to_show_does_not_keep_the_device_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, devices = three()
    [one, _] = world.submit("dev-1", "/3/0/9", "/3/0/1")
    with monkeypatch.context() as patched:

        def failing(ended: Ended) -> None:
            raise Fault

        patched.setattr(Ended, "as_json", failing)
        answer_next(devices[0])
    assert world.shown_operation("dev-1", one)["result"] == {"code": "2.05", "error": MESSAGE}
    assert answer_next(devices[0]) == "/3/0/1"


def test_who_waits_for_one_answer_and_fails_loses_no_other() -> None:
    world, devices = three()

    def failing(ended: Ended) -> None:
        raise Fault

    ended: list[Ended] = []
    calls = parts_of(world).calls
    for name, end in zip(NAMES, [failing, ended.append, ended.append], strict=True):
        calls.ask(name, READ, 5.0, end)
    world.finish_turn()
    answer_together(world, devices)
    assert [each.outcome for each in ended] == ["answered"] * 2
    assert len(met(world)) == 1


def test_reads_at_once_are_answered_though_a_listener_fails() -> None:
    world = QueueWorld(faults=Noted())
    ear = world.ear

    def failing(*_: Any) -> None:
        raise Fault

    ear.read = failing  # type: ignore[method-assign]
    device = world.device()
    device.register("dev-1", lifetime=86400)

    async def performing() -> Any:
        task = asyncio.ensure_future(world.direct.perform("dev-1", READ, 5.0))
        await asyncio.sleep(0)
        world.finish_turn()
        cbor = [(CONTENT_FORMAT, b"\x3c")]
        device.answer(device.hear(), "2.05", options=cbor, payload=b"\x07")
        return await task

    assert world.do(performing()).ok
    assert [type(each) for each in met(world)] == [Fault]


def test_of_reads_at_once_one_that_we_fail_to_read_goes_the_long_way_and_the_others_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, devices = three()
    decode, failed = codec.decode, []

    def failing(*given: Any, **more: Any) -> Any:
        if not failed:
            failed.append(True)
            raise Fault
        return decode(*given, **more)

    monkeypatch.setattr(codec, "decode", failing)
    payload = b'[{"n":"/3/0/9","v":7}]'

    async def performing() -> list[Any]:
        asks = [(name, READ) for name in NAMES]
        task = asyncio.ensure_future(world.direct.perform_many(asks, 5.0))
        await asyncio.sleep(0)
        world.finish_turn()
        answers: list[Any] = []
        resolve = parts_of(world).resolve
        parts_of(world).resolve = answers.extend
        for device in devices:
            device.answer(
                device.hear(), "2.05", options=[(CONTENT_FORMAT, b"\x6e")], payload=payload
            )
        parts_of(world).resolve = resolve
        resolve(answers)
        world.finish_turn()
        return await task

    outcomes = world.do(performing())
    assert failed
    assert [each.ok for each in outcomes] == [True] * 3
    assert [type(each) for each in met(world)] == [Fault]


def test_of_reads_at_once_one_whose_long_way_fails_has_an_error_and_the_others_end() -> None:
    world, devices = three()
    targets = parts_of(world).calls._targets

    class Failing:
        def of(self, endpoint: str) -> Any:
            if endpoint == "dev-2":
                raise Fault
            return targets.of(endpoint)

    parts_of(world).calls._targets = Failing()
    outcomes = read_together(world, devices, payload=b"no number")  # goes the long way
    assert isinstance(outcomes[1], Error)
    assert str(outcomes[1]) == MESSAGE
    assert [each.ok for each in (outcomes[0], outcomes[2])] == [False, False]
    assert all("no number" in str(each.error) for each in (outcomes[0], outcomes[2]))


def test_a_request_that_we_fail_to_make_fails_its_operation_and_the_next_one_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, devices = three()
    build = operations.build

    def failing(order: Order, *more: Any) -> Any:
        if order.path == "/3/0/13":
            raise Fault
        return build(order, *more)

    monkeypatch.setattr(operations, "build", failing)
    [one, _] = world.submit("dev-1", "/3/0/13", "/3/0/9")
    shown = world.shown_operation("dev-1", one)
    assert (shown["state"], shown["reason"]) == ("FAILED", "fault")
    assert shown["result"] == {"error": MESSAGE}
    assert answer_all(devices[0]) == ["/3/0/9"]


def test_a_sink_that_fails_keeps_no_operation_from_its_end() -> None:
    world = QueueWorld(faults=Noted())
    device = world.device()
    device.register("dev-1", lifetime=86400)
    tells = parts_of(world)

    class Failing(list[Any]):
        def extend(self, events: Any) -> None:
            raise Fault

    tells._publish = Failing().extend
    ids = world.submit("dev-1", "/3/0/0", "/3/0/1", "/3/0/2")
    assert answer_all(device) == ["/3/0/0", "/3/0/1", "/3/0/2"]
    assert [world.state("dev-1", each) for each in ids] == ["SUCCESSFUL"] * 3
    assert met(world)


def test_a_fault_at_a_register_does_not_keep_the_line_back() -> None:
    world = QueueWorld(faults=Noted())

    def failing(endpoint: str) -> None:
        raise Fault

    parts_of(world).dispatch.registered = failing
    world.submit("dev-1", "/3/0/9")
    device = world.device()
    device.register("dev-1", lifetime=86400)
    assert answer_all(device) == ["/3/0/9"]
    assert [type(each) for each in met(world)] == [Fault]


def test_a_fault_at_one_device_s_turn_does_not_reach_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, devices = three(queue={"awake_time_ms": 1000})
    world.at(world.now + 10)
    for name in NAMES:
        world.submit(name, "/3/0/9")
    dispatch = parts_of(world).dispatch
    listens = dispatch._reach.listens

    def failing(endpoint: str, heard_at: float) -> bool:
        if endpoint == "dev-1":
            raise Fault
        return listens(endpoint, heard_at)

    monkeypatch.setattr(dispatch._reach, "listens", failing)
    for name in NAMES:
        dispatch._ready.append(name)
    world.settings.set("dev-2", awakeTimeRegistrationParameter=0)
    world.settings.set("dev-3", awakeTimeRegistrationParameter=0)
    dispatch.run()
    world.finish_turn()
    devices[0].hear_nothing()
    assert [answer_next(each) for each in devices[1:]] == ["/3/0/9"] * 2
