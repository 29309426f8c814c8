"""What a killed process leaves, and what the next one makes of it (requirement Q8; issue, 3)."""

from __future__ import annotations

import asyncio
import random

from queue_kit import QueueWorld, answer_all, answer_next, asked, path_of

from lwm2m_fast.core.operation import read_head


def path(number: int) -> str:
    return f"/3303/0/{number}"


def cancelled_meanwhile(world, operation_id):
    """Cancel while the keeper holds what went before; it keeps all of it then."""

    async def cancelled():
        task = asyncio.ensure_future(world.desk.cancel("dev-1", operation_id))
        await asyncio.sleep(0)
        world.keeper.release()
        return await task

    return world.do(cancelled())


def test_pending_operations_survive_and_go_in_order_once_each():
    world = QueueWorld()
    world.device().register(lifetime=86400, query=["at=1000"])
    world.after(5)
    ids = world.submit("dev-1", *[path(n) for n in range(50)])
    world = world.restarted(after_s=60)
    device = world.device()
    assert [each for each, _ in world.states("dev-1")] == ids[::-1]
    device.hear_nothing()
    device.update("rd/" + world.shown("dev-1")["registration_id"])
    assert answer_all(device) == [path(n) for n in range(50)]
    assert {state for _, state in world.states("dev-1")} == {"SUCCESSFUL"}
    assert list(world.fleet.scan("pending")) == []


def test_an_operation_under_way_at_the_kill_is_pending_and_waits_for_a_contact():
    world = QueueWorld()
    world.device().register(lifetime=86400)
    ids = world.submit("dev-1", "/3/0/1", "/3/0/2")
    world.device().acknowledge(world.device().hear())
    assert world.state("dev-1", ids[0]) == "EXECUTING"
    world = world.restarted(after_s=1)
    device = world.device()
    assert world.states("dev-1")[-1] == (ids[0], "PENDING")
    device.hear_nothing()
    device.update("rd/" + world.shown("dev-1")["registration_id"])
    assert answer_all(device) == ["/3/0/1", "/3/0/2"]


def test_what_was_never_sent_goes_at_once_to_a_device_that_listens():
    world = QueueWorld()
    world.device().register(lifetime=86400)
    world.keeper.problem = "full"  # so that it is not sent
    world.keeper.problem = None
    world.device().register(lifetime=86400)
    world.settings.set("dev-1", awakeTimeRegistrationParameter=1)
    world.after(10)
    world.submit("dev-1", "/3/0/1")
    world.device().hear_nothing()
    world.settings.set("dev-1", awakeTimeRegistrationParameter=0)
    world = world.restarted()
    assert asked(world.device()) == "/3/0/1"


def test_a_request_leaves_once_it_is_kept_that_it_does():
    """So that a kill between the two does not send an operation twice."""
    world = QueueWorld()
    device = world.device()
    device.register(lifetime=86400, query=["at=1000"])
    world.after(5)
    [one] = world.submit("dev-1", "/3/0/1")
    world.keeper.holds = True
    device.update("rd/" + world.shown("dev-1")["registration_id"])
    device.hear_nothing()
    assert world.shown_operation("dev-1", one)["attempts"] == 1

    before = world.restarted()  # killed before its row was kept: it has not left
    before.device().hear_nothing()
    before.device().update("rd/" + before.shown("dev-1")["registration_id"])
    assert answer_all(before.device()) == ["/3/0/1"]

    world.keeper.release()
    world.finish_turn()
    device.hear()
    after = world.restarted(after_s=1)  # killed when it may have left: the next contact decides
    after.settings.set("dev-1", awakeTimeRegistrationParameter=0)
    after.operating.settings_changed("dev-1")
    after.finish_turn()
    after.device().hear_nothing()
    after.device().update("rd/" + after.shown("dev-1")["registration_id"])
    assert answer_all(after.device()) == ["/3/0/1"]
    after.settings.set("dev-1", awakeTimeRegistrationParameter=None)


def rows(world: QueueWorld) -> list[str]:
    """The states in the rows of what has not ended."""
    return [read_head(value).state for _, value in world.fleet.scan("pending")]


