"""An operation's way to its device and back (requirements D10, D11, Q3)."""

from __future__ import annotations

import pytest
from queue_kit import QueueWorld, answer_all, answer_next, asked, path_of, registered

from lwm2m_fast.core.orders import parse_order
from lwm2m_fast.errors import (
    QueueFull,
    RequestError,
    StoreError,
)

READ = {"op": "read", "path": "/3/0/9"}
PATHS = ["/3/0/0", "/3/0/1", "/3/0/2", "/3/0/3"]


# States


def test_an_operation_is_pending_then_executing_then_successful():
    world = QueueWorld()
    [one] = world.submit("dev-1", "/3/0/9")
    assert world.state("dev-1", one) == "PENDING"
    device = world.device()
    device.register()
    assert world.state("dev-1", one) == "EXECUTING"
    answer_next(device, value=b"80")
    shown = world.shown_operation("dev-1", one)
    assert shown["state"] == "SUCCESSFUL"
    assert shown["result"]["code"] == "2.05"
    assert shown["result"]["values"][0]["value"] == 80
    states = [event.data["state"] for event in world.told]
    assert states == ["PENDING", "EXECUTING", "SUCCESSFUL"]


@pytest.mark.parametrize("code", ["4.04", "4.05", "5.00"])
def test_a_refusal_fails_the_operation_with_the_device_s_code(code):
    world, device = registered()
    [one] = world.submit("dev-1", "/3/0/9")
    answer_next(device, code)
    shown = world.shown_operation("dev-1", one)
    assert (shown["state"], shown["result"]["code"]) == ("FAILED", code)
    assert shown["reason"] is None


def test_a_reset_fails_the_operation():
    world, device = registered()
    [one] = world.submit("dev-1", "/3/0/9")
    device.reset(device.hear())
    shown = world.shown_operation("dev-1", one)
    assert (shown["state"], shown["reason"]) == ("FAILED", "reset")


def test_what_cannot_be_done_with_the_device_fails_before_anything_is_sent():
    world, device = registered()
    [one, two] = world.submit("dev-1", {"op": "execute", "path": "/3/0/9"}, "/3/0/9")
    assert world.state("dev-1", one) == "FAILED"
    shown = world.shown_operation("dev-1", one)
    assert shown["reason"] == "refused"
    assert "/3/0/9" in shown["result"]["error"]
    assert asked(device) == "/3/0/9"
    assert world.state("dev-1", two) == "EXECUTING"


def test_operations_reach_the_device_in_order_and_one_at_a_time():
    world, device = registered()
    world.submit("dev-1", *PATHS)
    for path in PATHS:
        heard = device.hear()
        device.hear_nothing()
        assert path_of(heard) == path
        device.answer(heard, options=[(12, b"")], payload=b"x")
    assert [state for _, state in world.states("dev-1")] == ["SUCCESSFUL"] * 4


def test_what_devices_answer_is_told_to_who_keeps_values():
    world, device = registered()
    world.submit("dev-1", "/3/0/9", "/3/0/13")
    answer_next(device)
    answer_next(device, "4.04")
    assert world.ear.heard == [("dev-1", "read", True), ("dev-1", "read", False)]


def test_history_is_newest_first_and_bounded():
    world, device = registered(queue={"history_per_device": 5})
    ids = world.submit("dev-1", *["/3/0/9"] * 40)
    answer_all(device)
    shown = world.states("dev-1")
    assert [operation_id for operation_id, _ in shown] == ids[:-6:-1]
    rows = [key for key, _ in world.fleet.scan("operations")]
    assert len(rows) <= 5 + 17
    assert world.desk.operation("dev-1", ids[0]) is None


def test_a_page_of_operations_goes_on_where_the_last_one_ended():
    world, device = registered()
    ids = world.submit("dev-1", *["/3/0/9"] * 6)
    for _ in range(3):
        answer_next(device)
    pages, before = [], None
    while page := world.desk.operations("dev-1", before=before, limit=2):
        pages.append([each["id"] for each in page])
        before = page[-1]["id"]
    assert pages == [ids[5:3:-1], ids[3:1:-1], ids[1::-1]]
    waiting = world.desk.operations("dev-1", states=frozenset({"PENDING"}))
    assert [each["id"] for each in waiting] == [ids[5], ids[4]]


