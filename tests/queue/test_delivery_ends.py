"""Operations that end without an answer: their time is over, or nobody wants them (D10, Q3)."""

from __future__ import annotations

import pytest
from queue_kit import QueueWorld, answer_next, asked, registered

from lwm2m_fast.errors import (
    RequestError,
    StoreError,
    UnknownOperation,
)

# Time limits


def test_a_timeout_beyond_the_maximum_is_refused():
    world = QueueWorld()
    with pytest.raises(RequestError, match=r"timeout_s is 600.1, allowed are 0.1 to 600.0"):
        world.submit("dev-1", "/3", timeout_s=600.1)
    world.submit("dev-1", "/3", timeout_s=600)
    with pytest.raises(RequestError, match="timeout_s is 0"):
        world.submit("dev-1", "/3", timeout_s=0)
    assert len(world.states("dev-1")) == 1


@pytest.mark.parametrize(
    "setting_ms, own_s, waits_s", [(None, None, 60), (20_000, None, 20), (20_000, 40.0, 40)]
)
def test_the_operation_s_timeout_beats_the_device_s_and_that_beats_the_global_one(
    setting_ms, own_s, waits_s
):
    world, device = registered(queue={"request_timeout_s": 60})
    if setting_ms is not None:
        world.settings.set("dev-1", lwm2mRequestTimeout=setting_ms)
    [one] = world.submit("dev-1", "/3/0/1", timeout_s=own_s)
    device.acknowledge(device.hear())
    world.after(waits_s - 0.1)
    assert world.state("dev-1", one) == "EXECUTING"
    world.after(0.2)
    assert world.state("dev-1", one) == "PENDING"


def test_a_waiting_operation_expires_at_its_time():
    world = QueueWorld()
    until = world.now + world.wall + 60
    [one] = world.submit("dev-1", "/3/0/1", valid_until=until)
    world.after(59.999).tick()
    assert world.state("dev-1", one) == "PENDING"
    world.after(0.001).tick()
    shown = world.shown_operation("dev-1", one)
    assert (shown["state"], shown["reason"], shown["attempts"]) == ("FAILED", "expired", 0)
    device = world.device()
    device.register()
    device.hear_nothing()


def test_an_expired_operation_is_not_sent_even_before_the_clock_has_found_it():
    world = QueueWorld()
    until = world.now + world.wall + 60
    [one, two] = world.submit("dev-1", "/3/0/1", "/3/0/2", valid_until=until)
    world.after(60)
    device = world.device()
    device.register()
    device.hear_nothing()
    assert [world.state("dev-1", each) for each in (one, two)] == ["FAILED", "FAILED"]


def test_an_answer_that_comes_after_the_time_still_counts():
    world, device = registered()
    until = world.now + world.wall + 10
    [one] = world.submit("dev-1", "/3/0/1", valid_until=until)
    heard = device.hear()
    device.acknowledge(heard)
    world.after(11).tick()
    assert world.state("dev-1", one) == "EXECUTING"
    device.answer(heard, kind=0, options=[(12, b"")], payload=b"x")
    assert world.state("dev-1", one) == "SUCCESSFUL"


def test_unanswered_beyond_its_time_it_expires_and_the_others_wait():
    world, device = registered()
    until = world.now + world.wall + 10
    [one] = world.submit("dev-1", "/3/0/1", valid_until=until)
    [two] = world.submit("dev-1", "/3/0/2")
    device.hear()
    world.after(200)
    assert world.shown_operation("dev-1", one)["reason"] == "expired"
    assert world.state("dev-1", two) == "PENDING"


def restart_instead_of_answering(world, device):
    assert asked(device) == "/3/0/1"
    world.after(200)
    device.hear_all()  # the same again
    device.register(lifetime=86400)


def test_sent_as_often_as_may_be_without_an_answer_it_fails_and_the_next_one_goes():
    world, device = registered(queue={"max_attempts": 3})
    ids = world.submit("dev-1", "/3/0/1", "/3/0/2")
    for attempt in (1, 2, 3):
        shown = world.shown_operation("dev-1", ids[0])
        assert (shown["state"], shown["attempts"]) == ("EXECUTING", attempt)
        restart_instead_of_answering(world, device)
    shown = world.shown_operation("dev-1", ids[0])
    assert (shown["state"], shown["reason"], shown["attempts"]) == ("FAILED", "unanswered", 3)
    assert answer_next(device) == "/3/0/2"
    assert world.state("dev-1", ids[1]) == "SUCCESSFUL"


def test_without_a_bound_it_is_sent_at_every_contact():
    world, device = registered(queue={"max_attempts": 0})
    [one] = world.submit("dev-1", "/3/0/1")
    for _ in range(100):
        restart_instead_of_answering(world, device)
    assert world.state("dev-1", one) == "EXECUTING"


