"""What a device reports, as it leaves and comes back, over restarts, and when the store refuses."""

from scripted import (
    ACK,
    CON,
    DELETE,
    OBSERVATIONS,
    OBSERVE,
    POST,
    RST,
    UNIX,
    World,
    reachable,
    register,
    request,
)

PATH = b"3303/0/5700"


def rows(world):
    return {key: value for (table, key), value in world.rows.items() if table == OBSERVATIONS}


def observed(world=None, *paths):
    world, device = reachable(world)
    return world, device, [device.observed(path).token for path in paths or (PATH.decode(),)]


def holding(world):
    world.commits_by_itself = False
    return world


def number_of(world):
    return world.engine.observations("dev-1")[0]["number"]


# Leaving


def test_a_deregister_drops_them_in_the_same_turn():
    world = World()
    device = world.device()
    location = device.register()
    tokens = [device.observed(path).token for path in ("1", "2")]
    holding(world)
    device.send(request(DELETE, location, mid=9))
    (output,) = world.waiting
    assert output.changes.count(b"dev-1") == 3
    world.commit()
    assert world.rows == {}
    assert world.count("observations_current") == 0
    device.inbox.clear()
    for token in tokens:
        device.notify(token, 2)
        assert device.hear().type == RST


def test_expiry_and_the_operator_drop_them_too():
    world = World()
    for name, address in (("dev-1", "192.0.2.1:1"), ("dev-2", "192.0.2.2:2")):
        device = world.device(address)
        device.register(name, lifetime=60)
        world.observe(name)
        device.agree(device.hear())
    assert len(rows(world)) == 2
    world.deregister("dev-1")
    assert len(rows(world)) == 1
    world.after(60 + 94)
    assert rows(world) == {}
    assert world.count("observations_current") == 0
    assert world.count("observations_ended") == 2


def test_who_comes_back_after_leaving_reports_nothing():
    world = World()
    device = world.device()
    location = device.register()
    device.observed()
    device.leave(location)
    device.register()
    assert world.engine.observations("dev-1") == []


def test_an_observe_under_way_ends_with_the_registration():
    world = World()
    device = world.device()
    location = device.register()
    call = world.observe()
    device.hear()
    device.leave(location)
    assert world.outcomes() == [(call, "cancelled")]
    assert world.rows == {}


# Registering anew without leaving


def test_a_second_register_makes_them_lapse():
    world, device, (token, _) = observed(None, "1", "2")
    before = rows(world)
    world.kinds()
    device.register(lifetime=86400)
    assert world.states() == {b"1": "lapsed", b"2": "lapsed"}
    assert rows(world) == before, "no row needs to be written for it"
    (event,) = world.events
    assert event.data["lapsed_observations"] == 2
    device.notify(token, 2)
    assert device.hear().type == RST
    assert world.reports == []


def test_one_that_has_lapsed_is_asked_for_anew_and_keeps_its_number():
    world, device, (token,) = observed()
    number = number_of(world)
    device.register(lifetime=86400)
    asked = device.observed()
    assert asked.token != token
    assert number_of(world) == number
    assert world.states() == {PATH: "active"}
    device.notify(asked.token, 2, b"v")
    assert world.told() == [b"v"]


def test_one_that_has_lapsed_stays_so_until_the_device_answers():
    world, device, _ = observed()
    device.register(lifetime=86400)
    call = world.observe(timeout_s=5)
    assert world.states() == {PATH: "pending"}
    world.after(10)
    assert world.outcomes() == [(call, "timeout")]
    assert world.states() == {PATH: "lapsed"}
    device.inbox.clear()
    device.observed()
    assert world.states() == {PATH: "active"}


def test_one_that_has_lapsed_is_forgotten_without_asking_the_device():
    world, device, _ = observed()
    device.register(lifetime=86400)
    assert world.unobserve(number_of(world), active=True) is None
    device.hear_nothing()
    assert (world.engine.observations("dev-1"), rows(world)) == ([], {})


def test_without_reestablish_they_end_with_the_registration():
    world, device, (token,) = observed(World(reporting={"reestablish": False}))
    device.register(lifetime=86400)
    assert (world.engine.observations("dev-1"), rows(world)) == ([], {})
    assert world.events[-1].data["lapsed_observations"] == 0
    device.notify(token, 2)
    assert device.hear().type == RST