def test_it_costs_no_transaction_of_its_own_where_it_can_be_foreseen():
    """With a submission to a device that listens, and with the answer before it."""
    world = QueueWorld()
    device = world.device()
    device.register(lifetime=86400)
    world.submit("dev-1", "/3/0/0")
    answer_all(device)
    calls = world.keeper.calls
    world.submit("dev-1", "/3/0/1", "/3/0/2", "/3/0/3")
    assert world.keeper.calls - calls == 1
    assert rows(world) == ["EXECUTING", "PENDING", "PENDING"]
    assert answer_next(device) == "/3/0/1"
    assert world.keeper.calls - calls == 2
    assert rows(world) == ["EXECUTING", "PENDING"]
    assert answer_all(device) == ["/3/0/2", "/3/0/3"]
    assert world.keeper.calls - calls == 4
    assert [each["attempts"] for each in world.desk.operations("dev-1")] == [1, 1, 1, 1]


def test_what_was_foreseen_and_did_not_leave_waits_as_ever():
    world = QueueWorld()
    device = world.device()
    location = device.register(lifetime=86400, query=["at=1000"])
    _, two = world.submit("dev-1", "/3/0/1", "/3/0/2")
    world.keeper.holds = True
    answer_next(device)
    world.now += 5  # it sleeps before its answer is kept
    world.keeper.release()
    world.finish_turn()
    device.hear_nothing()
    shown = world.shown_operation("dev-1", two)
    assert (shown["state"], shown["attempts"]) == ("PENDING", 0)
    device.update(location)
    assert answer_all(device) == ["/3/0/2"]
    assert world.shown_operation("dev-1", two)["attempts"] == 1


def test_what_was_foreseen_and_is_cancelled_does_not_leave():
    world = QueueWorld()
    device = world.device()
    device.register(lifetime=86400)
    _, two, three = world.submit("dev-1", "/3/0/1", "/3/0/2", "/3/0/3")
    world.keeper.holds = True
    answer_next(device)

    assert cancelled_meanwhile(world, two)["state"] == "FAILED"
    world.finish_turn()
    assert answer_all(device) == ["/3/0/3"]
    assert world.state("dev-1", three) == "SUCCESSFUL"
    assert rows(world) == []


def test_what_cannot_be_kept_first_does_not_leave_and_is_tried_when_it_can():
    world = QueueWorld()
    device = world.device()
    device.register(lifetime=86400, query=["at=1000"])
    world.after(5)
    [one] = world.submit("dev-1", "/3/0/1")
    world.keeper.holds = True
    location = "rd/" + world.shown("dev-1")["registration_id"]
    device.update(location)
    world.keeper.problem = "no space left"
    world.keeper.release()
    world.finish_turn()
    device.hear_nothing()
    shown = world.shown_operation("dev-1", one)
    assert (shown["state"], shown["attempts"], shown["reason"]) == ("PENDING", 0, None)
    world.keeper.problem = None
    world.tick()
    assert answer_all(device) == ["/3/0/1"]
    assert world.shown_operation("dev-1", one)["attempts"] == 1


def test_what_is_cancelled_while_it_is_being_kept_does_not_leave():
    world = QueueWorld()
    device = world.device()
    device.register(lifetime=86400, query=["at=1000"])
    world.after(5)
    one, two = world.submit("dev-1", "/3/0/1", "/3/0/2")
    world.keeper.holds = True
    device.update("rd/" + world.shown("dev-1")["registration_id"])
    device.hear_nothing()

    assert cancelled_meanwhile(world, one)["reason"] == "cancelled"
    world.finish_turn()
    assert answer_all(device) == ["/3/0/2"]
    assert world.state("dev-1", two) == "SUCCESSFUL"


def test_a_device_that_leaves_while_it_is_being_kept_is_not_asked():
    world = QueueWorld()
    device = world.device()
    location = device.register(lifetime=86400, query=["at=1000"])
    world.after(5)
    [one] = world.submit("dev-1", "/3/0/1")
    world.keeper.holds = True
    device.update(location)
    device.leave(location)
    world.keeper.release()
    world.finish_turn()
    shown = world.shown_operation("dev-1", one)
    assert (shown["state"], shown["attempts"]) == ("PENDING", 0)
    device.register(lifetime=86400)
    assert answer_all(device) == ["/3/0/1"]