def test_devices_with_names_that_begin_alike_have_histories_of_their_own():
    world = QueueWorld()
    for number, name in enumerate(["dev", "dev-1", "dev-11"]):
        device = world.device(f"192.0.2.{number + 1}:5683")
        device.register(name)
        world.submit(name, "/3/0/9")
        answer_next(device)
        world.submit(name, "/3/0/9")
    assert [len(world.states(name)) for name in ("dev", "dev-1", "dev-11")] == [2, 2, 2]


# Nobody answers


def test_an_unanswered_operation_waits_for_the_next_contact_and_goes_first():
    world, device = registered()
    ids = world.submit("dev-1", "/3/0/1", "/3/0/2")
    world.after(200)
    assert world.state("dev-1", ids[0]) == "PENDING"
    assert world.shown_operation("dev-1", ids[0])["reason"] == "timeout"
    device.hear_all()
    world.after(1000)
    device.hear_nothing()
    device.ask(2, "rd/" + world.shown("dev-1")["registration_id"])
    assert answer_next(device) == "/3/0/1"
    assert answer_next(device) == "/3/0/2"
    assert world.shown_operation("dev-1", ids[0])["attempts"] == 2
    assert [state for _, state in world.states("dev-1")] == ["SUCCESSFUL"] * 2


def test_an_empty_acknowledgement_and_then_silence_is_unanswered_too():
    world, device = registered(queue={"request_timeout_s": 30})
    [one] = world.submit("dev-1", "/3/0/1")
    device.acknowledge(device.hear())
    world.after(29.9)
    assert world.state("dev-1", one) == "EXECUTING"
    world.after(0.2)
    shown = world.shown_operation("dev-1", one)
    assert (shown["state"], shown["reason"]) == ("PENDING", "no_response")


def test_it_is_never_sent_twice_in_parallel():
    world, device = registered()
    [one] = world.submit("dev-1", "/3/0/1")
    first = device.hear()
    device.acknowledge(first)
    location = "rd/" + world.shown("dev-1")["registration_id"]
    for _ in range(5):
        device.ask(2, location)
        device.hear_nothing()
    assert world.state("dev-1", one) == "EXECUTING"
    assert world.shown_operation("dev-1", one)["attempts"] == 1


def test_a_late_answer_to_an_attempt_that_was_given_up_changes_nothing():
    world, device = registered(queue={"request_timeout_s": 20})
    [one] = world.submit("dev-1", "/3/0/1")
    late = device.hear()
    device.acknowledge(late)
    world.after(21)
    assert world.state("dev-1", one) == "PENDING"
    device.answer(late, kind=0, options=[(12, b"")], payload=b"late")
    assert world.state("dev-1", one) in ("PENDING", "EXECUTING")
    assert world.shown_operation("dev-1", one)["result"] is None


def test_an_operation_under_way_when_the_device_registers_anew_is_sent_again():
    world, device = registered()
    [one] = world.submit("dev-1", "/3/0/1")
    device.acknowledge(device.hear())
    device.register()
    assert asked(device) == "/3/0/1"
    assert world.shown_operation("dev-1", one)["attempts"] == 2


def test_an_operation_under_way_when_the_device_leaves_waits_for_its_return():
    world = QueueWorld()
    device = world.device()
    location = device.register()
    [one] = world.submit("dev-1", "/3/0/1")
    device.acknowledge(device.hear())
    device.leave(location)
    assert world.state("dev-1", one) == "PENDING"
    world.after(500)
    device.register()
    answer_next(device)
    assert world.state("dev-1", one) == "SUCCESSFUL"


def test_created_offline_it_runs_when_the_device_registers():
    world = QueueWorld()
    ids = world.submit("dev-1", *PATHS)
    world.after(3600)
    device = world.device()
    device.register()
    assert answer_all(device) == PATHS
    assert [world.state("dev-1", each) for each in ids] == ["SUCCESSFUL"] * 4


# Bounds and refusals


def test_the_thousand_and_first_operation_of_a_device_is_refused():
    world = QueueWorld()
    world.submit("dev-1", *["/3/0/1"] * 1000)
    with pytest.raises(QueueFull) as refused:
        world.submit("dev-1", "/3/0/1")
    assert refused.value.http_status == 429
    assert "1000" in str(refused.value)
    world.submit("dev-2", "/3/0/1")
    assert len(list(world.fleet.scan("pending"))) == 1001


