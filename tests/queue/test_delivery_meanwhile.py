"""What is shown and done of an operation while its newest row is still being kept."""

from __future__ import annotations

from queue_kit import QueueWorld, answer_next


def registered() -> tuple[QueueWorld, object]:
    world = QueueWorld()
    device = world.device()
    device.register(lifetime=86400)
    return world, device


def test_what_has_ended_and_is_not_kept_yet_is_still_in_the_list():
    world, device = registered()
    one, two = world.submit("dev-1", "/3/0/0", "/3/0/1")
    world.keeper.holds = True
    answer_next(device)
    assert world.states("dev-1") == [(two, "PENDING"), (one, "EXECUTING")]
    world.keeper.release()
    assert world.states("dev-1") == [(two, "EXECUTING"), (one, "SUCCESSFUL")]
    world.keeper.holds = True
    world.operating.desk.cancel_all("dev-1", "cancelled")
    assert [each for each, _ in world.states("dev-1")] == [two, one]
    world.keeper.release()
    assert world.states("dev-1") == [(two, "FAILED"), (one, "SUCCESSFUL")]
    assert world.operating.dispatch.delivery._leaving == {}


def test_an_attempt_that_is_not_kept_yet_counts_when_it_is_sent_again():
    world, device = registered()
    [one] = world.submit("dev-1", "/3/0/0")
    world.keeper.holds = True
    world.after(200)
    device.hear_all()
    shown = world.shown_operation("dev-1", one)
    assert (shown["state"], shown["attempts"], shown["reason"]) == ("PENDING", 1, "timeout")
    device.ask(2, "rd/" + world.shown("dev-1")["registration_id"])
    world.keeper.release()
    assert world.shown_operation("dev-1", one)["attempts"] == 2
    assert world.operating.dispatch.delivery._unkept == {}


def test_one_whose_time_is_over_while_it_could_not_be_sent_expires():
    world, device = registered()
    [one] = world.submit("dev-1", "/3/0/0", valid_until=world.now + world.wall + 5)
    device.hear()
    delivery = world.operating.dispatch.delivery
    operation = delivery._running["dev-1"][0]
    world.at(world.now + 6)
    delivery.expire(world.now + world.wall)  # under way, so it is left out, once
    delivery._not_sent(operation, is_kept=True)
    delivery.later.clear()  # the device is never heard again
    world.tick()
    assert world.shown_operation("dev-1", one)["reason"] == "expired"


def test_of_what_a_register_supersedes_the_attempt_stays():
    world, device = registered()
    world.do(world.operating.post_registration.replace(["read /3/0/0"], Puts(world), "default"))
    device.register(lifetime=86400)
    device.hear()
    world.keeper.holds = True
    device.register(lifetime=86400)
    world.keeper.release()
    ended = world.desk.operations("dev-1")[-1]
    assert (ended["state"], ended["reason"], ended["attempts"]) == ("FAILED", "superseded", 1)


class Puts:
    """Keeps rows for who waits until they are."""

    def __init__(self, world: QueueWorld) -> None:
        self.fleet = world.fleet

    async def put(self, changes: object) -> None:
        self.fleet.apply(changes)


def test_a_serialization_counts_for_what_was_asked_under_it_also_when_it_is_sent_later():
    world = QueueWorld()
    tlv, cbor, senml = b"\x2d\x16", b"\x3c", b"\x6e"
    world.settings.set("dev-1", serializationFormat="SENML_JSON")
    read = {"op": "read", "path": "/3/0/9"}
    world.submit(
        "dev-1", {**read, "serialization": "TLV"}, {**read, "serialization": "DEFAULT"}, read
    )
    device = world.device()
    device.register(lifetime=86400)
    asked = []
    for _ in range(3):
        heard = device.hear()
        asked.append(heard.option(17))
        device.answer(heard, "2.05", options=[(12, cbor)], payload=b"\x07")
    assert asked == [tlv, cbor, senml]  # of itself this device is asked for CBOR