def test_a_line_of_refusals_ends_without_a_request_and_without_a_deep_stack():
    world = QueueWorld()
    device = world.device()
    device.register(lifetime=86400, query=["at=1000"])
    world.after(5)
    wrong = {"op": "execute", "path": "/3/0/9"}
    ids = world.submit("dev-1", *[wrong] * 1000)
    device.update("rd/" + world.shown("dev-1")["registration_id"])
    device.hear_nothing()
    assert world.state("dev-1", ids[-1]) == "FAILED"
    assert list(world.fleet.scan("pending")) == []


def test_the_next_operation_leaves_once_the_answer_before_it_is_kept():
    """So that a kill can have forgotten one answer of a device at most."""
    world = QueueWorld()
    device = world.device()
    device.register(lifetime=86400)
    _, two = world.submit("dev-1", "/3/0/1", "/3/0/2")
    world.keeper.holds = True
    answer_next(device)
    world.finish_turn()
    world.tick()
    device.hear_nothing()
    assert world.state("dev-1", two) == "PENDING"

    killed = world.restarted(after_s=1)  # the answer was never kept
    killed.device().update("rd/" + killed.shown("dev-1")["registration_id"])
    assert answer_all(killed.device()) == ["/3/0/1", "/3/0/2"]


def test_a_contact_or_a_new_operation_does_not_overtake_an_answer_that_is_being_kept():
    world = QueueWorld()
    device = world.device()
    location = device.register(lifetime=86400)
    world.submit("dev-1", "/3/0/1", "/3/0/2")
    world.keeper.holds = True
    answer_next(device)
    device.update(location)
    device.hear_nothing()
    world.keeper.release()
    world.finish_turn()
    assert answer_next(device) == "/3/0/2"
    world.submit("dev-1", "/3/0/3")
    assert answer_all(device) == ["/3/0/3"]


def test_history_and_ids_survive():
    world = QueueWorld()
    device = world.device()
    device.register(lifetime=86400)
    [one] = world.submit("dev-1", "/3/0/1")
    answer_next(device)
    world = world.restarted()
    assert world.state("dev-1", one) == "SUCCESSFUL"
    [two] = world.submit("dev-1", "/3/0/2")
    assert two > one
    assert two < 2**53


def test_a_time_limit_survives():
    world = QueueWorld()
    [one] = world.submit("dev-1", "/3", valid_until=world.now + world.wall + 60)
    world = world.restarted(after_s=59.9)
    world.tick()
    assert world.state("dev-1", one) == "PENDING"
    world.after(0.2).tick()
    assert world.state("dev-1", one) == "FAILED"


def test_a_row_that_cannot_be_read_stops_nothing():
    world = QueueWorld()
    ids = world.submit("dev-1", "/3/0/1", "/3/0/2")
    key = next(iter(world.fleet.scan("pending")))[0]
    world.fleet.put(
        "pending", [(key, b"\0" * 9 + b"{not json"), (b"short", b"x"), (key + b"x", b"")]
    )
    world = world.restarted()
    assert world.operating.unusable == 2
    device = world.device()
    device.register()
    assert answer_all(device) == ["/3/0/2"]
    assert world.state("dev-1", ids[1]) == "SUCCESSFUL"
    assert world.operating.counters()["operations_unreadable"] >= 1


def test_killed_again_and_again_each_operation_goes_once_per_contact_and_in_order():
    """10,000 operations on 100 devices, some of which answer, with kills in between."""
    rng = random.Random(5)
    world = QueueWorld()
    names = [f"dev-{number}" for number in range(100)]
    addresses = {name: f"192.0.2.{number}:5683" for number, name in enumerate(names)}
    for name in names:
        world.device(addresses[name]).register(name, lifetime=86400, query=["at=1000"])
    world.after(10)
    for name in names:
        world.submit(name, *[path(n) for n in range(100)])
    answered: dict[str, list[str]] = {name: [] for name in names}
    for _ in range(20):
        world = world.restarted(after_s=30)
        for name in names:
            device = world.device(addresses[name])
            device.hear_nothing()
            device.update("rd/" + world.shown(name)["registration_id"])
            for _ in range(rng.randrange(1, 60)):
                if not device.inbox:
                    break
                heard = device.hear()
                device.hear_nothing()
                answered[name].append(path_of(heard))
                device.answer(heard, options=[(12, b"")], payload=b"7")
            for _, left in device.hear_all():  # heard, and not answered before the kill
                device.acknowledge(left)
    assert all(paths == [path(n) for n in range(100)] for paths in answered.values())
    assert list(world.fleet.scan("pending")) == []