def test_an_observe_under_way_ends_when_the_device_registers_anew():
    world, device = reachable()
    call = world.observe()
    device.hear()
    device.register(lifetime=86400)
    assert world.outcomes() == [(call, "cancelled")]
    assert (world.engine.observations("dev-1"), rows(world)) == ([], {})


def test_an_update_leaves_them_as_they_are():
    world = World()
    device = world.device()
    location = device.register()
    token = device.observed().token
    device.update(location, query=["lt=50"], payload=b"</3303/0>")
    device.notify(token, 2, b"v")
    assert world.told() == [b"v"]


# Restarting


def test_after_a_restart_a_notification_is_matched_at_once():
    world, device, (token,) = observed()
    before = world.engine.observations("dev-1")
    device.notify(token, 900)
    after = world.restarted(3600)
    assert after.passed_over == 0
    assert after.engine.observations("dev-1") == before
    after.device().notify(token, 5, b"v", kind=CON)
    assert after.device().hear().type == ACK
    (report,) = after.reports
    assert report[:2] == (0, before[0]["number"])
    assert (report.payload, report.at) == (b"v", UNIX + 3600)
    after.device().notify(token, 4)
    assert len(after.reports) == 1, "and from here on in order"


def test_after_a_restart_it_is_cancelled_with_the_request_that_was_stored():
    world, device = reachable()
    asked = device.observed()
    after = world.restarted()
    after.unobserve(number_of(after), active=True)
    cancel = after.device().hear()
    assert (cancel.token, cancel.path) == (asked.token, asked.path)
    assert cancel.option(OBSERVE) == b"\1"


def test_what_has_lapsed_has_lapsed_after_a_restart_too():
    world, device, (token,) = observed()
    device.register(lifetime=86400)
    after = world.restarted()
    assert after.states() == {PATH: "lapsed"}
    after.device().notify(token, 2)
    assert after.device().hear().type == RST
    asked = after.device().observed()
    assert after.states() == {PATH: "active"}
    assert asked.token != token
    assert len(rows(after)) == 1


def test_what_has_lapsed_goes_at_a_restart_that_does_not_keep_it():
    world, device, _ = observed()
    device.register(lifetime=86400)
    after = world.restarted(reporting={"reestablish": False})
    assert after.engine.observations("dev-1") == []
    after.after(61)
    assert rows(after) == {}


def test_one_that_was_never_answered_is_not_loaded():
    world, device = reachable()
    world.observe()
    asked = device.hear()
    after = world.restarted()
    assert after.engine.observations("dev-1") == []
    after.after(61)
    assert rows(after) == {}
    after.device().notify(asked.token, 2)
    assert after.device().hear().type == RST


def test_one_asked_for_anew_when_the_server_stopped_has_lapsed_and_a_notification_shows_more():
    world, device, _ = observed()
    world.observe()
    asked = device.hear()
    after = world.restarted()
    assert after.states() == {PATH: "lapsed"}
    after.device().notify(asked.token, 2, b"v")
    assert after.told() == [b"v"]
    assert after.states() == {PATH: "active"}
    assert after.restarted().states() == {PATH: "active"}


def test_new_ones_take_free_places_and_new_numbers_after_a_restart():
    world, _, _ = observed(None, "1", "2", "3")
    numbers = {o["context"]: o["number"] for o in world.engine.observations("dev-1")}
    world.unobserve(numbers[b"2"])
    after = world.restarted()
    after.device().observed("4")
    after.device().observed("5")
    found = {o["context"]: o["number"] for o in after.engine.observations("dev-1")}
    assert found.keys() == {b"1", b"3", b"4", b"5"}
    assert len(set(found.values())) == 4
    assert found[b"4"] not in numbers.values()
    assert len(rows(after)) == 4
    assert after.restarted().states().keys() == found.keys()


# A store that refuses


def test_a_refused_observe_was_never_asked():
    world, device = reachable()
    holding(world)
    call = world.observe()
    world.refuse()
    device.hear_nothing()
    assert world.outcomes() == [(call, "store")]
    assert world.engine.observations("dev-1") == []
    assert world.count("observations_current") == 0
    world.commits_by_itself = True
    device.observed()


def test_a_refused_second_observe_leaves_the_first():
    world, device, (token,) = observed()
    before = world.engine.observations("dev-1")
    holding(world)
    call = world.observe()
    world.refuse()
    assert world.outcomes() == [(call, "store")]
    assert world.engine.observations("dev-1") == before
    device.notify(token, 2, b"v")
    assert world.told() == [b"v"]