def test_a_time_that_has_passed_is_refused():
    world = QueueWorld()
    with pytest.raises(RequestError, match="valid_until is"):
        world.submit("dev-1", "/3", valid_until=world.now + world.wall)


def test_an_operation_that_hangs_is_failed_by_the_sweeper():
    world, device = registered(queue={"stale_after_s": 50})
    [one, two] = world.submit("dev-1", "/3/0/1", "/3/0/2", timeout_s=600)
    device.acknowledge(device.hear())
    world.after(50).tick()
    assert world.state("dev-1", one) == "EXECUTING"
    world.after(0.001).tick()
    shown = world.shown_operation("dev-1", one)
    assert (shown["state"], shown["reason"]) == ("FAILED", "stale")
    assert world.state("dev-1", two) == "EXECUTING"
    assert asked(device) == "/3/0/2"
    assert world.count("requests_current") == 1


# Cancelling


def test_a_pending_operation_is_cancelled_at_once():
    world = QueueWorld()
    [one, two] = world.submit("dev-1", "/3/0/1", "/3/0/2")
    shown = world.do(world.desk.cancel("dev-1", one))
    assert (shown["state"], shown["reason"]) == ("FAILED", "cancelled")
    device = world.device()
    device.register()
    assert asked(device) == "/3/0/2"
    assert world.state("dev-1", two) == "EXECUTING"


def test_of_a_cancelled_operation_under_way_the_answer_no_longer_matters():
    world, device = registered()
    [one, two] = world.submit("dev-1", "/3/0/1", "/3/0/2")
    heard = device.hear()
    device.acknowledge(heard)
    assert world.do(world.desk.cancel("dev-1", one))["state"] == "FAILED"
    device.answer(heard, kind=0, options=[(12, b"")], payload=b"x")
    shown = world.shown_operation("dev-1", one)
    assert (shown["state"], shown["reason"], shown["result"]) == ("FAILED", "cancelled", None)
    assert world.state("dev-1", two) == "EXECUTING"


def test_all_that_waits_for_a_device_ends_when_it_is_not_wanted_any_longer():
    world, device = registered()
    [one, two, three] = world.submit("dev-1", "/3/0/1", "/3/0/2", "/3/0/3")
    [other] = world.submit("dev-2", "/3/0/1")
    device.hear()

    async def cancel_all() -> int:
        return world.desk.cancel_all("dev-1", "gone")

    assert world.do(cancel_all()) == 3
    for number in (one, two, three):
        shown = world.shown_operation("dev-1", number)
        assert (shown["state"], shown["reason"]) == ("FAILED", "gone")
    device.hear_nothing()
    assert world.state("dev-2", other) == "PENDING"
    assert world.do(cancel_all()) == 0


@pytest.mark.parametrize("of_others", [False, True])
def test_of_what_waits_for_a_device_one_that_cannot_be_read_keeps_no_other_from_its_end(of_others):
    world, device = registered()
    numbers = world.submit("dev-1", "/3/0/1", "/3/0/2", "/3/0/3")
    device.hear()
    if of_others:
        world.desk._ownership.has = lambda operation: False
    delivery = world.operating.dispatch.delivery
    usual = delivery.current

    def current(endpoint, operation_id):
        if operation_id == numbers[1]:
            raise StoreError("the row was changed on the disk")
        return usual(endpoint, operation_id)

    delivery.current = current

    async def cancel_all() -> int:
        return world.desk.cancel_all("dev-1", "gone", of_others=of_others)

    with pytest.raises(StoreError, match="changed on the disk"):
        world.do(cancel_all())
    ended = [usual("dev-1", number) for number in (numbers[0], numbers[2])]
    assert [(one.state, one.reason) for one in ended] == [("FAILED", "gone")] * 2
    assert usual("dev-1", numbers[1]).reason != "gone"


def test_what_has_ended_stays_as_it_is():
    world, device = registered()
    [one] = world.submit("dev-1", "/3/0/1")
    answer_next(device)
    assert world.do(world.desk.cancel("dev-1", one))["state"] == "SUCCESSFUL"


def test_nobody_s_operation_cannot_be_cancelled_or_waited_for():
    world = QueueWorld()
    [one] = world.submit("dev-1", "/3")
    for endpoint, operation_id in (("dev-2", one), ("dev-1", one + 1), ("", 1), ("dev-1", -1)):
        with pytest.raises(UnknownOperation):
            world.do(world.desk.cancel(endpoint, operation_id))
        with pytest.raises(UnknownOperation):
            world.do(world.desk.wait(endpoint, operation_id, 1.0))
