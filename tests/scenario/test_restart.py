"""Another process over the same rows: nobody has to register again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_process import play_apart
from scripted import CONTACTS, REGISTRATIONS, START, UNIX, World

DATED = ("updated_at", "expires_at")


def undated(shown):
    return {key: value for key, value in shown.items() if key not in DATED}


def test_registrations_come_back_as_they_were():
    world = World()
    variety = {
        "plain": {},
        "u\u00f1\u00ed": {"query": ["a=1", "flag", "sms=1", b"raw=\xff"]},
        "old": {"version": "1.0", "query": ["b=UQ"]},
        "new": {"version": "1.2", "query": ["Q", "b=UMH"], "lifetime": 4294967295},
        "forever": {"lifetime": 0},
        "x" * 255: {"payload": b'</a>;rt="oma.lwm2m",</a/3/0>;ver=1.2, </a/5>,'},
        "six": {"address": "[2001:db8::1]:5683"},
        "local": {"address": "[fe80::1%2]:40000"},
    }
    locations = {}
    for number, (name, parts) in enumerate(variety.items()):
        device = world.device(parts.pop("address", f"192.0.2.{number}:5683"))
        locations[name] = (device.address, device.register(name, **parts))
    after = world.restarted(10)
    assert after.passed_over == 0
    assert after.engine.device_count() == len(variety)
    for name, (address, location) in locations.items():
        assert undated(after.shown(name)) == undated(world.shown(name))
        assert after.shown(name)["updated_at"] == UNIX
        after.device(address).update(location)
        assert after.shown(name)["updated_at"] == UNIX + 10


def test_what_left_does_not_come_back():
    world = World()
    device = world.device()
    device.leave(device.register("gone"))
    device.register("stays")
    after = world.restarted()
    assert [shown["endpoint"] for shown in after.engine.devices(0, 10)[0]] == ["stays"]


def test_a_restarted_server_gives_free_slots_to_new_devices():
    world = World(max_devices=3)
    device = world.device()
    locations = [device.register(f"dev-{n}") for n in range(3)]
    device.leave(locations[1])
    after = world.restarted(max_devices=3)
    after.device().register("new-1")
    after.device().register("new-2", expected="5.03")
    after.device().update(locations[0])
    after.device().update(locations[2])
    after.device().update(locations[1], "4.04")


def test_a_restarted_server_does_not_repeat_message_ids_and_tokens():
    world = World()
    world.device().register(lifetime=86400)
    after = world.restarted()
    world.read("dev-1", 3)
    after.read("dev-1", 3)
    before, now = world.device().hear(), after.device().hear()
    assert before.mid != now.mid
    assert before.token != now.token


def test_a_restarted_server_reads_from_its_devices():
    world = World()
    world.device("192.0.2.1:9").register(payload=b'</a>;rt="oma.lwm2m",</a/3/0>')
    after = world.restarted()
    call = after.read("dev-1", 3, 0)
    asked = after.device("192.0.2.1:9").hear()
    assert asked.path == [b"a", b"3", b"0"]
    after.device("192.0.2.1:9").answer(asked)
    assert after.outcomes() == [(call, "answered")]


TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0="), min_size=1, max_size=12
)
NAMED = {"ep", "lt", "lwm2m", "b", "Q"}


@given(
    name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
    lifetime=st.integers(0, 2**32 - 1),
    version=st.sampled_from(["1.0", "1.1", "1.2"]),
    attributes=st.dictionaries(
        TEXT.filter(lambda key: key not in NAMED), st.none() | TEXT, max_size=8
    ),
    objects=st.lists(st.tuples(st.integers(0, 65534), st.integers(0, 65534)), max_size=20),
    down_s=st.floats(0, 1e7),
)
def test_any_registration_comes_back_as_it_was(
    name, lifetime, version, attributes, objects, down_s
):
    world = World()
    query = [key if value is None else f"{key}={value}" for key, value in attributes.items()]
    links = b",".join([b"</3/0>", *(b"</%d/%d>" % pair for pair in objects)])
    location = world.device().register(
        name, lifetime=lifetime, version=version, query=query, payload=links
    )
    after = world.restarted(down_s)
    assert undated(after.shown(name)) == undated(world.shown(name))
    after.device().update(location)
    after.device().leave(location)
    assert after.count("link_sets_current") == 0


# When they end

SLACK = 2 * 60.0


def test_the_deadline_is_as_before_and_generous_by_what_may_be_unwritten():
    world = World()
    world.device().register(lifetime=3600)
    after = world.restarted(100)
    assert after.shown("dev-1")["expires_at"] == UNIX + 3600 + 93 + SLACK
    assert after.shown("dev-1")["updated_at"] == UNIX


def test_a_written_contact_counts():
    world = World()
    location = world.device().register(lifetime=3600)
    world.at(START + 1000)
    world.device().update(location)
    world.at(START + 1061)
    after = world.restarted()
    assert after.shown("dev-1")["updated_at"] == UNIX + 1000
    assert after.shown("dev-1")["expires_at"] == UNIX + 1000 + 3600 + 93 + SLACK


@pytest.mark.parametrize("down_s", [0, 100, 2000])
def test_a_registration_ends_when_it_says_after_a_restart(down_s):
    world = World()
    world.device().register(lifetime=3600)
    world.at(START + 1000)
    after = world.restarted(down_s)
    ends = after.shown("dev-1")["expires_at"] - after.wall
    after.at(ends - 0.1)
    assert after.engine.device_count() == 1
    after.at(ends + 0.3)
    assert after.engine.device_count() == 0


def test_time_in_which_nobody_listened_does_not_count_against_a_device():
    world = World()
    location = world.device().register(lifetime=60)
    after = world.restarted(7 * 86400)
    assert after.shown("dev-1")["expires_at"] == UNIX + 7 * 86400 + 60 + 93
    after.after(152)
    after.device().update(location)
    after.after(152)
    assert after.engine.device_count() == 1
    after.after(2)
    assert after.engine.device_count() == 0


def test_forever_stays_forever():
    world = World(contact_flush_s=3600.0)
    world.device().register(lifetime=0)
    after = world.restarted(86400 * 365, contact_flush_s=3600.0)
    assert after.shown("dev-1")["expires_at"] is None
    after.after(86400 * 30)
    assert after.engine.device_count() == 1


def test_a_clock_that_was_set_back_makes_nobody_live_longer_than_its_lifetime():
    world = World()
    world.device().register(lifetime=3600)
    after = world.restarted(-86400)
    assert after.shown("dev-1")["expires_at"] == UNIX - 86400 + 3600 + 93 + SLACK


def test_the_contact_of_a_slots_former_device_does_not_count():
    world = World()
    device = world.device()
    location = device.register("former", lifetime=86400)
    world.at(START + 10)
    device.update(location)
    world.at(START + 61)
    device.leave(location)
    world.at(START + 100)
    device.register("present", lifetime=86400)
    after = world.restarted()
    assert after.shown("present")["updated_at"] == UNIX + 100


# Rows that are damaged


def stored() -> tuple[bytes, bytes]:
    world = World()
    world.device().register(query=["a=1"])
    ((_, key), value) = next(iter(world.rows.items()))
    return key, value


KEY, VALUE = stored()


def cut(size: int) -> bytes:
    return VALUE[:size]


@pytest.mark.parametrize("size", range(len(VALUE)))
def test_a_row_cut_off_anywhere_is_passed_over(size):
    world = World({(REGISTRATIONS, KEY): cut(size)})
    assert (world.engine.device_count(), world.passed_over) == (0, 1)


@pytest.mark.parametrize(
    "key, value, why",
    [
        (KEY, VALUE + b"x", "longer than it says"),
        (KEY, b"\x02" + VALUE[1:], "of another format"),
        (KEY, VALUE[:1] + b"\xff\xff\xff\xff" + VALUE[5:], "a slot beyond all bounds"),
        (b"", VALUE, "no endpoint"),
        (b"x" * 256, VALUE, "an endpoint too long"),
        (b"\xff\xfe", VALUE, "an endpoint that is no UTF-8"),
        (KEY, VALUE.replace(b"</3/0>", b"</3/0,"), "broken links"),
    ],
)
def test_a_damaged_row_is_passed_over(key, value, why):
    other = VALUE[:1] + bytes([0, 0, 0, 1]) + VALUE[5:]
    world = World({(REGISTRATIONS, b"other"): other, (REGISTRATIONS, key): value}, max_devices=9)
    assert world.passed_over == 1
    assert [shown["endpoint"] for shown in world.engine.devices(0, 10)[0]] == ["other"]


def test_of_two_rows_for_one_slot_one_is_passed_over():
    world = World({(REGISTRATIONS, b"a"): VALUE, (REGISTRATIONS, b"b"): VALUE})
    assert (world.engine.device_count(), world.passed_over) == (1, 1)


def contacts(first: bytes) -> bytes:
    """A row of 64 contacts, of which the first slot has one."""
    return first + first + bytes(16 * 63)


@pytest.mark.parametrize(
    "key, value",
    [
        (b"\0\0\0", bytes(1024)),
        (bytes(4), bytes(1023)),
        (bytes(4), bytes(16)),
        (b"\xff" * 4, bytes(1024)),
        (b"", b""),
    ],
)
def test_a_damaged_contact_is_passed_over(key, value):
    world = World({(REGISTRATIONS, KEY): VALUE, (CONTACTS, key): value})
    assert (world.engine.device_count(), world.passed_over) == (1, 1)


def test_a_contact_of_nobody_is_ignored():
    rows = {(REGISTRATIONS, KEY): VALUE, (CONTACTS, b"\0\0\x07\0"): contacts(b"\0\0\0\1" * 2)}
    assert World(rows).engine.device_count() == 1


def test_the_contacts_of_neighbours_are_one_row_and_each_has_its_own_moment():
    world = World()
    locations = {}
    for number in range(70):
        device = world.device(f"192.0.2.{number + 1}:5683")
        locations[device] = device.register(f"dev-{number}", lifetime=86400)
    for number, (device, location) in enumerate(locations.items()):
        if number % 2:
            device.update(location)
        world.after(1)
    world.after(120)
    assert [key for table, key in world.rows if table == CONTACTS] == [bytes(4), b"\0\0\0\1"]
    shown = {d["endpoint"]: d["updated_at"] for d in world.engine.devices(0, 100)[0]}
    after = world.restarted()
    assert shown == {d["endpoint"]: d["updated_at"] for d in after.engine.devices(0, 100)[0]}
    assert shown["dev-69"] - shown["dev-1"] == 68


def test_a_row_that_was_written_is_written_again_only_when_somebody_in_it_is_heard():
    world = World()
    devices = [world.device(f"192.0.2.{number + 1}:5683") for number in range(3)]
    locations = [each.register(f"dev-{n}", lifetime=86400) for n, each in enumerate(devices)]
    for each, location in zip(devices, locations, strict=True):
        each.update(location)
    turns: list[int] = []
    commit_one = world.commit_one
    world.commit_one = lambda: (turns.append(world.waiting[0].turn), commit_one())
    world.after(61)
    assert len(turns) == 1, "three neighbours are one row in one turn"
    world.after(200)
    assert len(turns) == 1
    devices[2].update(locations[2])
    world.after(61)
    assert len(turns) == 2


def test_a_contact_far_in_the_future_counts_as_now():
    rows = {(REGISTRATIONS, KEY): VALUE, (CONTACTS, bytes(4)): contacts(b"\x7f" + b"\xff" * 7)}
    world = World(rows)
    assert world.shown("dev-1")["updated_at"] == UNIX


BYTES_CHANGED = """
from scripted import REGISTRATIONS, POST, World, request
from test_restart import KEY, VALUE

for at in range(len(VALUE)):
    for bits in (0x01, 0x80, 0xFF):
        value = bytearray(VALUE)
        value[at] ^= bits
        world = World({(REGISTRATIONS, KEY): bytes(value)}, max_devices=1000)
        for shown in world.engine.devices(0, 10)[0]:
            location = "rd/" + shown["registration_id"]
            world.device().send(request(POST, location, mid=1, query=["b=1"]))
            world.device().send(request(POST, location, mid=2, query=["z=1"]))
            world.shown("dev-1")
"""


def test_a_row_with_any_byte_changed_does_no_harm():
    # In a process of its own: this once ended in a crash.
    play_apart(BYTES_CHANGED)
