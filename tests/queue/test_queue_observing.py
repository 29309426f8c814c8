"""Observing through the queue, giving it up, and observing again after a re-registration."""

from __future__ import annotations

import pytest
from queue_kit import QueueWorld, answer_next, asked, path_of
from scripted import ACK, write

from lwm2m_fast.core.orders import parse_order
from lwm2m_fast.errors import StoreError
from lwm2m_fast.faults import Faults
from lwm2m_fast.queue.kept_attributes import NAMESPACE as ATTRIBUTES

RST = 3
OBSERVE, CONTENT_FORMAT = 6, 12


def observed(*paths: str, **parts):
    """A device that reports `paths`."""
    world = QueueWorld(**parts)
    device = world.device()
    device.register(lifetime=86400)
    for path in paths:
        world.submit("dev-1", {"op": "observe", "path": path})
        agree(device)
    return world, device


def agree(device, number: int = 1) -> str:
    """Answer an Observe with a notification to come; its path."""
    heard = device.hear()
    assert heard.option(OBSERVE) == b""
    options = [(OBSERVE, bytes([number])), (CONTENT_FORMAT, b"")]
    device.answer(heard, options=options, payload=b"7")
    return path_of(heard)


def test_that_it_stands_is_told_once_the_store_has_it():
    world = QueueWorld()
    device = world.device()
    device.register(lifetime=86400)
    waiting: list = []
    world.operating.calls._when_kept = waiting.append
    [number] = world.submit("dev-1", {"op": "observe", "path": "/3/0/9"})
    agree(device)
    assert [name for name, _, _ in world.ear.heard] == ["dev-1"]  # its value is not held up
    assert world.state("dev-1", number) == "EXECUTING"
    waiting.pop()()
    world.finish_turn()
    assert world.state("dev-1", number) == "SUCCESSFUL"
    assert waiting == []


class Broken:
    """The engine, but for what it says of observations."""

    def __init__(self, engine, observations) -> None:
        self._engine, self.observations = engine, observations

    def __getattr__(self, name):
        return getattr(self._engine, name)


def states(world) -> list[str]:
    return [each["state"] for each in world.engine.observations("dev-1")]


def test_an_observe_says_its_number_and_stands():
    world, _ = observed("/3/0/9")
    [shown] = world.desk.operations("dev-1")
    assert shown["state"] == "SUCCESSFUL"
    assert shown["result"]["observation"] > 0
    assert states(world) == ["active"]


def test_a_passive_cancellation_asks_nothing_of_the_device():
    world, device = observed("/3/0/9", "/3/0/13")
    [one] = world.submit("dev-1", {"op": "cancel_observe", "path": "/3/0/9"})
    device.hear_nothing()
    shown = world.shown_operation("dev-1", one)
    assert (shown["state"], shown["result"]["cancelled"]) == ("SUCCESSFUL", 1)
    assert states(world) == ["active"]


def test_an_active_cancellation_asks_the_device():
    world, device = observed("/3/0/9")
    [one] = world.submit("dev-1", {"op": "cancel_observe", "path": "/3/0/9", "mode": "active"})
    heard = device.hear()
    assert heard.number(OBSERVE) == 1
    device.answer(heard, options=[(CONTENT_FORMAT, b"")], payload=b"7")
    assert world.state("dev-1", one) == "SUCCESSFUL"
    assert states(world) == []


@pytest.mark.parametrize("mode", ["passive", "active"])
def test_a_composite_is_given_up_by_its_paths_in_any_order(mode):
    world, device = observed("/3/0/9")
    order = {"op": "observe_composite", "paths": ["/3/0/9", "/3303"], "format": 110}
    [one] = world.submit("dev-1", order)
    heard = device.hear()
    assert (heard.code, heard.option(OBSERVE)) == ("0.05", b"")
    content = [(CONTENT_FORMAT, b"\x6e")]
    device.answer(heard, options=[(OBSERVE, b"\1"), *content], payload=b"[]")
    assert world.state("dev-1", one) == "SUCCESSFUL"
    assert states(world) == ["active", "active"]
    order = {"op": "cancel_composite", "paths": ["/3303", "/3/0/9"], "mode": mode}
    [two] = world.submit("dev-1", order)
    if mode == "active":
        asked_again = device.hear()
        assert (asked_again.number(OBSERVE), asked_again.token) == (1, heard.token)
        device.answer(asked_again, options=content, payload=b"[]")
    device.hear_nothing()
    assert world.state("dev-1", two) == "SUCCESSFUL"
    assert states(world) == ["active"]
    device.notify(heard.token, 2)
    assert device.hear().type == RST