@pytest.mark.parametrize("name", ["", "x" * 256, "\ud800"])
def test_a_name_that_no_device_can_have_is_refused(name):
    world = QueueWorld()
    with pytest.raises(RequestError):
        world.submit(name, "/3")
    assert list(world.fleet.scan("pending")) == []


@pytest.mark.parametrize("origin", ["", "x" * 65, "post-registration"])
def test_an_origin_that_is_not_the_caller_s_is_refused(origin):
    with pytest.raises(RequestError, match="origin"):
        QueueWorld().submit("dev-1", "/3", origin=origin)


def test_no_orders_or_too_many_are_refused():
    world = QueueWorld()
    with pytest.raises(RequestError, match="0 orders, allowed are 1 to 1000"):
        world.submit("dev-1")
    with pytest.raises(RequestError, match="1001 orders"):
        world.submit("dev-1", *["/3"] * 1001)


# The store


def test_a_submission_that_the_store_refuses_is_not_queued():
    world, device = registered()
    world.keeper.problem = "no space left"
    with pytest.raises(StoreError, match="no space left"):
        world.submit("dev-1", "/3/0/1")
    world.keeper.problem = None
    assert world.states("dev-1") == []
    device.hear_nothing()
    world.submit("dev-1", "/3/0/2")
    assert asked(device) == "/3/0/2"


def test_nothing_is_sent_before_it_is_kept():
    world, device = registered()
    world.keeper.holds = True

    async def submitting():
        import asyncio

        task = asyncio.ensure_future(world.desk.submit("dev-1", [parse_order(READ)]))
        await asyncio.sleep(0)
        world.finish_turn()
        device.hear_nothing()
        assert not task.done()
        world.keeper.release()
        return await task

    world.do(submitting())
    assert asked(device) == "/3/0/9"


def test_while_the_store_keeps_nothing_no_operation_begins():
    world = QueueWorld()
    [one] = world.submit("dev-1", "/3/0/1")
    world.keeper.problem = "no space left"
    device = world.device()
    device.register()
    device.hear_nothing()
    world.tick()
    device.hear_nothing()
    world.keeper.problem = None
    world.tick()
    assert asked(device) == "/3/0/1"
    assert world.state("dev-1", one) == "EXECUTING"


def test_an_end_is_told_once_it_is_kept():
    world, device = registered()
    [one] = world.submit("dev-1", "/3/0/1")
    heard = device.hear()
    world.keeper.holds = True
    device.answer(heard, options=[(12, b"")], payload=b"x")
    assert world.state("dev-1", one) == "EXECUTING"
    assert [event.data["state"] for event in world.told] == ["PENDING", "EXECUTING"]
    world.keeper.release()
    assert world.state("dev-1", one) == "SUCCESSFUL"
    assert world.told[-1].data["state"] == "SUCCESSFUL"


def test_a_cancellation_that_the_store_refuses_leaves_the_operation_queued():
    world = QueueWorld()
    ids = world.submit("dev-1", "/3/0/1", "/3/0/2")
    world.keeper.problem = "no space left"
    with pytest.raises(StoreError):
        world.do(world.desk.cancel("dev-1", ids[0]))
    world.keeper.problem = None
    device = world.device()
    device.register()
    assert answer_all(device) == ["/3/0/1", "/3/0/2"]


def test_what_the_store_cannot_read_when_its_time_is_over_expires_later(monkeypatch):
    world = QueueWorld()
    until = world.now + world.wall + 60
    [one] = world.submit("dev-1", "/3/0/1", valid_until=until)
    [two] = world.submit("dev-2", "/3/0/1", valid_until=until)
    history = world.operating.dispatch.delivery.history
    waiting = history.waiting

    def cannot(endpoint: str, operation_id: int):
        if endpoint == "dev-1":
            raise StoreError("the disk is gone")
        return waiting(endpoint, operation_id)

    with monkeypatch.context() as patched:
        patched.setattr(history, "waiting", cannot)
        world.after(60).tick()
        world.tick()
        assert world.state("dev-2", two) == "FAILED"
    assert world.state("dev-1", one) == "PENDING"
    world.tick()
    assert world.shown_operation("dev-1", one)["reason"] == "expired"