def test_a_refused_deregister_leaves_them():
    world = World()
    device = world.device()
    location = device.register()
    tokens = {path: device.observed(path).token for path in ("1", "2", "3")}
    before = world.engine.observations("dev-1")
    holding(world)
    device.send(request(DELETE, location, mid=9))
    world.refuse()
    assert device.hear().code == "5.03"
    assert world.engine.observations("dev-1") == before
    assert len(rows(world)) == 3
    for token in tokens.values():
        device.notify(token, 2)
    assert len(world.told()) == 3


def test_a_refused_register_leaves_them_standing():
    world, device, (token,) = observed()
    holding(world)
    device.send(register(mid=9, lifetime=86400))
    assert world.states() == {PATH: "lapsed"}
    device.notify(token, 2, kind=CON)
    device.hear_nothing()
    world.refuse()
    assert device.hear().code == "5.03"
    assert world.states() == {PATH: "active"}
    device.notify(token, 3, b"v")
    assert world.told() == [b"v"]


def test_a_refused_register_that_does_not_keep_them_leaves_them_too():
    world, device, (token,) = observed(World(reporting={"reestablish": False}))
    holding(world)
    device.send(register(mid=9, lifetime=86400))
    world.refuse()
    assert device.hear().code == "5.03"
    device.notify(token, 2, b"v")
    assert world.told() == [b"v"]


def test_a_refused_passive_cancel_leaves_it():
    world, device, (token,) = observed()
    before = world.engine.observations("dev-1")
    holding(world)
    world.unobserve(number_of(world))
    device.notify(token, 2, kind=CON)
    device.hear_nothing()
    world.refuse()
    assert world.engine.observations("dev-1") == before
    device.notify(token, 3, b"v")
    assert world.told() == [b"v"]


def test_what_the_device_has_ended_is_ended_whatever_the_store_says():
    world, device, (token,) = observed()
    holding(world)
    device.notify(token, None, code="4.04", options=[])
    assert len(world.reports) == 1
    world.refuse()
    assert world.engine.observations("dev-1") == []
    device.notify(token, 3)
    assert device.hear().type == RST
    assert len(rows(world)) == 1
    world.commits_by_itself = True
    world.after(61)
    assert rows(world) == {}
    assert world.count("observations_current") == 0


def test_an_error_notification_without_a_store_is_written_down_later():
    world, device, (token,) = observed()
    world.engine.store_works = False
    device.notify(token, None, code="4.04", options=[])
    assert world.engine.observations("dev-1") == []
    assert len(rows(world)) == 1
    world.engine.store_works = True
    world.after(61)
    assert rows(world) == {}


def test_an_answer_whose_row_is_refused_is_written_down_later():
    world, device = reachable()
    world.observe()
    asked = device.hear()
    holding(world)
    device.agree(asked)
    assert world.answers[0].observation > 0
    world.refuse()
    assert world.states() == {PATH: "active"}
    world.commits_by_itself = True
    world.after(61)
    assert world.restarted().states() == {PATH: "active"}


def test_a_place_that_a_refused_observe_had_is_taken_again():
    world, device = reachable(World(reporting={"max_observations": 2}))
    holding(world)
    world.observe(path="1")
    world.observe(path="2")
    world.refuse()
    world.commits_by_itself = True
    world.outcomes()
    for path in ("3", "4"):
        device.observed(path)
    assert world.states() == {b"3": "active", b"4": "active"}


def test_everything_in_one_refused_turn_after_another_comes_back():
    world = World()
    device = world.device()
    location = device.register()
    for path in ("1", "2"):
        device.observed(path)
    before, kept = world.engine.observations("dev-1"), rows(world)
    holding(world)
    world.observe(path="1")
    world.unobserve(before[1]["number"])
    world.observe(path="3")
    device.send(register(mid=900))
    world.observe(path="4")
    world.observe(path="2")
    device.send(request(POST, location, mid=901))
    world.deregister("dev-1")
    device.send(register(mid=902))
    world.refuse()
    assert world.engine.observations("dev-1") == before
    assert rows(world) == kept
    assert {outcome for _, outcome in world.outcomes()} <= {"store", "cancelled"}
    assert world.count("requests_current") == 0
    world.commits_by_itself = True
    device.inbox.clear()
    device.observed("5")
    assert len(rows(world)) == 3