def test_all_are_given_up_together_and_counted():
    world, device = observed("/3/0/9", "/3/0/13")
    [one] = world.submit("dev-1", {"op": "cancel_observe", "path": "/"})
    device.hear_nothing()
    assert world.shown_operation("dev-1", one)["result"]["cancelled"] == 2
    assert states(world) == []


def test_giving_up_what_is_not_observed_fails_with_its_path():
    world, device = observed("/3/0/9")
    [one] = world.submit("dev-1", {"op": "cancel_observe", "path": "/3/0/13"})
    shown = world.shown_operation("dev-1", one)
    assert shown["state"] == "FAILED"
    assert "/3/0/13" in shown["result"]["error"]
    device.hear_nothing()


def test_observing_in_another_format_takes_the_place_of_what_stood():
    world, device = observed("/3/0/9", "/3/0/13")
    before = world.engine.observations("dev-1")
    [one] = world.submit("dev-1", {"op": "observe", "path": "/3/0/9", "format": 110})
    heard = device.hear()
    answer = [(OBSERVE, b"\1"), (CONTENT_FORMAT, b"\x6e")]
    device.answer(heard, options=answer, payload=b'[{"n":"/3/0/9","v":7}]')
    stands = [each["number"] for each in world.engine.observations("dev-1")]
    shown = world.shown_operation("dev-1", one)["result"]
    assert stands == [before[1]["number"], shown["observation"]]


def test_a_composite_of_the_same_paths_in_another_order_takes_the_place_of_what_stood():
    world, device = observed()
    tokens = []
    for paths in (["/3/0/9", "/3303"], ["/3303", "/3/0/9"]):
        world.submit("dev-1", {"op": "observe_composite", "paths": paths, "format": 110})
        heard = device.hear()
        tokens.append(heard.token)
        answer = [(OBSERVE, b"\1"), (CONTENT_FORMAT, b"\x6e")]
        device.answer(heard, options=answer, payload=b"[]")
    assert states(world) == ["active"]
    device.notify(tokens[0], 2)
    assert device.hear().type == RST
    device.notify(tokens[1], 2)
    device.hear_nothing()


def test_of_two_formats_answered_in_one_turn_the_one_asked_for_last_stands():
    world = QueueWorld(coap={"nstart": 2})
    device = world.device()
    device.register(lifetime=86400)
    ended = []
    for number in (110, 0):
        order = parse_order({"op": "observe", "path": "/3/0/9", "format": number})
        world.operating.calls.ask("dev-1", order, 30.0, ended.append)
    world.finish_turn()
    answers = []
    for number, payload in ((110, b'[{"n":"/3/0/9","v":7}]'), (0, b"7")):
        heard = device.hear()
        options = [(OBSERVE, b"\1"), (CONTENT_FORMAT, bytes([number]))]
        answers.append(write(ACK, 0x45, heard.mid, heard.token, options, payload))
    world.receive(*((device.address, each) for each in answers))
    assert all(each.result.ok for each in ended)
    stands = [each["number"] for each in world.engine.observations("dev-1")]
    assert stands == [ended[1].observation]


def test_an_observation_that_cannot_be_compared_keeps_no_answer_back():
    def broken(endpoint):
        raise AssertionError("a fault")

    world, device = observed("/3/0/9", faults=Faults())
    calls = world.operating.calls
    calls._engine = Broken(calls._engine, broken)
    [one] = world.submit("dev-1", {"op": "observe", "path": "/3/0/9", "format": 110})
    heard = device.hear()
    answer = [(OBSERVE, b"\1"), (CONTENT_FORMAT, b"\x6e")]
    device.answer(heard, options=answer, payload=b'[{"n":"/3/0/9","v":7}]')
    assert world.state("dev-1", one) == "SUCCESSFUL"
    assert world.faults.count == 1


def test_what_the_device_does_not_agree_to_observe_leaves_what_stood():
    world, device = observed("/3/0/9")
    [before] = world.engine.observations("dev-1")
    world.submit("dev-1", {"op": "observe", "path": "/3/0/9", "format": 110})
    device.answer(device.hear(), "4.06")
    assert [each["number"] for each in world.engine.observations("dev-1")] == [before["number"]]


def test_after_a_re_registration_attributes_go_first_and_then_each_observe():
    world, device = observed("/3/0/9", "/3/0/13")
    attributes = {"op": "write_attributes", "path": "/3/0/9", "attributes": {"pmin": 5, "pmax": 60}}
    world.submit("dev-1", attributes)
    answer_next(device, "2.04")
    device.register()
    heard = device.hear()
    assert (heard.code, path_of(heard)) == ("0.03", "/3/0/9")
    assert sorted(value for number, value in heard.options if number == 15) == [
        b"pmax=60",
        b"pmin=5",
    ]
    device.answer(heard, "2.04")
    assert agree(device) == "/3/0/9"
    assert agree(device) == "/3/0/13"
    device.hear_nothing()
    assert states(world) == ["active", "active"]
    assert world.operating.counters()["observations_reestablished"] == 2
    assert world.operating.counters()["devices_reestablishing"] == 0


def test_what_waits_in_the_queue_comes_after_the_observes():
    world, device = observed("/3/0/9")
    world.settings.set("dev-1", awakeTimeRegistrationParameter=1000)
    world.after(10)
    world.submit("dev-1", "/3/0/1")
    device.register()
    assert agree(device) == "/3/0/9"
    assert asked(device) == "/3/0/1"


def test_an_update_does_not_observe_again():
    world, device = observed("/3/0/9")
    device.update("rd/" + world.shown("dev-1")["registration_id"])
    device.hear_nothing()


def test_what_the_device_refuses_now_is_given_up():
    world, device = observed("/3/0/9", "/3/0/13")
    device.register()
    answer_next(device, "4.04")
    assert agree(device) == "/3/0/13"
    assert states(world) == ["active"]
    assert world.operating.counters()["observations_given_up"] == 1


def test_a_device_that_does_not_answer_is_observed_at_its_next_contact():
    world, device = observed("/3/0/9", "/3/0/13")
    location = device.register(lifetime=86400)
    assert agree(device) == "/3/0/9"
    world.after(200)
    device.hear_all()
    assert states(world) == ["active", "lapsed"]
    device.update(location)
    assert agree(device) == "/3/0/13"
    assert states(world) == ["active", "active"]


def test_a_sleeping_device_is_observed_again_inside_its_window():
    world, device = observed("/3/0/9")
    world.settings.set("dev-1", awakeTimeRegistrationParameter=1000)
    device.register(lifetime=86400)
    assert agree(device) == "/3/0/9"


def test_attributes_that_were_unset_or_deleted_are_not_sent_again():
    world, device = observed("/3/0/9")
    for attributes in ({"pmin": 5, "pmax": 60}, {"pmin": None}, {"pmax": None}):
        order = {"op": "write_attributes", "path": "/3/0/9", "attributes": attributes}
        world.submit("dev-1", order)
        answer_next(device, "2.04")
    device.register()
    assert agree(device) == "/3/0/9"
    assert list(world.fleet.scan("attributes")) == []


def test_attributes_that_a_cancel_leaves_on_the_device_are_sent_again():
    world = QueueWorld()
    device = world.device()
    device.register(lifetime=86400)
    for attributes in ({"pmin": 5, "epmin": 1}, {"cancel": None}):
        order = {"op": "write_attributes", "path": "/3/0/9", "attributes": attributes}
        world.submit("dev-1", order)
        answer_next(device, "2.04")
    assert list(world.fleet.scan("attributes")) == [(b"dev-1", b'{"/3/0/9":{"epmin":1}}')]


def test_attributes_of_a_device_have_a_bound():
    world, device = observed("/3/0/9")
    for number in range(66):
        order = {
            "op": "write_attributes",
            "path": f"/3303/0/{number}",
            "attributes": {"pmin": 5},
        }
        world.submit("dev-1", order)
        answer_next(device, "2.04")
    assert world.operating.counters()["attributes_not_kept"] == 2


def killed_before_it_observed_again(*paths: str, at: str = ""):
    """Another process, after a Register was kept and before anything was asked for anew."""
    world, device = observed(*paths)
    device.register(lifetime=86400, query=[at] if at else [])
    device.hear()
    world = world.restarted()
    return world, world.device(), "rd/" + world.shown("dev-1")["registration_id"]


def test_after_a_kill_a_device_that_listens_is_observed_again_at_once():
    world, device, _ = killed_before_it_observed_again("/3/0/9", "/3/0/13")
    assert [agree(device), agree(device)] == ["/3/0/9", "/3/0/13"]
    assert states(world) == ["active", "active"]
    assert world.operating.counters()["devices_reestablishing"] == 0


def test_and_one_that_sleeps_with_its_next_update():
    world, device, location = killed_before_it_observed_again("/3/0/9", at="at=1000")
    world.after(5)
    world = world.restarted()
    device = world.device()
    device.hear_nothing()
    assert states(world) == ["lapsed"]
    device.update(location)
    assert agree(device) == "/3/0/9"
    assert states(world) == ["active"]
    device.update(location)
    device.hear_nothing()


def test_and_what_waits_in_its_line_comes_after_that():
    world, device = observed("/3/0/9")
    device.register(lifetime=86400, query=["at=1000"])
    device.hear()
    world.after(5)
    world.submit("dev-1", "/3/0/1")
    world = world.restarted()
    device = world.device()
    device.update("rd/" + world.shown("dev-1")["registration_id"])
    assert agree(device) == "/3/0/9"
    assert asked(device) == "/3/0/1"


def test_one_that_does_not_answer_after_the_kill_is_asked_at_its_next_update():
    world, device, location = killed_before_it_observed_again("/3/0/9")
    device.hear()
    world.after(300)
    device.hear_all()
    assert states(world) == ["lapsed"]
    device.update(location)
    assert agree(device) == "/3/0/9"


def test_after_a_kill_a_full_register_is_a_new_beginning():
    world, device, _ = killed_before_it_observed_again("/3/0/9")
    device.hear()
    device.register(lifetime=86400)
    assert agree(device) == "/3/0/9"
    assert states(world) == ["active"]


def test_after_a_restart_what_stands_is_not_asked_for_again():
    world, _ = observed("/3/0/9")
    world = world.restarted()
    world.device().hear_nothing()
    assert world.engine.lapsed() == []
    assert states(world) == ["active"]


def test_attributes_that_cannot_be_read_do_not_keep_the_answer_from_who_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = QueueWorld()
    device = world.device()
    device.register(lifetime=86400)
    attributes = {"op": "write_attributes", "path": "/3/0/9", "attributes": {"pmin": 5}}
    first, second = world.submit("dev-1", attributes, "/3/0/9")
    get = world.fleet.get

    def broken(namespace: str, key: bytes) -> bytes | None:
        if namespace == ATTRIBUTES:
            raise StoreError("the disk is gone")
        return get(namespace, key)

    monkeypatch.setattr(world.fleet, "get", broken)
    answer_next(device, "2.04")
    answer_next(device)
    assert [world.state("dev-1", each) for each in (first, second)] == ["SUCCESSFUL"] * 2
    assert world.operating is not None
    assert world.operating.counters()["attributes_not_kept"] == 1
